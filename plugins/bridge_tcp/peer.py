"""The other side: an old inspector that dials or listens, and an MES; for simulators, the demo and tests."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from bridge.plugin import (
    CHUNK_BYTES,
    ConfigError,
    Habits,
    Inspection,
    Link,
    Mood,
    Unavailable,
    Unreadable,
    Verdict,
    dial,
    leave_pictures,
    listen,
    moody,
    with_habits,
)
from bridge_tcp.codec import write_line, write_part
from bridge_tcp.framing import Frame, Framing
from bridge_tcp.habits import AOI_HABITS, Sender
from bridge_tcp.mes import Document, Mes, as_json, open_mes, serve_mes
from bridge_tcp.options import TcpSourceOptions
from bridge_tcp.templates import template_pattern

__all__ = [
    "Closed",
    "Document",
    "Inspector",
    "Listener",
    "Mes",
    "dial_bridge",
    "open_inspector",
    "open_mes",
    "serve_inspector",
    "serve_mes",
]

Play: TypeAlias = Callable[[Inspection], Awaitable[Verdict | None]]
"""Hands one part over, and returns the answer if there is one; what simulators expect of an inspector."""
ANSWER_SECONDS = 5.0
"""How long a simulated inspector waits for an answer, or for the bridge to dial."""


class Closed(ConnectionError):  # noqa: N818 - it says what happened, like asyncio's own errors of a peer
    """The bridge closed the connection, or none was made in time."""


class Inspector:
    """An old inspector's end of one connection."""

    def __init__(self, link: Link, framing: Framing) -> None:
        self._link = link
        self._framing = framing
        self._replies: deque[Frame] = deque()

    async def send(self, payload: bytes, images: Sequence[bytes] = ()) -> None:
        """Send one part in this connection's framing; wait only while the bridge does not read."""
        await self.send_raw(self.framed(payload, images))

    def framed(self, payload: bytes, images: Sequence[bytes] = ()) -> bytes:
        """Return one part in this connection's framing."""
        return self._framing.encode(payload, images)

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, for instance garbage or half a frame."""
        self._link.writer.write(data)
        await self._link.writer.drain()

    async def reply(self, timeout_seconds: float = 5) -> Frame:
        """Return the next reply.

        Raises:
            Closed: the bridge closed the connection first.
            TimeoutError: none came in time.
        """
        async with asyncio.timeout(timeout_seconds):
            while not self._replies:
                data = await self._link.reader.read(CHUNK_BYTES)
                if not data:
                    raise Closed("the bridge closed the connection")
                self._replies.extend(item for item in self._framing.feed(data) if isinstance(item, Frame))
        return self._replies.popleft()

    @property
    def gone(self) -> bool:
        """True once the bridge has closed its side."""
        return self._link.reader.at_eof() or self._link.writer.is_closing()

    def half_close(self) -> None:
        """Say that nothing more will be sent; replies still arrive."""
        self._link.writer.write_eof()

    def drop(self) -> None:
        """Cut the connection as a pulled plug does, without a goodbye."""
        self._link.writer.transport.abort()


@asynccontextmanager
async def dial_bridge(
    host: str, port: int, framing: Framing, timeout_seconds: float = 5, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Inspector]:
    """Be an inspector that dials a source of the role server."""
    async with dial(host, port, timeout_seconds, tls) as link:
        yield Inspector(link, framing)


class Listener:
    """An inspector that waits for the bridge to dial."""

    def __init__(self, framed: Callable[[], Framing]) -> None:
        self._framed = framed
        self._links: asyncio.Queue[Link] = asyncio.Queue()
        self.links: list[Link] = []
        self.port = 0

    def accept(self, link: Link) -> None:
        """Take a connection of the bridge."""
        self.links.append(link)
        self._links.put_nowait(link)

    async def connection(self, timeout_seconds: float = 5) -> Inspector:
        """Return the next connection that the bridge makes.

        Raises:
            TimeoutError: it made none in time.
        """
        async with asyncio.timeout(timeout_seconds):
            return Inspector(await self._links.get(), self._framed())


@asynccontextmanager
async def serve_inspector(
    framed: Callable[[], Framing], host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Listener]:
    """Be an inspector that listens for a source of the role client; port 0 takes a free one."""
    inspector = Listener(framed)
    async with listen(host, port, inspector.accept, tls) as server:
        await server.start_serving()
        inspector.port = server.sockets[0].getsockname()[1]
        try:
            yield inspector
        finally:
            for link in inspector.links:
                await link.close()


@with_habits(AOI_HABITS)
@asynccontextmanager
async def open_inspector(options: TcpSourceOptions, habits: Habits) -> AsyncIterator[Play]:
    """Be the machine that a source's options tell of, on the other side of the same port.

    Parts go out one at a time. Where the options say that the machine is answered, its answer is awaited.

    Raises:
        ConfigError: the pattern understands no line that this machine can write.
        Unavailable: the port cannot be had; the role client only.
    """
    tls = await asyncio.to_thread(_context, options)
    async with AsyncExitStack() as stack:
        if options.role == "client":
            serving = serve_inspector(options.framed, options.host, options.port, tls)
            listener = await stack.enter_async_context(serving)
            machine = _Machine(options, listener.connection, Sender(options, Mood(habits)))
            yield await stack.enter_async_context(moody(machine.play, habits, options.encoding))
            return

        dialled = await stack.enter_async_context(AsyncExitStack())

        async def redial() -> Inspector:
            await dialled.aclose()
            where = dial_bridge(options.host, options.port, options.framed(), ANSWER_SECONDS, tls)
            return await dialled.enter_async_context(where)

        machine = _Machine(options, redial, Sender(options, Mood(habits)))
        yield await stack.enter_async_context(moody(machine.play, habits, options.encoding))


def _context(options: TcpSourceOptions) -> ssl.SSLContext | None:
    """Return how the machine on the other side of these options speaks TLS."""
    if options.tls is None:
        return None
    return (options.tls if options.role == "client" else options.tls.server()).peer_context()


@dataclass
class _Machine:
    """Plays parts in the way a source's options say, on a connection that it makes when it needs one."""

    options: TcpSourceOptions
    connect: Callable[[], Awaitable[Inspector]]
    sender: Sender
    _inspector: Inspector | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def play(self, part: Inspection) -> Verdict | None:
        """Hand one part over; return the answer if the options ask for one.

        Raises:
            ConfigError: the pattern does not understand the line.
            Unavailable: the bridge is away, or did not answer.
        """
        async with self._turn:
            self.sender.present(self._inspector)
            try:
                if self._inspector is None or self._inspector.gone:
                    self._inspector = await self.connect()
                data = self._inspector.framed(*await self._written(part))
                await self.sender.send(self._inspector, data)
                return self._verdict(await self._inspector.reply(ANSWER_SECONDS)) if self.options.reply else None
            except (OSError, TimeoutError) as exc:
                self._inspector = None
                raise Unavailable(f"the bridge did not take part {part.part}: {exc}") from exc

    async def _written(self, part: Inspection) -> tuple[bytes, Sequence[bytes]]:
        options = self.options
        if options.framing == "len32be":
            return write_part(part)
        if options.images is not None:
            part = await asyncio.to_thread(leave_pictures, options.images, part)
        if options.content == "json":
            return write_part(part)[0], ()
        line = write_line(part, options.words(), options.image_separator or "|")
        self._prove(line, part)
        return line.encode(options.encoding), ()

    def _prove(self, line: str, part: Inspection) -> None:
        """Fail in words rather than play parts that the bridge would misunderstand."""
        try:
            read = self.options.parts()(Frame(line.encode(self.options.encoding)))
        except Unreadable:
            read = None
        if read is None or (read.part, read.legacy) != (part.part, part.legacy):
            raise ConfigError(
                "pattern", f"does not understand the simulated line {line!r}", "leave it out to simulate"
            )

    def _verdict(self, reply: Frame) -> Verdict | None:
        words = self.options.words()
        if self.options.reply == "{json}":
            document = as_json(reply)
            return words.verdict(document.get("verdict")) if document.get("recorded") else None
        pattern = template_pattern(self.options.reply)
        match = pattern.fullmatch(reply.payload.decode(self.options.encoding).strip())
        return words.verdict(match.groupdict().get("verdict")) if match else None
