"""What drivers bring becomes text that people would write; a verdict is OK by a listed word only."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bridge.plugin import Unreadable, Verdict, Words
from bridge_sql.codec import LISTED, Reading, fitting, sample, text, word

WORDS = Words(("OK",), ("NG",))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        ("  P1   ", "P1"),
        (7, "7"),
        (True, "true"),
        (7.0, "7"),
        (7.25, "7.25"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (Decimal("7.00"), "7"),
        (Decimal("0.10"), "0.10"),
        (Decimal(12345678901234567890), "12345678901234567890"),
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "sNaN"),
        (Decimal("1E+999999"), "1E+999999"),
        (b"P1\0\0", "P1"),
        (b"\xff\xfe", "fffe"),
        (memoryview(b"P1"), "P1"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),  # noqa: DTZ001 - machines know no zones
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("부품", "부품"),
    ],
)
def test_a_value_is_written_as_people_would(value: object, said: str) -> None:
    assert text(value) == said


@pytest.mark.parametrize(
    ("words", "value", "verdict"),
    [
        (Words(("0",), ("1",)), 0, Verdict.OK),
        (Words(("0",), ("1",)), Decimal("1.0"), Verdict.NG),
        (Words(("0",), ("1",)), False, Verdict.OK),
        (Words(("false",), ("true",)), False, Verdict.OK),
        (Words(("1",), ("0",)), True, Verdict.OK),
        (Words(("PASS",), ("FAIL",)), "pass  ", Verdict.OK),
        (Words(("PASS",), ("FAIL",)), True, None),
        (Words(("PASS",), ("FAIL",)), 0, None),
        (Words(("PASS",), ("FAIL",)), None, None),
    ],
)
def test_a_verdict_is_what_the_lists_say(words: Words, value: object, verdict: Verdict | None) -> None:
    assert words.verdict(word(value, words)) is verdict


@given(
    st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.binary(), st.decimals()),
    st.booleans(),
)
def test_nothing_is_ok_by_accident(value: object, complete: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever a column holds, only the listed word means OK, and only in a complete row."""
    try:
        part = Reading(WORDS, ())({"part": "P", "verdict": value}, (), complete=complete)
    except Unreadable:
        return
    assert part.legacy is not Verdict.OK or (complete and text(value).casefold() == "ok")


def test_an_incomplete_row_keeps_its_pictures_and_loses_its_verdicts() -> None:
    details = [{"view": "R1", "verdict": "OK", "image": "a.jpg"}, {LISTED: True, "view": "R2"}]
    part = Reading(WORDS, ())({"part": "P", "verdict": "OK"}, details, complete=False)
    assert part.legacy is None
    assert [(view.name, view.legacy, view.reference) for view in part.views] == [
        ("R1", None, "a.jpg"),
        ("R2", None, ""),
    ]


def test_lot_and_counter_are_read_as_the_database_gives_them() -> None:
    """The number of a row may be the machine's own of its parts, and comes as a decimal from some databases."""
    part = Reading(WORDS, ())({"part": "P", "lot": "L7 ", "counter": Decimal("90210.0")}, (), complete=True)
    assert (part.lot, part.counter) == ("L7", 90210)


@pytest.mark.parametrize(
    "row",
    [
        {"counter": "A7"},
        {"part": "x" * 257},
        {"part": "a\tb"},
        {"ng_views": -1},
        {"ng_views": "many"},
        {"recipe": "x" * 300},
    ],
)
def test_what_no_part_can_be_is_unreadable(row: dict[str, object]) -> None:
    with pytest.raises(Unreadable):
        Reading(WORDS, ())(row, (), complete=True)
    assert sample(row, [{"x": b"\xff", "y": Decimal(1)}])


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [
        (None, sa.Integer(), None),
        (True, sa.Integer(), 1),
        (True, sa.Boolean(), True),
        (1, sa.Boolean(), True),
        (True, sa.String(), "true"),
        (7, sa.String(), "7"),
        (7.6, sa.Integer(), 8),
        (7.5, sa.Double(), 7.5),
        (["a"], sa.String(), '["a"]'),
        ({"a": 1}, sa.JSON(), {"a": 1}),
        ("0" * 31 + "1", sa.Uuid(), uuid.UUID(int=1)),
        ("P1", sa.Integer(), "P1"),
    ],
)
def test_a_field_is_written_as_its_column_wants(
    value: object, kind: sa.types.TypeEngine[object], written: object
) -> None:
    assert fitting(value, kind) == written
