"""How many parts a claim takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bridge.shadow.bounds import Group, upper
from bridge.shadow.planning import Claim, Line, Need, needs, nothing_found

LINE = Line(parts_per_day=20_000, ng=0.004, false_calls=0.02)
CLAIM = Claim(days=30, miss_limit=0.01, escapes=50e-6, false_calls=1e-3, confidence=0.95, correlation=0.0)
SURE = replace(CLAIM, confidence=0.9375)  # the first look has 95 %


def first(line: Line, claim: Claim) -> Need:
    return needs(line, claim)[0]


def test_without_lots_it_is_the_field_s_table() -> None:
    """FIELD: 299 true NG for 1 %, none missed; 149 for 2 %."""
    assert first(LINE, SURE).alone == 299
    assert first(LINE, replace(SURE, miss_limit=0.02)).alone == 149


def test_a_plan_s_days_are_enough_and_a_day_less_is_not() -> None:
    claim = replace(CLAIM, correlation=0.1)
    line = replace(LINE, parts_per_day=2_000)
    days = first(line, claim).days
    assert days is not None

    def bound(span: int) -> float:
        lots = 3 * span
        return upper(Group(np.zeros(lots, int), np.full(lots, 8 * span / lots)), claim.level, 0.1)

    assert bound(days) <= 0.01 < bound(days - 1)
    assert first(line, claim).needed == 8 * days


def test_parts_that_are_alike_within_lots_take_more_of_them() -> None:
    line = replace(LINE, parts_per_day=5_000)
    alone, lots = (first(line, replace(CLAIM, correlation=rho)).days for rho in (0.0, 0.1))
    assert alone is not None
    assert lots is not None
    assert alone < lots


def test_a_line_that_makes_too_few_ng_is_told_what_else_would_do() -> None:
    found = first(replace(LINE, parts_per_day=1_000), replace(CLAIM, correlation=0.1))
    assert (found.in_month, found.allowed, found.power) == (120, -1, 0.0)
    assert found.seeded is not None
    assert 120 + found.seeded >= found.alone
    assert found.lines is not None
    assert found.lines >= 3


def test_an_expectation_too_close_to_the_limit_is_not_shown_in_ten_years() -> None:
    assert first(replace(LINE, missed=0.01), CLAIM).days is None
    assert first(replace(LINE, ng=0.0), CLAIM).days is None


def test_a_month_s_chance_of_passing_falls_with_what_is_expected() -> None:
    power = [first(replace(LINE, missed=missed), CLAIM).power for missed in (0.0, 0.003, 0.006, 0.009)]
    assert power == sorted(power, reverse=True)
    assert power[0] == 1.0
    assert power[-1] < 0.3


def test_escapes_per_million_are_a_share_of_the_true_ng() -> None:
    ppm = needs(LINE, CLAIM)[1]
    assert ppm.limit == pytest.approx(0.0125)


@pytest.mark.parametrize("rho", [0.05, 0.1])
def test_what_may_be_missed_is_what_months_with_bursts_leave_of_the_escapes(rho: float) -> None:
    """In a month whose lots differ the true NG have a bound far above their rate, and the verdict goes by that."""
    random, size = np.random.default_rng(3), 20_000 * 30 // 90
    spread, confidence = (1 - rho) / rho, 1 - (1 - CLAIM.level) * 0.2
    bounds = []
    for _ in range(60):
        rates = random.beta(LINE.ng * spread, (1 - LINE.ng) * spread, 90)
        bounds.append(upper(Group(random.binomial(size, rates), np.full(90, float(size))), confidence, rho))
    limit = needs(LINE, replace(CLAIM, correlation=rho))[1].limit
    assert limit == pytest.approx(CLAIM.escapes / np.median(bounds), rel=0.35)
    assert limit < 0.7 * needs(LINE, CLAIM)[1].limit


def test_an_audit_mostly_finds_nothing_of_what_is_rare() -> None:
    assert nothing_found(100_000, 50e-6, 1_500) == pytest.approx(0.927, abs=0.001)
