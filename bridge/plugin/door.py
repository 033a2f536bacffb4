"""Who may come in: a listener that asks for the address first, then for TLS, and only then reads.

asyncio's own servers read from whoever connects, and let an unfinished TLS handshake hold a quarter of a megabyte
for a minute, as often as somebody likes. Here a connection is turned away before a byte of it is read, and what
is inside is bounded, handshakes included.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from bridge.health import count
from bridge.log import logger
from bridge.plugin.tls import allowed, why

HANDSHAKE_SECONDS = 5.0
"""How long a peer may take to agree on TLS."""
GOODBYE_SECONDS = 1.0
"""How long a peer may take to answer the end of TLS."""
QUIET_SECONDS = 60.0
"""A peer that is turned away is logged once in so many seconds; each time is counted."""
REMEMBERED = 256
"""So many of those addresses are remembered, so that a forged flood of them fills no memory."""
OUR_BACKLOG = 100

WhenFull: TypeAlias = Literal["refuse", "drop_oldest"]


@asynccontextmanager
async def listening(
    factory: Callable[[], asyncio.BaseProtocol],
    host: str,
    port: int,
    *,
    allow: Sequence[str] = (),
    most: int,
    when_full: WhenFull = "refuse",
    tls: ssl.SSLContext | None = None,
    start_serving: bool = True,
) -> AsyncIterator[asyncio.Server]:
    """Listen while the context lasts; the connections themselves belong to their protocols.

    Args:
        factory: makes the protocol of a connection that was let in; its ``connection_made`` comes at once.
        host: the address to listen on.
        port: the port, 0 for a free one.
        allow: the addresses and networks that may come; every one where none is named.
        most: how many connections may be open at once.
        when_full: refuse one more (for peers that stay), or drop_oldest to make room (for short questions). Who
            has not agreed on TLS yet makes room first, and always.
        tls: the context of a listener.
        start_serving: False to bind only; call the server's own ``start_serving``.

    Raises:
        OSError: the port cannot be had.
    """
    door = _Door(factory, allow, most, when_full, tls)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Visitor(door), host, port, backlog=OUR_BACKLOG, start_serving=False
    )
    try:
        if start_serving:  # not while it is made: cancelled there, asyncio would leave the port bound
            await server.start_serving()
        yield server
    finally:
        server.close()
        await door.close()


@dataclass
class Quiet:
    """Says whether something about an address should be logged now: once a minute each, of a bounded number."""

    clock: Callable[[], float] = time.monotonic
    _said: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def __call__(self, address: str) -> bool:
        """Return True where nothing was said about this address for a minute."""
        now = self.clock()
        last = self._said.get(address)
        if last is not None and now - last < QUIET_SECONDS:
            return False
        self._said[address] = now
        self._said.move_to_end(address)
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return True


class _Door:
    """What all visitors of one listener share."""

    def __init__(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        allow: Sequence[str],
        most: int,
        when_full: WhenFull,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.factory = factory
        self.tls = tls
        self._allow = tuple(allow)
        self._most = most
        self._when_full = when_full
        self._quiet = Quiet()
        self._inside: list[asyncio.Transport] = []  # the oldest first; a handshake counts
        self._greetings: dict[asyncio.Task[None], asyncio.Transport] = {}  # the oldest first

    def admits(self, transport: asyncio.Transport) -> bool:
        """Return whether this connection may stay; nothing of it was read yet."""
        address = address_of(transport)
        if not allowed(self._allow, address):
            self.turned_away(address, "strangers", "its address is not in allow")
            return False
        self._inside = [inside for inside in self._inside if not inside.is_closing()]
        if len(self._inside) >= self._most and not self._makes_room():
            self.turned_away(address, "connections_refused", f"{self._most} connections are open")
            return False
        self._inside.append(transport)
        return True

    def greet(self, visitor: _Visitor, transport: asyncio.Transport) -> None:
        """Agree on TLS in a task of our own, then hand over."""
        task = asyncio.create_task(self._greet(visitor, transport), name=f"tls {address_of(transport)}")
        self._greetings[task] = transport
        task.add_done_callback(self._greetings.pop)

    async def _greet(self, visitor: _Visitor, transport: asyncio.Transport) -> None:
        address = address_of(transport)
        assert self.tls is not None  # noqa: S101 - for the type checker; greet is called with TLS only
        if transport.is_closing():  # it made room already, and asyncio would wait for its first word all the same
            return
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                visitor,
                self.tls,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )
        except OSError as exc:
            transport.abort()
            self.turned_away(address, "tls_refused", why(exc))
            return
        if secured is None:  # it was gone before it began
            return
        visitor.enter(secured)

    def turned_away(self, address: str, event: str, reason: str) -> None:
        """Count it, and log it once in a while."""
        count(event)
        if self._quiet(address):
            logger().warning("connection turned away", peer=address, reason=reason)

    async def close(self) -> None:
        """Let no greeting outlive the listener."""
        for task in self._greetings:
            task.cancel()
        await asyncio.gather(*self._greetings, return_exceptions=True)

    def _makes_room(self) -> bool:
        """Drop the oldest of those that have not agreed on TLS; of the others, only where the oldest must go."""
        greeting = next((visitor for visitor in self._greetings.values() if not visitor.is_closing()), None)
        if greeting is None and self._when_full == "refuse":
            return False
        dropped = greeting or self._inside[0]
        self._inside.remove(dropped)
        dropped.abort()
        count("connections_dropped")
        return True


class _Visitor(asyncio.Protocol):
    """A connection on the doorstep: it keeps what arrives until its protocol takes over."""

    def __init__(self, door: _Door) -> None:
        self._door = door
        self._early = bytearray()
        self._ended = self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP gives no other
        if not self._door.admits(transport):
            transport.abort()
        elif self._door.tls is None:
            self.enter(transport)
        else:
            transport.pause_reading()  # until start_tls has put itself in between
            self._door.greet(self, transport)

    def data_received(self, data: bytes) -> None:
        self._early += data

    def eof_received(self) -> None:
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._gone = True

    def enter(self, transport: asyncio.Transport) -> None:
        """Hand the connection to its own protocol, with whatever came while TLS was agreed on."""
        if self._gone:
            return
        protocol = self._door.factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if isinstance(protocol, asyncio.Protocol):
            if self._early:
                protocol.data_received(bytes(self._early))
            if self._ended:
                protocol.eof_received()


def address_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of the other side, without its port; empty where it is gone already."""
    name = transport.get_extra_info("peername")
    return str(name[0]) if name else ""
