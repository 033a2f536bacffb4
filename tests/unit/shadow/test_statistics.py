"""The acceptance statistics against published figures and against their own definition."""

from __future__ import annotations

from math import comb, fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.shadow.statistics import (
    binomial_cdf,
    clopper_pearson,
    clopper_pearson_lower,
    clopper_pearson_upper,
    most_events,
    trials_needed,
)


@pytest.mark.parametrize(
    ("events", "trials", "limit"),
    [(0, 59_914, 50e-6), (1, 94_876, 50e-6), (2, 125_914, 50e-6), (0, 149, 0.02), (0, 299, 0.01)],
)
def test_planned_sizes_reach_their_limit(events: int, trials: int, limit: float) -> None:
    """The sample sizes that acceptance plans quote are just enough, and one part fewer is not."""
    assert clopper_pearson_upper(events, trials) <= limit
    assert clopper_pearson_upper(events, trials - 1) > limit


@given(trials=st.integers(1, 400), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
def test_bound_is_where_so_few_events_become_unlikely(trials: int, share: float, confidence: float) -> None:
    """At the bound itself, so few events have exactly the probability that is left over."""
    events = int(share * trials)
    bound = clopper_pearson_upper(events, trials, confidence)
    if events == trials:
        assert bound == 1.0
    else:
        assert events / trials < bound < 1
        assert binomial_cdf(events, trials, bound) == pytest.approx(1 - confidence, abs=1e-9)


@pytest.mark.parametrize(("events", "trials", "confidence"), [(-1, 3, 0.9), (4, 3, 0.9), (0, 3, 0.0), (0, 3, 1.0)])
def test_nonsense_makes_no_bound(events: int, trials: int, confidence: float) -> None:
    """A bound is never invented."""
    with pytest.raises(ValueError, match="make no bound"):
        clopper_pearson_upper(events, trials, confidence)


def test_nothing_tried_says_nothing() -> None:
    """Without a single trial the rate may be anything."""
    assert clopper_pearson_upper(0, 0) == 1.0


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 1.0), (1.0, 0.0), (0.5, 11 / 16)])
def test_binomial_by_hand(rate: float, expected: float) -> None:
    """At most two events in four trials."""
    assert binomial_cdf(2, 4, rate) == pytest.approx(expected)


@given(trials=st.integers(0, 300), share=st.floats(0, 1), confidence=st.floats(0.5, 0.99))
def test_both_sides_mirror_each_other(trials: int, share: float, confidence: float) -> None:
    """What happened bounds what did not; the two-sided interval holds what was seen."""
    events = int(share * trials)
    assert clopper_pearson_lower(events, trials, confidence) == pytest.approx(
        1 - clopper_pearson_upper(trials - events, trials, confidence)
    )
    low, high = clopper_pearson(events, trials, confidence)
    assert low <= events / max(trials, 1) <= high
    assert low <= clopper_pearson_lower(events, trials, confidence) + 1e-12


def test_two_sided_interval_of_a_textbook() -> None:
    """Clopper and Pearson's interval for 4 of 20 at 95 %, as every statistics package gives it."""
    assert clopper_pearson(4, 20) == pytest.approx((0.0573, 0.4366), abs=1e-4)


@given(events=st.integers(0, 12), limit=st.floats(0.002, 0.5), confidence=st.floats(0.5, 0.99))
def test_the_plan_is_just_enough(events: int, limit: float, confidence: float) -> None:
    """With so many trials the events may happen; with one fewer they may not, and one event more may never."""
    trials = trials_needed(events, limit, confidence)
    assert most_events(trials, limit, confidence) == events
    assert most_events(trials - 1, limit, confidence) < events
    assert clopper_pearson_upper(events, trials, confidence) <= limit + 1e-12


@pytest.mark.parametrize(("events", "trials"), [(0, 598), (1, 947), (2, 1258)])
def test_a_half_percent_at_95_percent_takes(events: int, trials: int) -> None:
    """The figures that a calibration asks for."""
    assert trials_needed(events, 0.005) == trials


@pytest.mark.parametrize(("events", "limit", "confidence"), [(-1, 0.1, 0.9), (0, 0.0, 0.9), (0, 0.1, 1.0)])
def test_nonsense_makes_no_plan(events: int, limit: float, confidence: float) -> None:
    """No number rather than an endless search."""
    with pytest.raises(ValueError, match="make no plan"):
        trials_needed(events, limit, confidence)


@given(trials=st.integers(1, 60), share=st.floats(0, 1), rate=st.floats(1e-4, 1 - 1e-4))
def test_the_sum_is_that_of_its_terms(trials: int, share: float, rate: float) -> None:
    """Summed from either end, it is what adding up every term gives."""
    events = int(share * trials)
    terms = (comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(events + 1))
    assert binomial_cdf(events, trials, rate) == pytest.approx(fsum(terms), abs=1e-12)


@pytest.mark.parametrize(("events", "expected"), [(5000, (0.4901, 0.5098)), (9999, (0.99944, 0.9999975))])
def test_ten_thousand_trials_are_no_trouble(events: int, expected: tuple[float, float]) -> None:
    """Half of them, and all but one."""
    assert clopper_pearson(events, 10_000) == pytest.approx(expected, abs=1e-4)
