"""What a line or a document says of a part, and nothing that it does not say."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from adapter_host import decision_of
from hypothesis import given
from hypothesis import strategies as st

from bridge.plugin import Box, Inspection, Unreadable, Verdict, View, Words
from bridge_tcp.acks import Ack, JsonAcks, Statuses, TextAcks
from bridge_tcp.codec import JsonParts, TextParts, write_part
from bridge_tcp.framing import Frame
from bridge_tcp.len32be import Len32be
from bridge_tcp.templates import Replies

WORDS = Words(("OK", "PASS", "양호"), ("NG", "FAIL", "불량"))
FULL = re.compile(
    r"(?P<part>[^;]*);(?P<verdict>[^;]*);(?P<recipe>[^;]*);(?P<defect>[^;]*);(?P<image>[^;]*);(?P<view>[^;]*);"
    r"(?P<ng_views>[^;]*);(?P<sequence>[^;]*);(?P<key>[^;]*);(?P<deadline_ms>[^;]*)"
    r"(;(?P<lot>[^;]*);(?P<counter>[^;]*))?"
)


def read(line: bytes, encoding: str = "utf-8", pattern: re.Pattern[str] = FULL) -> Inspection | None:
    return TextParts(pattern, WORDS, encoding, separator="|")(Frame(line))


def test_every_group_has_its_place() -> None:
    assert read(b" P1 ;fail;M10;scratch;a.jpg|b.jpg;top|side;2;7;K1;250;L7;90210") == Inspection(
        part="P1",
        legacy=Verdict.NG,
        recipe="M10",
        defect="scratch",
        views=(View(name="top", reference="a.jpg"), View(name="side", reference="b.jpg")),
        ng_views=2,
        sequence=7,
        key="K1",
        deadline_ms=250,
        lot="L7",
        counter=90210,
    )


def test_what_is_not_said_is_absent() -> None:
    """An empty key is no key, an empty count is no count, and no image is no view."""
    assert read(b"P1;OK;;;;;;;;") == Inspection(part="P1", legacy=Verdict.OK)


def test_views_are_numbered_where_their_names_do_not_fit() -> None:
    part = read(b"P1;NG;;;a|b|c;top;;;;")
    assert part is not None
    assert [view.name for view in part.views] == ["1", "2", "3"]


@given(word=st.text(st.characters(exclude_characters=";", exclude_categories=("Cs", "Cc")), max_size=10))
def test_no_word_outside_the_list_is_ever_ok(word: str) -> None:
    """OK is taken only from a positive statement."""
    part = read(f"P1;{word};;;;;;;;".encode())
    assert part is not None
    listed = word.strip().casefold() in {"ok", "pass", "양호"}
    assert (part.legacy is Verdict.OK) == listed


@pytest.mark.parametrize("verdict", [1, 0, True, None, ["OK"], {"OK": 1}, "", "O K", "OK?", "0"])
def test_no_value_but_a_listed_word_is_a_verdict(verdict: object) -> None:
    """A machine that says 1 for good is not guessed at; its part is still a part."""
    part = JsonParts(WORDS)(Frame(json.dumps({"part": "P1", "verdict": verdict}).encode()))
    assert part is not None
    assert part.legacy is None


@pytest.mark.parametrize("encoding", ["cp949", "cp932", "cp936", "utf-8"])
def test_code_pages_of_the_field_are_read(encoding: str) -> None:
    text = "部品;OK;;;;;;;;"
    part = read(text.encode(encoding), encoding)
    assert part is not None
    assert part.part == "部品"


def test_a_byte_order_mark_is_no_part_of_the_first_id() -> None:
    part = read(b"\xef\xbb\xbfP1;OK;;;;;;;;")
    assert part is not None
    assert part.part == "P1"


@pytest.mark.parametrize("line", [b"", b"   ", b"\x00\x00"])
def test_empty_lines_mean_nothing(line: bytes) -> None:
    assert read(line) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff;OK;;;;;;;;", "bytes are not utf-8 text"),
        (b"P1;OK", "does not match the pattern"),
        (b"P" * 300 + b";OK;;;;;;;;", "part is longer than 256 characters"),
        (b"P\x071;OK;;;;;;;;", "part holds a control character"),
        (b"P1;OK;;;;;two;;;", "ng_views is no whole number"),
        (b"P1;OK;;;;;;;;;;A7", "counter is no whole number"),
        (b"P1;OK;;;;;;-1;;", "sequence is no whole number"),
        ("P1;OK;;;;;;\N{ARABIC-INDIC DIGIT ONE};;".encode(), "sequence is no whole number"),
        (b"P1;OK;;;;;;" + b"9" * 30 + b";;", "sequence is no whole number"),
    ],
)
def test_what_is_unreadable_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(line)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"not json", "Invalid JSON"),
        (b"[]", "object"),
        (b'{"part": 7}', "^part: "),
        (b'{"ng_views": -1}', "^ng_views: "),
        (b'{"sequence": 99999999999999999999999}', "^sequence: "),
        (b'{"deadline_ms": 0}', "^deadline_ms: "),
        (b'{"backlog": 1}', "^backlog: "),
        (b'{"part": "a\\nb"}', "^part: "),
        (b'{"part": "\\ud800"}', "Invalid JSON"),
        (b'{"views": [{"roi": {"cx": -1, "cy": 0, "w": 1, "h": 1}}]}', "^views.0.roi.cx: "),
    ],
)
def test_an_unreadable_document_names_the_field(document: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        JsonParts(WORDS)(Frame(document))


def test_a_newer_machine_may_say_more() -> None:
    assert JsonParts(WORDS)(Frame(b'{"part": "P1", "novelty": [1]}')) == Inspection(part="P1")


_ID = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
_VERDICT = st.none() | st.sampled_from(Verdict)
_PIXELS = st.integers(0, 10_000).map(float)
_VIEW = st.builds(
    View,
    name=_ID,
    image=st.none() | st.binary(min_size=1, max_size=50),
    legacy=_VERDICT,
    defect=_ID | st.just(""),
    roi=st.none() | st.builds(Box, cx=_PIXELS, cy=_PIXELS, w=_PIXELS, h=_PIXELS),
)
_PART = st.builds(
    Inspection,
    part=_ID | st.just(""),
    legacy=_VERDICT,
    views=st.lists(_VIEW, max_size=4).map(tuple),
    key=st.none() | _ID,
    recipe=_ID | st.just(""),
    defect=_ID | st.just(""),
    ng_views=st.none() | st.integers(0, 4),
    deadline_ms=st.none() | st.integers(1, 5000).map(float),
    backlog=st.booleans(),
    sequence=st.none() | st.integers(0, 65_535),
    lot=_ID | st.just(""),
    counter=st.none() | st.integers(0, 2**63 - 1),
)


@given(part=_PART)
def test_a_part_written_by_a_machine_is_read_as_it_was(part: Inspection) -> None:
    """Through document, framing and back, nothing changes."""
    framing = Len32be(1 << 20)
    [frame] = framing.feed(framing.encode(*write_part(part)))
    assert isinstance(frame, Frame)
    assert JsonParts(WORDS)(frame) == part


def test_a_reply_speaks_the_machines_words() -> None:
    part = Inspection(part="P1", legacy=Verdict.NG, key="K1")
    replies = Replies(Words(("GUT",), ("SCHLECHT",)), "{part}:{verdict:<10}:{key}:{number:04}")
    assert replies(part, decision_of(part, 7)) == b"P1:SCHLECHT  :K1:0007"


def test_a_verdict_that_is_absent_is_never_ok() -> None:
    part = Inspection(part="P1")
    assert Replies(WORDS, "{part},{verdict}")(part, replace(decision_of(part), final=None)) == b"P1,"


def test_nothing_is_sent_without_a_template() -> None:
    part = Inspection(part="P1")
    assert Replies(WORDS)(part, decision_of(part)) is None
    assert Replies(WORDS, "{part}")(part, decision_of(part, recorded=False)) is None


def test_a_braced_part_id_is_no_template() -> None:
    """What a machine sends is data, never a format."""
    part = Inspection(part="{id}{0.__class__}")
    assert Replies(WORDS, "{part}")(part, decision_of(part)) == b"{id}{0.__class__}"


STATUSES = Statuses(("accepted", "OK"), ("refused",))


@pytest.mark.parametrize(
    ("line", "ack"),
    [
        (b"a1 ok", Ack("a1", accepted=True)),
        (b"a1 REFUSED because of that", Ack("a1", accepted=False, reason="because of that")),
        (b"a1 busy", Ack("a1", accepted=None)),
    ],
)
def test_a_text_acknowledgement_is_understood_by_its_pattern(line: bytes, ack: Ack) -> None:
    acks = TextAcks(re.compile(r"(?P<id>\w+) (?P<status>\w+) ?(?P<reason>.*)"), STATUSES)
    assert acks(Frame(line)) == ack


def test_a_reason_can_be_stored_whatever_the_peer_wrote() -> None:
    """No lone surrogate and no novel reaches the journal."""
    reason = JsonAcks(STATUSES)(
        Frame(b'{"id": "a", "status": "refused", "reason": "\\ud800' + b"x" * 9000 + b'"}')
    ).reason
    assert reason.encode()
    assert len(reason) == 500
