"""Posting so that nothing leaves late: what a realtime peer did not take in time is taken back.

aiohttp closes a connection whose answer did not come, which lets the bytes that still wait leave; here the
connection is reset instead, so that they do not.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from aiohttp import ClientRequest, ClientResponse
from aiohttp.connector import Connection

FOR_EVER = float("inf")
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: a socket that is closed forgets what it has not sent."""


@dataclass
class Sending:
    """One post under way."""

    until: float
    """The instant after which nothing of it may leave."""
    transport: asyncio.Transport | None = None

    def begin(self, transport: asyncio.Transport | None) -> None:
        """Take note of the way it goes.

        Raises:
            TimeoutError: it is too late to begin.
        """
        if asyncio.get_running_loop().time() >= self.until:
            raise TimeoutError
        self.transport = transport

    def take_back(self) -> None:
        """Reset the connection: what has not left yet never will."""
        if self.transport is None:
            return
        raw = self.transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()


_under_way: ContextVar[Sending | None] = ContextVar("under_way", default=None)


@contextmanager
def sent(sending: Sending) -> Iterator[None]:
    """Post inside; what expires is taken back if it is left by an error, a cancellation among them."""
    token = _under_way.set(sending)
    try:
        yield
    except BaseException:
        if sending.until < FOR_EVER:
            sending.take_back()
        raise
    finally:
        _under_way.reset(token)


class Post(ClientRequest):
    """A request that knows how long it may be sent."""

    async def send(self, conn: Connection) -> ClientResponse:
        """Send it, unless it is too late."""
        if (sending := _under_way.get()) is not None:
            sending.begin(conn.transport)
        return await super().send(conn)
