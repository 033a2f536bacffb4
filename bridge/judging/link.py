"""The gateway's end of the socket to a worker: words out, words in, and when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from bridge.judging import frames
from bridge.judging.frames import Garbled, Message

ROOM: Final = 1 << 16


class Link(asyncio.BufferedProtocol):
    """Hands each message on at once, in the callback in which its bytes arrived, from memory that it keeps."""

    def __init__(self, take: Callable[[Message], None]) -> None:
        """Connect it with ``loop.create_unix_connection``.

        Args:
            take: called with each message; may raise Garbled where it makes no sense.
        """
        self.lost = asyncio.Event()
        """Set when nothing will come any more."""
        self.garbled = ""
        """Why we hung up, where what came was no message."""
        self._take = take
        self._cutter, self._room = frames.Cutter(max_body=0), memoryview(bytearray(ROOM))
        self._transport: asyncio.Transport | None = None

    def send(self, message: Message, pictures: Sequence[bytes] = ()) -> None:
        """Write a message; what the worker does not take is kept until the link is closed."""
        if self._transport and not self._transport.is_closing():
            self._transport.writelines(frames.encode(message, pictures))

    def close(self) -> None:
        """Hang up; what was not sent yet is still sent."""
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        """Hang up now."""
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - so a stream socket is
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        del sizehint
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what is complete."""
        try:
            for message, _ in self._cutter.feed(self._room[:nbytes]):
                self._take(message)
        except Garbled as exc:
            self.garbled = str(exc)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it is over, whatever the reason."""
        del exc
        self.lost.set()
