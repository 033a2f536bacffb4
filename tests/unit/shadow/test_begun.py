"""Since when a month is about one decision."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bridge.config.changes import Fact
from bridge.config.shadow import Shadow
from bridge.shadow.begun import DAY, SETTLED_SECONDS, Begun, against, begun, not_as_run
from bridge.store import Entry

FIRST = 1_790_812_800.0 + 6 * 3600  # 2026-10-01 06:00 UTC
MIDNIGHT = FIRST - 6 * 3600
LATER = FIRST + 5 * DAY
NOW = {
    "goal": Fact("1", guarded=True),
    "threshold": Fact("0.5", guarded=True),
    "shadow.miss_limit": Fact("0.01"),
    "shadow.begins": Fact(""),
    "shadow.labels_per_day": Fact("50"),
    "shadow.guard_share": Fact("0.02", guarded=True),
    "deadline_ms": Fact("900"),
}


def after(*changed: str, at: float = LATER, back: float = 0.0, **shadow: str) -> float:
    entries = [Entry(what=what, line="smt-3", at=at, old="a", new="b") for what in changed]
    return begun(FIRST, Shadow(**shadow), entries, NOW, back).at  # type: ignore[arg-type]


def test_it_begins_on_the_day_of_the_first_part() -> None:
    assert after() == MIDNIGHT


@pytest.mark.parametrize(
    "what", ["threshold", "shadow.miss_limit", "recipe.M10.threshold", "judge.old.bundle", "views_expected"]
)
def test_it_begins_anew_with_a_change_of_verdicts_or_promises_also_of_what_is_gone_now(what: str) -> None:
    assert after(what) == LATER + SETTLED_SECONDS
    assert after(what, at=FIRST - 1) == MIDNIGHT, "before the first part nothing was judged"


@pytest.mark.parametrize(
    "what",
    ["goal", "stage", "live_recipes", "deadline_ms", "shadow.labels_per_day", "shadow.guard_share", "alarm"],
)
def test_it_goes_on_through_a_change_of_anything_else(what: str) -> None:
    assert after(what) == MIDNIGHT


def test_it_begins_anew_when_the_line_comes_back_from_live() -> None:
    assert after(back=LATER) == LATER + SETTLED_SECONDS
    assert after("threshold", at=LATER - DAY, back=LATER) == LATER + SETTLED_SECONDS


def test_its_first_day_may_be_said_beforehand_and_never_before_the_last_change() -> None:
    assert after(begins="2026-10-03") == MIDNIGHT + 2 * DAY
    assert after("shadow.begins", begins="2026-10-03") == LATER + SETTLED_SECONDS


def test_parts_of_another_decision_and_a_first_day_that_was_chosen_are_told() -> None:
    month = Begun(at=MIDNIGHT, because="threshold was changed from 0.4 to 0.5")
    assert against(MIDNIGHT, month, ["pins 2"], ["pins 2", "other"]) == []
    assert against(MIDNIGHT + DAY, month, [], ["pins 2"]) == []
    (early,) = against(MIDNIGHT - 1, month, [], [])
    assert "parts of before 2026-10-01 00:00 are in it, when threshold was changed" in early
    (late,) = against(MIDNIGHT + DAY + 1, month, [], [])
    assert "is not chosen afterwards" in late
    assert against(MIDNIGHT, month, ["pins 1"], ["pins 2"]) == [
        "judged by pins 1, which is not what would be live"
    ]


def test_limits_that_the_gateway_does_not_run_with_were_never_promised() -> None:
    file = {**NOW, "shadow.miss_limit": Fact("0.05"), "deadline_ms": Fact("800"), "goal": Fact("2", guarded=True)}
    (said,) = not_as_run(file, NOW)
    assert said.startswith("the file says shadow.miss_limit 0.05, and the gateway runs with 0.01")
    assert not_as_run(NOW, NOW) == []


@pytest.mark.parametrize("wrong", ["soon", "2026-13-01", "0001-01-01", "9999-12-31"])
def test_a_first_day_that_is_none_is_a_mistake_of_the_file(wrong: str) -> None:
    with pytest.raises(ValidationError, match="is no day; write one such as"):
        Shadow(begins=wrong)
