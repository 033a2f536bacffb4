"""Connections with manners: every dial and goodbye has a timeout, and a dead peer is noticed."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from bridge.errors import Unavailable
from bridge.plugin.door import listening
from bridge.plugin.tls import ClientTls, why

CHUNK_BYTES = 1 << 16
"""How much is read at once, and about how much is held for a reader that is busy."""
GOODBYE_SECONDS = 1.0
"""How long the last bytes may take to leave."""
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES = 30, 10, 3
"""Seconds of silence, seconds between probes, probes: a pulled cable is noticed within a minute."""
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER for zero seconds: closing sends RST, and what was not delivered is forgotten."""


@dataclass(frozen=True, slots=True)
class Link:
    """One open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    peer: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the peer sends nothing more, whoever reads or does not; for a connection that we have dialled."""

    def forget(self) -> None:
        """Cut the connection so that what has not been delivered never is: a late word tells of another part."""
        raw = self.writer.get_extra_info("socket")
        with suppress(OSError, AttributeError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.writer.transport.abort()

    async def close(self) -> None:
        """Send what is left and close, within the time of a goodbye; then without it. Never raises OSError."""
        self.writer.close()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.writer.wait_closed()
        except (OSError, TimeoutError):
            self.writer.transport.abort()
        except asyncio.CancelledError:
            self.writer.transport.abort()
            raise


class _Reader(asyncio.StreamReader):
    """A reader that says when nothing more comes, also to who is not reading."""

    def __init__(self) -> None:
        super().__init__(limit=CHUNK_BYTES, loop=asyncio.get_running_loop())
        self.ended = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.ended.set()


def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Link:
    """Wrap a fresh connection, and have the system probe it while it is silent."""
    raw = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError):  # not every system knows every setting
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    name = writer.get_extra_info("peername") or ("?", 0)
    ended = reader.ended if isinstance(reader, _Reader) else asyncio.Event()
    return Link(reader, writer, f"{name[0]}:{name[1]}", ended)


@asynccontextmanager
async def dial(
    host: str, port: int, timeout_seconds: float, tls: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[Link]:
    """Hold a connection to a peer; ``name`` is what its certificate must say, the host if left out.

    Raises:
        Unavailable: nobody answers there, or somebody whom we do not believe.
    """
    named = (name or host) if tls is not None else None
    try:
        async with asyncio.timeout(timeout_seconds):
            streams = await _connected(host, port, tls, named)
    except TimeoutError as exc:
        raise Unavailable(f"{host}:{port} does not answer within {timeout_seconds:g} s") from exc
    except OSError as exc:
        raise Unavailable(f"{host}:{port} cannot be reached: {why(exc)}") from exc
    connection = link(*streams)
    try:
        yield connection
    finally:
        await connection.close()


async def _connected(
    host: str, port: int, tls: ssl.SSLContext | None, named: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Be ``asyncio.open_connection`` with a reader of our own."""
    loop, reader = asyncio.get_running_loop(), _Reader()
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls, server_hostname=named)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def context_of(tls: ClientTls | None) -> ssl.SSLContext | None:
    """Return the context of a dialler; None for plain TCP. Its files are read in a thread."""
    return None if tls is None else await asyncio.to_thread(tls.context)


@asynccontextmanager
async def listen(
    host: str,
    port: int,
    accept: Callable[[Link], None],
    tls: ssl.SSLContext | None = None,
    allow: Sequence[str] = (),
    most: int = 1024,
) -> AsyncIterator[asyncio.Server]:
    """Hold a bound port; ``accept`` is called for each connection that may come, once ``start_serving`` was.

    The connections belong to ``accept``, which closes them; ``most`` bounds them and unfinished TLS handshakes.

    Raises:
        Unavailable: the port cannot be had.
    """

    def protocol() -> asyncio.Protocol:
        reader = asyncio.StreamReader(limit=CHUNK_BYTES)
        return asyncio.StreamReaderProtocol(reader, lambda reader, writer: accept(link(reader, writer)))

    async with AsyncExitStack() as stack:
        opening = listening(protocol, host, port, allow=allow, most=most, tls=tls, start_serving=False)
        try:
            server = await stack.enter_async_context(opening)
        except OSError as exc:
            raise Unavailable(f"cannot listen on {host}:{port}: {exc.strerror or exc}") from exc
        yield server
