"""How far two judgements of the same parts agree: of two people, or of somebody with the truth. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, TypeAlias

from scipy import special

Pair: TypeAlias = tuple[bool, bool]
"""Whether the one and the other call the part NG."""
Grade: TypeAlias = Literal["acceptable", "marginal", "unacceptable"]

_ACCEPTABLE = (0.90, 0.02, 0.05)
_MARGINAL = (0.80, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa of two raters."""

    value: float | None
    """1 for full agreement, 0 for that of chance; None where one of them never varies and both agree."""
    lower: float | None
    upper: float | None
    """Two-sided, from the large-sample standard error; None with fewer than two parts."""
    parts: int
    agreed: int


def kappa(pairs: Sequence[Pair], confidence: float = 0.95) -> Kappa:
    """Return Cohen's kappa with its interval (J. L. Fleiss, J. Cohen, B. S. Everitt, Psychol. Bull. 72, 1969)."""
    n = len(pairs)
    agreed = sum(a == b for a, b in pairs)
    if not n:
        return Kappa(None, None, None, 0, 0)
    first, second = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
    seen = agreed / n
    chance = first * second + (1 - first) * (1 - second)
    if chance >= 1:
        return Kappa(None, None, None, n, agreed)
    value = (seen - chance) / (1 - chance)
    if n < 2:  # noqa: PLR2004 - one part has no spread
        return Kappa(value, None, None, n, agreed)
    z = float(special.ndtri((1 + confidence) / 2))
    half = z * _kappa_error(pairs, seen, chance, first, second)
    return Kappa(value, max(-1.0, value - half), min(1.0, value + half), n, agreed)


def _kappa_error(pairs: Sequence[Pair], seen: float, chance: float, first: float, second: float) -> float:
    n = len(pairs)
    rows, columns = (first, 1 - first), (second, 1 - second)
    share = [[sum(pair == (a, b) for pair in pairs) / n for b in (True, False)] for a in (True, False)]
    diagonal = sum(share[i][i] * ((1 - chance) - (rows[i] + columns[i]) * (1 - seen)) ** 2 for i in range(2))
    beside = (1 - seen) ** 2 * sum(share[i][1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in range(2))
    spread = diagonal + beside - (seen * chance - 2 * chance + seen) ** 2
    return sqrt(max(0.0, spread) / n) / (1 - chance) ** 2


@dataclass(frozen=True, slots=True)
class Attribute:
    """The figures of an attribute agreement study of one rater against the truth (AIAG, MSA, 4th edition)."""

    parts: int
    effectiveness: float | None
    """The share of parts called right."""
    miss: float | None
    """Of the bad parts, the share called OK."""
    false_alarm: float | None
    """Of the good parts, the share called NG."""
    kappa: Kappa
    grade: Grade | None
    """By effectiveness, miss and false alarm: 90, 2, 5 % acceptable, 80, 5, 10 % marginal; None without parts of
    both kinds."""


def attribute(pairs: Sequence[Pair]) -> Attribute:
    """Return the figures of a rater: of each part whether the rater, and whether the truth, says NG."""
    bad = [rater for rater, truth in pairs if truth]
    good = [rater for rater, truth in pairs if not truth]
    right = sum(rater == truth for rater, truth in pairs)
    effectiveness = right / len(pairs) if pairs else None
    miss = bad.count(False) / len(bad) if bad else None
    alarm = good.count(True) / len(good) if good else None
    return Attribute(len(pairs), effectiveness, miss, alarm, kappa(pairs), _grade(effectiveness, miss, alarm))


def _grade(effectiveness: float | None, miss: float | None, alarm: float | None) -> Grade | None:
    if effectiveness is None or miss is None or alarm is None:
        return None
    for grade, (least, most_missed, most_alarms) in (("acceptable", _ACCEPTABLE), ("marginal", _MARGINAL)):
        if effectiveness >= least and miss <= most_missed and alarm <= most_alarms:
            return grade  # type: ignore[return-value]
    return "unacceptable"


@dataclass(frozen=True, slots=True)
class Discordant:
    """Two inspectors on the same parts: how often only the one, and only the other, was right."""

    only_first: int
    only_second: int
    p: float
    """Exact, two-sided: how likely so uneven a split is if both are as good. A large one proves nothing."""


def mcnemar(only_first: int, only_second: int) -> Discordant:
    """Return McNemar's test on the discordant pairs, exact (Q. McNemar, Psychometrika 12, 1947)."""
    n = only_first + only_second
    p = min(1.0, 2 * float(special.bdtr(min(only_first, only_second), n, 0.5))) if n else 1.0
    return Discordant(only_first, only_second, p)


@dataclass(frozen=True, slots=True)
class Margin:
    """Whether the second of two inspectors is worse than the first by less than a margin, on the same parts."""

    difference: float
    """Error rate of the second less that of the first."""
    upper: float
    """One-sided upper bound of the difference."""
    margin: float

    @property
    def holds(self) -> bool:
        """Whether it is shown not to be worse by the margin or more."""
        return self.upper < self.margin


def non_inferior(only_first: int, only_second: int, parts: int, margin: float, confidence: float = 0.95) -> Margin:
    """Return whether the second is non-inferior, by the score bound of T. Tango (Stat. Med. 17, 1998).

    Args:
        only_first: parts on which only the first was right.
        only_second: parts on which only the second was right.
        parts: all parts, those on which both agree included.
        margin: the difference of error rates that would count as worse, 0 to 1.
        confidence: one-sided.

    Raises:
        ValueError: fewer parts than pairs, or none.
    """
    if parts < only_first + only_second or parts < 1:
        raise ValueError(f"{only_first} and {only_second} of {parts} parts make no pairs")
    difference = (only_first - only_second) / parts
    z = float(special.ndtri(confidence))
    low, high = difference, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _tango(only_first, only_second, parts, middle) > -z:
            low = middle
        else:
            high = middle
    return Margin(difference, high, margin)


def _tango(b: int, c: int, n: int, delta: float) -> float:
    """Return the score statistic for the difference of error rates (b - c) / n being delta."""
    linear = -b - c + (2 * n - b + c) * delta
    constant = -c * delta * (1 - delta)
    rate = (sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)  # only_second's, at most likelihood
    spread = n * (2 * rate + delta * (1 - delta))
    return (b - c - n * delta) / sqrt(spread) if spread > 0 else 0.0
