"""What the gateway asks of the worker, received in a thread of its own: a cancellation overtakes the work."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Iterator, Sequence

from bridge.judging import frames
from bridge.judging.frames import Ask, Cancel, Request


class Inbox:
    """What the gateway asks for, received in a thread of its own."""

    def __init__(self, link: socket.socket, arena: int) -> None:
        self._link = link
        self._arena = arena
        self._requests: queue.SimpleQueue[tuple[Request, list[bytes]]] = queue.SimpleQueue()
        self._wanted: set[int] = set()

    def start(self) -> None:
        """Begin to receive requests."""
        threading.Thread(target=self._receive, name="inbox", daemon=True).start()

    def __iter__(self) -> Iterator[tuple[Request, list[bytes]]]:
        """Yield each request with its encoded pictures; large ones are empty and lie in the arena."""
        while True:
            yield self._requests.get()

    def wants(self, request: Request) -> bool:
        """Return whether anybody still waits."""
        expired = request.expires is not None and time.monotonic() > request.expires
        return request.id in self._wanted and not expired

    def forget(self, request: Request) -> None:
        """Say that the request is answered; a late cancellation means nothing then."""
        self._wanted.discard(request.id)

    def read(self) -> tuple[frames.Message, bytearray]:
        """Return the next message and its body.

        Raises:
            EOFError: the gateway has closed the connection.
        """
        header, body = frames.lengths(bytes(self._exactly(frames.PREFIX.size)))
        return frames.decode(bytes(self._exactly(header))), self._exactly(body)

    def picture(self, ask: Ask, inline: bytes) -> bytes:
        """Return a picture's encoded bytes, wherever they are."""
        return inline if ask.shared is None else os.pread(self._arena, ask.size, ask.shared)

    def _receive(self) -> None:
        try:
            while True:
                message, body = self.read()
                if isinstance(message, Request):
                    self._wanted.add(message.id)
                    self._requests.put((message, list(_cut(message.asks, body))))
                elif isinstance(message, Cancel):
                    self._wanted.discard(message.id)
        except (EOFError, OSError):
            os._exit(0)  # the gateway is gone and nobody waits; a running inference cannot be interrupted

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            got = self._link.recv_into(view)
            if not got:
                raise EOFError
            view = view[got:]
        return data


def _cut(asks: Sequence[Ask], body: bytearray) -> Iterator[bytes]:
    at = 0
    for ask in asks:
        size = ask.size if ask.shared is None else 0
        yield bytes(body[at : at + size])
        at += size
