"""Frames with images keep their bytes, and a stream that lost its place finds it again."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plugin import Inspection, View
from bridge_tcp.codec import write_part
from bridge_tcp.framing import Frame, Garbage, Item
from bridge_tcp.len32be import FALSE_STARTS, HEADER_BYTES, Len32be

MAX = 1 << 20
IMAGES = st.lists(st.binary(min_size=1, max_size=60), max_size=4)


def document(images: Sequence[bytes], part: str = "P1") -> bytes:
    return json.dumps({"part": part, "views": [{"bytes": len(image)} for image in images]}).encode()


def encoded(images: Sequence[bytes] = (), part: str = "P1") -> bytes:
    return Len32be(MAX).encode(document(images, part), images)


def fed(framing: Len32be, stream: bytes, step: int) -> list[Item]:
    """Feed a stream in pieces, then tell of the silence behind it."""
    items = [item for at in range(0, len(stream), step) for item in framing.feed(stream[at : at + step])]
    while framing.pending:
        items += framing.expire()
    return items


def frames(items: Sequence[Item]) -> list[tuple[bytes, tuple[bytes, ...]]]:
    return [(item.payload, item.images) for item in items if isinstance(item, Frame)]


@given(parts=st.lists(IMAGES, max_size=4), step=st.integers(1, 100))
def test_what_is_encoded_comes_out(parts: list[list[bytes]], step: int) -> None:
    """Header and every image come out whole, however the stream is cut."""
    framing = Len32be(MAX)
    stream = b"".join(framing.encode(document(images), images) for images in parts)
    items = fed(framing, stream, step)
    assert frames(items) == [(document(images), tuple(images)) for images in parts]
    assert len(items) == len(parts)


@given(junk=st.binary(max_size=200), images=IMAGES, step=st.integers(1, 100))
def test_the_good_frames_after_any_garbage_are_found(junk: bytes, images: list[bytes], step: int) -> None:
    """Garbage may look like the beginning of a frame: silence at the latest tells that it was none."""
    good = encoded(images)
    found = frames(fed(Len32be(MAX), junk + good + good, step))
    assert found[-2:] == [(document(images), tuple(images))] * 2


@given(
    stream=st.binary(max_size=300) | st.text('\0\1\t{}":', max_size=300).map(str.encode), step=st.integers(1, 50)
)
def test_any_cut_of_a_stream_gives_the_same_frames(stream: bytes, step: int) -> None:
    stream += encoded([b"x"]) + stream
    assert frames(fed(Len32be(MAX), stream, step)) == frames(fed(Len32be(MAX), stream, len(stream)))


@given(stream=st.binary(max_size=300), step=st.integers(1, 50))
def test_no_byte_vanishes(stream: bytes, step: int) -> None:
    """Garbage and frames add up to what was sent."""
    good = encoded([b"image"])
    items = fed(Len32be(MAX), stream + good, step)
    garbage = sum(item.size for item in items if isinstance(item, Garbage))
    assert garbage + len(good) * len(frames(items)) == len(stream) + len(good)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (struct.pack(">II", 0xFFFFFFFF, 20) + b"{", "announces 4294967295 bytes"),
        (struct.pack(">II", 100, 200) + b"{", "announces a header of 200"),
        (struct.pack(">II", 1 << 19, HEADER_BYTES + 1) + b"{", "announces a header of"),
        (struct.pack(">II", 20, 16) + b"not json........", "does not begin with {"),
        (struct.pack(">II", 20, 16) + b"{not json.......", "no JSON object"),
        (struct.pack(">II", 99, 16) + b'{"part":  "P1"}\n', "do not agree"),
        (struct.pack(">II", 24, 20) + b'{"views":[{"bytes":1', "no JSON object"),
        (struct.pack(">II", 15, 11) + b'{"views":1}', "no JSON object"),
        (struct.pack(">II", 17, 13) + b'{"views":[1]}', "no JSON object"),
        (struct.pack(">II", 28, 24) + b'{"views":[{"bytes": -1}]}'[:24], "no JSON object"),
        (struct.pack(">II", 15, 11) + b'{"a": NaN }', "no JSON object"),
    ],
)
def test_a_frame_that_contradicts_itself_is_garbage_with_its_reason(bad: bytes, reason: str) -> None:
    """The frame behind it is found without waiting for what was announced."""
    first, *_ = items = Len32be(MAX).feed(bad + encoded())
    assert isinstance(first, Garbage)
    assert reason in first.reason
    assert len(frames(items)) == 1


def test_a_header_that_nests_without_end_is_garbage() -> None:
    """Python's JSON reader gives up by an error of its own."""
    deep = b'{"a":' + b"[" * 200_000
    items = Len32be(MAX).feed(struct.pack(">II", len(deep) + 4, len(deep)) + deep + encoded())
    assert len(frames(items)) == 1


