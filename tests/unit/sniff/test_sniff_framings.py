"""Whatever a machine says, in whichever packets: its own framing is found, with every message that it sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.sniff.framings import framing, without_filling

Encode = Callable[[bytes], bytes]

SERIAL = st.from_regex(r"[A-Z]{2}[0-9]{4,8}", fullmatch=True)
LINE = st.builds(
    lambda serial, word, rest: f"{serial},{word},{rest}".encode(),
    SERIAL,
    st.sampled_from(["OK", "NG", "PASS", "FAIL"]),
    st.text("abcXYZ0123456789 ._-", max_size=30),
)


def cut(stream: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut a stream into packets of these sizes, again and again."""
    packets, at, turn = [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        packets.append(stream[at : at + size])
        at, turn = at + size, turn + 1
    return packets


PACKETS = st.lists(st.integers(1, 200), min_size=1, max_size=5)


@pytest.mark.parametrize(("end", "seen"), [(b"\r\n", "CR LF"), (b"\n", "LF"), (b"\r", "CR")])
@given(messages=st.lists(LINE, min_size=3, max_size=30), sizes=PACKETS)
def test_lines(end: bytes, seen: str, messages: list[bytes], sizes: list[int]) -> None:
    """Each of the three line ends is told from the others, however the lines are cut."""
    found = framing([cut(b"".join(message + end for message in messages), sizes)])
    assert (found.kind, found.seen, found.certain) == ("crlf", seen, True)
    assert list(found.messages) == messages


@given(
    messages=st.lists(LINE, min_size=2, max_size=30), sizes=PACKETS, after=st.sampled_from([b"", b"\r\n", b"\0"])
)
def test_stx_and_etx(messages: list[bytes], sizes: list[int], after: bytes) -> None:
    """STX and ETX are found, also where machines put line ends behind them."""
    stream = b"".join(b"\x02" + message + b"\x03" + after for message in messages)
    found = framing([cut(stream, sizes)])
    assert found.kind == "stx_etx"
    assert list(found.messages) == messages


@given(
    serials=st.lists(st.integers(0, 99_999), min_size=8, max_size=40),
    words=st.lists(st.sampled_from(["OK", "NG"]), min_size=40, max_size=40),
    width=st.integers(16, 60),
    sizes=PACKETS,
)
def test_records_of_one_length(serials: list[int], words: list[str], width: int, sizes: list[int]) -> None:
    """The length of records is found from the bytes, whatever packets they come in, but the same few at once."""
    assume(all(size % width or size == width for size in sizes))
    messages = [f"P{n:05d}  {word}  R7".ljust(width).encode() for n, word in zip(serials, words, strict=False)]
    found = framing([cut(b"".join(messages), sizes)])
    assert (found.kind, found.length) == ("fixed", width)
    assert list(found.messages) == messages


def frame(part: str, image: bytes) -> tuple[bytes, bytes]:
    header = json.dumps({"part": part, "views": [{"bytes": len(image)}]}).encode()
    total = 4 + len(header) + len(image)
    return total.to_bytes(4) + len(header).to_bytes(4) + header + image, header


@given(parts=st.lists(SERIAL, min_size=1, max_size=8), image=st.binary(min_size=1, max_size=5000), sizes=PACKETS)
def test_lengths_with_images(parts: list[str], image: bytes, sizes: list[int]) -> None:
    """Pictures may hold any bytes: line ends, STX, braces; the lengths still lead from frame to frame."""
    frames = [frame(part, image) for part in parts]
    found = framing([cut(b"".join(data for data, _ in frames), sizes)])
    assert found.kind == "len32be"
    assert list(found.messages) == [header for _, header in frames]


@given(
    messages=st.lists(LINE, min_size=8, max_size=30),
    noise=st.binary(min_size=1, max_size=12),
    at=st.integers(0, 7),
)
def test_noise_between_lines_changes_nothing(messages: list[bytes], noise: bytes, at: int) -> None:
    """A few bytes of noise are no reason to believe in another framing."""
    lines = [message + b"\r\n" for message in messages]
    lines.insert(at, noise.replace(b"\r", b"?").replace(b"\n", b"?") + b"\r\n")
    found = framing([lines])
    assert found.kind == "crlf"
    assert set(messages) <= set(found.messages)


def test_a_stream_cut_in_the_middle_is_still_understood() -> None:
    """The last message of a recording is often cut."""
    stream = b"".join(b"\x02P%d,OK\x03" % number for number in range(20))[:-4]
    found = framing([[stream]])
    assert (found.kind, len(found.messages)) == ("stx_etx", 19)


@pytest.mark.parametrize(
    ("encode", "seen"),
    [
        (lambda message: len(message).to_bytes(2, "big") + message, "16-bit length, big-endian"),
        (lambda message: len(message).to_bytes(2, "little") + message, "16-bit length, little-endian"),
        (lambda message: len(message).to_bytes(4, "little") + message, "32-bit length, little-endian"),
        (lambda message: message + b"\0", "NUL (0x00) at the end"),
        (lambda message: message + b"\x04", "EOT (0x04) at the end"),
        (lambda message: b'{"part": "' + message + b'"}', "JSON without marks"),
    ],
)
def test_what_the_bridge_does_not_speak_is_named(encode: Encode, seen: str) -> None:
    """So that nobody tries one framing after the other."""
    messages = [b"P%d,OK%s" % (number, b"," * (number % 7)) for number in range(20)]
    found = framing([[b"".join(map(encode, messages))]])
    assert (found.kind, found.seen) == ("none", seen)
    assert len(found.messages) == len(messages)


def test_one_message_per_connection() -> None:
    """Some machines dial, say one thing without an end, and hang up."""
    found = framing([[b"P%d,OK" % (10**number)] for number in range(9)])
    assert (found.kind, found.seen) == ("none", "one message per connection")
    assert found.messages[2] == b"P100,OK"


def test_a_single_message_of_unknown_end_proves_nothing() -> None:
    found = framing([[b"P1,OK"]])
    assert (found.kind, found.certain) == ("none", False)


def test_nothing_sent_is_said_so() -> None:
    with pytest.raises(ValueError, match="sent nothing"):
        framing([])


def test_filling_is_taken_off() -> None:
    found = without_filling(framing([[b"A  \r\n", b"  B\r\n", b"   \r\n"]]))
    assert list(found.messages) == [b"A", b"B"]
