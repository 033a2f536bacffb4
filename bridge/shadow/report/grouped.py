"""Rates of parts by group (recipe, shift, week, day …), each with numerator, denominator and bounds. Pure.

Within a group parts count as independent: these figures show where to look. The limits of the verdict are held to
the bounds of ``estimates.py``, which reckon with bursts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bridge.messages import Goal
from bridge.shadow.estimates import CERTAIN, SHARES
from bridge.shadow.month import CONTRADICTED, NG, OK, Month

Facts: TypeAlias = dict[str, Any]
Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_BLOCK: Final = 65_536
MOST: Final = 500
"""So many groups stand in one table."""
DIGITS: Final = 12
"""Digits behind the point that are kept of a rate."""


def cp_upper(events: Floats, trials: Floats, confidence: float) -> Floats:
    """Return the one-sided upper bounds of Clopper and Pearson, Beta(confidence; k + 1, n - k); 1 if n = k."""
    rest = np.maximum(trials - events, 0.0)
    found = special.betaincinv(events + 1, np.where(rest > 0, rest, 1.0), confidence)
    return np.where(rest > 0, found, 1.0)


def cp_lower(events: Floats, trials: Floats, confidence: float) -> Floats:
    """Return the one-sided lower bounds, Beta(1 - confidence; k, n - k + 1); 0 without events."""
    some = np.where(events > 0, events, 1.0)
    found = special.betaincinv(some, np.maximum(trials - events, 0.0) + 1, 1 - confidence)
    return np.where(events > 0, found, 0.0)


class Grouped:
    """The parts of a month, with the weight of each that is labelled."""

    def __init__(self, month: Month, confidence: float) -> None:
        """Take the parts; ``confidence`` is of each bound, one-sided."""
        self.month, self.confidence = month, confidence
        self._answers = month.answers()
        self.known: Mask = month.drawn & ((month.truth == OK) | (month.truth == NG))
        self.certain: Mask = month.chance >= CERTAIN
        strata = month.stratum.astype(np.intp)
        drawn = np.bincount(strata[month.drawn], minlength=128)
        known = np.bincount(strata[self.known], minlength=128)
        answered = np.divide(known, drawn, out=np.zeros(128), where=drawn > 0)
        self.reach: NDArray[np.float32] = (month.chance * answered[strata]).astype(np.float32)
        """(n,): with what probability a part was drawn and labelled."""

    def weights(self, rows: NDArray[np.int64]) -> Floats:
        """Return how many parts each of these labelled ones stands for."""
        reach = self.reach[rows].astype(np.float64)
        return np.divide(1.0, reach, out=np.zeros(len(rows)), where=reach > 0)

    def said(self, goal: Goal | None) -> NDArray[np.int8]:
        """Return what the inspector says (None), or what a goal would have said: too late, its fallback."""
        return self.month.legacy if goal is None else self._answers[:, goal - 1]

    def rates(self, goal: Goal | None, truth: int) -> Rates:
        """Return the false calls (truth OK) or the escapes (truth NG), by the inspector (None) or with a goal."""
        return Rates(self, self.said(goal) == (NG if truth == OK else OK), truth)


class Rates:
    """Parts in a cell of the verdicts that are truly OK or NG: their rate among all parts of each group."""

    def __init__(self, grouped: Grouped, cell: Mask, truth: int) -> None:
        hit = np.flatnonzero(cell & grouped.known & (grouped.month.truth == truth))
        self._certain, self._drawn = hit[grouped.certain[hit]], hit[~grouped.certain[hit]]
        self._weights = grouped.weights(hit)
        self._hit = hit
        self._open = np.flatnonzero(cell & grouped.certain & ~grouped.known)
        disputed = grouped.month.drawn & (grouped.month.truth == CONTRADICTED)
        self._disputed = np.flatnonzero(cell & disputed & ~grouped.certain)
        self._audit: Mask = cell & ~grouped.certain & (grouped.month.chance > 0)
        self._reach = grouped.reach
        self._confidence = grouped.confidence

    def by(self, index: NDArray[Any], parts: NDArray[np.int64]) -> list[Facts]:
        """Return the rate of each group.

        Args:
            index: (n,) each part's group.
            parts: (groups,) how many parts it has.
        """
        groups, size = len(parts), parts.astype(np.float64)

        def count(rows: NDArray[np.int64], weights: Any = None) -> Floats:
            return np.bincount(index[rows], weights, groups).astype(np.float64)

        certain, drawn, open_ = count(self._certain), count(self._drawn), count(self._open)
        disputed = count(self._disputed)
        audited, reached = self._audited(index, groups)
        reach = np.divide(reached, audited, out=np.zeros(groups), where=audited > 0)
        error = 1 - self._confidence
        shares = (SHARES[0], SHARES[1]) if audited.any() else (1.0, 0.0)
        high = cp_upper(certain + open_, size, 1 - error * shares[0])
        if shares[1]:
            worst = drawn + disputed
            more = cp_upper(worst, np.maximum(size * reach, worst), 1 - error * shares[1])
            high = np.minimum(1.0, high + np.where(audited > 0, more, 0.0))
        low = np.maximum(
            cp_lower(certain, size, self._confidence),
            cp_lower(drawn, np.maximum(size * reach, drawn), self._confidence),
        )
        weighted = count(self._hit, self._weights)
        return [
            rate(*one) for one in zip(certain + drawn, weighted, parts, low, high, open_ + disputed, strict=True)
        ]

    def _audited(self, index: NDArray[Any], groups: int) -> tuple[Floats, Floats]:
        """Return of each group how many parts the audit may draw, and the sum of their chances."""
        parts, chances = np.zeros(groups), np.zeros(groups)
        for start in range(0, len(index), _BLOCK):
            some = self._audit[start : start + _BLOCK]
            mine = index[start : start + _BLOCK][some]
            parts += np.bincount(mine, minlength=groups)
            chances += np.bincount(mine, self._reach[start : start + _BLOCK][some], groups)
        return parts, chances


def rate(events: float, weighted: float, trials: float, low: float, high: float, outstanding: float = 0) -> Facts:
    """Return one rate as the report tells it."""
    value = min(weighted / trials, 1.0) if trials else None  # weights may stand for more than a small group has
    return {
        "events": int(events),
        "weighted": round(float(weighted), 6),
        "trials": round(float(trials), 6),
        "value": None if value is None else round(float(value), DIGITS),
        "lower": round(float(low), DIGITS),
        "upper": round(float(high), DIGITS),
        "outstanding": int(outstanding),
    }


def share(events: int, trials: int, confidence: float) -> Facts:
    """Return a plain share with its exact one-sided bounds."""
    k, n = np.array([float(events)]), np.array([float(trials)])
    return rate(events, events, trials, cp_lower(k, n, confidence)[0], cp_upper(k, n, confidence)[0])


def _counted(index: NDArray[Any], groups: int) -> NDArray[np.int64]:
    parts = np.zeros(groups, np.int64)
    for start in range(0, len(index), _BLOCK):
        parts += np.bincount(index[start : start + _BLOCK], minlength=groups)
    return parts


def _largest(
    index: NDArray[Any], names: Sequence[str], parts: NDArray[np.int64]
) -> tuple[NDArray[Any], Sequence[str]]:
    kept = np.sort(np.argsort(-parts, kind="stable")[: MOST - 1])
    place = np.full(len(names), MOST - 1, np.int32)
    place[kept] = np.arange(MOST - 1)
    return place[index], [*(names[one] for one in kept), f"{len(names) - MOST + 1:,} others"]


def table(grouped: Grouped, index: NDArray[Any], names: Sequence[str], goal: Goal) -> list[Facts]:
    """Return the four rates of each group that has a part: false calls and escapes, before and with a goal.

    Of very many groups the largest stand for themselves, and the rest together.
    """
    month = grouped.month
    parts = _counted(index, len(names))
    if len(names) > MOST:
        index, names = _largest(index, names, parts)
        parts = _counted(index, MOST)
    labelled = np.bincount(index[grouped.known], minlength=len(names))
    ng = np.bincount(index[month.legacy == NG], minlength=len(names))
    columns: Mapping[str, list[Facts]] = {
        f"{what}_{whose}": grouped.rates(goal if whose == "goal" else None, truth).by(index, parts)
        for what, truth in (("false_calls", OK), ("escapes", NG))
        for whose in ("inspector", "goal")
    }
    return [
        {
            "name": name,
            "parts": int(parts[place]),
            "ng": int(ng[place]),
            "labelled": int(labelled[place]),
            **{column: found[place] for column, found in columns.items()},
        }
        for place, name in enumerate(names)
        if parts[place]
    ]
