"""Memory that gateway and worker share for large pictures.

It is a memory file without a name, inherited by the worker: when both processes are gone the kernel frees it, so
nothing is left behind by a kill. Blocks are taken lowest first, so that it only grows as large as was ever
needed at once.

Its first page is the worker's: there it notes which pictures it has in hand, to be read if it dies over them.
"""

from __future__ import annotations

import asyncio
import os
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

ALIGN: Final = 4096
ROOM: Final = 256 << 20
"""Bytes of one arena; what finds no room goes by the socket."""
INLINE_BYTES: Final = 1 << 19
"""Copying this much takes a tenth of a millisecond; more goes to a thread."""
NOTE: Final = struct.Struct("=QII")
"""Number of the request, first picture in hand, how many; at the arena's very beginning."""


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """A stretch of the arena."""

    at: int
    size: int


class Ledger:
    """Which blocks are lent; pure."""

    def __init__(self, size: int, begin: int = 0) -> None:
        self._size, self._begin = size, begin
        self._lent: list[Block] = []

    def take(self, size: int) -> Block | None:
        """Return the lowest free block of at least this size, or None while there is none."""
        need = -(-size // ALIGN) * ALIGN
        at = self._begin
        for place, block in enumerate(self._lent):
            if block.at - at >= need:
                break
            at, place = block.at + block.size, place + 1  # noqa: PLW2901 - where to insert if no gap comes
        else:
            place = len(self._lent)
        if at + need > self._size:
            return None
        taken = Block(at, need)
        self._lent.insert(place, taken)
        return taken

    def give_back(self, block: Block) -> None:
        """Free a block; giving back twice is a bug."""
        self._lent.remove(block)

    @property
    def lent(self) -> int:
        """How many blocks are lent."""
        return len(self._lent)


class Arena:
    """The memory itself, to be used as ``with Arena() as arena``."""

    def __init__(self, size: int = ROOM) -> None:
        self.fd = os.memfd_create("aoi-bridge", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, size)  # costs nothing until it is written to
        self.ledger = Ledger(size, begin=ALIGN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def in_hand(self) -> tuple[int, slice]:
        """Return what the worker last noted: the number of a request and which of its pictures."""
        number, first, count = NOTE.unpack(os.pread(self.fd, NOTE.size, 0).ljust(NOTE.size, b"\0"))
        return number, slice(first, first + count)

    async def lend(self, picture: bytes) -> Block | None:
        """Copy a picture in, a large one in a thread, and return where it lies; None where there is no room.

        Cancelled, it keeps the block until the thread has let go of it: a picture written late must never land
        in a block that is lent to another.
        """
        block = self.ledger.take(len(picture))
        if block is None:
            return None
        try:
            complete = await self._write(picture, block) == len(picture)
        except OSError:
            complete = False  # no memory left on the machine: the pipe is slower, but works
        if not complete:
            self.ledger.give_back(block)
        return block if complete else None

    async def _write(self, picture: bytes, block: Block) -> int:
        if len(picture) <= INLINE_BYTES:
            return os.pwrite(self.fd, picture, block.at)
        writing = asyncio.ensure_future(asyncio.to_thread(_put, os.dup(self.fd), picture, block.at))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            writing.add_done_callback(lambda _: self.ledger.give_back(block))
            raise


def _put(fd: int, picture: bytes, at: int) -> int:
    """Write through a descriptor of its own: the arena may close meanwhile, its number become another file's."""
    try:
        return os.pwrite(fd, picture, at)
    finally:
        os.close(fd)
