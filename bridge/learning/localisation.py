"""How often a heat map's peak and its boxes lie on the defect, and how often chance would put them there.

Measured on pictures of which a person drew the defect, as a mask. All rules are stated in pixels of the original
picture, within the rectangle that the model was shown:

- The **peak** hits if the defect comes within 3 % of the rectangle's longer side of it: the pointing game of Zhang
  et al. (2016), whose 15 pixels are that share of their pictures. By chance: a point anywhere in the rectangle.
  Where defects tend to lie in the middle, the middle itself is the better blind guess, and is counted too.
- The **boxes** hit if one of them holds a pixel of the defect. By chance: the same boxes, each moved anywhere in
  the rectangle. As a box over everything always hits, the share that boxes cover stands beside it.
- A box **fits** if its intersection over union with the bounding box of one of the defect's pieces, or of all of
  them, is at least 0.3. By chance: none, nearly.

Intervals come from drawing groups anew, because pictures of one part resemble each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.learning import metrics
from bridge.learning.masks import Mask
from bridge.learning.metrics import Estimate
from bridge.messages import Box

TOLERANCE: Final = 0.03
"""How far a peak may be off, as a share of the longer side."""
FITS: Final = 0.3
"""The least intersection over union."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Where a model looked in one picture, in pixels from its left and top edge."""

    shown: Box
    """What it was shown."""
    peak: tuple[float, float] | None
    """The hottest point, (x, y); None where nothing is hot."""
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """How one picture went."""

    peak: bool
    peak_by_chance: float
    middle: bool
    """Whether the middle of the rectangle would have hit as a peak."""
    boxes: bool
    boxes_by_chance: float
    overlap: float
    """The best intersection over union."""
    covered: float
    """The share of the rectangle that lies in boxes."""
    defect: float
    """The share of the rectangle that is defect."""

    @property
    def fits(self) -> bool:
        """Whether a box fits."""
        return self.overlap >= FITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Localisation:
    """How a set of pictures went."""

    name: str
    pictures: int
    groups: int
    peak: Estimate
    peak_by_chance: float
    middle: float
    """The share that the middle of the rectangle would have hit."""
    boxes: Estimate
    boxes_by_chance: float
    fits: Estimate
    covered: float
    """The median share of the rectangle in boxes."""


def judged(mask: Mask, sight: Sight) -> Hit | None:
    """Return how one picture went; None where no defect lies in what the model was shown.

    Args:
        mask: of the whole picture.
        sight: where the model looked.
    """
    left, top, right, bottom = _edges(sight.shown, mask.shape[1], mask.shape[0])
    defect = mask[top:bottom, left:right]
    if not defect.any():
        return None
    reach = TOLERANCE * max(defect.shape)
    away = cv2.distanceTransform((~defect).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    far = np.asarray(away, np.float32)
    boxes = [_edges(_moved(box, left, top), right - left, bottom - top) for box in sight.boxes]
    chances = [_anywhere(defect, box) for box in boxes]
    in_boxes = np.zeros(defect.shape, np.bool_)
    for x0, y0, x1, y1 in boxes:
        in_boxes[y0:y1, x0:x1] = True
    return Hit(
        peak=sight.peak is not None and _at(far, sight.peak[0] - left, sight.peak[1] - top) <= reach,
        peak_by_chance=float((far <= reach).mean()),
        middle=_at(far, (right - left) / 2, (bottom - top) / 2) <= reach,
        boxes=bool((in_boxes & defect).any()),
        boxes_by_chance=float(1 - np.prod([1 - chance for chance in chances])),
        overlap=max((_overlap(box, piece) for box in boxes for piece in _pieces(defect)), default=0.0),
        covered=float(in_boxes.mean()),
        defect=float(defect.mean()),
    )


def _edges(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom in whole pixels, at least one each way, within the picture."""
    left, top = (
        min(max(round(middle - size / 2), 0), most - 1) for middle, size, most in _axes(box, width, height)
    )
    right, bottom = (min(round(middle + size / 2), most) for middle, size, most in _axes(box, width, height))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _axes(box: Box, width: int, height: int) -> tuple[tuple[float, float, int], tuple[float, float, int]]:
    return (box.cx, box.w, width), (box.cy, box.h, height)


def _moved(box: Box, left: int, top: int) -> Box:
    return Box(cx=box.cx - left, cy=box.cy - top, w=box.w, h=box.h)


def _at(values: NDArray[np.float32], x: float, y: float) -> float:
    height, width = values.shape
    return float(values[min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)])


def _anywhere(defect: Mask, box: tuple[int, int, int, int]) -> float:
    """Return the share of places where a box of this size would hold a pixel of the defect."""
    width, height = box[2] - box[0], box[3] - box[1]
    total = cv2.integral(defect.astype(np.uint8))
    held = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    return float((held > 0).mean())


def _pieces(defect: Mask) -> list[tuple[int, int, int, int]]:
    """Return the bounding boxes of the defect's pieces, and that of all of them."""
    _, _, found, _ = cv2.connectedComponentsWithStats(defect.astype(np.uint8), connectivity=8)
    pieces = [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in found[1:]]
    lows, highs = np.array(pieces)[:, :2].min(axis=0), np.array(pieces)[:, 2:].max(axis=0)
    return [*pieces, (int(lows[0]), int(lows[1]), int(highs[0]), int(highs[1]))]


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Return intersection over union."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(wide, 0) * max(high, 0)
    areas = sum((right - left) * (bottom - top) for left, top, right, bottom in (one, other))
    return both / (areas - both)


def summed(name: str, hits: Sequence[Hit], groups: Sequence[str]) -> Localisation:
    """Return the shares of these pictures, with 95 % intervals.

    Args:
        name: what they are: a class, a group, or all.
        hits: one of each picture; at least one.
        groups: what each of them belongs to.
    """

    def share(of: Callable[[Hit], bool]) -> Estimate:
        values = np.array([of(hit) for hit in hits], np.float64)
        if values.min() == values.max():  # drawn anew it is always the same: count groups instead
            whole = metrics.rate(int(values[0]) * len(set(groups)), len(set(groups)))
            return Estimate(value=float(values[0]), low=whole.low, high=whole.high, how="counted")
        return metrics.bootstrapped(
            float(values.mean()), lambda weights: (weights @ values) / weights.sum(axis=1), groups
        )

    return Localisation(
        name=name,
        pictures=len(hits),
        groups=len(set(groups)),
        peak=share(lambda hit: hit.peak),
        peak_by_chance=float(np.mean([hit.peak_by_chance for hit in hits])),
        middle=float(np.mean([hit.middle for hit in hits])),
        boxes=share(lambda hit: hit.boxes),
        boxes_by_chance=float(np.mean([hit.boxes_by_chance for hit in hits])),
        fits=share(lambda hit: hit.fits),
        covered=float(np.median([hit.covered for hit in hits])),
    )


def by(names: Sequence[str], hits: Sequence[Hit], groups: Sequence[str]) -> tuple[Localisation, ...]:
    """Return the shares of each name, in order of the names, each with those of its pictures.

    Args:
        names: of each picture, its class or its group.
        hits: one of each picture.
        groups: what each of them belongs to.
    """
    chosen = {name: [place for place, one in enumerate(names) if one == name] for name in sorted(set(names))}
    return tuple(
        summed(name, [hits[place] for place in places], [groups[place] for place in places])
        for name, places in chosen.items()
    )
