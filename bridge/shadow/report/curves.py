"""What another threshold would have done: false calls against escapes for every threshold, with bands. Pure.

It rests on the lowest score of the views that a goal asks for. Every part counts with the weight of its label, so
that the curve is of all parts and not of the labelled ones. The bands take the labels for as many equally weighted
ones as say as much (L. Kish, Survey Sampling, 1965: (sum w)² / sum w²), and parts as independent.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.messages import Goal
from bridge.shadow.month import NG, OK, Month
from bridge.shadow.report.grouped import DIGITS, Facts, Floats, Grouped, cp_lower, cp_upper

POINTS: Final = 120
"""So many thresholds are shown at most."""


def curve(grouped: Grouped, goal: Goal) -> Facts:
    """Return what a goal would have done at every threshold.

    The points tell ``threshold``, ``gain`` and ``harm``, each with its band. Under goal 1 the gain is the share
    of the inspector's false calls that is gone, the harm the escapes added; under goal 2 the share of its escapes
    that is caught, and the false calls added; under goal 3 the share of the true NG that is found, and all false
    calls. Harms are rates of all parts.
    """
    month = grouped.month
    score, asked = _scores(month, goal)
    known = np.flatnonzero(asked & grouped.known)
    bad_is_harm = goal is Goal.CUT_FALSE_CALLS
    harmed, gained = (NG, OK) if bad_is_harm else (OK, NG)
    limit = _limit(month)
    points: list[Facts] = []
    marks = _marks(score[known], limit)
    if len(known) and len(marks):
        weights, truth = grouped.weights(known), month.truth[known]
        passed = np.stack([score[known] >= at for at in marks])
        hits = passed if bad_is_harm else ~passed
        gain = _shares(hits[:, truth == gained], weights[truth == gained], grouped.confidence)
        harm = _per_part(hits[:, truth == harmed], weights[truth == harmed], grouped, asked)
        points = [
            {"threshold": round(float(at), DIGITS), "gain": _said(gain, place), "harm": _said(harm, place)}
            for place, at in enumerate(marks)
        ]
    return {
        "goal": int(goal),
        "threshold": None if limit is None else round(limit, DIGITS),
        "labelled_good": int((month.truth[known] == OK).sum()),
        "labelled_bad": int((month.truth[known] == NG).sum()),
        "points": points,
    }


def _scores(month: Month, goal: Goal) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the score that a goal holds against its threshold, and which parts it may move.

    A part that no threshold would clear is none: one without a score, and under goal 1 one of a code of which no
    part was ever cleared although its score allowed it.
    """
    if goal is Goal.CUT_FALSE_CALLS:
        score = month.lowest[:, 0]
        asked = (month.legacy == NG) & (month.fallbacks[:, 0] == NG)
        allowed = asked & (score >= month.threshold)
        cleared = np.bincount(month.defect[allowed & (month.goals[:, 0] == OK)], minlength=len(month.defects))
        tried = np.bincount(month.defect[allowed], minlength=len(month.defects))
        barred = (tried > 0) & (cleared == 0)
        return np.where(barred[month.defect], np.float32(np.nan), score), asked
    score = month.lowest[:, 1]
    return score, (month.legacy == OK) if goal is Goal.CATCH_ESCAPES else np.ones(len(month), bool)


def _limit(month: Month) -> float | None:
    """Return the threshold of most parts."""
    known = month.threshold[~np.isnan(month.threshold)]
    if not len(known):
        return None
    values, counts = np.unique(known, return_counts=True)
    return float(values[counts.argmax()])


def _marks(score: NDArray[np.float32], limit: float | None) -> Floats:
    """Return the thresholds that are shown: quantiles of the scores on either side, and the one in force."""
    known = np.unique(score[~np.isnan(score)]).astype(np.float64)
    if len(known) > POINTS:
        known = np.unique(np.quantile(known, np.linspace(0, 1, POINTS), method="nearest"))
    return known if limit is None else np.union1d(known, [limit])


def _shares(hits: NDArray[np.bool_], weights: Floats, confidence: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Return of the labelled ones of a truth the weighted share that is hit, its band, and how many are hit."""
    total, squares = weights.sum(), (weights**2).sum()
    size = np.full(len(hits), total**2 / squares if squares > 0 else 0.0)
    value = hits @ weights / total if total > 0 else np.zeros(len(hits))
    band = cp_lower(value * size, size, confidence), cp_upper(value * size, size, confidence)
    return value, *band, hits.sum(axis=1).astype(np.float64)


def _per_part(
    hits: NDArray[np.bool_], weights: Floats, grouped: Grouped, asked: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return how many of all parts are hit, the band, and how many labelled ones they are."""
    parts = len(grouped.month)
    weighted, squares = hits @ weights, hits @ weights**2
    reach = float(grouped.reach[asked].mean()) if asked.any() else 0.0
    events = np.divide(weighted**2, squares, out=np.zeros(len(hits)), where=squares > 0)
    stands = np.divide(weighted, events, out=np.full(len(hits), 1 / reach if reach else np.inf), where=events > 0)
    trials = parts / stands
    band = cp_lower(events, trials, grouped.confidence), cp_upper(events, trials, grouped.confidence)
    return weighted / parts, *band, hits.sum(axis=1).astype(np.float64)


def _said(found: tuple[Floats, Floats, Floats, Floats], place: int) -> dict[str, Any]:
    value, low, high, events = (float(column[place]) for column in found)
    return {
        "value": round(value, DIGITS),
        "lower": round(low, DIGITS),
        "upper": round(high, DIGITS),
        "events": int(events),
    }
