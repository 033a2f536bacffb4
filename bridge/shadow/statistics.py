"""Acceptance statistics, pure; each formula names its source."""

from __future__ import annotations

import math

_STEPS = 60
"""Halvings of the interval 0 to 1: far below any digit that is printed."""
_NOTHING = 1e-17
"""A share that a float cannot show."""


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


def clopper_pearson_lower(events: int, trials: int, confidence: float = 0.95) -> float:
    """Return the one-sided exact lower bound of a rate; 0.0 where nothing was tried or nothing happened.

    Raises:
        ValueError: as ``clopper_pearson_upper``.
    """
    return 1.0 - clopper_pearson_upper(trials - events, trials, confidence)


def clopper_pearson(events: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided exact interval of a rate: each side may miss with half of what is left over.

    Raises:
        ValueError: as ``clopper_pearson_upper``.
    """
    side = (1 + confidence) / 2
    return clopper_pearson_lower(events, trials, side), clopper_pearson_upper(events, trials, side)


def most_events(trials: int, limit: float, confidence: float = 0.95) -> int:
    """Return the most events whose upper bound is still within the limit; -1 where not even none would be.

    It asks the definition of the bound: so few events would be too unlikely if the rate were at the limit.
    """
    events = -1
    while events + 1 < trials and binomial_cdf(events + 1, trials, limit) <= 1 - confidence:
        events += 1
    return events


def trials_needed(events: int, limit: float, confidence: float = 0.95) -> int:
    """Return the fewest trials with which so many events keep the upper bound within the limit.

    Raises:
        ValueError: no events, limit or confidence between their ends make a plan.
    """
    if events < 0 or not 0 < limit < 1 or not 0 < confidence < 1:
        raise ValueError(f"{events} events within {limit} at {confidence} make no plan")
    short, enough = events, events + 1
    while binomial_cdf(events, enough, limit) > 1 - confidence:
        short, enough = enough, 2 * enough
    while enough - short > 1:
        middle = (short + enough) // 2
        if binomial_cdf(events, middle, limit) > 1 - confidence:
            short = middle
        else:
            enough = middle
    return enough


def binomial_cdf(events: int, trials: int, rate: float) -> float:
    """Return the probability of at most so many events, each with this rate."""
    if rate <= 0 or events >= trials:
        return 1.0
    if rate >= 1:
        return 0.0
    if events > trials * rate:
        return 1.0 - _below_the_mean(trials - events - 1, trials, 1 - rate)
    return _below_the_mean(events, trials, rate)


def _below_the_mean(events: int, trials: int, rate: float) -> float:
    """Sum the terms from the largest down, each from the one before, until they no longer count."""
    term = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(events + 1)
        - math.lgamma(trials - events + 1)
        + events * math.log(rate)
        + (trials - events) * math.log1p(-rate)
    )
    total, odds = 0.0, (1 - rate) / rate
    for k in range(events, -1, -1):
        total += term
        if term <= total * _NOTHING:
            break
        term *= k / (trials - k + 1) * odds
    return min(1.0, total)
