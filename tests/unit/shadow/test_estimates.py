"""Rates from a month of which only some parts were looked at."""

from __future__ import annotations

import numpy as np
import pytest
from month_kit import month

from bridge.messages import Goal
from bridge.shadow.estimates import Estimates
from bridge.shadow.month import CONTRADICTED, LATE, NG, NONE, OK, Month
from bridge.shadow.report.grouped import MOST, Grouped, table
from bridge.store.records import Stratum

LEGACY = [NG, NG, NG, NG, OK, OK, OK, OK, OK, OK]
MODEL_ = [OK, OK, NG, NG, NG, NG, OK, OK, OK, OK]
TRUTH_ = [OK, NG, NG, OK, NG, OK, NG, OK, OK, OK]


def small(**more: object) -> Month:
    return month(LEGACY, MODEL_, TRUTH_, lot=np.zeros(10), **more)  # type: ignore[arg-type]


def of(parts: Month, correlation: float = 0.0) -> Estimates:
    return Estimates(parts, 0.95, correlation)


def values(estimates: Estimates, goal: Goal | None) -> tuple[float, float]:
    return estimates.false_calls(goal).weighted, estimates.escapes(goal).weighted


def test_with_every_part_labelled_rates_are_counts() -> None:
    found = of(small())
    assert values(found, None) == (2, 2)
    assert values(found, Goal.CUT_FALSE_CALLS) == (1, 3)
    assert values(found, Goal.CATCH_ESCAPES) == (3, 1)
    assert values(found, Goal.REPLACE) == (2, 2)
    assert found.false_calls(None).value == 0.2
    assert found.escapes(None).trials == 10


def test_miss_rate_and_escape_rate_have_each_their_own_denominator() -> None:
    found = of(small())
    missed, added = found.overruled(Goal.CUT_FALSE_CALLS), found.added_escapes(Goal.CUT_FALSE_CALLS)
    assert (missed.events, missed.trials, missed.value) == (1, 2, 0.5)
    assert (added.events, added.trials, added.value) == (1, 10, 0.1)
    assert found.cut(Goal.CUT_FALSE_CALLS).value == 0.5
    assert found.caught(Goal.CATCH_ESCAPES).value == 0.5
    assert found.added_false_calls(Goal.CATCH_ESCAPES).value == 0.1


def test_a_judgement_that_came_too_late_would_have_been_a_fallback() -> None:
    parts = small()
    parts.fallbacks[:, 1] = NG
    parts.in_time[6] = LATE  # an escape that both pass, and on which goal 2 would have fallen back to NG
    assert of(parts).escapes(Goal.CATCH_ESCAPES).weighted == 0
    assert of(parts).escapes(None).weighted == 2


def thinned(seed: int, chance: float = 0.05) -> Month:
    """20,000 parts with 1 % escapes on which both agree, and a blind audit."""
    random = np.random.default_rng(seed)
    n = 20_000
    legacy = np.where(random.random(n) < 0.02, NG, OK)
    truth = np.where(random.random(n) < np.where(legacy == NG, 0.5, 0.01), NG, OK)
    chances = np.where(legacy == NG, 1.0, chance)
    return month(legacy, legacy, truth, chance=chances, drawn=random.random(n) < chances)


def test_escapes_that_nobody_looked_for_are_estimated_without_bias() -> None:
    found = [of(thinned(seed)).escapes(None).value for seed in range(60)]
    error = np.std(np.array(found, float)) / np.sqrt(60)
    assert np.mean(np.array(found, float)) == pytest.approx(0.0098, abs=3 * error)
    naive = [int(((p := thinned(seed)).truth[p.legacy == OK] == NG).sum()) / 20_000 for seed in range(10)]
    assert np.mean(naive) < 0.001


def test_an_audit_that_found_nothing_bounds_by_what_was_drawn() -> None:
    n = 10_000
    drawn = np.arange(n) % 20 == 0
    parts = month(np.full(n, OK), np.full(n, OK), np.full(n, OK), chance=0.05, drawn=drawn)
    found = of(parts).escapes(None)
    assert (found.value, found.events) == (0.0, 0)
    assert 3.0 / 500 < found.upper < 3.5 / 500


def test_a_disagreement_without_a_label_counts_as_the_worst_that_it_can_be() -> None:
    parts = small()
    labelled = of(parts).added_escapes(Goal.CUT_FALSE_CALLS)
    parts.truth[0] = NONE
    found = of(parts).added_escapes(Goal.CUT_FALSE_CALLS)
    assert (labelled.outstanding, found.outstanding) == (0, 1)
    assert found.upper > labelled.upper
    assert found.lower <= labelled.lower
    parts.truth[0] = CONTRADICTED
    assert of(parts).added_escapes(Goal.CUT_FALSE_CALLS).outstanding == 1


