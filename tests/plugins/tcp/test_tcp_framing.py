"""Frames come out whole and in order, however a stream is cut and whatever stands between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_tcp.framing import Crlf, Fixed, Frame, Framing, Garbage, Item, StxEtx

MAX = 40
TEXT = st.binary(min_size=1, max_size=MAX).map(
    lambda data: bytes(byte for byte in data if byte not in b"\r\n\x02\x03") or b"x"
)
FRAMED: dict[str, Callable[[], Framing]] = {
    "crlf": lambda: Crlf(MAX),
    "stx_etx": lambda: StxEtx(MAX),
    "fixed": lambda: Fixed(MAX),
}


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut a stream at the given places, taken modulo its length."""
    at = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:end] for start, end in pairwise(at)]


def fed(framing: Framing, pieces: Sequence[bytes]) -> list[Item]:
    return [item for piece in pieces for item in framing.feed(piece)]


def frames(items: Sequence[Item]) -> list[bytes]:
    return [item.payload for item in items if isinstance(item, Frame)]


@pytest.mark.parametrize("name", FRAMED)
@given(
    stream=st.binary(max_size=400) | st.text("ab\r\n\x02\x03", max_size=400).map(str.encode),
    places=st.lists(st.integers(0), max_size=30),
)
def test_any_cut_of_a_stream_gives_the_same_frames(name: str, stream: bytes, places: list[int]) -> None:
    """Reads end anywhere; frames do not depend on it."""
    whole, pieces = FRAMED[name](), FRAMED[name]()
    assert frames(fed(pieces, cut(stream, places))) == frames(whole.feed(stream))
    assert pieces.pending == whole.pending


@pytest.mark.parametrize("name", FRAMED)
@given(payloads=st.lists(TEXT, max_size=10), places=st.lists(st.integers(0), max_size=10))
def test_what_is_encoded_comes_out(name: str, payloads: list[bytes], places: list[int]) -> None:
    """A round trip keeps every payload; a fixed record is filled with spaces."""
    framing = FRAMED[name]()
    stream = b"".join(map(framing.encode, payloads))
    expected = [payload.ljust(MAX) if name == "fixed" else payload for payload in payloads]
    items = fed(framing, cut(stream, places))
    assert frames(items) == expected
    assert len(items) == len(expected)
    assert framing.pending == 0


@given(junk=st.binary(max_size=300), payload=TEXT, places=st.lists(st.integers(0), max_size=10))
def test_stx_finds_the_good_frame_after_any_garbage(junk: bytes, payload: bytes, places: list[int]) -> None:
    """STX starts anew, whatever came before."""
    framing = StxEtx(MAX)
    assert frames(fed(framing, cut(junk + framing.encode(payload), places)))[-1] == payload


@given(junk=st.binary(max_size=300), payload=TEXT, places=st.lists(st.integers(0), max_size=10))
def test_a_line_end_ends_any_garbage(junk: bytes, payload: bytes, places: list[int]) -> None:
    """The line after a garbled line is good again."""
    framing = Crlf(MAX)
    assert frames(fed(framing, cut(junk + b"\n" + framing.encode(payload), places)))[-1] == payload


@pytest.mark.parametrize("name", FRAMED)
@given(stream=st.binary(max_size=400))
def test_giving_up_leaves_nothing_behind(name: str, stream: bytes) -> None:
    """After the end of a stream, or a silence, the framing is as good as new."""
    framing = FRAMED[name]()
    framing.feed(stream)
    while framing.pending:
        assert framing.expire() or framing.pending == 0
    payload = b"p" * MAX
    assert frames(
        framing.feed(b"\n" + framing.encode(payload) if name == "crlf" else framing.encode(payload))
    ) == [payload]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\n"])
def test_every_line_end_of_the_field_is_known(end: bytes) -> None:
    """CR, LF and CR LF end a line; empty lines mean nothing."""
    assert frames(Crlf(MAX).feed(b"a" + end + b"b" + end)) == [b"a", b"b"]


def test_a_line_that_is_too_long_is_reported_once_and_not_kept() -> None:
    """A machine that never ends its line costs no memory."""
    framing = Crlf(MAX)
    items = [item for _ in range(1000) for item in framing.feed(b"x" * 10)]
    assert [type(item) for item in items] == [Garbage]
    assert framing.pending == 0
    assert frames(framing.feed(b"xxx\r\ngood\r\n")) == [b"good"]


@pytest.mark.parametrize("between", [b"", b"\r\n", b" \t\x00"])
def test_filling_between_frames_is_no_garbage(between: bytes) -> None:
    """Many machines put a line end behind ETX."""
    framing = StxEtx(MAX)
    assert fed(framing, [b"\x02a\x03" + between + b"\x02b\x03" + between]) == [Frame(b"a"), Frame(b"b")]


def test_a_frame_that_lost_its_end_gives_way_to_the_next() -> None:
    """The first of two STX in a row lost its ETX."""
    lost, good = StxEtx(MAX).feed(b"\x02half\x02whole\x03")
    assert (lost, good) == (Garbage(b"\x02half", 5, "STX without its ETX"), Frame(b"whole"))


def test_a_record_broken_by_silence_does_not_shift_the_next() -> None:
    """Only silence tells where a fixed record begins."""
    framing = Fixed(4)
    assert framing.feed(b"AAAABB") == [Frame(b"AAAA")]
    assert framing.expire() == [Garbage(b"BB", 2, "record is shorter than 4 bytes")]
    assert framing.feed(b"CCCC") == [Frame(b"CCCC")]


@pytest.mark.parametrize(
    ("name", "payload"), [("crlf", b"a\nb"), ("stx_etx", b"a\x03b"), ("fixed", b"x" * (MAX + 1))]
)
def test_what_would_break_a_frame_is_not_sent(name: str, payload: bytes) -> None:
    """A part id with a line end in it must not become two messages."""
    with pytest.raises(ValueError, match="byte"):
        FRAMED[name]().encode(payload)


@pytest.mark.parametrize("name", FRAMED)
def test_text_framings_carry_no_images(name: str) -> None:
    with pytest.raises(ValueError, match="len32be"):
        FRAMED[name]().encode(b"text", [b"image"])


@pytest.mark.parametrize("framing", [Crlf(1 << 20), StxEtx(1 << 20), Fixed(1 << 20)])
def test_bytes_that_trickle_in_cost_no_quadratic_work(framing: Framing) -> None:
    """A megabyte in pieces of 16 bytes is held, not copied again and again."""
    started = time.process_time()
    framing.feed(b"\x02")
    for _ in range(60_000):
        framing.feed(b"x" * 16)
    assert framing.pending > 900_000
    assert time.process_time() - started < 2
