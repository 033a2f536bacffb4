"""The month in order of time: its calendar, whether scores drifted, and how the estimates settled. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.messages import Goal
from bridge.shadow import drift, plant
from bridge.shadow.health import Health
from bridge.shadow.month import NG, NONE, OK, Month
from bridge.shadow.report.grouped import DIGITS, Facts, Grouped, cp_lower, cp_upper, rate

MOST_VALUES: Final = 50_000
"""From so many scores of a week, evenly spread over it, its distribution is told."""
MOST_RECIPES: Final = 8
"""Of so many recipes, those with the most parts, the drift is told one by one."""


def calendar(month: Month, day: NDArray[np.int32], health: Health, timezone: str) -> list[Facts]:
    """Return what there is to tell of each day from the first with a part, a crash or a gap to the last."""
    crashed = plant.days(np.array([one.until for one in health.away if one.crashed], np.float64), timezone)
    gaps = plant.days(np.array([gap.at for gap in health.counting.gaps], np.float64), timezone)
    missing = np.array([gap.parts for gap in health.counting.gaps], np.int64)
    ends = [int(end) for one in (day, crashed, gaps) if len(one) for end in (one.min(), one.max())]
    if not ends:
        return []
    days = np.arange(min(ends), max(ends) + 1)
    disputed = disagreed(month)
    outstanding = month.drawn & (month.truth != OK) & (month.truth != NG)

    def count(mask: NDArray[np.bool_] | None = None) -> Sequence[int]:
        some = day if mask is None else day[mask]
        return np.bincount(some - days[0], minlength=len(days)).tolist()  # type: ignore[no-any-return]

    columns = zip(
        days.tolist(),
        count(),
        count(disputed),
        count(month.drawn),
        count(outstanding),
        count(month.model == NONE),
        strict=True,
    )
    return [
        {
            "day": plant.day_name(one),
            "parts": parts,
            "disagreements": disagreements,
            "drawn": drawn,
            "outstanding": waiting,
            "unjudged": unjudged,
            "crashes": int((crashed == one).sum()),
            "missing": int(missing[gaps == one].sum()),
        }
        for one, parts, disagreements, drawn, waiting, unjudged in columns
    ]


def disagreed(month: Month) -> NDArray[np.bool_]:
    """Return which parts the inspector and the model call differently; (n,)."""
    spoken = (month.model == OK) | (month.model == NG)
    found: NDArray[np.bool_] = spoken & (month.legacy != NONE) & (month.model != month.legacy)
    return found


def weeks(day: NDArray[np.int32]) -> tuple[NDArray[np.int32], list[str]]:
    """Return the index of each part's ISO week, and the weeks."""
    found, index = plant.ranked(day - (day + 3) % 7)  # its Monday: 1970-01-01 was a Thursday
    return index, [plant.week_name(int(one)) for one in found]


def drifts(month: Month, day: NDArray[np.int32]) -> list[Facts]:
    """Return how the scores of each week stand to those of the first, for all parts and by recipe."""
    week, names = weeks(day)
    score = month.lowest[:, 1]
    judged = ~np.isnan(score)
    asked = [("", judged)]
    if len(month.recipes) > 1:
        parts = np.bincount(month.recipe, minlength=len(month.recipes))
        most = np.argsort(-parts, kind="stable")[:MOST_RECIPES]
        asked += [(month.recipes[one], judged & (month.recipe == one)) for one in sorted(most.tolist())]
    return [{"recipe": recipe, "weeks": list(_against_first(score, week, names, mine))} for recipe, mine in asked]


def _against_first(
    score: NDArray[np.float32], week: NDArray[np.int32], names: Sequence[str], mine: NDArray[np.bool_]
) -> Iterator[Facts]:
    found = np.flatnonzero(np.bincount(week[mine], minlength=len(names)))
    if not len(found):
        return
    first = _some(score[mine & (week == found[0])])
    for one in found.tolist():
        values = score[mine & (week == one)]
        said = drift.drift(first, _some(values)) if one != found[0] else drift.NOTHING
        yield {
            "week": names[one],
            "parts": len(values),
            "median": round(float(np.median(values)), DIGITS),
            "low": round(float(np.quantile(values, 0.05)), DIGITS),
        } | told(said)


def told(said: drift.Drift) -> Facts:
    """Return a drift as the report tells it."""
    return {"psi": _rounded(said.psi), "tone": said.tone, "ks": _rounded(said.ks), "p": _rounded(said.p)}


def _some(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[:: -(-len(values) // MOST_VALUES) or 1]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def stability(grouped: Grouped, goal: Goal, day: NDArray[np.int32]) -> list[Facts]:
    """Return how the estimates stood at the end of each day, from the first day on, with their bounds."""
    month = grouped.month
    days, index = plant.ranked(day)
    if not len(days):
        return []
    parts = np.cumsum(np.bincount(index, minlength=len(days)))
    series = {
        f"{what}_{whose}": _running(grouped, month.truth == truth, said == verdict, index, parts)
        for what, truth, verdict in (("false_calls", OK, NG), ("escapes", NG, OK))
        for whose, said in (("inspector", grouped.said(None)), ("goal", grouped.said(goal)))
    }
    found = (month.legacy == NG) & (month.truth == NG) & grouped.known
    series["overruled"] = _share(grouped, found, grouped.said(goal) == OK, index, len(days))
    return [
        {"day": plant.day_name(int(one)), "parts": int(parts[place])}
        | {name: values[place] for name, values in series.items()}
        for place, one in enumerate(days)
    ]


def _running(
    grouped: Grouped,
    truth: NDArray[np.bool_],
    cell: NDArray[np.bool_],
    index: NDArray[Any],
    parts: NDArray[np.int64],
) -> list[Facts]:
    rows = np.flatnonzero(truth & cell & grouped.known)
    weights = grouped.weights(rows)
    events = np.cumsum(np.bincount(index[rows], minlength=len(parts))).astype(np.float64)
    weighted = np.cumsum(np.bincount(index[rows], weights, len(parts)))
    mean = float(grouped.reach[cell].mean()) if cell.any() else 0.0
    stands = np.divide(weighted, events, out=np.full(len(parts), 1 / mean if mean else np.inf), where=events > 0)
    trials = np.maximum(parts / stands, events)
    low, high = cp_lower(events, trials, grouped.confidence), cp_upper(events, trials, grouped.confidence)
    return [rate(*one) for one in zip(events, weighted, parts, low, high, strict=True)]


def _share(
    grouped: Grouped, among: NDArray[np.bool_], event: NDArray[np.bool_], index: NDArray[Any], days: int
) -> list[Facts]:
    trials = np.cumsum(np.bincount(index[among], minlength=days)).astype(np.float64)
    events = np.cumsum(np.bincount(index[among & event], minlength=days)).astype(np.float64)
    low, high = cp_lower(events, trials, grouped.confidence), cp_upper(events, trials, grouped.confidence)
    return [rate(*one) for one in zip(events, events, trials, low, high, strict=True)]
