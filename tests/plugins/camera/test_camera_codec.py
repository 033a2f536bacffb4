"""Messages between gateway and worker survive any cutting, and nothing else is taken for one."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_camera.codec import (
    MAX_BODY,
    Alive,
    Cutter,
    Failed,
    Garbled,
    Message,
    Missing,
    Open,
    Opened,
    Shoot,
    Shot,
    encode,
)

texts, wholes, instants = st.text(max_size=30), st.integers(0, 2**48), st.floats(0, 1e9)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Open, st.dictionaries(texts, texts | wholes | st.booleans(), max_size=4)),
    st.builds(Opened, texts),
    st.builds(Failed, texts),
    st.builds(Shoot, wholes, instants, instants, wholes, wholes),
    st.builds(Shot, wholes, wholes, wholes, instants, instants, wholes, wholes, wholes),
    st.builds(Missing, wholes, texts),
    st.builds(Alive, wholes, instants),
)


@given(st.lists(messages, max_size=5), st.integers(1, 40))
def test_messages_come_out_as_they_went_in(said: list[Message], step: int) -> None:
    """Whatever the sizes of the pieces."""
    stream, cutter = b"".join(map(encode, said)), Cutter()
    heard = [m for at in range(0, len(stream), step) for m in cutter.feed(stream[at : at + step])]
    assert heard == said


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"is": "shot"}',
        b'{"is": "nothing"}',
        b'{"is": "alive", "frames": "many", "period": 0}',
        b'{"is": "alive", "frames": true, "period": 0}',
        b'{"is": "open", "camera": 7}',
        b'{"is": "opened", "said": "x", "more": 1}',
        b"[" * 10_000,
    ],
)
def test_anything_else_is_garbled(body: bytes) -> None:
    with pytest.raises(Garbled):
        list(Cutter().feed(framed(body)))


def test_a_length_beyond_all_measure_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(Garbled, match="too long"):
        list(Cutter().feed(struct.pack(">I", MAX_BODY + 1)))


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fall_over(data: bytes) -> None:
    try:
        for message in Cutter().feed(data):
            assert json.loads(encode(message)[4:])["is"]
    except Garbled:
        pass