def test_labels_that_are_late_do_not_move_what_a_part_stands_for() -> None:
    """Of 1,000 drawn agreements half are labelled: each stands for twice as many."""
    parts = thinned(1)
    whole = of(parts).escapes(None)
    late = np.flatnonzero(parts.drawn & (parts.legacy == OK))[::2]
    parts.truth[late] = NONE
    half = of(parts).escapes(None)
    assert half.events < whole.events
    assert half.weighted == pytest.approx(whole.weighted, rel=0.5)
    assert half.upper > half.weighted / 20_000


def test_a_volunteered_label_is_no_estimate_s() -> None:
    parts = thinned(2)
    before = of(parts).escapes(None)
    parts.truth[np.flatnonzero(~parts.drawn & (parts.legacy == OK))[:50]] = NG
    assert of(parts).escapes(None) == before


def test_true_ng_that_are_drawn_at_a_lower_rate_are_weighted_back() -> None:
    random = np.random.default_rng(5)
    n = 40_000
    model = np.where(random.random(n) < 0.1, OK, NG)
    chances = np.where(model == OK, 1.0, 0.25)
    parts = month(np.full(n, NG), model, np.full(n, NG), chance=chances, drawn=random.random(n) < chances)
    found = of(parts).overruled(Goal.CUT_FALSE_CALLS)
    here = float((model == OK).mean())
    assert found.value == pytest.approx(here, abs=0.004)
    assert found.lower < here < found.upper < 0.11


def test_parts_without_a_chance_are_counted_and_covered_by_no_bound() -> None:
    parts = small(chance=[0.0] * 3 + [1.0] * 7, drawn=np.arange(10) > 2)
    assert of(parts).overruled(Goal.CUT_FALSE_CALLS).uncovered == 3


def test_bursts_widen_the_bounds_of_added_escapes_through_the_miss_rate() -> None:
    random = np.random.default_rng(7)
    n = 30_000
    truth = np.where(random.random(n) < 0.02, NG, OK)
    model = truth.copy()
    model[np.flatnonzero(truth == NG)[:2]] = OK
    parts = month(truth, model, truth)
    alone, lots = (of(parts, rho).added_escapes(Goal.CUT_FALSE_CALLS) for rho in (0.0, 0.1))
    assert alone.value == lots.value
    assert alone.upper < lots.upper < 5 * alone.upper


def test_no_parts_at_all_say_nothing() -> None:
    found = of(month([], [], [])).escapes(None)
    assert (found.value, found.lower, found.upper) == (None, 0.0, 1.0)


def test_an_audited_part_that_people_do_not_agree_on_counts_as_the_worst_that_it_can_be() -> None:
    parts = thinned(3)
    settled = of(parts).escapes(None)
    found = np.flatnonzero(parts.drawn & (parts.legacy == OK) & (parts.truth == NG))
    parts.truth[found] = CONTRADICTED
    open_ = of(parts).escapes(None)
    assert (open_.events, open_.outstanding) == (0, len(found))
    assert open_.upper >= settled.upper
    assert open_.lower == 0


def test_a_lower_bound_is_that_of_what_is_always_labelled_and_of_the_audit_together() -> None:
    """Escapes of 1 % on either side: one side alone could show no more than 1 %."""
    n, months = 4_000, 200
    lows = []
    for seed in range(months):
        random = np.random.default_rng(seed)
        truth = np.where(random.random(n) < 0.02, NG, OK)
        chances = np.where(np.arange(n) % 2, 1.0, 0.5)
        parts = month(np.full(n, OK), np.full(n, OK), truth, chance=chances, drawn=random.random(n) < chances)
        lows.append(of(parts).escapes(None).lower)
    assert sum(low > 0.02 for low in lows) <= 0.05 * months
    assert np.median(lows) > 0.011


def test_what_is_drawn_at_different_rates_is_bounded_apart() -> None:
    """Agreed NG, of which a quarter is drawn, beside parts that nobody judged, of which one in a hundred is."""
    n, held = 40_000, 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        unjudged = np.arange(n) % 4 == 0
        truth = np.where(random.random(n) < np.where(unjudged, 0.3, 0.01), OK, NG)
        chances = np.where(unjudged, 0.01, 0.25)
        parts = month(np.full(n, NG), np.full(n, NG), truth, chance=chances, drawn=random.random(n) < chances)
        parts.stratum[unjudged] = Stratum.UNJUDGED
        held += of(parts).false_calls(None).upper >= 0.25 * 0.3 + 0.75 * 0.01
    assert held >= 38


def test_of_very_many_groups_the_largest_stand_for_themselves() -> None:
    """100,000 defect codes are a column that was read wrongly, and no reason for a report of 80 MB."""
    n = 3 * MOST
    index = np.concatenate([np.arange(n), np.zeros(7, int)])
    nobody = np.full(len(index), OK)
    found = table(Grouped(month(nobody, nobody, nobody), 0.95), index, [f"E{i}" for i in range(n)], Goal.REPLACE)
    assert len(found) == MOST
    assert (found[0]["name"], found[0]["parts"]) == ("E0", 8)
    assert (found[-1]["name"], found[-1]["parts"]) == ("1,001 others", n - MOST + 1)
