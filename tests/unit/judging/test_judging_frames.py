from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.judging import frames
from bridge.judging.frames import (
    Answer,
    Ask,
    Cancel,
    Garbled,
    Heat,
    Load,
    Opinion,
    Ready,
    Reference,
    Rejected,
    Request,
    Sample,
)
from bridge.judging.spec import HeatMapOutput, Input, Normalisation, Registration
from bridge.messages import Box, Failure, PictureFacts, Spot

number = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(0, 1 << 40)
box = st.builds(Box, cx=number, cy=number, w=number, h=number)
ask = st.builds(Ask, whole, st.none() | whole, st.none() | box, st.none() | whole, st.none() | number)
registration = st.builds(
    Registration,
    golden=st.text(),
    motion=st.sampled_from(["shift", "turn", "affine", "perspective"]),
    least_correlation=number,
    largest_shift_share=number,
    largest_turn_degrees=number,
    anchor=st.none() | box,
)
heat_map = st.builds(
    HeatMapOutput,
    output=st.text(),
    layer=st.text(),
    peak_share=number,
    smallest_share=number,
    largest_share=number,
    most_boxes=whole,
)
positive = st.floats(0, exclude_min=True, allow_infinity=False)
corner = st.tuples(number, number)
heat = st.tuples(st.integers(1, 64), st.integers(1, 64)).flatmap(
    lambda size: st.builds(
        Heat,
        whole,
        st.just(size[0]),
        st.just(size[1]),
        st.binary(min_size=size[0] * size[1], max_size=size[0] * size[1]),
        st.tuples(corner, corner, corner, corner),
    )
)
sides = {"cx": number, "cy": number, "w": positive, "h": positive}
known = {"label": st.text(), "score": st.none() | st.floats(0, 1), "area": st.none() | st.floats(0, 1e9)}
found = st.builds(Box, **sides) | st.builds(Spot, **sides, **known)
grey = st.floats(0, 255)
looks = st.builds(PictureFacts, brightness=grey, contrast=grey, sharpness=st.floats(0, 1e6))
opinion = st.builds(
    Opinion,
    st.none() | st.floats(0, 1),
    whole,
    number,
    st.none() | st.sampled_from(Failure),
    st.text(),
    st.lists(found, max_size=16).map(tuple),
    st.none() | heat,
    st.none() | looks,
)
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
    memory_bytes=st.none() | whole,
    golden=st.lists(st.builds(Sample, st.text(), st.none() | box, st.none() | whole), max_size=2).map(tuple),
    temperature=number,
    heat_map=st.none() | heat_map,
    references=st.lists(st.builds(Reference, registration, st.none() | box), max_size=2).map(tuple),
)
message = st.one_of(
    load,
    st.builds(Ready, number, whole, st.lists(opinion, max_size=3).map(tuple)),
    st.builds(Rejected, st.text()),
    st.builds(Request, whole, st.lists(ask, max_size=4).map(tuple), st.none() | number),
    st.builds(Cancel, whole),
    st.builds(Answer, whole, st.lists(opinion, max_size=4).map(tuple), st.booleans(), whole),
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


@given(st.lists(message, max_size=4), st.data())
def test_messages_are_cut_from_whatever_pieces_arrive(sent: list[frames.Message], data: st.DataObject) -> None:
    raw = b"".join(b"".join(frames.encode(one, [b"body"])) for one in sent)
    cutter, got = frames.Cutter(), []
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        got += list(cutter.feed(raw[:size]))
        raw = raw[size:]
    assert got == [(one, b"body") for one in sent]


def test_a_body_where_none_may_be_is_garbled_before_it_is_kept() -> None:
    """What a worker that has lost its mind sends must not grow the gateway."""
    with pytest.raises(Garbled):
        list(frames.Cutter(max_body=0).feed(b"".join(frames.encode(Cancel(1), [b"x"]))))


BOX = '{"cx":1,"cy":1,"w":2,"h":2}'
SPOT = f'{BOX[:-1]},"label":"hair","score":0.5,"area":3}}'
MAP = '{"explains":1,"rows":1,"columns":2,"values":"AP8=","corners":[[0,0],[4,0],[4,2],[0,2]]}'


LOOKS = '{"brightness":90.5,"contrast":12,"sharpness":300}'


def said(score: str = "0.5", top: str = "0", boxes: str = BOX, heat: str = MAP, picture: str = LOOKS) -> bytes:
    """An answer of one opinion as it stands on the wire."""
    facts = f'"score":{score},"top":{top},"failure":null,"boxes":[{boxes}],"heat":{heat},"picture":{picture}'
    return f'{{"kind":"Answer","id":1,"last":true,"memory_bytes":0,"opinions":[{{{facts}}}]}}'.encode()


def test_an_opinion_on_the_wire_is_what_it_says() -> None:
    seen = Heat(1, 1, 2, b"\0\xff", ((0, 0), (4, 0), (4, 2), (0, 2)))
    looks = PictureFacts(brightness=90.5, contrast=12, sharpness=300)
    expected = Opinion(0.5, boxes=(Box(cx=1, cy=1, w=2, h=2),), heat=seen, picture=looks)
    assert frames.decode(said()) == Answer(1, (expected,))
    spot = Spot(cx=1, cy=1, w=2, h=2, label="hair", score=0.5, area=3)
    assert frames.decode(said(boxes=SPOT)) == Answer(1, (replace(expected, boxes=(spot,)),))


@pytest.mark.parametrize(
    "wrong", [{"score": "1.5"}, {"score": "-0.1"}, {"score": "NaN"}, {"score": '"1"'}, {"top": "-1"}]
)
def test_an_opinion_that_is_no_probability_is_garbled(wrong: dict[str, str]) -> None:
    """It must never be held against a threshold: 5.0 would be OK."""
    with pytest.raises(Garbled):
        frames.decode(said(**wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"boxes": ",".join([BOX] * 17)},
        {"boxes": BOX.replace("2", "0")},
        {"boxes": BOX.replace("2", "1e999")},
        {"boxes": BOX.replace("2", "NaN")},
        {"boxes": BOX.replace("cx", "x")},
        {"boxes": SPOT.replace("0.5", "1.5")},
        {"boxes": SPOT.replace("0.5", "NaN")},
        {"boxes": SPOT.replace("3", "-3")},
        {"boxes": SPOT.replace('"hair"', "7")},
        {"heat": MAP.replace("AP8=", "AP8A")},
        {"heat": MAP.replace("AP8=", "not base64")},
        {"heat": MAP.replace('"rows":1', '"rows":0')},
        {"heat": MAP.replace('"rows":1,"columns":2', '"rows":2,"columns":65')},
        {"heat": MAP.replace(",[0,2]]", "]")},
        {"heat": MAP.replace("[0,2]", "[0,1e999]")},
        {"heat": MAP.replace('"explains":1', '"explains":-1')},
        {"picture": LOOKS.replace("90.5", "255.1")},
        {"picture": LOOKS.replace("90.5", "NaN")},
        {"picture": LOOKS.replace("300", "1e999")},
        {"picture": LOOKS.replace("12", '"12"')},
        {"picture": LOOKS.replace("contrast", "colour")},
    ],
)
def test_boxes_maps_and_facts_of_no_sense_or_size_are_garbled(wrong: dict[str, str]) -> None:
    """They go into the journal, so a worker that has lost its mind must not fill it."""
    with pytest.raises(Garbled):
        frames.decode(said(**wrong))


def test_a_frame_larger_than_we_ever_write_is_garbled() -> None:
    """Lengths are bounded before memory is allocated."""
    for sizes in ((frames.MAX_HEADER + 1, 0), (1, frames.MAX_BODY + 1)):
        with pytest.raises(Garbled):
            frames.lengths(frames.PREFIX.pack(*sizes))
