"""How many parts a claim takes, and whether a line supplies them in a month. Pure; needs SciPy.

Every figure comes out of the same bounds that the report uses, for a month that goes as expected: events spread
over the lots, the correlation within lots as it is assumed, the confidence that of the first look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Final

import numpy as np
from scipy import special

from bridge.shadow.bounds import Group, at_most, upper
from bridge.shadow.estimates import SHARES
from bridge.shadow.readiness import LOOKS
from bridge.shadow.statistics import trials_needed

LONGEST_DAYS: Final = 3660
MOST_SEEDED: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is expected of a line."""

    parts_per_day: int
    ng: float
    """Share of all parts that are bad and that the inspector calls NG."""
    false_calls: float
    """Share of all parts that are good and that the inspector calls NG."""
    lots_per_day: float = 3.0
    missed: float = 0.0
    """Share of the former that the model is expected to overrule."""
    added: float = 0.0
    """Share of all parts that are good, passed by the inspector, and that the model is expected to call NG."""
    labels_per_day: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one claim takes."""

    claim: str
    unit: str
    """What is counted: ``confirmed NG`` or ``parts``."""
    limit: float
    per_day: float
    """How many of them a day supplies."""
    alone: int
    """How many it takes if none of them goes wrong and parts of a lot were no more alike than others."""
    in_month: int
    """How many a month supplies."""
    allowed: int
    """With how many events a month still keeps the limit; -1 where not even none would do."""
    power: float
    """The probability that a month keeps it, if all is as expected."""
    days: int | None
    """After how many days it is kept if all goes as expected; None: not in ten years, the expectation is too
    close."""
    needed: int | None
    """How many that is."""
    seeded: int | None
    """How many known ones more, spread over the lots of one month, would do instead; None where they cannot."""
    lines: int | None
    """How many lines like this, pooled, supply it in one month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the month shall show, and how surely."""

    days: int
    """Of the planned month."""
    miss_limit: float
    """Of the true NG that the inspector finds, the share that may be overruled."""
    escapes: float
    """That may be added, of all parts."""
    false_calls: float
    """That may be added, of all parts."""
    confidence: float
    """One-sided, of all looks together."""
    correlation: float
    """Within a lot."""
    min_lots: int = 0
    """From at least so many lots the parts must come."""

    @property
    def level(self) -> float:
        """The confidence of the first look."""
        return 1 - (1 - self.confidence) * LOOKS[0][1]


def needs(line: Line, claim: Claim) -> list[Need]:
    """Return what each limit of a claim takes.

    Escapes added are held to the bound of the true NG times that of their share that is missed, as the verdict of
    the month holds them (``Estimates.added_escapes``): where true NG come in bursts the former is far above what
    is expected, and the share that may be missed by so much smaller.
    """
    bad = line.parts_per_day * line.ng
    error = 1 - claim.level
    missed = claim.level if claim.correlation <= 0 else 1 - error * SHARES[1]

    def per_ng(days: float) -> float:
        most = line.ng if claim.correlation <= 0 else _of_bursts(line, claim, days, 1 - error * SHARES[0])
        return min(1.0, claim.escapes / most) if most > 0 else 1.0

    supply = partial(Supply, lots_per_day=line.lots_per_day, confidence=claim.level)
    true_ng = partial(supply, per_day=bad, expected=line.missed, unit="confirmed NG")
    return [
        _need("true NG overruled", true_ng(limit=lambda _: claim.miss_limit), claim),
        _need("escapes added, as a share of the true NG", true_ng(limit=per_ng, confidence=missed), claim),
        _need(
            "false calls added",
            supply(
                per_day=line.parts_per_day, expected=line.added, unit="parts", limit=lambda _: claim.false_calls
            ),
            claim,
        ),
    ]


def _of_bursts(line: Line, claim: Claim, days: float, confidence: float) -> float:
    """Return the bound of the true NG that so many days show if lots vary as the claim's correlation says."""
    lots = max(1, round(line.lots_per_day * days))
    spread = (1 - claim.correlation) / claim.correlation
    places = (np.arange(lots) + 0.5) / lots
    rates = special.betaincinv(line.ng * spread, (1 - line.ng) * spread, places)
    size = line.parts_per_day * days / lots
    group = Group(np.rint(rates * size).astype(np.int64), np.full(lots, size))
    return max(line.ng, upper(group, confidence, claim.correlation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What a day brings for one limit."""

    unit: str
    per_day: float
    lots_per_day: float
    expected: float
    """The share that is expected to be an event."""
    limit: Callable[[float], float]
    """On that share, after so many days."""
    confidence: float

    def lots(self, days: float) -> int:
        """Return the lots of so many days."""
        return max(1, round(self.lots_per_day * days))


def _need(name: str, supply: Supply, claim: Claim) -> Need:
    days, confidence, correlation = claim.days, supply.confidence, claim.correlation
    limit = supply.limit(days)

    def bound(span: float, extra: float = 0.0) -> float:
        lots = supply.lots(span)
        return upper(
            _spread(supply.expected, (supply.per_day * span + extra) / lots, lots), confidence, correlation
        )

    per_day = supply.per_day
    alone = trials_needed(0, limit, confidence) if limit < 1 else 1
    in_month = int(per_day * days)
    lots = supply.lots(days)
    allowed = _allowed(in_month / lots, lots, limit, confidence, correlation)
    longest = _first(lambda span: bound(span) <= supply.limit(span), LONGEST_DAYS) if per_day > 0 else None
    seeded = _first(lambda extra: bound(days, extra) <= limit, MOST_SEEDED)
    return Need(
        claim=name,
        unit=supply.unit,
        limit=limit,
        per_day=per_day,
        alone=alone,
        in_month=in_month,
        allowed=allowed,
        power=_power(allowed, supply.expected, in_month, lots, correlation),
        days=longest,
        needed=None if longest is None else ceil(longest * per_day),
        seeded=None if supply.unit == "parts" else seeded,
        lines=None if longest is None else ceil(longest / days),
    )


def _spread(rate: float, size: float, lots: int, events: int | None = None) -> Group:
    """Return lots in which the expected events, rounded up, lie as far apart as they can."""
    total = ceil(rate * size * lots - 1e-9) if events is None else events
    counts = np.full(lots, total // lots)
    counts[np.linspace(0, lots - 1, total % lots).astype(int)] += 1
    return Group(counts.astype(np.int64), np.full(lots, size))


def _allowed(size: float, lots: int, limit: float, confidence: float, correlation: float) -> int:
    def kept(events: int) -> bool:
        return upper(_spread(0, size, lots, events), confidence, correlation) <= limit

    if size <= 0 or not kept(0):
        return -1
    low, high = 0, max(1, ceil(size * lots * limit))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if kept(middle) else (low, middle)
    return low


def _power(allowed: int, expected: float, trials: float, lots: int, correlation: float) -> float:
    if allowed < 0:
        return 0.0
    if expected <= 0:
        return 1.0
    shape = lots * expected * (1 - correlation) / correlation if correlation > 0 else 1e12
    return at_most(allowed, trials * expected, shape)


def _first(good: Callable[[int], bool], most: int) -> int | None:
    """Return the least whole number that is good, if every larger one is; None where not even the most is."""
    if good(0):
        return 0
    low, high = 0, 1
    while not good(high):
        if high >= most:
            return None
        low, high = high, min(most, 2 * high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def nothing_found(parts: int, rate: float, audited: int) -> float:
    """Return the probability that a month's audit finds none of the escapes: 93 % at 100,000, 50 ppm and 1,500."""
    return float((1 - audited / parts) ** (parts * rate)) if parts else 1.0
