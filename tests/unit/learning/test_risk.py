"""The promise of a threshold is kept as often as it says, and what is missing for it is counted right."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.learning import risk
from bridge.shadow.statistics import clopper_pearson_upper

NORMAL = NormalDist()
DRAWS = 1500
SLACK = 3 * math.sqrt(0.05 * 0.95 / DRAWS)
"""Three standard deviations of a share of 5 % among the draws."""


def chance(log_odds: np.ndarray) -> risk.Scores:
    return 1 / (1 + np.exp(-log_odds))


def log_odds(threshold: float) -> float:
    return math.log(threshold / (1 - threshold))


def violations(goal: int, number: int, allowed: float) -> float:
    """How often the true risk is above the allowed one: bad parts N(-2, 2) in log-odds, good ones N(3, 2)."""
    rng = np.random.default_rng(goal)
    broken = 0
    for _ in range(DRAWS):
        bad, good = chance(rng.normal(-2, 2, number)), chance(rng.normal(3, 2, number))
        made = (risk.escapes(bad, good, allowed, 0.95), risk.false_calls(good, bad, allowed, 0.95))[goal - 1]
        at = log_odds(made.threshold)
        true = (1 - NORMAL.cdf((at + 2) / 2), NORMAL.cdf((at - 3) / 2))[goal - 1]
        broken += made.holds and true > allowed
    return broken / DRAWS


@pytest.mark.parametrize("goal", [1, 2])
@pytest.mark.parametrize(("number", "allowed"), [(700, 0.005), (300, 0.02)])
def test_the_risk_is_exceeded_no_more_often_than_promised(goal: int, number: int, allowed: float) -> None:
    """Of many calibrations, at most 5 % may end where the true risk is larger, and some do."""
    assert 0.005 < violations(goal, number, allowed) <= 0.05 + SLACK


def test_picking_the_best_observed_threshold_breaks_the_promise_that_the_test_keeps() -> None:
    """What a naive calibration does: the lowest threshold with at most 2 % seen is wrong every other time."""
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(500):
        bad = np.sort(chance(rng.normal(-2, 2, 300)))
        broken += 1 - NORMAL.cdf((log_odds(np.nextafter(bad[-7], 1)) + 2) / 2) > 0.02
    assert broken / 500 > 0.3


def test_both_risks_are_kept_together() -> None:
    """Goal 3: the two share what the confidence leaves over."""
    rng = np.random.default_rng(3)
    broken = held = 0
    for _ in range(400):
        bad, good = chance(rng.normal(-5, 2, 500)), chance(rng.normal(5, 2, 500))
        threshold, holds, _, _ = risk.both(bad, good, 0.02, 0.05, 0.95)
        held += holds
        at = log_odds(threshold)
        broken += holds and (1 - NORMAL.cdf((at + 5) / 2) > 0.02 or NORMAL.cdf((at - 5) / 2) > 0.05)
    assert held > 200
    assert broken / 400 <= 0.05 + SLACK


def test_both_risks_cannot_always_be_kept() -> None:
    """Where the two kinds overlap there is no such threshold, and none is claimed."""
    rng = np.random.default_rng(4)
    bad, good = chance(rng.normal(0, 2, 2000)), chance(rng.normal(1, 2, 2000))
    threshold, holds, lowest, highest = risk.both(bad, good, 0.01, 0.01, 0.95)
    assert not holds
    assert lowest.holds
    assert highest.holds
    assert threshold == lowest.threshold > highest.threshold


scores = st.lists(st.floats(0, 1), min_size=1, max_size=400).map(np.array)


@given(scores, scores, st.sampled_from([0.005, 0.02, 0.1, 0.5]))
def test_what_is_said_of_the_threshold_is_true_of_the_data(
    bad: risk.Scores, good: risk.Scores, allowed: float
) -> None:
    """Its errors are those it makes or fewer, its bound is theirs, and it is one that a manifest takes."""
    for made, errors, trials in (
        (one := risk.escapes(bad, good, allowed, 0.95), (bad >= one.threshold).sum(), len(bad)),
        (one := risk.false_calls(good, bad, allowed, 0.95), (good < one.threshold).sum(), len(good)),
    ):
        assert 0 < made.threshold <= 1
        assert errors <= made.errors
        assert made.trials == trials
        assert made.bound == clopper_pearson_upper(made.errors, trials)
        assert made.holds is (made.bound <= allowed)


def test_moving_into_the_gap_loses_no_good_part() -> None:
    """Six hundred bad ones far below: the threshold stands between them and the good, not just above them."""
    bad, good = np.full(600, 0.01), np.array([0.9, 0.95])
    made = risk.escapes(bad, good, 0.005, 0.95)
    assert made.holds
    assert made.threshold == pytest.approx(1 / (1 + math.sqrt(99 / 9)), abs=0.01)
    other = risk.false_calls(np.full(600, 0.9), np.array([0.01]), 0.005, 0.95)
    assert other.threshold == pytest.approx(1 / (1 + math.sqrt(99 / 9)), abs=0.01)


def test_too_few_parts_support_nothing_and_the_best_guess_lets_none_pass() -> None:
    """A hundred bad parts cannot show half a percent, however well they are told."""
    bad, good = np.linspace(0.001, 0.2, 100), np.linspace(0.5, 0.999, 50)
    made = risk.escapes(bad, good, 0.005, 0.95)
    assert not made.holds
    assert made.errors == 0
    assert 0.2 < made.threshold < 0.5
    assert risk.missing(0, 100, 0.005, 0.95) == 498


def test_a_bad_part_that_looks_perfect_is_counted() -> None:
    """No threshold stops p(OK) = 1; one of a hundred is more than half a percent, and no number helps."""
    made = risk.escapes(np.array([1.0] + [0.1] * 99), np.array([0.9]), 0.005, 0.95)
    assert (made.holds, made.errors) == (False, 1)
    assert risk.missing(1, 100, 0.005, 0.95) is None


@given(errors=st.integers(0, 5), trials=st.integers(1, 3000), allowed=st.sampled_from([0.005, 0.01, 0.05]))
def test_with_what_was_missing_the_claim_holds(errors: int, trials: int, allowed: float) -> None:
    """If errors go on at the rate seen; with one unit fewer they would be too many."""
    more = risk.missing(errors, trials, allowed, 0.95)
    if more is None:
        assert errors / trials > allowed / 1.2
        return
    expected = max(errors, math.ceil(errors / trials * (trials + more) - 1e-9))
    assert clopper_pearson_upper(expected, trials + more) <= allowed + 1e-12


def test_the_plan_names_how_many_for_each_error() -> None:
    """The first rows for half a percent at 95 %, with 600 at hand."""
    assert risk.plan(600, 0.005, 0.95, rows=3) == ((0, 598, 0), (1, 947, 347), (2, 1258, 658))


def test_no_units_at_all() -> None:
    """Nothing was counted, so nothing holds; everything is missing."""
    made = risk.escapes(np.empty(0), np.array([0.9]), 0.005, 0.95)
    assert (made.holds, made.bound, made.trials) == (False, 1.0, 0)
    assert risk.missing(0, 0, 0.005, 0.95) == 598
