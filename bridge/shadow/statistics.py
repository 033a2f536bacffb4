"""Acceptance statistics, pure; each formula names its source."""

from __future__ import annotations

import math

_STEPS = 60
"""Halvings of the interval 0 to 1: far below any digit that is printed."""


def clopper_pearson_upper(events: int, trials: int, confidence: float = 0.95) -> float:
    """Return the one-sided exact upper bound of a rate, Beta(confidence; k + 1, n - k).

    That is the rate at which so few events or fewer have only the probability ``1 - confidence``
    (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934). 1.0 where nothing was tried or every trial was one.

    Raises:
        ValueError: more events than trials, or a confidence outside 0 to 1.
    """
    if not 0 <= events <= trials or not 0 < confidence < 1:
        raise ValueError(f"{events} events in {trials} trials at {confidence} make no bound")
    if events == trials:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if binomial_cdf(events, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def binomial_cdf(events: int, trials: int, rate: float) -> float:
    """Return the probability of at most so many events, each with this rate."""
    if rate <= 0 or events >= trials:
        return 1.0
    if rate >= 1:
        return 0.0
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    terms = (
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * log_rate
        + (trials - k) * log_rest
        for k in range(events + 1)
    )
    return min(1.0, math.fsum(math.exp(term) for term in terms))
