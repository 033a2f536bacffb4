"""Bounds where defects come in bursts."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.shadow.bounds import Group, correlation_limit, effective_lots, lower, upper, upper_of_sum
from bridge.shadow.statistics import clopper_pearson_lower, clopper_pearson_upper

LOTS, SIZE = 60, 200


def lots(rate: float, correlation: float, seed: int) -> Group:
    random = np.random.default_rng(seed)
    rates = np.full(LOTS, rate)
    if correlation:
        spread = (1 - correlation) / correlation
        rates = random.beta(rate * spread, (1 - rate) * spread, LOTS)
    return Group(random.binomial(SIZE, rates), np.full(LOTS, float(SIZE)))


def covered(rate: float, correlation: float, assumed: float, months: int = 200) -> float:
    return float(np.mean([upper(lots(rate, correlation, seed), 0.95, assumed) >= rate for seed in range(months)]))


def test_without_correlation_it_is_the_bound_of_clopper_and_pearson() -> None:
    group = lots(0.01, 0.0, 1)
    assert upper(group) == clopper_pearson_upper(group.found, LOTS * SIZE)
    assert lower(group) == clopper_pearson_lower(group.found, LOTS * SIZE)


@pytest.mark.parametrize("correlation", [0.0, 0.05, 0.1])
def test_it_covers_a_rate_whose_events_come_in_bursts(correlation: float) -> None:
    assert covered(0.02, correlation, assumed=0.1) >= 0.94 - 2 * 0.0167  # two standard errors of 200 months


def test_a_bound_that_knows_nothing_of_lots_does_not() -> None:
    """Else the test above could not fail."""
    assert covered(0.02, 0.1, assumed=0.0) < 0.8


def test_events_that_are_spread_evenly_cost_little() -> None:
    group = lots(0.05, 0.0, 2)
    assert upper(group, 0.95, 0.1) < 1.1 * upper(group)


def test_no_event_at_all_is_bounded_by_lots_and_not_by_parts_alone() -> None:
    """The probability of no event is a beta-binomial's, by hand: at the bound as large as the error."""
    group = Group(np.zeros(30, int), np.full(30, 3333.0))
    bound = upper(group, 0.95, 0.05)
    shape, scale = bound * 0.95 / 0.05, 3333 * 0.05 / 0.95
    assert (1 + scale) ** (-30 * shape) == pytest.approx(0.045, rel=1e-6)
    assert bound > 20 * upper(group)


def test_a_burst_shows_a_correlation_and_even_lots_show_none() -> None:
    burst = np.zeros(LOTS, int)
    burst[[3, 40]] = [60, 45]
    size = np.full(LOTS, float(SIZE))
    assert correlation_limit(Group(burst, size), 0.05, 0.005) > 0.05
    assert correlation_limit(Group(np.full(LOTS, 2), size), 0.05, 0.005) < 0.02


def test_what_is_assumed_of_lots_is_not_exceeded_on_the_word_of_a_few_events() -> None:
    few = np.zeros(LOTS, int)
    few[[3, 40, 41]] = 1
    assert correlation_limit(Group(few, np.full(LOTS, float(SIZE))), 0.05, 0.005) == 0.05


def test_a_rare_event_that_was_not_drawn_leaves_no_bound_of_zero() -> None:
    certain = Group(np.zeros(LOTS, int), np.full(LOTS, 1000.0))
    audited = Group(np.zeros(LOTS, int), np.full(LOTS, 25.0))
    assert upper_of_sum([certain, audited]) > 3 / (LOTS * 25)


def test_nothing_tried_bounds_nothing() -> None:
    none = Group(np.zeros(3, int), np.zeros(3))
    assert (upper(none, 0.95, 0.1), lower(none, 0.95, 0.1)) == (1.0, 0.0)


def test_lots_of_unequal_size_count_for_fewer() -> None:
    assert effective_lots(np.array([10.0, 10.0, 10.0])) == pytest.approx(3)
    assert effective_lots(np.array([100.0, 1.0, 1.0])) == pytest.approx(1.0404, rel=1e-3)
    assert effective_lots(np.zeros(2)) == 0
