"""Connections of machines that may be slow, silent or too many: each is watched from its first byte on.

aiohttp reads the requests; here stands, between it and the network, how long a head may take, who makes room
when all places are taken, and when a connection whose other side has said all is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp.web import BaseRequest

from bridge.plugin import count


class Connections:
    """The open connections of one listener; makes the protocol of each."""

    def __init__(self, serve: Callable[[], asyncio.Protocol], most: int, head_seconds: float) -> None:
        """Let ``most`` connections in, each served by what ``serve`` makes."""
        self._serve = serve
        self._most = most
        self.head_seconds = head_seconds
        self._open: dict[Connection, None] = {}  # the oldest first

    def __call__(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self, self._serve())

    def admits(self, connection: Connection) -> bool:
        """Return whether there is a place, after the oldest without a request under way has made room."""
        if len(self._open) >= self._most:
            idle = next((other for other in self._open if not other.busy), None)
            if idle is None:
                count("connections_refused")
                return False
            count("connections_dropped")
            idle.drop()
        self._open[connection] = None
        return True

    def drop_all(self) -> None:
        """Cut every connection."""
        for connection in tuple(self._open):
            connection.drop()

    def forget(self, connection: Connection) -> None:
        """Take note that a connection has ended."""
        self._open.pop(connection, None)


class Connection(asyncio.Protocol):
    """One connection, in front of the protocol that serves it."""

    def __init__(self, others: Connections, serving: asyncio.Protocol) -> None:
        self._others = others
        self._serving = serving
        self._clock = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._begun: float | None = None
        self._head: asyncio.TimerHandle | None = None
        self._request: BaseRequest | None = None
        self.ended = False
        """Whether the other side will say nothing more, though it may listen."""

    @property
    def busy(self) -> bool:
        """Whether a request is being read or answered."""
        return self._request is not None

    def begin(self, request: BaseRequest) -> float:
        """Take note that the head of a request is there; return the instant of its first byte."""
        begun, self._begun, self._request = self._begun, None, request
        self._disarm()
        if self.ended and not request.content.is_eof():
            self.drop()
        return self._clock.time() if begun is None else begun

    def end(self) -> None:
        """Take note that the request is done, but for its answer."""
        self._request = None

    def drop(self) -> None:
        """Cut the connection; a part that was understood goes its way all the same."""
        self._others.forget(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve it, or turn it away."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - the listener gives no other
        self._transport = transport
        if self._others.admits(self):
            self._serving.connection_made(transport)
        else:
            self._transport = None
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand the bytes on; the first of a request start its time."""
        if self._transport is None:
            return
        if self._request is None and self._begun is None:
            self._begun = self._clock.time()
            self._head = self._clock.call_later(self._others.head_seconds, self._slow)
        self._serving.data_received(data)

    def eof_received(self) -> bool:
        """Keep the connection for the answer, where the other side has asked all and can still listen."""
        self.ended = True
        if self._transport is None or self._transport.get_extra_info("sslcontext") is not None:
            return False  # TLS ends in both directions at once
        return self._begun is not None if self._request is None else self._request.content.is_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever serves it."""
        self._others.forget(self)
        self._disarm()
        if self._transport is not None:
            self._transport = None
            self._serving.connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._serving.pause_writing()

    def resume_writing(self) -> None:
        """The other side reads again."""
        self._serving.resume_writing()

    def _slow(self) -> None:
        count("slow")
        self.drop()

    def _disarm(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def connection_of(request: BaseRequest) -> Connection | None:
    """Return the connection of a request; None where it has ended already."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    return protocol if isinstance(protocol, Connection) else None
