"""The JSON forms that every road shares: their schemas are true of what is sent and of what is understood."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import (
    Box,
    Decision,
    Failure,
    Goal,
    Inspection,
    Judgement,
    Origin,
    Spot,
    Stage,
    Verdict,
    View,
    ViewDecision,
)
from bridge.plugin import Unreadable, Words, answer_document, parse_part, part_document, read_part
from bridge.plugin.schemas import DOCUMENTS, schema_file, schema_of, schema_text

WORDS = Words(("OK", "PASS"), ("NG", "FAIL"))
VERDICTS = st.sampled_from([None, *Verdict])
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
COUNTS = st.none() | st.integers(0, 2**40)
BOXES = st.builds(Box, **dict.fromkeys(["cx", "cy", "w", "h"], st.floats(0, 1e6)))
SPOTS = st.builds(
    Spot,
    **dict.fromkeys(["cx", "cy", "w", "h"], st.floats(0, 1e6)),
    label=TEXTS,
    score=st.none() | st.floats(0, 1),
    area=st.none() | st.floats(0, 1e6),
)
VIEWS = st.builds(
    View,
    name=TEXTS.filter(bool),
    image=st.none() | st.binary(min_size=1, max_size=9),
    legacy=VERDICTS,
    defect=TEXTS,
    roi=st.none() | BOXES,
)
PARTS = st.builds(
    Inspection,
    part=TEXTS,
    legacy=VERDICTS,
    views=st.lists(VIEWS, max_size=4).map(tuple),
    key=st.none() | TEXTS.filter(bool),
    recipe=TEXTS,
    defect=TEXTS,
    ng_views=COUNTS,
    sequence=COUNTS,
    deadline_ms=st.none() | st.floats(0.1, 1e6),
    backlog=st.booleans(),
    lot=TEXTS,
    counter=COUNTS,
)
JUDGEMENTS = st.builds(
    Judgement,
    verdict=VERDICTS,
    score=st.none() | st.floats(0, 1),
    label=TEXTS,
    boxes=st.lists(BOXES | SPOTS, max_size=2).map(tuple),
)
DECISIONS = st.builds(
    Decision,
    id=TEXTS,
    line=TEXTS,
    goal=st.sampled_from(Goal),
    stage=st.sampled_from(Stage),
    part=TEXTS,
    legacy=VERDICTS,
    final=VERDICTS,
    origin=st.sampled_from(Origin),
    failures=st.lists(st.sampled_from(Failure), max_size=3).map(tuple),
    views=st.lists(
        st.builds(
            ViewDecision,
            name=TEXTS,
            final=VERDICTS,
            judgement=st.none() | JUDGEMENTS,
        ),
        max_size=3,
    ).map(tuple),
    recorded=st.booleans(),
    sequence=COUNTS,
    event_at=st.floats(0, 2e9),
    latency_ms=st.floats(0, 1e6),
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_on_the_disk_is_what_the_model_says(name: str) -> None:
    """Whoever writes the other side reads the file; ``make generate`` writes it anew."""
    assert schema_file(name).read_text(encoding="utf-8") == schema_text(DOCUMENTS[name])
    jsonschema.Draft202012Validator.check_schema(schema_of(DOCUMENTS[name]))


@given(PARTS)
def test_a_part_that_is_written_is_read_as_the_same(part: Inspection) -> None:
    """And its document is what the schema describes."""
    document = part_document(part)
    jsonschema.validate(document, schema_of(DOCUMENTS["part"]))
    images = [view.image or b"" for view in part.views]
    assert read_part(parse_part(json.dumps(document)), WORDS, images) == part


@given(PARTS, DECISIONS)
def test_what_is_told_is_what_the_schemas_describe(part: Inspection, decision: Decision) -> None:
    """The answer to a machine, and the decision to an MES."""
    jsonschema.validate(answer_document(part, decision, WORDS), schema_of(DOCUMENTS["answer"]))
    jsonschema.validate(json.loads(json.dumps(decision.document())), schema_of(DOCUMENTS["decision"]))


@given(DECISIONS)
def test_the_schema_names_every_field_of_a_decision(decision: Decision) -> None:
    assert set(decision.document()) == set(schema_of(DOCUMENTS["decision"])["required"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"part": 1}',
        '{"views": [{"roi": {}}]}',
        '{"sequence": -1}',
        '{"counter": 1.5}',
        '{"lot": 7}',
    ],
)
def test_what_is_no_part_says_why_in_one_line(text: str) -> None:
    with pytest.raises(Unreadable, match=r"^[^\n]+$"):
        parse_part(text)


def test_a_verdict_that_is_no_text_is_no_verdict() -> None:
    """A number is never OK, and the part is still a part."""
    part = read_part(parse_part('{"part": "P1", "verdict": 1}'), Words(("1",), ("0",)))
    assert (part.legacy, part.legacy_understood) == (None, False)


def test_a_box_tells_only_what_is_known_of_it() -> None:
    """A box of a heat map is told as before there were classes."""
    sides = {"cx": 1, "cy": 2, "w": 3, "h": 4}
    assert Box(**sides).document() == Spot(**sides).document() == sides
    assert Spot(**sides, label="hair", score=0, area=0).document() == {
        **sides,
        "label": "hair",
        "score": 0,
        "area": 0,
    }
