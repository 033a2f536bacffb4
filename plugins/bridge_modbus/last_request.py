"""The last request that was taken, kept on the disk: what is asked for again after a crash is the same part.

A PLC whose request was cut short by our restart asks again with the same CMD_SEQ. It must get the decision that
the journal holds for it, so the key of the presentation must be the same. Where the file is lost, the key is a new
one and the part is decided anew; a key is never used for another part.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import asdict
from pathlib import Path

from bridge.plugin import logger
from bridge_modbus.effects import Asked, Last

FILE = "last-request.json"


def new_boot() -> str:
    """Return a name that no run of the PLC had before."""
    return secrets.token_hex(5)


class LastRequest:
    """Keeps the newest one in a folder, in its own time: no part waits for this disk."""

    def __init__(self, folder: Path, last: Last | None) -> None:
        self.last = last
        self._path = folder / FILE
        self._changed = asyncio.Event()
        self._in_trouble = False

    @classmethod
    async def recall(cls, folder: Path) -> LastRequest:
        """Return what was kept there, or nothing where it cannot be read."""
        return cls(folder, await asyncio.to_thread(_read, folder / FILE))

    def keep(self, last: Last | None) -> None:
        """Have this one written."""
        if last != self.last:
            self.last = last
            self._changed.set()

    async def run(self) -> None:
        """Write whatever is to be kept, until cancelled; what is left then is written before this ends."""
        try:
            while True:
                await self._changed.wait()
                await self._written()
        finally:
            if self._changed.is_set():
                await self._written()

    async def _written(self) -> None:
        """Write in a thread, and see to its end: it goes on when we are cancelled."""
        self._changed.clear()
        writing = asyncio.ensure_future(asyncio.to_thread(self._write, self.last))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing
            raise

    def _write(self, last: Last | None) -> None:
        try:
            _write(self._path, last)
        except OSError as exc:
            if not self._in_trouble:  # once, not for each part: a full disk must not be filled by saying so
                logger().warning("the last request cannot be kept", file=str(self._path), reason=exc.strerror)
            self._in_trouble = True
        else:
            self._in_trouble = False


def _read(path: Path) -> Last | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Last(boot=said["boot"], asked=Asked(**said["asked"]), acknowledged=said["acknowledged"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, last: Last | None) -> None:
    if last is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(last)), encoding="utf-8")
    fresh.replace(path)
