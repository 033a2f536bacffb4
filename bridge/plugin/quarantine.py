"""Where a source puts what it could not understand: kept with its reason, counted, bounded."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from bridge.health import count


@dataclass(frozen=True)
class Quarantine:
    """A folder of unreadable input; each entry is the bytes and, beside them, a ``.json`` saying why.

    When more than ``keep`` entries are there the oldest go; their number stays in the count ``quarantined``.
    ``put`` blocks on the disk: call it from a thread.
    """

    folder: Path
    keep: int = 1000
    keep_bytes: int = 1 << 20
    """Only the first so many bytes of an entry are kept."""

    def put(self, data: bytes, reason: str, origin: str = "") -> Path:
        """Keep what was received; return the file written."""
        count("quarantined")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._write(data[: self.keep_bytes])
        facts = {"reason": reason, "origin": origin, "bytes": len(data), "at": time.time()}
        path.with_suffix(".json").write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")
        for old in sorted(self.folder.glob("*.json"))[: -self.keep]:
            old.with_suffix(".bin").unlink(missing_ok=True)
            old.unlink(missing_ok=True)
        return path

    def _write(self, data: bytes) -> Path:
        """Write to a name that sorts by time and that nobody else took in the same moment."""
        now = time.time_ns()
        while True:
            path = self.folder / f"{now:020d}.bin"
            try:
                with path.open("xb") as file:
                    file.write(data)
            except FileExistsError:
                now += 1
            else:
                return path
