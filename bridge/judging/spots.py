"""From what was found in the model's input to boxes in the original picture."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.judging.detections import Find
from bridge.judging.preprocess import Cut
from bridge.judging.transforms import moved, slope
from bridge.messages import Spot

_LEAST = 0.01
"""Pixels: no box is narrower."""


def placed(finds: Sequence[Find], names: Sequence[str], cut: Cut) -> tuple[Spot, ...]:
    """Return upright boxes in pixels of the original picture, in order.

    What sticks out of the region that the model was shown is cut off: there is nothing of the part.

    Args:
        finds: in pixels of the model's input.
        names: what the classes are called.
        cut: where the input was in the picture.
    """
    return tuple(_placed(one, names[one.output], cut) for one in finds)


def _placed(find: Find, name: str, cut: Cut) -> Spot:
    left, top, right, bottom = _cut_off(find, cut)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    across, down = zip(*moved(cut.placement, corners), strict=True)
    low, high = (min(across), min(down)), (max(across), max(down))
    cx, cy = ((low[axis] + high[axis]) / 2 for axis in (0, 1))
    w, h = (max(high[axis] - low[axis], _LEAST) for axis in (0, 1))
    area = None if find.area is None else find.area * _growth(cut, (left + right) / 2, (top + bottom) / 2)
    cx, cy, w, h = (round(value, 2) for value in (cx, cy, w, h))
    return Spot(cx=cx, cy=cy, w=w, h=h, label=name, score=find.score, area=area)


def _cut_off(find: Find, cut: Cut) -> tuple[float, float, float, float]:
    place = cut.inside
    left, top = (place.left, place.top) if place else (0, 0)
    high, wide = (place.height, place.width) if place else cut.picture.shape[:2]
    x0, x1 = (min(max(edge, left), left + wide) for edge in (find.left, find.right))
    y0, y1 = (min(max(edge, top), top + high) for edge in (find.top, find.bottom))
    return x0, y0, x1, y1


def _growth(cut: Cut, x: float, y: float) -> float:
    """Return how many pixels of the original picture one of the input stands for."""
    (a, b), (c, d) = slope(cut.placement, x, y).tolist()
    return abs(float(a * d - b * c))
