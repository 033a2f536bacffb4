"""Looking at a message before it is parsed: how much memory would it ask for?

An empty view is two bytes on the wire and a hundred in memory, so a message within its limit can ask for fifty
times its size. Counting costs a few microseconds, for pictures are stepped over; whatever is malformed is left to
the parser, which refuses it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.plugin import Unreadable

MAX_VIEWS = 16_384
"""More than any panel has components."""
MAX_FIELDS = 2 * MAX_VIEWS
"""As many fields are stepped over; nobody who means well sends more."""
_INSPECTION = 1
"""The field of the part, in InspectRequest and in UploadRequest."""
_VIEWS = 10
"""The field of the views, in Inspection."""
_VARINT, _FIXED64, _LENGTH, _GROUP, _END, _FIXED32 = range(6)
_LONGEST_VARINT = 10


def bound(data: bytes) -> None:
    """Return where a request is of a size that may be parsed.

    Raises:
        Unreadable: it has more views than any part, or more fields than anybody needs.
    """
    views = fields = 0
    for number, begin, end in _fields(data, 0, len(data)):
        fields += 1
        inside = _fields(data, begin, end) if number == _INSPECTION else ()
        for inner, _, _ in inside:
            fields += 1
            views += inner == _VIEWS
            if views > MAX_VIEWS:
                raise Unreadable(f"part has more than {MAX_VIEWS} views")
            if fields > MAX_FIELDS:
                break
        if fields > MAX_FIELDS:
            raise Unreadable(f"message has more than {MAX_FIELDS} fields")


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of each field, as far as the bytes make sense; a group's marks too."""
    while at < end:
        tag, at = _varint(data, at, end)
        begin, kind = at, tag & 7
        if kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind == _LENGTH:
            size, begin = _varint(data, at, end)
            at = begin + size
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        elif kind not in (_GROUP, _END):
            return
        if at > end:
            return
        yield tag >> 3, begin, at


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and where it ends; past the end where there is none."""
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that another byte follows
            return value, at
    return 0, end + 1
