"""The worker's desk: orders come in, pictures and excuses go out. Blocking, and never for longer than asked.

One order is open at a time. A newer one takes its place: by then the next part stands before the camera.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from typing import Final

from bridge_camera.codec import Alive, Cutter, Message, Missing, Shoot, Shot, encode
from bridge_camera.device import Grabbed, Pixels, Settings, Unusable, now

ALIVE_SECONDS: Final = 1.0
_CHUNK: Final = 1 << 16


class Gone(Exception):  # noqa: N818 - it says what happened
    """The gateway has hung up."""


class Desk:
    """One worker's end of the connection and of the shared memory."""

    def __init__(self, link: socket.socket, memory: int) -> None:
        self._link, self._memory = link, memory
        self._cutter = Cutter()
        self._came: deque[Message] = deque()
        self._order: Shoot | None = None
        self._said_at = 0.0
        self._knows_period = False

    def first(self) -> Message:
        """Wait for the first message.

        Raises:
            Gone: the gateway hung up instead.
        """
        while not self._came:
            self._receive(None)
        return self._came.popleft()

    def order(self, seconds: float = 0) -> Shoot | None:
        """Return the order that is open, waiting for so long for one; None while there is none."""
        self._receive(0 if self._order else seconds)
        while self._came:
            message = self._came.popleft()
            if isinstance(message, Shoot):
                self.excuse("the next part came first")
                self._order = message
        if self._order and now() >= self._order.until:
            self.excuse("no frame that began after the trigger came in time")
        return self._order

    def alive(self, frames: int, period: float | None) -> None:
        """Say so, if it has not been said for a second, or the period is news."""
        if now() - self._said_at >= ALIVE_SECONDS or (period and not self._knows_period):
            self._said_at, self._knows_period = now(), bool(period)
            self.send(Alive(frames, period or 0.0))

    def excuse(self, why: str) -> None:
        """Give up the order that is open, if there is one."""
        if self._order is not None:
            self.send(Missing(self._order.number, why))
            self._order = None

    def hand_over(self, picture: Pixels | bytes, camera: Settings, grabbed: Grabbed, exposed: float) -> None:
        """Answer the open order with this picture."""
        order = self._order
        assert order is not None  # noqa: S101 - the caller has looked
        try:
            data, width, height = _encoded(picture, camera)
        except Unusable as exc:
            self.excuse(str(exc))
            return
        if len(data) > order.room:
            self.excuse(f"a picture of {len(data)} bytes is too large; write encoding, or a smaller size")
            return
        done = 0
        while done < len(data):
            done += os.pwrite(self._memory, data[done:] if done else data, order.at + done)
        frame = grabbed.frame & 0xFFFF_FFFF_FFFF
        shot = Shot(order.number, order.at, len(data), exposed, grabbed.ended, frame, width, height)
        self._order = None
        self.send(shot)

    def send(self, message: Message) -> None:
        """Say something.

        Raises:
            Gone: nobody is there to hear it.
        """
        try:
            self._link.sendall(encode(message))
        except OSError as exc:
            raise Gone from exc

    def _receive(self, seconds: float | None) -> None:
        """Take in what has come, waiting for so long for something (None: for ever)."""
        if not select.select([self._link], [], [], seconds)[0]:
            return
        try:
            data = self._link.recv(_CHUNK)
        except OSError as exc:
            raise Gone from exc
        if not data:
            raise Gone
        self._came.extend(self._cutter.feed(data))


def _encoded(picture: Pixels | bytes, camera: Settings) -> tuple[bytes, int, int]:
    """Return a picture's bytes, its width and its height; both 0 where a file is handed on as it is."""
    if isinstance(picture, bytes) and not camera["rotate"] and camera["encoding"] is None:
        return picture, 0, 0
    from bridge_camera.encoding import encode as picture_of  # noqa: PLC0415 - OpenCV takes half a second to load

    return picture_of(picture, camera)
