"""The verdict of the month."""

from __future__ import annotations

import numpy as np
import pytest
from month_kit import month

from bridge.config.shadow import Shadow
from bridge.messages import Goal
from bridge.shadow.month import NG, NONE, OK, Month
from bridge.shadow.readiness import LOOKS, look_at, readiness, said

N = 60_000
SHADOW = Shadow(escapes_ppm=300, correlation=0.05)


def parts(missed: int, *, bad: int = 900, days: float = 30, n: int = N) -> Month:
    """Return a month of true NG, some missed, and of 1,200 false calls, two thirds of them cleared."""
    truth = np.full(n, OK)
    at = np.linspace(0, n - 1, bad).astype(int)
    truth[at] = NG
    legacy = truth.copy()
    false = np.linspace(7, n - 9, 1200).astype(int)
    legacy[false] = NG
    model = legacy.copy()
    model[false[::3]] = model[false[1::3]] = OK
    model[at] = NG
    model[at[np.linspace(0, bad - 1, missed).astype(int)]] = OK
    return month(legacy, model, truth, days=days)


def test_a_month_that_shows_what_was_asked_for_is_ready() -> None:
    found = readiness(parts(1), SHADOW, Goal.CUT_FALSE_CALLS, 30)
    assert found.state == "ready", found.reasons
    assert (found.look, found.confidence) == (1, pytest.approx(0.96))
    assert found.reasons == ()


def test_nothing_is_ready_before_its_day_however_good_it_looks() -> None:
    found = readiness(parts(0, days=29), SHADOW, Goal.CUT_FALSE_CALLS, 29.9)
    assert found.state == "need more"
    assert all(limit.holds for limit in found.limits)
    assert found.more_days == 1
    assert "30 of the planned 30 days" in found.reasons[0]


def test_a_broken_limit_is_not_ready_and_says_which_and_by_how_much() -> None:
    found = readiness(parts(40), SHADOW, Goal.CUT_FALSE_CALLS, 30)
    assert found.state == "not ready"
    (reason,) = [one for one in found.reasons if one.startswith("true NG overruled")]
    assert "measured 4.44 %" in reason
    assert "1 % may be" in reason


def test_too_few_true_ng_are_counted_out_in_parts_and_days() -> None:
    found = readiness(parts(1, bad=300), SHADOW, Goal.CUT_FALSE_CALLS, 30)
    assert found.state == "need more"
    assert found.more_ng >= 300
    assert found.more_days >= 30
    enough = readiness(parts(2, bad=600, n=2 * N, days=60), SHADOW, Goal.CUT_FALSE_CALLS, 60)
    assert enough.look == 2


def test_between_two_looks_nobody_sees_more_than_the_look_did() -> None:
    """Ready on day 30 stays so whatever comes on day 31: what counts is on the record."""
    whole = parts(1, n=2 * N, days=60)
    late = np.flatnonzero((whole.truth == NG) & (whole.at > 31 * 86400))
    whole.goals[late, 0] = OK
    assert (
        readiness(whole, SHADOW, Goal.CUT_FALSE_CALLS, 59).limits
        == readiness(whole.of(whole.at < 30 * 86400), SHADOW, Goal.CUT_FALSE_CALLS, 30).limits
    )
    assert readiness(whole, SHADOW, Goal.CUT_FALSE_CALLS, 60).state == "not ready"


def test_an_unlabelled_disagreement_keeps_a_month_from_being_ready() -> None:
    month_ = parts(1)
    month_.truth[np.flatnonzero((month_.legacy == NG) & (month_.model == OK))[:40]] = NONE
    assert readiness(month_, SHADOW, Goal.CUT_FALSE_CALLS, 30).state != "ready"


def test_goal_2_is_held_to_the_false_calls_that_it_adds() -> None:
    month_ = parts(0)
    assert readiness(month_, SHADOW, Goal.CATCH_ESCAPES, 30).state == "ready"
    good = np.flatnonzero((month_.legacy == OK) & (month_.truth == OK))[::100]
    month_.goals[good, 1] = NG
    found = readiness(month_, SHADOW, Goal.CATCH_ESCAPES, 30)
    assert found.state == "not ready"
    assert found.limits[0].name == "false calls added"
    assert found.limits[0].refuted


def test_goal_3_is_held_to_both() -> None:
    names = [limit.name for limit in readiness(parts(0), SHADOW, Goal.REPLACE, 30).limits]
    assert names[:4] == ["true NG overruled", "escapes added", "false calls gone", "false calls added"]


def test_each_code_that_may_be_cleared_needs_its_own_true_ng() -> None:
    month_ = parts(0)
    wanted = SHADOW.model_copy(update={"min_ng": 10})
    found = readiness(month_, wanted, Goal.CUT_FALSE_CALLS, 30, ("", "E7"))
    assert {limit.name: limit.holds for limit in found.limits if "code" in limit.name} == {
        "confirmed NG of code none": True,
        "confirmed NG of code E7": False,
    }
    assert found.state == "need more"


def test_few_lots_are_not_enough() -> None:
    few = parts(0)
    few.lot[:] = few.lot // 10
    assert readiness(few, SHADOW, Goal.CUT_FALSE_CALLS, 30).state == "need more"


def test_looks_spend_the_error_once() -> None:
    assert sum(share for _, share in LOOKS) == pytest.approx(1)
    assert [look_at(days, 30) for days in (0, 29.9, 30, 59, 60, 120, 999)] == [0, 0, 1, 1, 2, 3, 3]


def test_without_a_part_it_says_what_a_first_month_takes() -> None:
    found = readiness(month([], [], []), SHADOW, Goal.CUT_FALSE_CALLS, 0)
    assert found.state == "need more"
    assert found.more_ng == 299
    assert "nothing yet" in said(found.limits[0])
