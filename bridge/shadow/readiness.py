"""The verdict of a shadow month, goal by goal: ready, not ready, or how much more it takes. Pure.

Somebody who looks every day and stops at the first good one will see a good one. So the verdict is given at looks
that were fixed beforehand, after once, twice and four times the planned days, each with its own share of the
error, and it stays as it is between them. What comes in between are running figures. Parts whose label is still
outstanding count as the worst that they could be, so that a look may be taken before the last label is there: it
can only get better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final, Literal, TypeAlias

import numpy as np

from bridge.config.shadow import Shadow
from bridge.messages import Goal
from bridge.shadow.estimates import Estimate, Estimates
from bridge.shadow.month import NG, OK, Month
from bridge.shadow.statistics import trials_needed

State: TypeAlias = Literal["ready", "not ready", "need more"]

LOOKS: Final = ((1, 0.8), (2, 0.15), (4, 0.05))
"""After how many times the planned days there is a look, and its share of the error."""
DAY: Final = 86400.0
_TIMES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
UNCOVERED: Final = 0.01
"""More than this share of the parts without any chance of being drawn is no month to sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One thing that the month must show."""

    name: str
    measured: float | None
    """The estimate, in the unit of the limit."""
    bound: float
    """The one-sided bound that is held against the limit."""
    limit: float
    at_most: bool
    """True: the bound may not be above the limit; False: not below."""
    holds: bool
    refuted: bool = False
    """The other bound is beyond the limit too: more parts will not help."""
    unit: str = ""
    events: int = 0
    trials: float = 0
    times: int = 1
    """How many times so many parts it takes, if they go on as they are; 0 where no number of them will do."""
    estimate: Estimate | None = field(default=None, repr=False, compare=False)
    """What the limit is held against, where that is a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The verdict for one goal."""

    goal: Goal
    state: State
    limits: tuple[Limit, ...]
    reasons: tuple[str, ...]
    """Why it is not ready, or what is missing, one sentence each."""
    look: int
    """Which look this is, from 1; 0 before the first."""
    confidence: float
    """Of each bound at this look, one-sided."""
    next_look_days: int | None
    """After how many days the next look is; None behind the last."""
    more_ng: int = 0
    """How many more confirmed NG it takes, about."""
    more_ok: int = 0
    """How many more audited OK parts it takes, about."""
    more_days: int = 0
    """In about how many days this line supplies them."""


def look_at(days: float, planned: int) -> int:
    """Return how many looks are behind after so many days of parts."""
    return sum(days >= planned * times for times, _ in LOOKS)


def at_look(month: Month, look: int, planned: int) -> Month:
    """Return the parts that a look may see: those of the days up to it; all of them before the first."""
    if not look or not len(month):
        return month
    until = float(month.at[0]) + LOOKS[look - 1][0] * planned * DAY
    return month.of(slice(0, int(np.searchsorted(month.at, until))))


def readiness(month: Month, shadow: Shadow, goal: Goal, days: float, clearable: Sequence[str] = ()) -> Readiness:
    """Return the verdict for one goal.

    Args:
        month: all distinct parts so far.
        shadow: the limits.
        goal: 1, 2 or 3.
        days: from the first part until now, or until the end of the span that is looked at.
        clearable: the defect codes that may be cleared, of each of which ``min_ng`` are asked for.
    """
    look = look_at(days, shadow.days)
    confidence = 1 - (1 - shadow.confidence) * LOOKS[max(look, 1) - 1][1]
    seen = at_look(month, look, shadow.days)
    limits = tuple(
        limit if limit.holds else replace(limit, times=_times(limit))
        for limit in limits_of(Estimates(seen, confidence, shadow.correlation), shadow, goal, clearable)
    )
    state = _state(limits, look)
    found = int(((seen.legacy == NG) & (seen.truth == NG) & seen.drawn).sum())
    audited = int(((seen.legacy == OK) & (seen.truth == OK) & seen.drawn).sum())
    more = max(limit.times for limit in limits) - 1 if state == "need more" else 0
    next_days = LOOKS[look][0] * shadow.days if look < len(LOOKS) else None
    waits = max(0.0, (next_days or 0) - days) if state == "need more" else 0.0
    return Readiness(
        goal=goal,
        state=state,
        limits=limits,
        reasons=tuple(_reasons(limits, state, days, shadow.days)),
        look=look,
        confidence=confidence,
        next_look_days=next_days,
        more_ng=max(more * found, 0 if found else _first(shadow, goal, state)),
        more_ok=more * audited,
        more_days=ceil(max(more * days, waits)),
    )


def _first(shadow: Shadow, goal: Goal, state: State) -> int:
    """Return how many confirmed NG a goal takes that has none yet, if none is overruled."""
    if goal is Goal.CATCH_ESCAPES or state != "need more":
        return 0
    return trials_needed(0, shadow.miss_limit, shadow.confidence)


def limits_of(estimates: Estimates, shadow: Shadow, goal: Goal, clearable: Sequence[str] = ()) -> list[Limit]:
    """Return how each limit of a goal stands, without how much more it takes."""
    limits: list[Limit] = []
    if goal is not Goal.CATCH_ESCAPES:
        limits += [
            _at_most("true NG overruled", estimates.overruled(goal), shadow.miss_limit, "%"),
            _at_most("escapes added", estimates.added_escapes(goal), shadow.escapes_ppm / 1e6, "ppm"),
            _at_least("false calls gone", estimates.cut(goal), shadow.false_calls_cut),
        ]
    if goal is not Goal.CUT_FALSE_CALLS:
        limits.append(
            _at_most("false calls added", estimates.added_false_calls(goal), shadow.false_calls_ppm / 1e6, "ppm")
        )
    return limits + _what_was_seen(estimates.month, shadow, goal, clearable)


def _what_was_seen(month: Month, shadow: Shadow, goal: Goal, clearable: Sequence[str]) -> list[Limit]:
    own = ~month.seeded
    lots = len(np.unique(month.lot[own]))
    limits = [_count("lots", lots, shadow.min_lots)]
    if goal is not Goal.CATCH_ESCAPES and shadow.min_ng:
        bad = (month.legacy == NG) & (month.truth == NG) & month.drawn
        counts = np.bincount(month.defect[bad], minlength=len(month.defects))
        known = dict(zip(month.defects, map(int, counts), strict=True))
        codes = sorted(known) if "*" in clearable else sorted(clearable)
        limits += [
            _count(f"confirmed NG of code {code or 'none'}", known.get(code, 0), shadow.min_ng) for code in codes
        ]
    parts = int(own.sum())
    uncovered = float(((month.chance <= 0) & own).sum() / parts) if parts else 0.0
    limits.append(
        Limit(
            name="parts without a chance of being drawn",
            measured=uncovered,
            bound=uncovered,
            limit=UNCOVERED,
            at_most=True,
            holds=uncovered <= UNCOVERED,
            unit="%",
            trials=parts,
        )
    )
    return limits


def _at_most(name: str, estimate: Estimate, limit: float, unit: str) -> Limit:
    return Limit(
        name=name,
        measured=estimate.value,
        bound=estimate.upper,
        limit=limit,
        at_most=True,
        holds=estimate.upper <= limit,
        refuted=estimate.lower > limit,
        unit=unit,
        events=estimate.events,
        trials=estimate.trials,
        estimate=estimate,
    )


def _at_least(name: str, estimate: Estimate, limit: float) -> Limit:
    return Limit(
        name=name,
        measured=estimate.value,
        bound=estimate.lower,
        limit=limit,
        at_most=False,
        holds=estimate.lower >= limit,
        refuted=estimate.upper < limit,
        unit="%",
        events=estimate.events,
        trials=estimate.trials,
        estimate=estimate,
    )


def _times(limit: Limit) -> int:
    """Return how many times so many lots would keep the limit, 0 where none up to 64 times would."""
    if limit.estimate is None or limit.estimate.longer is None or not limit.trials:
        return limit.times
    for times in _TIMES:
        low, high = limit.estimate.longer(times)
        if high <= limit.limit if limit.at_most else low >= limit.limit:
            return times
    return 0


def _count(name: str, there: int, least: int) -> Limit:
    return Limit(
        name=name,
        measured=there,
        bound=there,
        limit=least,
        at_most=False,
        holds=there >= least,
        trials=there,
        times=ceil(least / there) if there else 2,
    )


def _state(limits: Sequence[Limit], look: int) -> State:
    if not look:
        return "need more"
    if all(limit.holds for limit in limits):
        return "ready"
    if any(limit.refuted or not limit.times for limit in limits if not limit.holds) or look == len(LOOKS):
        return "not ready"
    return "need more"


def _reasons(limits: Sequence[Limit], state: State, days: float, planned: int) -> Iterator[str]:
    if days < planned:
        yield f"{days:.0f} of the planned {planned} days are behind: the figures are running ones"
    for limit in limits:
        if not limit.holds:
            yield said(limit)
    if state == "not ready" and not any(limit.refuted or not limit.times for limit in limits if not limit.holds):
        yield "this was the last look that was planned; change what is judged, and begin anew"


def said(limit: Limit) -> str:
    """Return how a limit stands, in one sentence."""
    measured = "nothing yet" if limit.measured is None else shown(limit.measured, limit.unit)
    bound, wanted = shown(limit.bound, limit.unit), shown(limit.limit, limit.unit)
    if limit.bound == limit.measured:
        return f"{limit.name}: {measured}, {'at most' if limit.at_most else 'at least'} {wanted} are asked for"
    side, asked = ("at most", "may be") if limit.at_most else ("at least", "are asked for")
    return f"{limit.name}: measured {measured}, with confidence {side} {bound}, {wanted} {asked}"


def shown(value: float, unit: str) -> str:
    """Return a rate in the unit of its limit: "%", "ppm", or "" for a count."""
    if unit == "%":
        return f"{value * 100:.3g} %"
    return f"{value * 1e6:,.0f} ppm" if unit == "ppm" else f"{value:,.0f}"
