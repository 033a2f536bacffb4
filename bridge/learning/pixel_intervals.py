"""How sure the figures of anomaly maps are: percentile bootstraps over whole groups of pictures.

A pixel is no trial of its own: its neighbours say the same, and so do the other pictures of its part. So groups
are drawn anew, as ``metrics`` does it. A thousand rankings of millions of pixels would take an hour; instead every
picture is counted once at about a thousand levels, and a resample adds up counts. What the levels leave out is the
same in every resample and is taken off, so that the figure itself stays the exact one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.learning import metrics, pixels
from bridge.learning.masks import Mask
from bridge.learning.metrics import Estimate, Weights
from bridge.learning.pixels import FALSE_ALARMS, Map, Ranked

Counts: TypeAlias = NDArray[np.float64]
"""Shape (N, K): of each of N pictures at each of K falling levels; or (resamples, K)."""

LEVELS: Final = 256
"""Quantiles of anomalous pixels, and as many of good ones; each counts with its ties and without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What each of N pictures has at each of K falling levels, from above all to below all."""

    good: Counts
    """Good pixels that reach the level."""
    bad: Counts
    """Anomalous ones."""
    found: Counts
    """The shares of its regions that are found, added up."""
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """The exact figures of ``pixels``, each with its interval."""

    auroc: Estimate
    average_precision: Estimate
    best_f1: Estimate
    """Of the best threshold of each resample; see ``pixels.best_f1``."""
    pro: Estimate


def intervals(
    one: Ranked,
    maps: Sequence[Map],
    masks: Sequence[Mask | None],
    groups: Sequence[str],
    limit: float = FALSE_ALARMS,
) -> Intervals:
    """Return every figure with its interval; without width where a resample cannot differ: then there is none.

    Args:
        one: the maps and masks, ranked.
        maps: N maps, as ``ranked`` took them.
        masks: same.
        groups: what each of N belongs to.
        limit: of PRO.
    """
    counted = tally(one, maps, masks, groups)

    def estimate(value: float, statistic: Callable[[Counts, Counts, Counts], NDArray[np.float64]]) -> Estimate:
        if math.isnan(value):
            return Estimate(value=value, low=math.nan, high=math.nan, how="none")

        def weighed(weights: Weights) -> NDArray[np.float64]:
            return statistic(weights @ counted.good, weights @ counted.bad, weights @ counted.found)

        with np.errstate(divide="ignore", invalid="ignore"):  # a resample without one kind has no figure
            off = value - weighed(np.ones((1, len(counted.groups))))[0]
            made = metrics.bootstrapped(value, lambda weights: weighed(weights) + off, counted.groups)
        low, high = max(made.low, 0.0), min(made.high, 1.0)
        if high > low:
            return replace(made, low=low, high=high)
        return Estimate(value=value, low=math.nan, high=math.nan, how="none")

    return Intervals(
        auroc=estimate(pixels.auroc(one), _auroc),
        average_precision=estimate(pixels.average_precision(one), _average_precision),
        best_f1=estimate(pixels.best_f1(one).value, _best_f1),
        pro=estimate(
            pixels.pro(one, limit), lambda good, _, found: _area(_share(good), _share(found), limit) / limit
        ),
    )


def tally(one: Ranked, maps: Sequence[Map], masks: Sequence[Mask | None], groups: Sequence[str]) -> Tally:
    """Count every picture at the levels that tell most: quantiles of anomalous and of good pixels."""
    levels = _levels(one)
    rows = [_counted(np.asarray(each), mask, levels) for each, mask in zip(maps, masks, strict=True)]
    good, bad, found = (np.stack(columns) for columns in zip(*rows, strict=True))
    return Tally(good=good, bad=bad, found=found, groups=tuple(groups))


def _levels(one: Ranked) -> NDArray[np.floating[Any]]:
    """Return rising values: equal steps of anomalous pixels, and of good ones; all if they are few."""
    values = one.values
    if len(values) > 2 * LEVELS:
        steps = np.linspace(0, 1, LEVELS)
        of_bad = np.searchsorted(np.cumsum(one.bad_at), steps * one.bad)
        of_good = np.searchsorted(one.good_above + one.good_at, steps * one.good)
        values = values[np.minimum(np.concatenate([of_bad, of_good]), len(values) - 1)]
    return np.unique(np.concatenate([values, np.nextafter(values, np.inf, dtype=values.dtype)]))


def _counted(values: Map, mask: Mask | None, levels: NDArray[np.floating[Any]]) -> tuple[Any, Any, Any]:
    """Return one picture's rows of a tally."""
    if mask is None or not mask.any():
        nothing = np.zeros(len(levels) + 2)
        return _reaching(values.ravel(), levels), nothing, nothing
    number, region = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    member = region[mask]
    weights = 1 / np.bincount(member)[member]
    order = np.argsort(values[mask])
    below = np.searchsorted(values[mask][order], levels, side="left")
    lost = np.append(0.0, np.cumsum(weights[order]))[below]
    found = np.concatenate([[0.0], (number - 1 - lost)[::-1], [number - 1.0]])
    return _reaching(values[~mask], levels), _reaching(values[mask], levels), found


def _reaching(values: Map, levels: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return how many values reach each level, from the highest on: none at first, and all at last."""
    reach = len(values) - np.searchsorted(np.sort(values), levels[::-1], side="left")
    return np.concatenate([[0.0], reach, [float(len(values))]])


def _share(counts: Counts) -> Counts:
    return counts / counts[:, -1:]


def _auroc(good: Counts, bad: Counts, found: Counts) -> NDArray[np.float64]:  # noqa: ARG001 - as all statistics
    return _area(_share(good), _share(bad), 1.0)


def _average_precision(good: Counts, bad: Counts, found: Counts) -> NDArray[np.float64]:  # noqa: ARG001 - same
    precision = bad / np.maximum(good + bad, 1)
    steps = np.diff(_share(bad), axis=1)
    return np.asarray((steps * precision[:, 1:]).sum(axis=1), np.float64)


def _best_f1(good: Counts, bad: Counts, found: Counts) -> NDArray[np.float64]:  # noqa: ARG001 - same
    return np.asarray((2 * bad / (bad[:, -1:] + good + bad)).max(axis=1), np.float64)


def _area(x: Counts, y: Counts, limit: float) -> NDArray[np.float64]:
    """Return the area under each row's broken line, from 0 to the limit."""
    wide = np.diff(x, axis=1)
    inside = np.clip(limit - x[:, :-1], 0, wide)
    part = np.divide(inside, wide, out=np.zeros_like(wide), where=wide > 0)
    mean = y[:, :-1] + np.diff(y, axis=1) * part / 2
    return np.asarray((inside * mean).sum(axis=1), np.float64)
