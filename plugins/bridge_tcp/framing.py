"""Where one message ends and the next begins: byte streams cut into frames, without a socket.

A framing holds what has arrived of an unfinished frame and nothing else. However a stream is cut into reads, the
same frames come out. What belongs to no frame is reported as Garbage as soon as it is known to be, and the
next good frame is found again. Memory grows with the bytes received, never with a size that a peer announces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["crlf", "stx_etx", "fixed", "len32be"]

STX, ETX = b"\x02", b"\x03"
FILLING = b"\r\n\t \x00"
"""What machines put between frames out of habit; ignored there, never counted as garbage."""
SAMPLE_BYTES = 1 << 16
"""How much of a stretch of garbage is kept to be looked at."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it came, without the marks around it."""

    payload: bytes
    header: Mapping[str, object] | None = None
    """The payload as JSON, where the framing had to read it; None for framings that do not look inside."""
    images: tuple[bytes, ...] = field(default=(), repr=False)
    """The bytes behind the header, one entry for each of its views, in their order; empty: no image."""
    damaged: int = 0
    """How many images are empty because they were not what the header says."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """A stretch of bytes that belongs to no frame."""

    data: bytes = field(repr=False)
    """The first ``SAMPLE_BYTES`` of it at most."""
    size: int
    """How many bytes it has in all, as far as known when it was reported."""
    reason: str


Item: TypeAlias = Frame | Garbage


class Framing(Protocol):
    """One direction or both of one connection; never shared between connections."""

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held; 0 between frames."""
        ...

    @property
    def lost(self) -> bool:
        """True once no frame can be found any more: the connection must be closed."""
        ...

    @property
    def realigns(self) -> bool:
        """True if a boundary can be told from the bytes; else only silence or a new connection tells it."""
        ...

    def feed(self, data: bytes) -> list[Item]:
        """Take what was read; return what it completed, in the order of arrival."""
        ...

    def expire(self) -> list[Item]:
        """Give up the unfinished frame, because time or the stream ended; return what that sets free.

        Each call drops at least one byte, so calling it until ``pending`` is 0 ends.
        """
        ...

    def encode(self, payload: bytes, images: Sequence[bytes] = ()) -> bytes:
        """Return the bytes to send.

        Raises:
            ValueError: this framing cannot carry the payload; the text says why.
        """
        ...


def garbage(stretch: bytes | bytearray, reason: str) -> Garbage:
    """Report a stretch, keeping a bounded sample of it."""
    return Garbage(bytes(stretch[:SAMPLE_BYTES]), len(stretch), reason)


class Crlf:
    """Lines ended by CR, LF or both; empty lines mean nothing."""

    lost = False
    realigns = True

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._line = bytearray()
        self._skipping = False  # inside a line that was already reported as too long

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished line are held."""
        return len(self._line)

    def feed(self, data: bytes) -> list[Item]:
        """Return the lines that are complete now."""
        self._line += data
        if b"\n" not in data and b"\r" not in data:
            return self._shorten()
        *lines, rest = self._cut()
        items: list[Item] = []
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif len(line) > self._max:
                items.append(garbage(line, f"line is longer than {self._max} bytes"))
            elif line:
                items.append(Frame(line))
        self._line = bytearray(rest)
        return items + self._shorten()

    def expire(self) -> list[Item]:
        """Report a line whose end never came."""
        line, self._line, self._skipping = self._line, bytearray(), False
        return [garbage(line, "line has no end")] if line else []

    def encode(self, payload: bytes, images: Sequence[bytes] = ()) -> bytes:
        """Return the line with CR LF behind it."""
        _text_only(payload, images, b"\r\n")
        return payload + b"\r\n"

    def _cut(self) -> list[bytes]:
        """Split at every line end; the last piece is the unfinished line."""
        pieces = bytes(self._line).splitlines()
        return [*pieces, b""] if self._line.endswith((b"\r", b"\n")) else pieces

    def _shorten(self) -> list[Item]:
        """Let go of a line that is already too long, and of the rest of one."""
        if self._skipping:
            self._line.clear()
        if len(self._line) <= self._max:
            return []
        line, self._line, self._skipping = self._line, bytearray(), True
        return [garbage(line, f"line is longer than {self._max} bytes")]


class StxEtx:
    """Text between STX and ETX; a second STX starts anew, what stands outside is garbage."""

    lost = False
    realigns = True

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._buffer = bytearray()  # empty, or begins with STX
        self._seen = 0  # how much of it was already searched for ETX

    @property
    def pending(self) -> int:
        """How many bytes are held since the last STX."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Item]:
        """Return the frames that are complete now, and what stood outside of any."""
        self._buffer += data
        items: list[Item] = []
        while self._buffer:
            if self._buffer[:1] != STX:
                items += self._drop(self._buffer.find(STX), "bytes outside STX and ETX")
                continue
            end = self._buffer.find(ETX, self._seen)
            size = (end if end >= 0 else len(self._buffer)) - 1
            if end < 0 and size <= self._max:
                self._seen = len(self._buffer)
                break
            start = self._buffer.rfind(STX, 0, size + 1)
            if start > 0:
                items += self._drop(start, "STX without its ETX")
            elif size > self._max:
                items += self._drop(end + 1, f"frame is longer than {self._max} bytes")
            else:
                items.append(Frame(bytes(self._buffer[1:end])))
                self._consume(end + 1)
        return items

    def expire(self) -> list[Item]:
        """Report a frame whose ETX never came."""
        return self._drop(-1, "STX without its ETX") if self._buffer else []

    def encode(self, payload: bytes, images: Sequence[bytes] = ()) -> bytes:
        """Return the payload between STX and ETX."""
        _text_only(payload, images, STX + ETX)
        return STX + payload + ETX

    def _drop(self, end: int, reason: str) -> list[Item]:
        """Let go of the bytes before ``end``; of all of them if it is -1 or 0."""
        stretch = self._buffer[:end] if end > 0 else bytes(self._buffer)
        self._consume(len(stretch))
        return [garbage(stretch, reason)] if stretch.strip(FILLING) else []

    def _consume(self, size: int) -> None:
        del self._buffer[:size]
        self._seen = 0


class Fixed:
    """Records of one length; nothing in the bytes tells where one begins."""

    lost = False
    realigns = False

    def __init__(self, length: int) -> None:
        self._length = length
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished record are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Item]:
        """Return the records that are complete now."""
        self._buffer += data
        whole = len(self._buffer) // self._length * self._length
        records = bytes(self._buffer[:whole])
        del self._buffer[:whole]
        return [Frame(records[at : at + self._length]) for at in range(0, whole, self._length)]

    def expire(self) -> list[Item]:
        """Report a record that was not completed; the next byte begins a new one."""
        record, self._buffer = self._buffer, bytearray()
        return [garbage(record, f"record is shorter than {self._length} bytes")] if record else []

    def encode(self, payload: bytes, images: Sequence[bytes] = ()) -> bytes:
        """Return the payload, filled with spaces to the length of a record."""
        _text_only(payload, images, b"")
        if len(payload) > self._length:
            raise ValueError(f"{len(payload)} bytes do not fit into a record of {self._length}")
        return payload.ljust(self._length)


def _text_only(payload: bytes, images: Sequence[bytes], marks: bytes) -> None:
    """Refuse what would break the frame for whoever reads it."""
    if images:
        raise ValueError("this framing carries no images; use len32be")
    if any(mark in payload for mark in marks):
        raise ValueError("the text contains a byte that ends or begins a frame")
