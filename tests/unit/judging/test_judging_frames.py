from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.judging import frames
from bridge.judging.frames import Answer, Ask, Cancel, Garbled, Load, Opinion, Ready, Rejected, Request
from bridge.judging.spec import Input, Normalisation
from bridge.messages import Box, Failure

number = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(0, 1 << 40)
box = st.builds(Box, cx=number, cy=number, w=number, h=number)
ask = st.builds(Ask, whole, st.none() | whole, st.none() | box)
opinion = st.builds(Opinion, st.none() | number, whole, number, st.none() | st.sampled_from(Failure), st.text())
load = st.builds(
    Load,
    model=st.text(),
    input=st.builds(Input, width=whole, height=whole, colour=st.sampled_from(["rgb", "bgr", "gray"])),
    normalisation=st.builds(
        Normalisation, scale=number, mean=st.lists(number).map(tuple), std=st.lists(number).map(tuple)
    ),
    precision=st.sampled_from(["f32", "bf16", "int8"]),
    logits=st.booleans(),
    classes=whole,
    ok_outputs=st.lists(whole).map(tuple),
    threads=whole,
    max_pixels=whole,
)
message = st.one_of(
    load,
    st.builds(Ready, number),
    st.builds(Rejected, st.text()),
    st.builds(Request, whole, st.lists(ask, max_size=4).map(tuple), st.none() | number),
    st.builds(Cancel, whole),
    st.builds(Answer, whole, st.lists(opinion, max_size=4).map(tuple), st.booleans()),
)


@given(message, st.lists(st.binary(max_size=50), max_size=3))
def test_every_message_survives_the_way(sent: frames.Message, pictures: list[bytes]) -> None:
    """What is decoded equals what was encoded, and the lengths lead to the body."""
    raw = b"".join(frames.encode(sent, pictures))
    header, body = frames.lengths(raw[: frames.PREFIX.size])
    begin = frames.PREFIX.size
    assert frames.decode(raw[begin : begin + header]) == sent
    assert raw[begin + header :] == b"".join(pictures)
    assert body == sum(map(len, pictures))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_garbled_and_nothing_worse(junk: bytes) -> None:
    with pytest.raises(Garbled):
        frames.decode(junk)


@pytest.mark.parametrize(
    "header",
    [b"{}", b"[]", b"1", b'{"kind":"Eval"}', b'{"kind":"Cancel"}', b'{"kind":"Request","id":1,"asks":[3]}'],
)
def test_json_of_another_shape_is_garbled(header: bytes) -> None:
    with pytest.raises(Garbled):
        frames.decode(header)


def test_a_frame_larger_than_we_ever_write_is_garbled() -> None:
    """Lengths are bounded before memory is allocated."""
    for sizes in ((frames.MAX_HEADER + 1, 0), (1, frames.MAX_BODY + 1)):
        with pytest.raises(Garbled):
            frames.lengths(frames.PREFIX.pack(*sizes))
