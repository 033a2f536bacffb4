"""The machine of a capture, once more: its bytes on a real socket, its files in a real folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bridge.errors import Unavailable
from bridge.sniff.capture import Capture, Event

DIAL_SECONDS = 5.0
GOODBYE_SECONDS = 15.0
"""How long a source may take for what it was sent, once everything was."""
FASTEST = 25.0
"""So many times faster runs a folder that is replayed all at once; a socket does not wait at all."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a capture is replayed, and in which pieces."""

    speed: float | None = None
    """So many times as fast as it was recorded; None: all at once."""
    split: int = 0
    """Bytes per packet; 0: as they were recorded."""
    told: Callable[[float], None] = field(default=lambda _: None)
    """Told the share that is done."""

    @property
    def times(self) -> float:
        """Return how many times faster everything runs that waits."""
        return self.speed or FASTEST

    def pieces(self, data: bytes) -> Sequence[bytes]:
        """Return the packets in which bytes are sent."""
        return [data[at : at + self.split] for at in range(0, len(data), self.split)] if self.split else [data]


async def feed_tcp(capture: Capture, port: int, pace: Pace, *, listens: bool, trouble: Callable[[], str]) -> str:
    """Send what was captured, connection by connection as they came; wait until the source has read all of it.

    Args:
        capture: what to send.
        port: the source's port on this machine.
        pace: how fast.
        listens: whether the source listens; else it dials us.
        trouble: says why the source is not open.

    Returns why the source did not take all of it; empty where it did.

    Raises:
        Unavailable: no connection came about.
    """
    async with AsyncExitStack() as stack:
        machine = _Machine(port, trouble)
        if not listens:
            server = await asyncio.start_server(machine.accept, "127.0.0.1", port)
            await stack.enter_async_context(server)
        stack.push_async_callback(machine.hang_up)
        clock = asyncio.get_running_loop().time
        began, first = clock(), capture.events[0].t if capture.events else 0.0
        for number, event in enumerate(capture.events):
            if pace.speed is not None:
                await asyncio.sleep(max(0.0, (event.t - first) / pace.speed - (clock() - began)))
            await machine.repeat(event, pace, listens=listens)
            pace.told((number + 1) / len(capture.events))
        await machine.finish()
        return "; ".join(machine.cut)


