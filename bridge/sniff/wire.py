"""Recording a machine on TCP: it dials us, we dial it, or we stand between it and its present receiver.

Nothing is ever sent to the machine but TCP's own, with two exceptions that the user asks for by name: an answer to
each message, for a machine that waits for one, and what its receiver says when we stand between the two. An answer
is sent only once the message is on the disk. Passing on never waits for the disk: between two machines the line
counts more than the capture.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from bridge.errors import ConfigError
from bridge.plugin import Unavailable, listening, why
from bridge.sniff.capture import Event, What
from bridge.sniff.tap import Tap

CHUNK_BYTES = 1 << 16
CONNECTIONS = 32
DIAL_SECONDS = 5.0
REDIAL_SECONDS = 1.0
GOODBYE_SECONDS = 1.0
ETX, LF, CR = 0x03, 0x0A, 0x0D

Place: TypeAlias = tuple[str, int]
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Marks:
    """Counts the messages that end in a stream, however it is cut into reads.

    ETX ends one where there is any, else a line end does, CR LF as one; in a stream without either, every read is
    a message.
    """

    def __init__(self) -> None:
        self._etx = self._lines = self._after_cr = False

    def ended(self, data: bytes) -> int:
        """Take what was read; return how many messages it completed."""
        self._etx = self._etx or bytes([ETX]) in data
        if self._etx:
            return data.count(ETX)
        ends = 0
        for byte in data:
            if byte == CR or (byte == LF and not self._after_cr):
                ends += 1
            self._after_cr = byte == CR
        self._lines = self._lines or ends > 0
        return ends if self._lines else 1


@dataclass(frozen=True)
class Ear:
    """How connections of the machine are recorded."""

    tap: Tap
    answer: bytes = b""
    """What the machine is told after each message; empty: nothing."""
    forward: Place | None = None
    """The receiver that everything is passed on to, and whose answers go back."""

    async def hear(self, machine: Streams) -> None:
        """Record one connection until it ends; closes it."""
        number = self.tap.number()
        name = machine[1].get_extra_info("peername") or ("?", 0)
        self.tap.pass_by(Event(what="open", connection=number, peer=f"{name[0]}:{name[1]}"))
        try:
            if self.forward is None:
                await self._listen(machine, number)
            else:
                await self._between(machine, number, self.forward)
        except OSError:
            pass  # it was cut, as machines do
        finally:
            await _close(machine[1])
            self.tap.pass_by(Event(what="close", connection=number))

    async def _listen(self, machine: Streams, number: int) -> None:
        marks = Marks()
        while data := await machine[0].read(CHUNK_BYTES):
            event = Event(what="machine", connection=number, data=data)
            if not self.answer:
                await self.tap.note(event)
            elif await self.tap.note(event, force=True):
                said = self.answer * marks.ended(data)
                machine[1].write(said)
                await machine[1].drain()
                self.tap.pass_by(Event(what="answer", connection=number, data=said))
        self.tap.pass_by(Event(what="end", connection=number))

    async def _between(self, machine: Streams, number: int, place: Place) -> None:
        async with dialled(place) as receiver, asyncio.TaskGroup() as both:
            both.create_task(self._pass(machine[0], receiver[1], "machine", number), name="sniff-to-receiver")
            both.create_task(self._pass(receiver[0], machine[1], "answer", number), name="sniff-to-machine")

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: What, number: int
    ) -> None:
        """Pass on one direction, and its end; who is cut takes the other side along."""
        try:
            while data := await reader.read(CHUNK_BYTES):
                writer.write(data)
                self.tap.pass_by(Event(what=what, connection=number, data=data))
                await writer.drain()
            if what == "machine":
                self.tap.pass_by(Event(what="end", connection=number))
            writer.write_eof()
        except OSError:
            writer.transport.abort()


async def listen(ear: Ear, place: Place, allow: Sequence[str], bound: Callable[[int], None]) -> None:
    """Take connections of the machine until cancelled.

    Args:
        ear: what is done with each.
        place: the address to listen on; port 0 takes a free one.
        allow: the addresses and networks that may connect; every one where none is named.
        bound: told the port, once connections are taken.

    Raises:
        ConfigError: the port cannot be had.
    """
    async with _tasks() as tasks:

        def protocol() -> asyncio.Protocol:
            reader = asyncio.StreamReader(limit=CHUNK_BYTES)
            return asyncio.StreamReaderProtocol(reader, lambda r, w: tasks(_excused(ear.hear((r, w)))))

        try:
            async with listening(protocol, *place, allow=allow, most=CONNECTIONS) as server:
                bound(server.sockets[0].getsockname()[1])
                await asyncio.get_running_loop().create_future()  # until cancelled
        except OSError as exc:
            raise ConfigError(
                "--listen", f"cannot listen on {place[0]}:{place[1]} ({exc.strerror or exc})"
            ) from exc


async def connect(ear: Ear, place: Place, away: Callable[[str], None]) -> None:
    """Dial the machine, again and again, until cancelled; ``away`` is told why whenever it is not there."""
    while True:
        try:
            async with dialled(place) as machine:
                away("")
                await ear.hear(machine)
            away("it closed the connection")
        except Unavailable as exc:
            away(str(exc))
        await asyncio.sleep(REDIAL_SECONDS)


@asynccontextmanager
async def dialled(place: Place) -> AsyncIterator[Streams]:
    """Hold a connection.

    Raises:
        Unavailable: nobody answers there.
    """
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            streams = await asyncio.open_connection(*place, limit=CHUNK_BYTES)
    except TimeoutError as exc:
        raise Unavailable(f"{place[0]}:{place[1]} does not answer") from exc
    except OSError as exc:
        raise Unavailable(f"{place[0]}:{place[1]} cannot be reached: {why(exc)}") from exc
    try:
        yield streams
    finally:
        await _close(streams[1])


async def _excused(hearing: Awaitable[None]) -> None:
    """Let a receiver that is away end this connection only: the machine sees it closed, as without us."""
    try:
        await hearing
    except Unavailable:
        return


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(GOODBYE_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
    except asyncio.CancelledError:
        writer.transport.abort()
        raise


@asynccontextmanager
async def _tasks() -> AsyncIterator[Callable[[Awaitable[None]], None]]:
    """Hold the tasks of connections; leaving cancels them and waits."""
    running: set[asyncio.Task[None]] = set()

    def start(work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        running.add(task)
        task.add_done_callback(running.discard)

    try:
        yield start
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
