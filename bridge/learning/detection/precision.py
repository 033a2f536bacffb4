"""Average precision as COCO counts it, for boxes of several classes in several pictures. Pure.

The boxes of a class in all pictures, the surest first: each is right if it shares at least so much with a true
one of its picture that no surer one has taken, of several with the one it shares most with. Precision is made to
fall with recall and read at 101 recalls from 0 to 1 (Lin et al., 2014; the tests hold it to pycocotools).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.judging.detections import overlaps

Numbers: TypeAlias = NDArray[np.float64]
Kinds: TypeAlias = NDArray[np.int64]

LEVELS: Final = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The overlaps over which COCO takes the mean."""
_RECALLS: Final = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The true boxes of a picture."""

    edges: Numbers
    """Left, top, right and bottom, shape (n, 4)."""
    kinds: Kinds
    """Their classes, shape (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a detector says of a picture."""

    edges: Numbers
    """As of ``Drawn``."""
    kinds: Kinds
    scores: Numbers
    """How sure it is, shape (n,)."""


def average_precision(drawn: Sequence[Drawn], told: Sequence[Told], kind: int, least: float) -> float:
    """Return the average precision of a class; NaN where no picture has any of it.

    Args:
        drawn: what is there, one for each picture.
        told: what is said, in the same order.
        kind: the class.
        least: the share, intersection over union, from which a box is right.
    """
    total = sum(int((one.kinds == kind).sum()) for one in drawn)
    if not total:
        return float("nan")
    scores, right = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for one, said in zip(drawn, told, strict=True):
        order = np.flatnonzero(said.kinds == kind)
        order = order[np.argsort(-said.scores[order], kind="stable")]
        scores.append(said.scores[order])
        right.append(matched(one.edges[one.kinds == kind], said.edges[order], least) >= 0)
    ranked = np.concatenate(right)[np.argsort(-np.concatenate(scores), kind="stable")]
    hits = np.cumsum(ranked)
    precision = hits / np.arange(1, len(ranked) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(hits / total, _RECALLS, side="left")
    return float(np.append(falling, 0.0)[np.minimum(at, len(falling))].mean())


def matched(drawn: Numbers, told: Numbers, least: float) -> NDArray[np.intp]:
    """Return which true box each of those that are told is right about, -1 for none; the surest come first."""
    taken = np.zeros(len(drawn), np.bool_)
    found = np.full(len(told), -1, np.intp)
    for at, one in enumerate(told):
        shares = np.where(taken, -1.0, overlaps(one, drawn)) if len(drawn) else np.zeros(0)
        if shares.size and shares.max() >= least:
            found[at] = len(shares) - 1 - shares[::-1].argmax()  # of equals the last, as pycocotools
            taken[found[at]] = True
    return found


def mean_precision(
    drawn: Sequence[Drawn], told: Sequence[Told], kinds: Sequence[int], levels: Sequence[float] = LEVELS
) -> float:
    """Return the mean over classes that there are, and over overlaps; NaN where there are none."""
    each = np.array([[average_precision(drawn, told, kind, one) for one in levels] for kind in kinds])
    there = each[~np.isnan(each)]
    return float(there.mean()) if there.size else float("nan")
