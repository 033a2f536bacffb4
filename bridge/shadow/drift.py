"""Whether a month's scores stayed what they were: population stability index and Kolmogorov–Smirnov. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

Tone: TypeAlias = Literal["stable", "watch", "act"]

BINS: Final = 10
WATCH: Final = 0.1
ACT: Final = 0.25
LEAST: Final = 50
"""With fewer values on either side nothing is said."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One span of time held against the reference."""

    psi: float | None
    """Population stability index; None with too few values."""
    tone: Tone | None
    """Below 0.1 stable, to 0.25 watch, above act."""
    ks: float | None
    """The largest distance of the two distributions, 0 to 1."""
    p: float | None
    """Of the Kolmogorov–Smirnov test; with many parts small for differences that do not matter."""
    values: int


NOTHING: Final = Drift(None, None, None, None, 0)
"""What is said of the reference itself."""


def drift(reference: NDArray[Any], values: NDArray[Any]) -> Drift:
    """Hold some values against a reference; not-a-number is left out.

    The bins of the index are the deciles of the reference. A bin without values counts as half a value, so that
    the index stays finite (B. Yurdakul, Statistical Properties of Population Stability Index, 2018).
    """
    base, now = reference[np.isfinite(reference)], values[np.isfinite(values)]
    if min(len(base), len(now)) < LEAST:
        return Drift(None, None, None, None, len(now))
    index = psi(base, now)
    distance, p = kolmogorov_smirnov(base, now)
    tone: Tone = "stable" if index < WATCH else "watch" if index <= ACT else "act"
    return Drift(index, tone, distance, p, len(now))


def kolmogorov_smirnov(reference: NDArray[Any], values: NDArray[Any]) -> tuple[float, float]:
    """Return the largest distance of two empirical distributions, and how likely one is so large by chance.

    The probability is the limit for many values (N. Smirnov, Ann. Math. Stat. 19, 1948).
    """
    first, second = np.sort(reference), np.sort(values)
    both = np.concatenate((first, second))
    shares = [np.searchsorted(one, both, side="right") / len(one) for one in (first, second)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    size = len(first) * len(second) / (len(first) + len(second))
    return distance, float(special.kolmogorov(np.sqrt(size) * distance))


def psi(reference: NDArray[Any], values: NDArray[Any], bins: int = BINS) -> float:
    """Return the population stability index, sum of (a - e) ln(a / e) over bins of the reference's quantiles."""
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))
    expected = _shares(np.searchsorted(edges, reference, side="right"), len(edges) + 1)
    actual = _shares(np.searchsorted(edges, values, side="right"), len(edges) + 1)
    return float(((actual - expected) * np.log(actual / expected)).sum())


def _shares(places: NDArray[np.intp], bins: int) -> NDArray[np.float64]:
    counts = np.maximum(np.bincount(places, minlength=bins), 0.5)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares
