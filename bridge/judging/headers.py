"""The size and the completeness of an encoded picture, read from its own headers before anything is decoded.

Pure Python over bytes, so that no decoder allocates memory for a picture that only claims to be large, and
none fills what is missing with grey. JPEG, PNG, BMP and TIFF are what inspectors write; all else is refused.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Literal, TypeAlias


class Unreadable(ValueError):  # noqa: N818 - named after the failure it becomes: image unreadable
    """The bytes are no complete picture of a known format, or one that is too large."""


class Unregistered(Unreadable):
    """The picture is sound, but the part was not found on it as the golden picture shows it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says of itself."""

    form: Literal["jpeg", "png", "bmp", "tiff"]
    width: int
    height: int


Data: TypeAlias = bytes | memoryview


def read(data: Data) -> Header:
    """Return format and size; the picture is complete as far as its structure tells.

    Raises:
        Unreadable: not a known format, truncated, or contradicting itself.
    """
    try:
        header = _dispatch(data)
    except (struct.error, IndexError) as exc:
        raise Unreadable("truncated in its header") from exc
    if header.width <= 0 or header.height <= 0:
        raise Unreadable("has no pixels")
    return header


def _dispatch(data: Data) -> Header:
    head = bytes(data[:8])
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if head.startswith(b"BM"):
        return _bmp(data)
    if head.startswith((b"II*\0", b"MM\0*")):
        return _tiff(data)
    raise Unreadable("is neither JPEG, PNG, BMP nor TIFF")


_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_SOS, _EOI, _PREFIX = 0xDA, 0xD9, 0xFF
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""The first marker after entropy-coded data: neither a stuffed 0xFF nor a fill byte nor a restart."""
_SCANS = 100  # an encoder writes about ten; thousands of tiny scans are a bomb of time instead of memory


def _jpeg(data: Data) -> Header:
    """Walk all segments up to the end marker; a thumbnail's markers lie inside a segment and do not count."""
    size: tuple[int, int] | None = None
    scans, at = 0, 2
    while True:
        while data[at] == data[at + 1] == _PREFIX:  # fill bytes before a marker are allowed
            at += 1
        if data[at] != _PREFIX:
            raise Unreadable("is a JPEG with garbage between its segments")
        marker = data[at + 1]
        if marker == _EOI:
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        if at + 2 + length > len(data):
            raise Unreadable("is a truncated JPEG")
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        at += 2 + max(length, 2)  # the length counts itself
        if marker == _SOS:
            scans += 1
            found = _AFTER_SCAN.search(data, at)
            if found is None or scans > _SCANS:
                raise Unreadable("is a truncated JPEG" if found is None else "is a JPEG of too many scans")
            at = found.start()
    if size is None or not scans:
        raise Unreadable("is a JPEG without a picture")
    return Header("jpeg", *size)


def _png(data: Data) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    if data[12:16] != b"IHDR":
        raise Unreadable("is a PNG without a header")
    at = 8
    while data[at + 4 : at + 8] != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        at += 12 + length
    if at + 12 > len(data):
        raise Unreadable("is a truncated PNG")
    return Header("png", width, height)


def _bmp(data: Data) -> Header:
    (offset, size) = struct.unpack_from("<II", data, 10)
    if size == 12:  # noqa: PLR2004 - the OS/2 header, told by its size
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)  # negative: stored from the top
    if compression == 0 and offset + (width * bits + 31) // 32 * 4 * height > len(data):
        raise Unreadable("is a truncated BMP")
    return Header("bmp", width, height)


def _tiff(data: Data) -> Header:
    """Read the first directory only, as the decoder does."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (entries,) = struct.unpack_from(order + "H", data, at)
    sizes: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        tag, kind, count = struct.unpack_from(order + "HHI", data, entry)
        if tag in {256, 257} and count == 1:  # ImageWidth, ImageLength, each SHORT (3) or LONG (4)
            if tag in sizes:
                raise Unreadable("is a TIFF that states its size twice")
            (sizes[tag],) = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + 8)  # noqa: PLR2004 - the type SHORT
    if len(sizes) != 2:  # noqa: PLR2004 - width and height
        raise Unreadable("is a TIFF without a size")
    return Header("tiff", sizes[256], sizes[257])
