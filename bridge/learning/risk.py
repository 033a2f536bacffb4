"""A threshold with a promise, or how much is missing for one: pure, over scores of parts nothing was fitted to.

Thresholds are tried one after the other in an order that was fixed beforehand, from the strictest on, each held to
the exact one-sided bound of Clopper and Pearson; the first that fails ends the test. Whatever the scores, the
threshold that passed last then has a larger risk than allowed with at most the probability that the confidence
leaves over (fixed-sequence testing: Angelopoulos, Bates, Candès, Jordan and Lei, Learn then Test, 2021). Choosing
the best of many thresholds and bounding that one afterwards has no such promise.

The promise is about parts like these: independent of each other, and not chosen by how the model judges them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.learning import points
from bridge.shadow.statistics import clopper_pearson_upper, most_events, trials_needed

Scores: TypeAlias = NDArray[np.float64]

FURTHEST: Final = 20.0
"""Thresholds reach so far in log-odds on either side: p(OK) of 2e-9 from 0 and from 1."""
STEP: Final = 0.01
SEQUENCE: Final[Scores] = 1 / (1 + np.exp(-np.linspace(FURTHEST, -FURTHEST, round(2 * FURTHEST / STEP) + 1)))
"""Every threshold that is tried, from the highest on; it depends on no data."""
_MOST_EVENTS: Final = 400
"""A plan that expects more errors than this is no plan: the rate is too near the risk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A threshold, and whether the data support what is to be said of it."""

    threshold: float
    holds: bool
    """Whether the bound is within the risk; if not, this is the threshold with the fewest errors."""
    risk: float
    """The share of errors that is allowed."""
    confidence: float
    bound: float
    """The share of errors that is not exceeded, at this confidence."""
    errors: int
    trials: int
    """What was counted: bad units for escapes, good ones for false calls."""
    steps: int
    """How many thresholds were tested."""
    strictest: float
    """The threshold that the test began with."""


def escapes(bad: Scores, good: Scores, risk: float, confidence: float) -> Claim:
    """Return the lowest threshold that lets at most a share ``risk`` of bad units pass.

    Between that and the next good score above it, it stands in the middle by log-odds: a higher threshold can only
    let fewer bad ones pass, so the promise stays, and none of these good ones is lost.

    Args:
        bad: p(OK) of each bad unit; it passes if that reaches the threshold.
        good: p(OK) of each good unit.
        risk: above 0 and below 1.
        confidence: same.
    """
    ranked = np.sort(bad)
    passing = len(ranked) - np.searchsorted(ranked, SEQUENCE, side="left")
    return _tested(SEQUENCE, passing, len(bad), risk, confidence, lambda found: _middle(found, above=good))


def false_calls(good: Scores, bad: Scores, risk: float, confidence: float) -> Claim:
    """Return the highest threshold that calls at most a share ``risk`` of good units NG.

    Between that and the next bad score below it, it stands in the middle by log-odds, as in ``escapes``.

    Args:
        good: p(OK) of each good unit; it is called NG if that is below the threshold.
        bad: p(OK) of each bad unit.
        risk: above 0 and below 1.
        confidence: same.
    """
    rejected = np.searchsorted(np.sort(good), SEQUENCE[::-1], side="left")
    return _tested(SEQUENCE[::-1], rejected, len(good), risk, confidence, lambda found: _middle(found, below=bad))


def both(
    bad: Scores, good: Scores, risk: float, added: float, confidence: float
) -> tuple[float, bool, Claim, Claim]:
    """Return a threshold that keeps both risks, whether there is one, and the two claims it stands on.

    Each is tested with half of what the confidence leaves over, so that both hold together.

    Args:
        bad: p(OK) of each bad unit.
        good: p(OK) of each good unit.
        risk: the share of bad units that may pass.
        added: the share of good units that may be called NG.
        confidence: of both together.
    """
    each = (1 + confidence) / 2
    lowest, highest = escapes(bad, good, risk, each), false_calls(good, bad, added, each)
    holds = lowest.holds and highest.holds and lowest.threshold <= highest.threshold
    threshold = points.middle(lowest.threshold, highest.threshold) if holds else lowest.threshold
    return threshold, holds, lowest, highest


def missing(errors: int, trials: int, risk: float, confidence: float) -> int | None:
    """Return how many more units it takes if errors go on at the rate seen; None where no number would do.

    The fewest with which the errors to be expected keep the bound within the risk.
    """
    seen = errors / trials if trials else 0.0
    if seen >= risk:
        return None
    for events in range(errors, _MOST_EVENTS):
        needed = max(trials, trials_needed(events, risk, confidence))
        if events >= seen * needed - 1e-9:
            return needed - trials
    return None


def plan(trials: int, risk: float, confidence: float, rows: int = 4) -> tuple[tuple[int, int, int], ...]:
    """Return (errors, units needed in all, how many more than there are) for 0, 1, 2 … errors."""
    needed = ((events, trials_needed(events, risk, confidence)) for events in range(rows))
    return tuple((events, all_in_all, max(0, all_in_all - trials)) for events, all_in_all in needed)


def _tested(
    thresholds: Scores,
    errors: NDArray[np.intp],
    trials: int,
    risk: float,
    confidence: float,
    settled: Callable[[float], float],
) -> Claim:
    """Walk down the sequence until a threshold fails."""
    within = errors <= most_events(trials, risk, confidence)
    passed = len(within) if within.all() else int(np.argmin(within))
    place = passed - 1 if passed else int(np.flatnonzero(errors == errors[0])[-1])
    made = int(errors[place])
    return Claim(
        threshold=settled(float(thresholds[place])),
        holds=passed > 0,
        risk=risk,
        confidence=confidence,
        bound=clopper_pearson_upper(made, trials, confidence),
        errors=made,
        trials=trials,
        steps=min(passed + 1, len(thresholds)),
        strictest=float(thresholds[0]),
    )


def _middle(found: float, *, above: Scores | None = None, below: Scores | None = None) -> float:
    """Move a threshold into the middle of the gap on its safe side, within the range of the sequence."""
    if above is not None:
        next_one = above[above >= found].min(initial=np.inf)
        return points.middle(found, min(float(next_one), SEQUENCE[0])) if np.isfinite(next_one) else found
    assert below is not None  # noqa: S101 - one of the two is always given
    next_one = below[below < found].max(initial=-np.inf)
    return points.middle(max(float(next_one), SEQUENCE[-1]), found) if np.isfinite(next_one) else found
