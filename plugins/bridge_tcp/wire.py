"""Connections with manners: every dial and goodbye has a timeout, and a dead peer is noticed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from bridge.plugin import ClientTls, Unavailable, listening, why

CHUNK_BYTES = 1 << 16
"""How much is read at once, and about how much is held for a reader that is busy."""
GOODBYE_SECONDS = 1.0
"""How long the last bytes may take to leave."""
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES = 30, 10, 3
"""Seconds of silence, seconds between probes, probes: a pulled cable is noticed within a minute."""


@dataclass(frozen=True, slots=True)
class Link:
    """One open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    peer: str

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


def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Link:
    """Wrap a fresh connection, and have the system probe it while it is silent."""
    raw = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError):  # not every system knows every setting
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    name = writer.get_extra_info("peername") or ("?", 0)
    return Link(reader, writer, f"{name[0]}:{name[1]}")


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
            streams = await asyncio.open_connection(host, port, limit=CHUNK_BYTES, ssl=tls, server_hostname=named)
    except TimeoutError as exc:
        raise Unavailable(f"{host}:{port} does not answer within {timeout_seconds:g} s") from exc
    except OSError as exc:
        raise Unavailable(f"{host}:{port} cannot be reached: {why(exc)}") from exc
    connection = link(*streams)
    try:
        yield connection
    finally:
        await connection.close()


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
