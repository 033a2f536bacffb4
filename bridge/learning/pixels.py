"""How well anomaly maps tell anomalous pixels from good ones: exact, ties included; pure, over maps and masks.

A *map* is higher where a picture is more anomalous, in any unit: no figure here but a threshold depends on it. All
maps of a set are ranked together, so one threshold holds for all. A pixel is called anomalous if its value reaches
the threshold.

Only values that an anomalous pixel holds matter: between two of them a falling threshold adds false alarms alone,
so every curve is straight there, and precision and F1 only fall. So good pixels are sorted and counted, and only
anomalous ones, which are few, are looked at one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.learning.masks import Mask
from bridge.learning.metrics import Curve
from bridge.learning.points import BestF1

Map: TypeAlias = NDArray[np.floating[Any]]
"""Shape (height, width)."""

FALSE_ALARMS: Final = 0.3
"""The share of good pixels up to which PRO is integrated, as Bergmann et al. do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """What every figure is counted from: the V distinct values of anomalous pixels, from the highest on."""

    values: NDArray[np.floating[Any]]
    """Shape (V,), as all below."""
    bad_at: NDArray[np.int64]
    """How many anomalous pixels have this value."""
    share_at: NDArray[np.float64]
    """What those add to the mean share of the regions that is found; sums to 1."""
    good_above: NDArray[np.int64]
    """How many good pixels have a higher value."""
    good_at: NDArray[np.int64]
    """How many have the same."""
    good: int
    """How many good pixels there are."""
    bad: int
    regions: int
    """How many pieces the masks have, each of pixels that touch by an edge or a corner."""


def ranked(maps: Iterable[Map], masks: Iterable[Mask | None]) -> Ranked:
    """Rank the pixels of all maps; takes about as much memory again as the maps do.

    Args:
        maps: N of them, of any sizes. Compared in the finest of their number formats, at least float32.
        masks: as many, each of its map's shape; None where nothing is anomalous.

    Raises:
        ValueError: a mask has another shape than its map, there are more of one than of the other, or a value is
            not finite.
    """
    good: list[Map] = []
    bad: list[Map] = [np.empty(0, np.float32)]
    shares = [np.empty(0)]
    regions = 0
    for place, (one, mask) in enumerate(zip(maps, masks, strict=True)):
        values = _checked(one, mask, place)
        if mask is None or not mask.any():
            good.append(values.ravel())
            continue
        good.append(values[~mask])
        bad.append(values[mask])
        number, region = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        member = region[mask]
        shares.append(1 / np.bincount(member)[member])
        regions += number - 1
    return _ranked(np.concatenate(good or bad[:1]), np.concatenate(bad), np.concatenate(shares), regions)


