"""Where a source puts what it could not understand: kept with its reason, counted, bounded."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.health import count
from bridge.log import logger
from bridge.plugin.task_group import together


@dataclass
class _Kept:
    """What lies in the folder, oldest first, so that nobody lists it for every entry."""

    sizes: deque[tuple[str, int]] = field(default_factory=deque)
    """Names only: a thousand paths take half a megabyte."""
    total: int = 0
    known: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, size: int) -> None:
        self.sizes.append((name, size))
        self.total += size

    def oldest(self) -> str:
        name, size = self.sizes.popleft()
        self.total -= size
        return name


@dataclass(frozen=True)
class Quarantine:
    """A folder of unreadable input; each entry is the bytes and, beside them, a ``.json`` saying why.

    When there are more than ``keep`` entries, or they hold more than ``total_bytes``, the oldest go; their number
    stays in the count ``quarantined``. ``put`` blocks on the disk: call it from a thread, several may. One object
    alone writes to a folder.
    """

    folder: Path
    keep: int = 1000
    keep_bytes: int = 1 << 20
    """Only the first so many bytes of an entry are kept."""
    total_bytes: int = 64 << 20
    """All entries together, the newest apart."""
    _kept: _Kept = field(default_factory=_Kept, repr=False, compare=False)

    def put(self, data: bytes, reason: str, origin: str = "") -> Path:
        """Keep what was received; return the file written."""
        count("quarantined")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._kept.lock:
            if not self._kept.known:
                self._look()
            path = self._write(data[: self.keep_bytes])
            facts = {"reason": reason, "origin": origin, "bytes": len(data), "at": time.time()}
            path.with_suffix(".json").write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")
            self._prune()
        return path

    def _look(self) -> None:
        """Find what an earlier run has left."""
        for path in sorted(self.folder.glob("*.bin")):
            self._kept.add(path.name, path.stat().st_size)
        self._kept.known = True

    def _prune(self) -> None:
        kept = self._kept
        while len(kept.sizes) > max(self.keep, 1) or (kept.total > self.total_bytes and len(kept.sizes) > 1):
            old = self.folder / kept.oldest()
            old.unlink(missing_ok=True)
            old.with_suffix(".json").unlink(missing_ok=True)

    def _write(self, data: bytes) -> Path:
        """Write to a name that sorts by time and that nobody else took in the same moment."""
        now = time.time_ns()
        while True:
            path = self.folder / f"{now:020d}.bin"
            try:
                file = path.open("xb")
            except FileExistsError:
                now += 1
                continue
            with file:
                self._kept.add(path.name, len(data))  # also if the disk is full: then there is a beginning of it
                file.write(data)
            return path


WAITING = 64
"""How many entries may wait for the disk; further ones are counted and not kept."""
SAMPLE_BYTES = 1 << 16
"""How much of an entry is kept while it waits."""


class Rejects:
    """What a source could not understand, on its way to its quarantine; no part ever waits for it."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._waiting: asyncio.Queue[tuple[bytes, str, str] | None] = asyncio.Queue(WAITING)

    def put(self, data: bytes | bytearray | memoryview, reason: str, origin: str = "") -> None:
        """Put what was not understood aside; never waits."""
        try:
            self._waiting.put_nowait((bytes(data[:SAMPLE_BYTES]), reason, origin))
        except asyncio.QueueFull:
            count("quarantine_full")

    async def run(self) -> None:
        """Write until ``end``; a full disk stops nothing else."""
        while (entry := await self._waiting.get()) is not None:
            try:
                await asyncio.to_thread(self._quarantine.put, *entry)
            except OSError as exc:
                count("quarantine_failed")
                logger().warning("quarantine cannot be written", error=str(exc))

    async def end(self) -> None:
        """Have what waits written, and no more."""
        await self._waiting.put(None)


@asynccontextmanager
async def rejecting(home: Path) -> AsyncIterator[Rejects]:
    """Hold the quarantine of a source in the folder that is its own; leaving waits for what is to be written."""
    rejects = Rejects(Quarantine(home / "quarantine"))
    async with together() as tasks:
        tasks.create_task(rejects.run(), name="quarantine")
        yield rejects
        await rejects.end()