class _Machine:
    """The ends of all connections that are open in the replay."""

    def __init__(self, port: int, trouble: Callable[[], str]) -> None:
        self._port = port
        self._trouble = trouble
        self._links: dict[int, tuple[asyncio.StreamWriter, asyncio.Task[None]]] = {}
        self._dialled: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._sent: dict[int, int] = {}
        self.cut: list[str] = []
        """What the source did not take."""

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection of a source that dials."""
        self._dialled.put_nowait((reader, writer))

    async def repeat(self, event: Event, pace: Pace, *, listens: bool) -> None:
        """Do what the machine did."""
        number = event.connection
        if event.what == "machine":
            if number not in self._links:
                await self._connect(number, listens=listens)
            writer, _ = self._links[number]
            for piece in pace.pieces(event.data):
                await self._send(number, writer, piece)
        elif event.what in {"end", "close"} and number in self._links:
            await self._end(number)

    async def finish(self) -> None:
        """End every connection that the capture left open."""
        for number in list(self._links):
            await self._end(number)

    async def hang_up(self) -> None:
        """Cut what is open, because the replay was interrupted."""
        for writer, reading in self._links.values():
            writer.transport.abort()
            reading.cancel()
        await asyncio.gather(*(reading for _, reading in self._links.values()), return_exceptions=True)

    async def _connect(self, number: int, *, listens: bool) -> None:
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                streams = await (self._dial() if listens else self._dialled.get())
        except TimeoutError as exc:
            raise Unavailable(self._trouble() or "the source took no connection") from exc
        self._links[number] = (
            streams[1],
            asyncio.create_task(_read_all(streams[0]), name=f"sniff-replies {number}"),
        )

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.sleep(0.01)  # it is still opening

    async def _send(self, number: int, writer: asyncio.StreamWriter, piece: bytes) -> None:
        """Send one packet, and give the source the time to read it as one."""
        if writer.is_closing() or self._links[number][1].done():
            self._note(number, len(piece))
            return
        with suppress(OSError):
            writer.write(piece)
            await writer.drain()
        for _ in range(3):
            await asyncio.sleep(0)

    async def _end(self, number: int) -> None:
        """Say that nothing more comes, and wait until the source has said the same."""
        writer, reading = self._links.pop(number)
        with suppress(OSError):
            writer.write_eof()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await reading
        except TimeoutError:
            self.cut.append(f"connection {number}: the source did not end it within {GOODBYE_SECONDS:g} s")
        writer.transport.abort()

    def _note(self, number: int, size: int) -> None:
        if not self._sent.get(number):
            self.cut.append(f"connection {number}: the source has closed it before all of it was sent")
        self._sent[number] = self._sent.get(number, 0) + size


async def _read_all(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(1 << 16):
            pass


async def feed_folder(capture: Capture, folder: Path, pace: Pace, look_seconds: float) -> None:
    """Write the files of a capture as the machine did: what grew grows, what was renamed is renamed."""
    steps = history(capture)
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(3 * look_seconds)  # the source has seen the folder empty
    began, first = clock(), steps[0][0].t if steps else 0.0
    for number, (event, data) in enumerate(steps):
        due = (event.t - first) / pace.times - (clock() - began)
        await asyncio.sleep(max(0.0, due if pace.speed else min(due, look_seconds)))
        await asyncio.to_thread(_write, folder, event, data)
        pace.told((number + 1) / len(steps))


def history(capture: Capture) -> Sequence[tuple[Event, bytes]]:
    """Return what happened to files, with what stood in each then.

    What lay there unread at the start is left out, as are names that lead out of the folder.
    """
    files = [event for event in capture.events if event.what == "file" and _inside(event)]
    steps = [event for event in files if event.how != "there" or event.data or not event.size]
    return list(zip(steps, _wholes(steps), strict=True))


def _inside(event: Event) -> bool:
    names = (event.path, event.before or event.path)
    return not any(name.startswith(("/", "\\")) or ".." in Path(name).parts or "\0" in name for name in names)


def _wholes(steps: Sequence[Event]) -> Sequence[bytes]:
    """Return for each event what stood in its file then: of one that grows, a part of what was read later."""
    held: dict[str, list[int]] = {}
    for number, event in enumerate(steps):
        if event.how == "renamed":
            held[event.path] = held.pop(event.before, [])
        held.setdefault(event.path, []).append(number)
    found = [b""] * len(steps)
    for numbers in held.values():
        _fill(steps, numbers, found)
    return found


def _fill(steps: Sequence[Event], numbers: Sequence[int], found: list[bytes]) -> None:
    """Tell the story of one file; what was never read of it is nought."""
    now = b""
    for at, number in enumerate(numbers):
        event = steps[number]
        read = next((steps[n] for n in numbers[at:] if steps[n].data), None)
        if read is not None:
            middle = bytes(max(0, read.size - read.offset - len(read.data) - len(read.tail)))
            whole = now[: read.offset].ljust(read.offset, b"\0") + read.data + middle + read.tail
        else:
            whole = now.ljust(event.size, b"\0")
        found[number] = whole[: event.size]
        now = whole if event.data else now


def _write(folder: Path, event: Event, data: bytes) -> None:
    path = folder / event.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if event.how == "gone":
        path.unlink(missing_ok=True)
    elif event.how == "renamed":
        before = folder / event.before
        (before.replace if before.exists() else _touch(before).replace)(path)
    else:
        held = path.read_bytes() if path.exists() else None
        if held and data.startswith(held):
            with path.open("ab") as file:
                file.write(data[len(held) :])
        elif held != data:
            path.write_bytes(data)
    if event.mtime and path.exists():
        os.utime(path, (path.stat().st_atime, event.mtime))


def _touch(path: Path) -> Path:
    path.touch()
    return path