def _checked(one: Map, mask: Mask | None, place: int) -> Map:
    values = np.asarray(one)
    if values.ndim != 2 or (mask is not None and mask.shape != values.shape):  # noqa: PLR2004 - a plane
        raise ValueError(f"map {place} has shape {values.shape}, its mask {None if mask is None else mask.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"map {place} holds values that are not finite")
    return np.asarray(values, np.result_type(values, np.float32))


def _ranked(good: Map, bad: Map, shares: NDArray[np.float64], regions: int) -> Ranked:
    good.sort()
    order = np.argsort(bad)[::-1]
    values = bad[order]
    first = np.flatnonzero(np.concatenate([np.ones(min(len(values), 1), np.bool_), values[1:] != values[:-1]]))
    distinct = values[first]
    lower, upper = (_counted(good, distinct, side) for side in ("left", "right"))
    return Ranked(
        values=distinct,
        bad_at=np.diff(np.append(first, len(values))),
        share_at=np.add.reduceat(shares[order], first) / regions if regions else shares,
        good_above=len(good) - upper,
        good_at=upper - lower,
        good=len(good),
        bad=len(values),
        regions=regions,
    )


def _counted(good: Map, falling: Map, side: Any) -> NDArray[np.int64]:
    """Return how many of the sorted come before each of some falling values, which are asked for as they rise."""
    return np.asarray(np.searchsorted(good, falling[::-1], side=side)[::-1], np.int64)


def auroc(one: Ranked) -> float:
    """Return the chance that an anomalous pixel has a higher value than a good one, ties counting half.

    NaN without both.
    """
    if not one.good or not one.bad:
        return math.nan
    below = one.good - one.good_above - one.good_at / 2
    return float((one.bad_at * below).sum() / (float(one.good) * one.bad))


def average_precision(one: Ranked) -> float:
    """Return the area under precision over recall, as steps; NaN where nothing is anomalous."""
    if not one.bad:
        return math.nan
    found = np.cumsum(one.bad_at)
    return float((one.bad_at * (found / (found + one.good_above + one.good_at))).sum() / one.bad)


def best_f1(one: Ranked) -> BestF1:
    """Return the highest F1 of any threshold, and the highest threshold that has it; NaN without anomalous pixels.

    The threshold is chosen on the very pixels it is counted on: it says what the maps allow, not what a threshold
    that was set before would reach.
    """
    if not one.bad:
        return BestF1(value=math.nan, threshold=math.nan)
    found = np.cumsum(one.bad_at)
    shares = 2 * found / (one.bad + found + one.good_above + one.good_at)
    best = int(shares.argmax())
    return BestF1(value=float(shares[best]), threshold=float(one.values[best]))


def pro_curve(one: Ranked, limit: float = FALSE_ALARMS) -> Curve:
    """Return the mean share of the regions that is found (y) over the share of good pixels called anomalous (x).

    Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021: each region counts the same whatever its
    size, and so does each whatever else its picture holds. Between its corners the curve is straight. It ends at
    the limit, between two corners if need be; empty without both kinds of pixels.

    Args:
        one: as ``ranked`` gives it.
        limit: the largest x, above 0 and at most 1.
    """
    if not 0 < limit <= 1:
        raise ValueError(f"no share of good pixels: {limit}")
    if not one.good or not one.bad:
        return Curve(x=np.empty(0), y=np.empty(0), thresholds=np.empty(0))
    found = np.minimum(np.cumsum(one.share_at), 1.0)
    found[-1] = 1.0
    values = one.values.astype(np.float64)
    x = np.stack([one.good_above, one.good_above + one.good_at], axis=1).ravel() / one.good
    y = np.stack([np.concatenate([[0.0], found[:-1]]), found], axis=1).ravel()
    thresholds = np.stack([np.nextafter(values, np.inf), values], axis=1).ravel()
    return _until(np.append(0.0, x), np.append(0.0, y), np.append(np.inf, thresholds), limit)


def _until(x: NDArray[np.float64], y: NDArray[np.float64], thresholds: NDArray[np.float64], limit: float) -> Curve:
    x, y, thresholds = np.append(x, 1.0), np.append(y, 1.0), np.append(thresholds, -np.inf)
    inside = int(np.searchsorted(x, limit, side="right"))
    if inside < len(x):
        last, after = inside - 1, inside
        part = (limit - x[last]) / (x[after] - x[last])
        x[after], y[after] = limit, y[last] + part * (y[after] - y[last])
    return Curve(x=x[: inside + 1], y=y[: inside + 1], thresholds=thresholds[: inside + 1])


def pro(one: Ranked, limit: float = FALSE_ALARMS) -> float:
    """Return the area under ``pro_curve`` up to the limit, over the limit: 1 is perfect; NaN without both kinds.

    Not scaled by chance: maps of noise reach half of the limit.
    """
    curve = pro_curve(one, limit)
    return float(np.trapezoid(curve.y, curve.x) / limit) if len(curve.x) else math.nan


def own_pro(one: Ranked, values: Map, mask: Mask, limit: float = FALSE_ALARMS) -> float:
    """Return one picture's part in ``pro``: the mean over its own regions, among the good pixels of all pictures.

    The mean of this over pictures, each counting as often as it has regions, is ``pro`` itself.

    Args:
        one: all maps and masks, ranked.
        values: the picture's map, one of those.
        mask: its mask, with something in it.
        limit: as of ``pro``.
    """
    number, region = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    member = region[mask]
    weights = 1 / (np.bincount(member)[member] * (number - 1))
    place = len(one.values) - 1 - np.searchsorted(one.values[::-1], values[mask].astype(one.values.dtype))
    since = one.good_above[place] / one.good
    until = since + one.good_at[place] / one.good
    cut = np.clip((limit - since) / np.maximum(until - since, 1e-300), 0, 1)
    found = np.where(until <= limit, limit - (since + until) / 2, cut * np.maximum(limit - since, 0) / 2)
    return float((weights * found).sum() / limit)
