"""What the gateway asks of the worker, taken in between two steps of its work: a cancellation overtakes."""

from __future__ import annotations

import mmap
import os
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence

from bridge.judging import frames
from bridge.judging.arena import NOTE
from bridge.judging.frames import Ask, Cancel, Garbled, Message, Request

_PIECE = 1 << 18


class Inbox:
    """What the gateway asks for.

    There is no thread that receives: handing a picture from one to the other would cost a quarter of a
    millisecond, and nothing could act on a word of the gateway's during a step of native code anyway.
    """

    def __init__(self, link: socket.socket, arena: int) -> None:
        self._link, self._arena = link, arena
        self._memory = memoryview(mmap.mmap(arena, 0, access=mmap.ACCESS_READ))
        self._cutter, self._room = frames.Cutter(), memoryview(bytearray(_PIECE))
        self._messages: deque[tuple[Message, bytes]] = deque()
        self._requests: deque[tuple[Request, list[bytes]]] = deque()
        self._wanted: set[int] = set()

    def __iter__(self) -> Iterator[tuple[Request, list[bytes]]]:
        """Yield each request with its encoded pictures; large ones are empty and lie in the arena."""
        while True:
            self._sort()
            while not self._requests:
                self._receive()
                self._sort()
            yield self._requests.popleft()

    def wants(self, request: Request) -> bool:
        """Return whether anybody still waits.

        Raises:
            EOFError: the gateway has gone.
        """
        while self._receive(socket.MSG_DONTWAIT):
            pass
        self._sort()
        expired = request.expires is not None and time.monotonic() > request.expires
        return request.id in self._wanted and not expired

    def forget(self, request: Request) -> None:
        """Say that the request is answered; a late cancellation means nothing then."""
        self._wanted.discard(request.id)

    def read(self) -> Message:
        """Return the next message, before any request.

        Raises:
            EOFError: the gateway has closed the connection.
        """
        while not self._messages:
            self._receive()
        return self._messages.popleft()[0]

    def picture(self, ask: Ask, inline: bytes) -> bytes | memoryview:
        """Return a picture's encoded bytes, wherever they are; in the arena until the request is answered."""
        return inline if ask.shared is None else self._memory[ask.shared : ask.shared + ask.size]

    def in_hand(self, request: int, first: int, count: int) -> None:
        """Note for the gateway which pictures of a request are being worked on; it counts until the answer."""
        os.pwrite(self._arena, NOTE.pack(request, first, count), 0)

    def _receive(self, flags: int = 0) -> bool:
        """Take in what has arrived; return False where nothing has and we must not wait."""
        try:
            size = self._link.recv_into(self._room, 0, flags)
        except BlockingIOError:
            return False
        if not size:
            raise EOFError
        self._messages.extend(self._cutter.feed(self._room[:size]))
        return True

    def _sort(self) -> None:
        while self._messages:
            message, body = self._messages.popleft()
            if isinstance(message, Request):
                self._wanted.add(message.id)
                self._requests.append((message, list(_cut(message.asks, body))))
            elif isinstance(message, Cancel):
                self._wanted.discard(message.id)
            else:
                raise Garbled("neither a request nor its cancellation")


def _cut(asks: Sequence[Ask], body: bytes) -> Iterator[bytes]:
    at = 0
    for ask in asks:
        size = ask.size if ask.shared is None else 0
        yield body[at : at + size]
        at += size
