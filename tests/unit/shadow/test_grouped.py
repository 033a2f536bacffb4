"""Rates by group go by the same words as the month's own."""

from __future__ import annotations

import numpy as np
from month_kit import month

from bridge.messages import Goal
from bridge.shadow.estimates import Estimates
from bridge.shadow.month import CONTRADICTED, LATE, NG, OK, Month
from bridge.shadow.report.grouped import Facts, Grouped


def whole(parts: Month, goal: Goal | None, truth: int) -> Facts:
    """Return the rate of one group that has all parts."""
    (found,) = Grouped(parts, 0.95).rates(goal, truth).by(np.zeros(len(parts), int), np.array([len(parts)]))
    return found


def test_a_judgement_that_came_too_late_is_a_fallback_here_too() -> None:
    parts = month([OK] * 4, [OK] * 4, [NG, NG, OK, OK])
    parts.fallbacks[:, 1] = NG
    parts.in_time[0] = LATE
    own = Estimates(parts, 0.95, 0.0).escapes(Goal.CATCH_ESCAPES)
    found = whole(parts, Goal.CATCH_ESCAPES, NG)
    assert (found["events"], found["weighted"]) == (own.events, own.weighted) == (1, 1)


def test_an_audited_part_that_is_disputed_counts_as_the_worst_here_too() -> None:
    n = 2_000
    truth = np.where(np.arange(n) % 200 == 0, NG, OK)
    parts = month(np.full(n, OK), np.full(n, OK), truth, chance=0.5, drawn=np.arange(n) % 2 == 0)
    settled = whole(parts, None, NG)
    parts.truth[parts.truth == NG] = CONTRADICTED
    disputed, own = whole(parts, None, NG), Estimates(parts, 0.95, 0.0).escapes(None)
    assert (disputed["events"], disputed["outstanding"]) == (own.events, own.outstanding) == (0, 10)
    assert disputed["upper"] >= settled["upper"]
