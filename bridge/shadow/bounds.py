"""Bounds of rates where defects come in bursts and only some parts were looked at. Pure; needs SciPy.

Parts of one lot are alike: a lamp that drifts or a bad coil of wire makes a run of the same mistake. Within a
lot the rate is therefore taken to vary like a Beta distribution with intra-class correlation rho, the rate of
the process being its mean. Counts of rare events are then negative binomial, and the sum over lots of equal size
is so again, with as many times the shape (J. G. Skellam, J. R. Stat. Soc. B 10, 1948, for the beta-binomial; its
limit for small rates). Without correlation it is the exact bound of Clopper and Pearson.

Rho is not known. Its confidence set comes from how the events are spread over the lots; the bound is the worst
over that set, and pays for it (R. L. Berger and D. D. Boos, J. Am. Stat. Assoc. 89, 1994). Few events say little
of rho, so no more is assumed than ``correlation`` says unless the lots themselves show more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bridge.shadow.statistics import clopper_pearson_lower, clopper_pearson_upper

Counts = NDArray[np.int64]
Sizes = NDArray[np.float64]

SPENT: Final = 0.1
"""The share of the error that the confidence set of rho takes."""
SAFETY: Final = 2.0
"""So many times the likeliest correlation is reckoned with, where that is more than what is assumed."""
_RHOS: Final = np.geomspace(1e-6, 0.5, 30)
_STEPS: Final = 50
_NEWTON: Final = 10


@dataclass(frozen=True, slots=True)
class Group:
    """One sampling group: what was found among the parts of each lot that could be found."""

    events: Counts
    """(lots,): events among the parts that were drawn and labelled."""
    trials: Sizes
    """(lots,): parts times the probability with which each was drawn and labelled."""

    @property
    def found(self) -> int:
        """Events in all lots."""
        return int(self.events.sum())

    @property
    def size(self) -> float:
        """Effective trials in all lots."""
        return float(self.trials.sum())

    def repeated(self, times: int) -> Group:
        """Return what so many times as many lots of the same kind would show."""
        return self if times == 1 else Group(np.tile(self.events, times), np.tile(self.trials, times))


def effective_lots(trials: Sizes) -> float:
    """Return how many lots of equal size say as much (L. Kish, Survey Sampling, 1965): (sum n)² / sum n²."""
    squares = float((trials**2).sum())
    return float(trials.sum()) ** 2 / squares if squares > 0 else 0.0


def correlation_limit(group: Group, assumed: float, error: float) -> float:
    """Return the largest correlation within lots that a bound must reckon with.

    That is the upper end of the likelihood's confidence set (one-sided, level 1 - error), but no more than what is
    assumed or, where that is larger, twice what fits the lots best.

    Args:
        group: events and trials by lot.
        assumed: the correlation that is assumed where events are too few to show it, 0 to 1.
        error: the probability with which the set may miss.
    """
    used = group.trials > 0
    events, trials = group.events[used], group.trials[used]
    if len(trials) <= 1 or not group.found:
        return assumed
    likely = _likelihood(events, trials)
    rate = group.found / group.size
    independent = float((events * np.log(trials * rate) - trials * rate).sum())
    best = int(np.argmax(likely))
    top = max(float(likely[best]), independent)
    inside = likely >= top - special.chdtri(1, 2 * error) / 2
    highest = float(_RHOS[inside].max()) if inside.any() else 0.0
    shown = float(_RHOS[best]) if likely[best] > independent else 0.0
    return min(highest, max(assumed, SAFETY * shown))


def _likelihood(events: Counts, trials: Sizes) -> NDArray[np.float64]:
    """Return the profile likelihood of each correlation of the grid, at the rate that fits it best.

    Given the correlation the counts are negative binomial with a common scale, so that the rate is told by their
    shape: more by how many lots have events at all than by how many events there are.
    """
    scale = _RHOS / (1 - _RHOS)
    target = np.log1p(trials[:, None] * scale).sum(axis=0)
    hit = events > 0  # the others count in the target only
    k, often = np.unique(events[hit], return_counts=True)
    k, often = k[:, None], often[:, None]
    log_shape = np.log(events.sum() / trials.sum() / scale)
    for _ in range(_NEWTON):  # the slope falls in the logarithm of the shape
        shape = np.exp(log_shape)
        slope = (often * (special.digamma(k + shape) - special.digamma(shape))).sum(axis=0) - target
        curve = (often * (special.zeta(2, k + shape) - special.zeta(2, shape))).sum(axis=0) * shape
        log_shape = log_shape - np.clip(slope / np.minimum(curve, -1e-12), -2, 2)
    shape = np.exp(log_shape)
    found = (often * (special.gammaln(k + shape) - special.gammaln(shape))).sum(axis=0)
    tilted = (
        events[hit][:, None] * np.log(trials[hit][:, None] * scale / (1 + trials[hit][:, None] * scale))
    ).sum(axis=0)
    likely: NDArray[np.float64] = found + tilted - shape * target
    return likely


def upper(group: Group, confidence: float = 0.95, correlation: float = 0.0) -> float:
    """Return the one-sided upper bound of the rate of the process; 1.0 where nothing was tried.

    Args:
        group: events and trials by lot.
        confidence: one-sided, 0 to 1.
        correlation: assumed within a lot where the events cannot show it; 0 for independent parts.
    """
    if group.size <= 0:
        return 1.0
    error = 1 - confidence
    exact = clopper_pearson_upper(min(group.found, _whole(group)), _whole(group), confidence)
    if correlation <= 0:
        return exact
    rho = correlation_limit(group, correlation, error * SPENT)
    return max(exact, _worst(group, rho, error * (1 - SPENT), below=True))


def lower(group: Group, confidence: float = 0.95, correlation: float = 0.0) -> float:
    """Return the one-sided lower bound of the rate of the process; 0.0 where nothing happened."""
    if group.size <= 0 or not group.found:
        return 0.0
    error = 1 - confidence
    exact = clopper_pearson_lower(min(group.found, _whole(group)), _whole(group), confidence)
    if correlation <= 0:
        return exact
    rho = correlation_limit(group, correlation, error * SPENT)
    return min(exact, _worst(group, rho, error * (1 - SPENT), below=False))


def upper_of_sum(
    groups: Sequence[Group], confidence: float = 0.95, correlation: float = 0.0, shares: Sequence[float] = ()
) -> float:
    """Return an upper bound of the sum of the rates of several groups of the same parts.

    Each group has its own bound at its share of the error (C. E. Bonferroni): conservative, and never of zero
    width because a rare event was not drawn.

    Args:
        groups: of each group of the sampling plan its events and trials.
        confidence: of the sum, one-sided.
        correlation: as for ``upper``.
        shares: how the error is divided; evenly where nothing is said. Fix it before looking.
    """
    parts = _divided(groups, confidence, shares)
    return min(1.0, sum(upper(group, level, correlation) for group, level in parts))


def lower_of_sum(
    groups: Sequence[Group], confidence: float = 0.95, correlation: float = 0.0, shares: Sequence[float] = ()
) -> float:
    """Return a lower bound of the same sum, from each group's own; arguments as for ``upper_of_sum``."""
    return sum(lower(group, level, correlation) for group, level in _divided(groups, confidence, shares))


def _divided(groups: Sequence[Group], confidence: float, shares: Sequence[float]) -> Iterator[tuple[Group, float]]:
    """Yield each group with the confidence of its own bound."""
    for group, share in zip(groups, shares or [1 / len(groups)] * len(groups), strict=True):
        yield group, 1 - (1 - confidence) * share


def _whole(group: Group) -> int:
    return max(int(group.size), group.found, 1)


def _worst(group: Group, rho: float, error: float, *, below: bool) -> float:
    """Return the rate at which so few (or so many) events are too unlikely, at this correlation."""
    lots, size, found = effective_lots(group.trials), group.size, group.found
    if rho <= 0:
        rho = 1e-9
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        tail = at_most(found, size * middle, lots * middle * (1 - rho) / rho)
        if not below:
            tail = 1 - at_most(found - 1, size * middle, lots * middle * (1 - rho) / rho)
        beyond = tail > error
        if beyond is below:
            low = middle
        else:
            high = middle
    return high if below else low


def at_most(events: int, mean: float, shape: float) -> float:
    """Return the probability of at most so many events of a negative binomial of this mean and shape."""
    return float(special.betainc(shape, events + 1, shape / (shape + mean))) if mean > 0 else 1.0
