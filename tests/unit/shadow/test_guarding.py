"""What a live line keeps of its promise: bounds, breaches however often somebody looks, drift."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.shadow.guarding import (
    AT_LEAST,
    PSI_ACTS,
    Guarded,
    escapes,
    evidence_above,
    miss_rate,
    psi,
    rose,
)
from bridge.shadow.statistics import clopper_pearson_upper

LINE = Guarded(parts=100_000, clearable=4000, held=80, labelled=80, bad=0, stayed=1000, confirmed=900, refuted=50)


def test_what_is_let_through_is_bounded_by_what_was_held_back() -> None:
    """None of 80 is NG: at most 3.7 % of 3,920 cleared parts; that is 1,442 ppm of all and 14 % of the true NG."""
    share = clopper_pearson_upper(0, 80)
    assert share == pytest.approx(0.0368, abs=1e-4)
    added = escapes(LINE, 50, 0.95)
    assert (added.lower, added.upper) == (0.0, pytest.approx(share * 3920 / 100_000 * 1e6))
    missed = miss_rate(LINE, 0.01, 0.95)
    assert missed.upper == pytest.approx(share * 3920 / (share * 4000 + 900))
    assert [added.shown, added.broken, missed.shown, missed.broken] == [False] * 4


def test_enough_labels_show_that_the_limit_is_kept() -> None:
    much = replace(
        LINE, parts=10_000_000, clearable=400_000, held=8000, labelled=8000, stayed=100_000, confirmed=90_000
    )
    assert miss_rate(much, 0.01, 0.95).shown
    assert not miss_rate(replace(much, bad=400), 0.01, 0.95).shown
    assert miss_rate(replace(much, bad=400), 0.01, 0.95).broken


def test_nothing_is_broken_on_too_little() -> None:
    """One NG among the first few labels is no proof, and no labels are none either."""
    for few in (
        Guarded(),
        replace(LINE, labelled=0),
        replace(LINE, labelled=30, bad=1),
        replace(LINE, labelled=1, bad=1),
    ):
        assert not miss_rate(few, 0.01, 0.95).broken
    assert miss_rate(replace(LINE, labelled=2, bad=2), 0.01, 0.95).broken
    nothing = miss_rate(Guarded(), 0.01, 0.95)
    assert (nothing.lower, nothing.upper, nothing.shown) == (0.0, 0.0, True)
    assert miss_rate(replace(LINE, labelled=0), 0.01, 0.95).upper > 0.79


def test_a_line_that_lets_a_tenth_through_is_found() -> None:
    bad = replace(LINE, bad=8)
    assert miss_rate(bad, 0.01, 0.95).broken
    assert escapes(bad, 50, 0.95).broken
    assert not miss_rate(bad, 0.5, 0.95).broken


seen = st.builds(
    lambda parts, clearable, held, labelled, bad, stayed, confirmed, refuted: Guarded(
        parts=parts + clearable + stayed,
        clearable=clearable,
        held=min(held, clearable),
        labelled=min(labelled, held, clearable),
        bad=min(bad, labelled, held, clearable),
        stayed=stayed,
        confirmed=min(confirmed, stayed),
        refuted=min(refuted, stayed - min(confirmed, stayed)),
    ),
    *[st.integers(0, 2000) for _ in range(8)],
)


@given(seen, st.sampled_from([0.001, 0.01, 0.1]), st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_enclose_what_was_seen_and_a_broken_limit_is_not_shown_to_be_kept(
    one: Guarded, limit: float, confidence: float
) -> None:
    for bound in (miss_rate(one, limit, confidence), escapes(one, limit * 1e6, confidence)):
        assert 0.0 <= bound.lower <= bound.upper + 1e-9
        assert not (bound.broken and bound.shown)
        assert not bound.broken or bound.lower > limit or bound.limit > 1


@given(seen)
def test_another_ng_never_makes_it_better(one: Guarded) -> None:
    if one.bad < one.labelled:
        worse = replace(one, bad=one.bad + 1)
        assert miss_rate(worse, 0.01, 0.95).upper >= miss_rate(one, 0.01, 0.95).upper
        assert escapes(worse, 50, 0.95).lower >= escapes(one, 50, 0.95).lower


def test_evidence_is_what_it_says() -> None:
    """By hand: one NG of one, limit 0.1: the mean of p over (0.1, 1) is 0.55, and 0.55 / 0.1 is 5.5."""
    assert evidence_above(1, 1, 0.1) == pytest.approx(5.5)
    assert evidence_above(0, 0, 0.1) == pytest.approx(1.0)
    assert evidence_above(0, 1, 0.1) == pytest.approx(0.45 / 0.9)
    assert evidence_above(3, 10, 1.0) == 0.0


def test_lines_at_the_limit_are_rarely_called_broken_however_often_somebody_looks() -> None:
    """2,000 lines at the limit, looked at after each of 400 labels: at most 5 % (and five standard deviations)."""
    draw, wrong = random.Random(7), 0  # noqa: S311 - a simulation
    for _ in range(2000):
        bad = 0
        for looked in range(1, 401):
            bad += draw.random() < 0.02
            if evidence_above(bad, looked, 0.02) >= 20:
                wrong += 1
                break
    assert wrong / 2000 <= 0.05 + 5 * (0.05 * 0.95 / 2000) ** 0.5
    assert wrong > 0, "the bound is not so wide that it never speaks"


def scores(draw: random.Random, amount: int, mean: float) -> Counter[float]:
    return Counter(round(min(1.0, max(0.0, draw.gauss(mean, 0.1))), 3) for _ in range(amount))


def test_equal_scores_are_stable_and_shifted_ones_act() -> None:
    draw = random.Random(1)  # noqa: S311 - a simulation
    before = scores(draw, 5000, 0.5)
    same, shifted = psi(before, scores(draw, 5000, 0.5)), psi(before, scores(draw, 5000, 0.57))
    assert same is not None
    assert shifted is not None
    assert same < 0.02
    assert shifted > PSI_ACTS


def test_few_scores_say_nothing() -> None:
    draw = random.Random(2)  # noqa: S311 - a simulation
    assert psi(scores(draw, AT_LEAST - 1, 0.5), scores(draw, 5000, 0.9)) is None
    assert psi(scores(draw, 5000, 0.5), Counter()) is None


def test_scores_that_tie_share_a_bin() -> None:
    """A judge that says 1.0 of nearly everything has two bins, not ten."""
    before, now = Counter({1.0: 950, 0.2: 50}), Counter({1.0: 500, 0.2: 500})
    found = psi(before, now)
    assert found is not None
    assert found > PSI_ACTS
    assert psi(Counter({1.0: 1000}), Counter({1.0: 1000})) == pytest.approx(0.0)


def test_the_index_is_that_of_the_formula() -> None:
    """Two bins, 950.5 and 50.5 of 1,001 against 500.5 and 500.5."""
    expected = (0.5 - 950.5 / 1001) * _log(500.5, 950.5) + (0.5 - 50.5 / 1001) * _log(500.5, 50.5)
    assert psi(Counter({1.0: 950, 0.2: 50}), Counter({1.0: 500, 0.2: 500})) == pytest.approx(expected)


def _log(a: float, e: float) -> float:

    return math.log(a / e)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((100, 10_000), (100, 10_000), False),
        ((100, 10_000), (200, 10_000), True),
        ((100, 10_000), (50, 10_000), False),
        ((1, 499), (400, 500), False),
        ((10_000, 1_000_000), (11_000, 1_000_000), False),
        ((0, 1000), (30, 1000), True),
    ],
)
def test_a_rise_is_beyond_chance_and_large_enough_to_matter(
    before: tuple[int, int], now: tuple[int, int], *, expected: bool
) -> None:
    assert rose(before, now) is expected
