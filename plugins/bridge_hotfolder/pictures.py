"""Whether the bytes of a picture are all there, by its own end mark; nothing is decoded here."""

from __future__ import annotations

_TAIL = 1024  # cameras and copy programs append a few bytes after the end mark
_BMP_HEADER = 6


def whole(data: bytes) -> bool:
    """Say whether an encoded picture has its end.

    A format without an end mark counts as whole once there are any bytes; whether the picture can be decoded is
    for the judge to say.
    """
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in data[-_TAIL:]
    if data.startswith(b"\x89PNG"):
        return b"IEND" in data[-_TAIL:]
    if data.startswith(b"BM"):
        return len(data) >= max(_BMP_HEADER, int.from_bytes(data[2:_BMP_HEADER], "little"))
    return bool(data)
