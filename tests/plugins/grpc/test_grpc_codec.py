"""What a message means, and that nothing in it is taken for OK by accident."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_bridge.inspection.v1 import inspection_pb2 as pb
from aoi_bridge.inspection.v1 import inspection_service_pb2 as service_pb
from aoi_bridge.inspection.v1 import report_service_pb2 as report_pb
from bridge.plugin import (
    Box,
    Decision,
    Failure,
    Goal,
    Inspection,
    Judgement,
    Origin,
    Refused,
    Spot,
    Stage,
    Unavailable,
    Unreadable,
    Verdict,
    View,
    ViewDecision,
)
from bridge_grpc.codec import (
    FAILURES,
    ORIGINS,
    parse_inspect,
    parse_upload,
    read_inspection,
    verdict_of,
    write_answer,
    write_inspection,
)
from bridge_grpc.decisions import GOALS, STAGES, document_of, settle, write_request
from bridge_grpc.fields import MAX_FIELDS, MAX_VIEWS, bound
from bridge_grpc.peer import upload_messages
from bridge_grpc.uploads import Assembly, announced, chunks

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
verdicts = st.sampled_from([None, *Verdict])
pixels = st.floats(0, 1e6)
boxes = st.builds(Box, cx=pixels, cy=pixels, w=pixels, h=pixels)
views = st.builds(
    View,
    name=texts.filter(bool),
    image=st.none() | st.binary(min_size=1, max_size=200),
    legacy=verdicts,
    defect=texts,
    roi=st.none() | boxes,
)
parts = st.builds(
    Inspection,
    part=texts,
    legacy=verdicts,
    views=st.lists(views, max_size=5).map(tuple),
    key=st.none() | texts.filter(bool),
    recipe=texts,
    defect=texts,
    ng_views=st.none() | st.integers(0, 2**32 - 1),
    deadline_ms=st.none() | st.floats(0.001, 3_600_000),
    backlog=st.booleans(),
    sequence=st.none() | st.integers(0, 2**63 - 1),
    lot=texts,
    counter=st.none() | st.integers(0, 2**63 - 1),
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
sides = dict.fromkeys(["cx", "cy", "w", "h"], numbers)
known = st.none() | numbers
found = st.builds(Box, **sides) | st.builds(Spot, **sides, label=texts, score=known, area=known)
judgements = st.builds(
    Judgement,
    verdict=verdicts,
    score=st.none() | numbers,
    threshold=st.none() | numbers,
    label=texts,
    boxes=st.lists(found, max_size=2).map(tuple),
)
decisions = st.builds(
    Decision,
    id=st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}"),
    line=texts,
    goal=st.sampled_from(Goal),
    stage=st.sampled_from(Stage),
    part=texts,
    recipe=texts,
    legacy=verdicts,
    model=verdicts,
    operator=verdicts,
    final=verdicts,
    origin=st.sampled_from(Origin),
    failures=st.lists(st.sampled_from(Failure), max_size=4).map(tuple),
    degraded=st.booleans(),
    error=st.booleans(),
    views=st.lists(
        st.builds(
            ViewDecision,
            name=texts,
            legacy=verdicts,
            defect=texts,
            image=st.sampled_from(["", "ab" * 32]),
            judgement=st.none() | judgements,
            final=verdicts,
        ),
        max_size=3,
    ).map(tuple),
    number=st.integers(0, 2**63 - 1),
    backlog=st.booleans(),
    bypassed=st.booleans(),
    sequence=st.none() | st.integers(0, 2**63 - 1),
    bundle=texts,
    config=texts,
    event_at=numbers,
    latency_ms=numbers,
)


def written(part: Inspection) -> bytes:
    request = service_pb.InspectRequest()
    write_inspection(part, request.inspection)
    return request.SerializeToString()


def a_message(**fields: Any) -> pb.Inspection:
    return pb.Inspection(**fields)


@given(parts)
def test_a_part_that_is_written_is_read_as_it_was(part: Inspection) -> None:
    assert read_inspection(parse_inspect(written(part))) == part


@given(parts, st.integers(1, 64))
def test_a_part_that_is_uploaded_is_read_as_it_was(part: Inspection, size: int) -> None:
    """Whatever the size of the chunks."""
    first, *rest = map(parse_upload, upload_messages(part, size))
    assert isinstance(first, pb.Inspection)
    assembly = Assembly(announced(first, 1 << 20))
    for chunk in rest:
        assert isinstance(chunk, bytes)
        assembly.add(chunk)
    assert read_inspection(first, assembly.finish()) == part


@given(decisions)
def test_an_mes_reads_the_document_that_every_other_road_carries(decision: Decision) -> None:
    told = report_pb.ReportRequest.FromString(write_request(decision)).decision
    assert document_of(told) == decision.document()


@given(decisions)
def test_a_decision_told_again_is_the_same_bytes(decision: Decision) -> None:
    assert write_request(decision) == write_request(replace(decision))


@given(st.integers(-(2**31), 2**31 - 1))
def test_no_number_but_one_means_ok(number: int) -> None:
    """Zero is no verdict; what a newer client may say is no verdict either, and was not understood."""
    part = read_inspection(
        parse_inspect(service_pb.InspectRequest(inspection={"verdict": number}).SerializeToString())
    )
    assert (part.legacy is Verdict.OK) == (number == pb.VERDICT_OK)
    assert (part.legacy is Verdict.NG) == (number == pb.VERDICT_NG)
    assert part.legacy_understood == (number in {0, 1, 2})
    assert verdict_of(0) is None


def test_one_view_that_is_not_understood_leaves_the_part_not_understood() -> None:
    told = a_message(verdict=pb.VERDICT_OK, views=[{"name": "a", "verdict": 7}])
    assert not read_inspection(told).legacy_understood


def test_every_word_has_a_number_and_none_is_zero() -> None:
    """A word that is added to the messages needs one in the protocol too."""
    for words, numbers in ((Failure, FAILURES), (Origin, ORIGINS), (Goal, GOALS), (Stage, STAGES)):
        assert set(numbers) == set(words)
        assert 0 not in numbers.values()
        assert len(set(numbers.values())) == len(numbers)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"part": "x" * 257}, "part is longer than 256"),
        ({"key": "a\nb"}, "key holds a control character"),
        ({"recipe": "\x7f"}, "recipe holds a control"),
        ({"defect": "\x00"}, "defect holds a control"),
        ({"sequence": 2**63}, "sequence is more than"),
        ({"counter": 2**63}, "counter is more than"),
        ({"lot": "x" * 257}, "lot is longer than"),
        ({"deadline_ms": 0}, "deadline_ms is no number above 0"),
        ({"deadline_ms": math.nan}, "deadline_ms is no number above 0"),
        ({"deadline_ms": math.inf}, "deadline_ms is no number above 0"),
        ({"views": [{"name": "x" * 257}]}, "view is longer than 256"),
        ({"views": [{"reference": "x" * 4097}]}, "reference is longer than 4096"),
        ({"views": [{"roi": {"cx": math.nan}}]}, r"roi\.cx is no number of pixels"),
        ({"views": [{"roi": {"w": -1}}]}, r"roi\.w is no number of pixels"),
    ],
)
def test_what_no_part_says_is_unreadable(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_inspection(a_message(**fields))


def test_the_smaller_deadline_holds() -> None:
    told = a_message(deadline_ms=300)
    assert read_inspection(told, deadline_ms=200).deadline_ms == 200
    assert read_inspection(told, deadline_ms=400).deadline_ms == 300
    assert read_inspection(a_message(), deadline_ms=400).deadline_ms == 400
    assert read_inspection(a_message()).deadline_ms is None


@given(st.binary(max_size=400))
def test_any_bytes_are_a_part_or_unreadable(data: bytes) -> None:
    for parse in (parse_inspect, parse_upload):
        try:
            told = parse(data)
            if isinstance(told, pb.Inspection):
                read_inspection(told)
        except Unreadable:
            pass


def _length(number: int, data: bytes) -> bytes:
    size, out = len(data), bytes([number << 3 | 2])
    while size > 127:
        out, size = out + bytes([size & 127 | 128]), size >> 7
    return out + bytes([size]) + data


def test_a_message_that_would_fill_the_memory_is_never_parsed() -> None:
    """An empty view is two bytes on the wire and a hundred in memory."""
    many = _length(1, b"\x52\x00" * (MAX_VIEWS + 1))
    with pytest.raises(Unreadable, match="more than 16384 views"):
        bound(many)
    bound(_length(1, b"\x52\x00" * MAX_VIEWS))
    assert len(parse_inspect(_length(1, b"\x52\x00" * MAX_VIEWS)).views) == MAX_VIEWS


def test_views_hidden_behind_a_group_are_counted_too() -> None:
    hidden = b"\x9b\x06\x9c\x06" + b"\x52\x00" * (MAX_VIEWS + 1)
    with pytest.raises(Unreadable, match="more than 16384 views"):
        bound(_length(1, hidden))
    with pytest.raises(Unreadable, match="more than 16384 views"):
        bound(b"\x9b\x06\x9c\x06" + _length(1, b"\x52\x00" * (MAX_VIEWS + 1)))


@pytest.mark.parametrize("data", [b"\x48\x01" * (MAX_FIELDS + 1), _length(1, b"\x48\x01" * (MAX_FIELDS + 1))])
def test_a_message_of_a_million_small_fields_costs_no_time(data: bytes) -> None:
    with pytest.raises(Unreadable, match="more than 32768 fields"):
        bound(data)


@given(parts)
def test_counting_agrees_with_the_parser(part: Inspection) -> None:
    """Whatever is well-formed and within the bounds passes."""
    bound(written(part))


def test_an_unrecorded_decision_says_so() -> None:
    part = Inspection(part="P1", legacy=Verdict.OK)
    decision = Decision(id="1" * 32, line="L", goal=Goal.REPLACE, stage=Stage.LIVE, part="P1", final=Verdict.NG)
    answer = write_answer(part, replace(decision, failures=(Failure.NOT_RECORDED,), degraded=True))
    assert not answer.recorded
    assert list(answer.failures) == [pb.FAILURE_NOT_RECORDED]


def an_upload(image: bytes, **changes: Any) -> pb.Inspection:
    upload = {"size_bytes": len(image), "sha256": hashlib.sha256(image).digest(), **changes}
    return a_message(views=[{"name": "top", "upload": upload}])


@pytest.mark.parametrize(
    ("changes", "sent", "said"),
    [
        ({"size_bytes": 0}, b"", "view top: size_bytes is 0"),
        ({"sha256": b"short"}, b"", "view top: sha256 has 5 bytes, not 32"),
        ({"size_bytes": 1 << 40}, b"", "the pictures have 1099511627776 bytes, more than 1000"),
        ({"sha256": bytes(32)}, b"picture", "view top: the bytes that came do not have the announced SHA-256"),
        ({}, b"pictures", "view top: more than the announced 7 bytes came"),
        ({}, b"pict", "view top: only 4 of 7 bytes came"),
    ],
)
def test_an_upload_that_is_not_what_it_announced_is_unreadable(
    changes: dict[str, Any], sent: bytes, said: str
) -> None:
    def put_together() -> None:
        assembly = Assembly(announced(an_upload(b"picture", **changes), 1000))
        if sent:
            assembly.add(sent)
        assembly.finish()

    with pytest.raises(Unreadable, match=said):
        put_together()


def test_a_reason_is_short_whatever_the_caller_wrote() -> None:
    """It travels in a header, and stands in a log."""
    told = a_message(views=[{"name": "x" * 100_000, "upload": {"size_bytes": 1}}])
    with pytest.raises(Unreadable, match=r"^view is longer than 256 characters$"):
        announced(told, 1000)


def test_nothing_may_follow_a_whole_upload() -> None:
    assembly = Assembly(announced(an_upload(b"picture"), 1000))
    assembly.add(b"picture")
    with pytest.raises(Unreadable, match="every announced picture is whole"):
        assembly.add(b"")


def test_chunks_never_span_two_pictures() -> None:
    assert list(chunks(iter([b"abcde", b"fg"]), 3)) == [b"abc", b"de", b"fg"]


def test_only_accepted_means_accepted() -> None:
    """A forgotten field, and a number of a newer MES, are asked again; nothing is lost by them."""
    settle(report_pb.ReportResponse(outcome=report_pb.OUTCOME_ACCEPTED))
    with pytest.raises(Refused, match="unknown part"):
        settle(report_pb.ReportResponse(outcome=report_pb.OUTCOME_REFUSED, reason="unknown part"))
    with pytest.raises(Refused, match="without a reason"):
        settle(report_pb.ReportResponse(outcome=report_pb.OUTCOME_REFUSED))
    with pytest.raises(Unavailable, match="database is down"):
        settle(report_pb.ReportResponse(outcome=report_pb.OUTCOME_TRY_AGAIN, reason="database is down"))
    for number in (0, 9):
        with pytest.raises(Unavailable, match="neither accepted nor refused"):
            settle(report_pb.ReportResponse.FromString(bytes([8, number])))


def test_a_text_that_grpc_cannot_carry_is_refused_not_retried() -> None:
    decision = Decision(id="1" * 32, line="L", goal=Goal.REPLACE, stage=Stage.LIVE, part="\udc80")
    with pytest.raises(Refused, match="cannot be written"):
        write_request(decision)