def test_an_announcement_takes_no_memory() -> None:
    """Only what has arrived is held."""
    framing = Len32be(1 << 30)
    framing.feed(struct.pack(">II", 1 << 30, 20) + b"{")
    assert framing.pending == 9


def test_a_stream_of_false_starts_is_given_up() -> None:
    """A peer cannot buy our time with few bytes for ever."""
    framing = Len32be(MAX)
    items = framing.feed((struct.pack(">II", 6, 2) + b"{x") * (FALSE_STARTS + 10))
    assert framing.lost
    assert not frames(items)
    assert framing.pending == 0
    assert framing.feed(encoded()) == []


def test_endless_garbage_is_given_up() -> None:
    """After as much garbage as the largest frame there is no use in looking on."""
    framing = Len32be(1 << 16)
    for _ in range(200):
        framing.feed(b"\xff" * 1000)
    assert framing.lost


def test_the_peer_may_not_say_more_than_fits() -> None:
    with pytest.raises(ValueError, match="more than"):
        Len32be(100).encode(document([b"x" * 100]), [b"x" * 100])


def test_sizes_and_images_must_agree() -> None:
    with pytest.raises(ValueError, match="sizes"):
        Len32be(100).encode(document([b"xx"]), [b"x"])


def test_a_large_frame_in_small_reads_is_cheap() -> None:
    """Sixteen megabytes in reads of 4 kB: each byte is copied a few times, not thousands of times."""
    framing = Len32be(32 << 20)
    image = bytes(16 << 20)
    stream = framing.encode(document([image]), [image])
    items = fed(framing, stream, 4096)
    assert frames(items)[0][1][0] == image


def checked(images: Sequence[bytes], part: str = "P1") -> bytes:
    views = [{"bytes": len(image), "crc32": zlib.crc32(image)} for image in images]
    return Len32be(MAX).encode(json.dumps({"part": part, "views": views}).encode(), images)


@given(images=IMAGES, cut=st.integers(0, 200), step=st.integers(1, 100))
def test_a_frame_cut_short_costs_its_own_pictures_only(images: list[bytes], cut: int, step: int) -> None:
    """With checksums the frames behind it are all found, whatever part of its pictures is missing."""
    whole = checked([b"first", *images, b"last"], "P1")
    header = 8 + struct.unpack_from(">II", whole)[1]
    short = whole[: max(header, len(whole) - cut)]
    behind = [checked([bytes([number]) * 50], f"P{number}") for number in range(2, 9)]
    items = fed(Len32be(MAX), short + b"".join(behind), step)
    found = [(json.loads(payload)["part"], views) for payload, views in frames(items)]
    assert found[-len(behind) :] == [(f"P{number}", (bytes([number]) * 50,)) for number in range(2, 9)]
    if len(short) < len(whole) and len(found) > len(behind):
        assert found[0][1][-1] == b""


@given(images=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), data=st.data())
def test_a_picture_with_another_checksum_is_none(images: list[bytes], data: st.DataObject) -> None:
    """A flipped bit takes one picture away, not its neighbours and not the part."""
    stream = bytearray(checked(images))
    header = 8 + struct.unpack_from(">II", stream)[1]
    at = data.draw(st.integers(header, len(stream) - 1))
    stream[at] ^= 1 << data.draw(st.integers(0, 7))
    [frame] = [item for item in fed(Len32be(MAX), bytes(stream), 7) if isinstance(item, Frame)]
    lost = [image for image, got in zip(images, frame.images, strict=True) if got != image]
    assert (len(lost), frame.damaged, frame.images.count(b"")) == (1, 1, 1)


@pytest.mark.parametrize("crc", ["0", -1, 1.5, True, [], {}, 2**70])
def test_a_checksum_that_is_none_is_never_right(crc: object) -> None:
    header = json.dumps({"views": [{"bytes": 3, "crc32": crc}]}).encode()
    [frame] = [
        item for item in Len32be(MAX).feed(Len32be(MAX).encode(header, [b"abc"])) if isinstance(item, Frame)
    ]
    assert (frame.images, frame.damaged) == ((b"",), 1)


def test_the_simulated_machine_sends_checksums() -> None:
    header, images = write_part(Inspection(part="P1", views=(View(name="1", image=b"abc"), View(name="2"))))
    assert [view.get("crc32") for view in json.loads(header)["views"]] == [zlib.crc32(b"abc"), None]
    assert Len32be(MAX).encode(header, images)
