from __future__ import annotations

import struct
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
from conftest import encoded, textured
from hypothesis import given
from hypothesis import strategies as st

from bridge.judging import headers
from bridge.judging.headers import Unreadable

FORMS = (".jpg", ".png", ".bmp", ".tiff")


@pytest.mark.parametrize("form", FORMS)
def test_the_size_is_what_the_decoder_finds(form: str) -> None:
    header = headers.read(encoded(7, (37, 21), form))
    assert (header.width, header.height) == (37, 21)


@pytest.mark.parametrize("form", [".jpg", ".png", ".bmp"])
@given(share=st.floats(0, 0.999))
def test_a_picture_cut_anywhere_is_refused(form: str, share: float) -> None:
    """A file still being written never passes for a picture whose rest is grey."""
    data = encoded(90, (50, 40), form)
    with pytest.raises(Unreadable):
        headers.read(data[: int(len(data) * share)])


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*"]),
)
def test_arbitrary_bytes_are_a_header_or_unreadable(junk: bytes, start: bytes) -> None:
    """Nothing else may come out: no other exception, no endless loop."""
    try:
        header = headers.read(start + junk)
    except Unreadable:
        return
    assert header.width > 0
    assert header.height > 0


@given(st.sampled_from(FORMS), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_a_damaged_picture_is_a_header_or_unreadable(form: str, at: int, junk: bytes) -> None:
    data = bytearray(encoded(90, (50, 40), form))
    at %= len(data)
    data[at : at + len(junk)] = junk
    with suppress(Unreadable):
        headers.read(bytes(data))


def test_a_thumbnail_does_not_end_a_truncated_jpeg() -> None:
    """A camera's EXIF thumbnail holds an end marker of its own; only the picture's own counts."""
    picture, thumbnail = encoded(90, form=".jpg"), encoded(90, (8, 8), ".jpg")
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = picture[:2] + segment + picture[2:]
    assert headers.read(whole).width == 64
    with pytest.raises(Unreadable, match="truncated"):
        headers.read(whole[:-2])


def test_a_progressive_jpeg_is_read() -> None:
    done, data = cv2.imencode(".jpg", textured((64, 48)), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert done
    assert headers.read(data.tobytes()).height == 48


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    """It would cost minutes of decoding, not memory."""
    done, data = cv2.imencode(".jpg", textured((64, 48)), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert done
    raw = data.tobytes()
    scan = raw[raw.rindex(b"\xff\xda") : -2]
    with pytest.raises(Unreadable, match="too many scans"):
        headers.read(raw[:-2] + scan * 200 + raw[-2:])


@pytest.mark.parametrize("data", [b"", b"GIF89a\1\0\1\0", b"RIFF\0\0\0\0WEBP", b"part 7 OK", b"\0" * 4096])
def test_other_formats_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable, match="neither JPEG, PNG, BMP nor TIFF"):
        headers.read(data)


def bomb(width: int, height: int) -> bytes:
    """A complete PNG of a few bytes that claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_bomb_says_its_size_without_being_decoded() -> None:
    header = headers.read(bomb(60_000, 60_000))
    assert header.width * header.height == 3_600_000_000


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(Unreadable, match="no pixels"):
        headers.read(bomb(0, 5))


def test_a_tiff_that_states_its_size_twice_is_refused() -> None:
    """The decoder might believe the other one."""
    entry = struct.Struct("<HHII")
    entries = [entry.pack(256, 3, 1, 5), entry.pack(257, 3, 1, 5), entry.pack(256, 3, 1, 60_000)]
    data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4)
    with pytest.raises(Unreadable, match="twice"):
        headers.read(data)


def test_a_bmp_stored_from_the_top_has_its_size() -> None:
    data = bytearray(encoded(5, (8, 8), ".bmp"))
    struct.pack_into("<i", data, 22, -8)
    assert headers.read(bytes(data)).height == 8
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), 1)[0, 0], [5, 5, 5])
