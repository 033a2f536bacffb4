"""Where recorders put what they hear: one thread writes, and nobody waits for it who need not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridge.sniff.capture import Event, Kind, Writer, writing

WAITING_BYTES = 32 << 20
"""So much may wait for the disk while bytes are passed on; beyond that the capture has a gap, which is counted."""


@dataclass
class Tap:
    """Takes events in order, and knows how the recording does."""

    writer: Writer
    thread: ThreadPoolExecutor
    first: int = 1
    """The number of the next connection."""
    packets: int = 0
    """How many times the machine said something, on the wire or in a file."""
    size: int = 0
    """How many bytes that was."""
    open: int = 0
    """How many connections are open."""
    lost: int = 0
    """Events that are not in the capture because the disk was too slow."""
    failed: str = ""
    """Why the disk takes no more; empty while it does."""
    last: bytes = field(default=b"", repr=False)
    """The newest of what the machine said."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once nothing more is written: the capture is full, or the disk refuses."""
    _waiting: int = 0

    def number(self) -> int:
        """Return the number of a new connection."""
        self.first += 1
        return self.first - 1

    async def note(self, event: Event, *, force: bool = False) -> bool:
        """Write an event; return whether it stands in the file, with ``force`` whatever happens to the power."""
        event = self._seen(event)
        return await asyncio.get_running_loop().run_in_executor(self.thread, self._write, event, force)

    def pass_by(self, event: Event) -> None:
        """Have an event written soon; never waits."""
        event = self._seen(event)
        if self._waiting > WAITING_BYTES:
            self.lost += 1
            return
        self._waiting += len(event.data)
        done = asyncio.get_running_loop().run_in_executor(self.thread, self._write, event, False)  # noqa: FBT003
        done.add_done_callback(lambda _: self._written(len(event.data)))

    def _written(self, size: int) -> None:
        self._waiting -= size

    def _seen(self, event: Event) -> Event:
        if event.what == "machine" or (event.what == "file" and event.data):
            self.packets += 1
            self.size += len(event.data)
            self.last = event.data[-200:]
        self.open += {"open": 1, "close": -1}.get(event.what, 0)
        return replace(event, t=self.writer.now())

    def _write(self, event: Event, force: bool) -> bool:  # noqa: FBT001 - run_in_executor takes no keywords
        """Write in the thread; what the disk refuses ends the recording, not what is passed on."""
        if self.failed:
            return False
        try:
            written = self.writer.write(event, force=force)
        except OSError as exc:
            self.failed = exc.strerror or str(exc)
            written = False
        if not written:
            self._loop.call_soon_threadsafe(self.ended.set)
        return written

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()


@asynccontextmanager
async def tapping(path: Path, kind: Kind, origin: str, limit: int) -> AsyncIterator[Tap]:
    """Hold a capture file open for recorders; leaving writes what still waits.

    Raises:
        ConfigError: the file cannot be written, is no capture, or one of another kind.
    """
    held = writing(path, kind, origin, limit)
    writer, before = await asyncio.to_thread(held.__enter__)
    numbers = [event.connection for event in before.events]
    thread = ThreadPoolExecutor(1, thread_name_prefix="sniff")
    try:
        yield Tap(writer, thread, first=max(numbers, default=0) + 1)
    finally:
        await asyncio.to_thread(thread.shutdown)
        await asyncio.to_thread(held.__exit__, None, None, None)
