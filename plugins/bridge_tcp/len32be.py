"""The framing that carries images: lengths first, then a JSON header, then the image bytes.

One frame, all integers unsigned and big-endian::

    offset 0   u32   total    bytes that follow this field: 4 + size + all image bytes
    offset 4   u32   size     bytes of the JSON header, at most 1 MiB
    offset 8         header   a JSON object in UTF-8; its first byte is "{" and its last one "}"
    then             images   one after the other; the sizes are header["views"][i]["bytes"], 0 where absent

The three statements of size must agree. Where they do not, the frame's place is lost and the next one is
looked for by its shape: two plausible lengths followed by "{", and a header that holds what it says.

A frame cut short takes the next frame's bytes as its picture, and nothing in the sizes tells. So a header may
state header["views"][i]["crc32"], the CRC-32 of the image bytes as a number: a picture that has another is no
picture, and the next frame is looked for inside of it.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence

from bridge_tcp.framing import Frame, Garbage, Item, garbage

HEADER_BYTES = 1 << 20
"""The longest header that is read: a panel of ten thousand components."""
FALSE_STARTS = 64
"""After so many places that look like a frame and are none, in a row, the stream is given up.

Each costs a look into the header, so an unbounded number would let a peer buy our time with few bytes.
"""

_LENGTHS = struct.Struct(">II")
_PREFIX = _LENGTHS.size
_SHAPE = _PREFIX + 1


class Len32be:
    """One connection's frames with JSON header and images."""

    realigns = True

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._buffer = bytearray()
        self._need = _SHAPE  # below this length there is nothing new to find out
        self._hunting = False
        self._false_starts = 0
        self._skipped = 0
        self._sizes: list[int] | None = None  # of the images, once the header at the front was read
        self._header: Mapping[str, object] = {}
        self._lost = False
        leading = re.escape(bytes([min(max_bytes >> 24, 255)]))
        self._shape = re.compile(rb"[\x00-" + leading + rb"].{3}\x00[\x00-\x10].{2}\{", re.DOTALL)

    @property
    def pending(self) -> int:
        """How many bytes are held."""
        return len(self._buffer)

    @property
    def lost(self) -> bool:
        """True once the search for a frame was given up."""
        return self._lost

    def feed(self, data: bytes) -> list[Item]:
        """Return the frames that are complete now."""
        if self._lost:
            return []
        self._buffer += data
        return self._drain()

    def expire(self) -> list[Item]:
        """Give up the frame at the front; one that began inside of it is found."""
        if self._hunting or len(self._buffer) < _SHAPE:
            return self._skip(len(self._buffer), "bytes that are no whole frame")
        items = self._stumble("frame was not completed")
        return items + self._drain()

    def encode(self, payload: bytes, images: Sequence[bytes] = ()) -> bytes:
        """Return header and images as one frame; the header's ``views`` must state the images' sizes."""
        sizes, _ = _read(payload)
        if sizes is None or [size for size in sizes if size] != [len(image) for image in images if image]:
            raise ValueError("the header does not state the sizes of the images")
        total = len(payload) + 4 + sum(map(len, images))
        if total > self._max or len(payload) > HEADER_BYTES:
            raise ValueError(f"{total} bytes are more than the {self._max} of a frame")
        return b"".join((_LENGTHS.pack(total, len(payload)), payload, *images))

    def _drain(self) -> list[Item]:
        items: list[Item] = []
        while len(self._buffer) >= self._need and not self._lost:
            found = self._hunt() if self._hunting else self._front()
            if found is None:
                break
            items += found
        return items

    def _front(self) -> list[Item] | None:
        """Look at the frame at the front; None if more bytes must come first."""
        total, size = _LENGTHS.unpack_from(self._buffer)
        if doubt := self._doubt(total, size):
            return self._stumble(doubt)
        if len(self._buffer) < _PREFIX + size:
            self._need = _PREFIX + size
            return None
        if self._sizes is None:
            self._sizes, self._header = _read(self._buffer[_PREFIX : _PREFIX + size])
        if self._sizes is None:
            return self._stumble("header is no JSON object with sizes")
        if 4 + size + sum(self._sizes) != total:
            return self._stumble("header and length do not agree")
        if len(self._buffer) < 4 + total:
            self._need = 4 + total
            return None
        return self._take(size, self._sizes)

    def _doubt(self, total: int, size: int) -> str:
        """Say why these lengths begin no frame; empty if they may."""
        if total > self._max:
            return f"frame announces {total} bytes, more than {self._max}"
        if not len("{}") <= size <= min(total - 4, HEADER_BYTES):
            return f"frame of {total} bytes announces a header of {size}"
        return "" if self._buffer[_PREFIX] == ord("{") else "header does not begin with {"

    def _take(self, size: int, sizes: Sequence[int]) -> list[Item]:
        """Cut the complete frame off the front: one copy of each image that is what its header says."""
        images = []
        at = sound = _PREFIX + size
        with memoryview(self._buffer) as buffer:
            payload = bytes(buffer[_PREFIX:at])
            for length, crc in zip(sizes, _checksums(self._header), strict=True):
                image = bytes(buffer[at : at + length])
                at += length
                whole = crc is None or crc == zlib.crc32(image)
                images.append(image if whole else b"")
                sound = at if whole and sound == at - length else sound
        damaged = sum(1 for length, image in zip(sizes, images, strict=True) if length and not image)
        frame = Frame(payload, self._header, tuple(images), damaged)
        self._false_starts = self._skipped = 0
        self._cut(sound if damaged else at)
        return [frame, *(self._within() if damaged else [])]

    def _within(self) -> list[Item]:
        """Look for the next frame in a picture that is none: a frame cut short has swallowed those behind it."""
        self._hunting = True
        return self._seek(0, "picture does not have the crc32 of its header")

    def _stumble(self, reason: str) -> list[Item]:
        """Leave the front, which is no frame, and hunt from its second byte."""
        self._hunting = True
        self._false_starts += 1
        if self._false_starts > FALSE_STARTS:
            return self._give_up("no frame was found")
        return self._seek(1, reason)

    def _hunt(self) -> list[Item] | None:
        return self._seek(0, "bytes that begin no frame") or (None if self._hunting else [])

    def _seek(self, start: int, reason: str) -> list[Item]:
        """Skip to the next place that has the shape of a frame, or to where one may still be coming."""
        found = self._shape.search(self._buffer, start)
        self._hunting = found is None
        return self._skip(found.start() if found else max(start, len(self._buffer) - _PREFIX), reason)

    def _skip(self, end: int, reason: str) -> list[Item]:
        if not end:
            self._need = _SHAPE
            return []
        skipped: Garbage = garbage(self._buffer[:end], reason)
        self._skipped += end
        self._cut(end)
        if self._skipped > self._max:
            return [skipped, *self._give_up(f"no frame in {self._skipped} bytes")]
        return [skipped]

    def _cut(self, end: int) -> None:
        del self._buffer[:end]
        self._sizes = None
        self._need = _SHAPE

    def _give_up(self, reason: str) -> list[Item]:
        rest = garbage(self._buffer, reason)
        self._cut(len(self._buffer))
        self._lost = True
        return [rest]


def _read(header: bytes | bytearray) -> tuple[list[int] | None, Mapping[str, object]]:
    """Read a header; return the sizes of its views' images, None if it is no header, and its content."""
    try:
        content = json.loads(str(header, "utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None, {}
    if not isinstance(content, dict) or not isinstance(views := content.get("views", []), list):
        return None, {}
    sizes: list[int] = []
    for view in views:
        size = view.get("bytes", 0) if isinstance(view, dict) else None
        if type(size) is not int or size < 0:
            return None, {}
        sizes.append(size)
    return sizes, content


def _checksums(header: Mapping[str, object]) -> list[object]:
    """Return what a header that was read says of each image's CRC-32; None where it says nothing."""
    views: object = header.get("views", [])
    return [view.get("crc32") for view in views] if isinstance(views, list) else []


def _refuse(constant: str) -> object:
    """NaN and Infinity are no JSON, though Python's reader takes them."""
    raise ValueError(f"{constant} is no JSON")
