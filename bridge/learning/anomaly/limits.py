"""From which anomaly on a part is NG, where only good parts are known. Pure.

The limit is an order statistic of the anomalies of good parts that were not learnt from. Whatever their
distribution is, the share of good parts above the value that k of n exceed is at most the one-sided
Clopper-Pearson bound of k in n (S. S. Wilks, "Determination of sample sizes for setting tolerance limits",
1941), so the limit is the lowest at which that bound is within what is allowed. Parts of one lot that are alike
count as independent there.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from bridge.learning import risk
from bridge.learning.points import Scores
from bridge.shadow.statistics import clopper_pearson_upper

BESIDE = 0.1
"""Where the limit is a guess: so far above the strangest good part, as a share of the way from the middle one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Where good ends, and what was shown of it."""

    value: float
    """An anomaly; a part above it is NG."""
    middle: float
    """The anomaly of the middle good part."""
    exceeding: int
    """Good parts above the value."""
    parts: int
    bound: float
    """The share of good parts that is above it at most, at the confidence asked for."""
    holds: bool
    """Whether that is within what is allowed; if not, the value is a guess."""
    missing: int | None
    """How many more good parts it would take; 0 where it holds."""


def of_good(anomalies: Scores, false_calls: float, confidence: float = 0.95) -> Limit:
    """Return the lowest limit that keeps false calls within what is allowed.

    Args:
        anomalies: of good parts that were not learnt from, at least one.
        false_calls: the share of good parts that may be called NG, above 0 and below 1.
        confidence: one-sided.

    Raises:
        ValueError: there is no part, or an anomaly that is not finite.
    """
    if not len(anomalies) or not np.isfinite(anomalies).all():
        raise ValueError("there is no good part, or one whose anomaly is not finite")
    ranked = np.sort(anomalies)
    parts, middle = len(ranked), float(np.median(ranked))
    within = bisect_right(range(parts), false_calls, key=lambda k: clopper_pearson_upper(k, parts, confidence))
    exceeding = max(within - 1, 0)
    top = float(ranked[parts - 1 - exceeding])
    if exceeding:
        value = (top + float(ranked[parts - exceeding])) / 2
    else:
        value = top + BESIDE * max(top - middle, 1e-6 * max(abs(top), 1e-6))
    above = int((anomalies > value).sum())
    return Limit(
        value=value,
        middle=middle,
        exceeding=above,
        parts=parts,
        bound=clopper_pearson_upper(above, parts, confidence),
        holds=within > 0,
        missing=0 if within else risk.missing(0, parts, false_calls, confidence),
    )
