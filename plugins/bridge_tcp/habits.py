"""What old inspectors do to their frames on a bad day."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.plugin import PART_HABITS, Habit, Mood, Unavailable
from bridge_tcp.options import TcpSourceOptions

PIECES = 5
PARTS_BETWEEN = 10
"""After so many parts or documents comes the next spell of something that lasts."""

AOI_HABITS: Mapping[str, Habit] = {
    **PART_HABITS,
    "partial": Habit(f"each frame dribbles out in {PIECES} pieces, so many seconds apart", 0.02),
    "garbage": Habit("bytes that mean nothing stand before one frame in so many", 3),
    "drop": Habit("the connection is cut in the middle of one frame in so many, which is then sent anew", 5),
    "vanish": Habit(f"after every {PARTS_BETWEEN}th part the machine is gone for so many seconds", 60),
}


class Peer(Protocol):
    """An inspector's end of a connection."""

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        ...

    def drop(self) -> None:
        """Cut the connection without a goodbye."""
        ...


@dataclass
class Sender:
    """Sends frames as badly as the mood wants it."""

    options: TcpSourceOptions
    mood: Mood
    _back_at: float = 0.0

    def present(self, peer: Peer | None) -> None:
        """Begin or end the machine's absence; cuts the connection when it begins.

        Raises:
            Unavailable: the machine is away, so it plays nothing.
        """
        clock = asyncio.get_running_loop().time
        if clock() >= self._back_at and self.mood.strikes("vanish", PARTS_BETWEEN):
            self._back_at = clock() + self.mood.habits["vanish"]
            if peer is not None:
                peer.drop()
        if clock() < self._back_at:
            raise Unavailable("the machine has vanished for a while")

    async def send(self, peer: Peer, data: bytes) -> None:
        """Send one frame.

        Raises:
            ConnectionError: it was cut in its middle, and is to be sent anew.
        """
        if self.mood.strikes("garbage"):
            await peer.send_raw(self._noise())
        if self.mood.strikes("drop"):
            await peer.send_raw(data[: len(data) // 2])
            peer.drop()
            raise ConnectionAbortedError("cut by a habit")
        pause = self.mood.habits.get("partial")
        step = len(data) if pause is None else -(-len(data) // PIECES)
        for at in range(0, len(data), step):
            await peer.send_raw(data[at : at + step])
            await asyncio.sleep(pause or 0)

    def _noise(self) -> bytes:
        """Return bytes that no framing takes for a part, and after which a frame can be found again."""
        if self.options.framing == "fixed":
            return b"\xff" * self.options.length_bytes
        return b"\xff\x00 noise \xfe" + (b"\r\n" if self.options.framing == "crlf" else b"")
