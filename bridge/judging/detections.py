"""From a detector's output to boxes: read as its layout says, and of several for one thing the surest kept. Pure.

Layouts as their authors export them: Ultralytics YOLOv5 and YOLOv8 (the latter also of YOLOv9, 11 and 12), YOLOv10
end to end, and Megvii's YOLOX without ``--decode_in_inference`` (decoding: Ge et al., YOLOX, 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.judging.spec import Detection, Layout

Numbers: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

STRIDES: Final = ((8, 16, 32), (8, 16, 32, 64))
"""The grids of YOLOX, of three levels or of four."""
END_TO_END: Final = 6
"""Numbers of a box: four edges, how sure, which class."""
_TOLERANCE = 1e-3
"""What a share may be below 0 or above 1 for rounding."""


class Unsound(ValueError):  # noqa: N818 - named after what the output is
    """The output is no boxes: not finite, or sure of something otherwise than from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Find:
    """Something found, in pixels of the model's input."""

    left: float
    top: float
    right: float
    bottom: float
    output: int
    """Which class."""
    score: float | None = None
    """How sure, 0 to 1."""
    area: float | None = None
    """How many pixels are marked."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """N boxes, each of its likeliest class."""

    edges: Numbers
    """Left, top, right and bottom, shape (N, 4)."""
    scores: Numbers
    """How sure, shape (N,)."""
    outputs: Places
    """Which class, shape (N,)."""

    def only(self, which: NDArray[np.bool_]) -> Boxes:
        """Return some of them."""
        return Boxes(self.edges[which], self.scores[which], self.outputs[which])


def shape(layout: Layout, classes: int) -> tuple[int | None, int | None]:
    """Return what the output of one picture must measure; None: any."""
    if layout == "yolov8":
        return 4 + classes, None
    if layout == "end2end":
        return None, END_TO_END
    return None, 5 + classes


def strides(rows: int, width: int, height: int) -> tuple[int, ...] | None:
    """Return the strides of a YOLOX that has so many boxes; None: it is none for this input."""
    fits = (levels for levels in STRIDES if rows == sum((width // one) * (height // one) for one in levels))
    return next(fits, None)


def found(
    raw: NDArray[np.floating], how: Detection, classes: int, ng: Sequence[int], size: tuple[int, int]
) -> list[Find]:
    """Return what of a picture's output counts, the surest first.

    Args:
        raw: the output for one picture, in the shape of its layout.
        how: its layout, and what counts.
        classes: how many the model tells apart.
        ng: those whose boxes count.
        size: width and height of the model's input.

    Raises:
        Unsound: these are no boxes.
    """
    if not np.isfinite(raw).all():
        raise Unsound("the model's output is not finite")
    boxes = read(raw, how, classes, size)
    boxes = boxes.only(np.isin(boxes.outputs, ng))
    if not np.isfinite(boxes.edges).all():
        raise Unsound("a box of the model's has no finite place")
    kept = (
        range(len(boxes.scores)) if how.layout == "end2end" else apart(boxes, how.largest_overlap, how.most_boxes)
    )
    surest = sorted(kept, key=lambda place: -boxes.scores[place])[: how.most_boxes]
    return [_find(boxes, place) for place in surest]


def _find(boxes: Boxes, place: int) -> Find:
    left, top, right, bottom = boxes.edges[place].tolist()
    return Find(left, top, right, bottom, int(boxes.outputs[place]), float(boxes.scores[place]))


def read(raw: NDArray[np.floating], how: Detection, classes: int, size: tuple[int, int]) -> Boxes:
    """Return the boxes of a picture that are sure enough, as they stand in its output.

    Raises:
        Unsound: it is sure of something otherwise than from 0 to 1, or names a class that it has not.
    """
    if how.layout == "end2end":
        return _end_to_end(raw, how.least_score, classes)
    rows = raw.T if how.layout == "yolov8" else raw
    some = np.arange(len(rows))
    if how.layout != "yolov8":  # most boxes are of nothing, and need no look at their classes
        some = np.flatnonzero(_shares(rows[:, 4]) >= how.least_score)
    sure = _shares(rows[some, 4:])
    if how.layout != "yolov8":
        sure = sure[:, :1] * sure[:, 1:]
    outputs = sure.argmax(axis=1)
    scores = np.take_along_axis(sure, outputs[:, None], axis=1)[:, 0]
    enough = scores >= how.least_score
    places = _spread(rows, size) if how.layout == "yolox" else np.asarray(rows[:, :4], np.float64)
    middles, half = places[some, :2], places[some, 2:] / 2
    return Boxes(np.concatenate([middles - half, middles + half], axis=1), scores, outputs).only(enough)


def _end_to_end(raw: NDArray[np.floating], least: float, classes: int) -> Boxes:
    scores = _shares(raw[:, 4])
    enough = scores >= least
    rows = np.asarray(raw[enough], np.float64)
    outputs = np.rint(rows[:, 5]).astype(np.intp)
    if (np.abs(rows[:, 5] - outputs) > _TOLERANCE).any() or not np.isin(outputs, range(classes)).all():
        raise Unsound("the model names a class that it has not")
    low, high = np.minimum(rows[:, :2], rows[:, 2:4]), np.maximum(rows[:, :2], rows[:, 2:4])
    return Boxes(np.concatenate([low, high], axis=1), scores[enough], outputs)


def _shares(numbers: NDArray[np.floating]) -> Numbers:
    """Return how sure the model is, rounding errors cut off."""
    if numbers.size and not (numbers.min() >= -_TOLERANCE and numbers.max() <= 1 + _TOLERANCE):
        raise Unsound("the model is sure of something otherwise than from 0 to 1")
    return np.clip(np.asarray(numbers, np.float64), 0, 1)


def _spread(rows: NDArray[np.floating], size: tuple[int, int]) -> Numbers:
    """Return YOLOX's middles and sizes in pixels: places on its grids times strides, logarithms undone."""
    levels = strides(len(rows), *size)
    if levels is None:
        raise Unsound(f"{len(rows)} boxes are not those of YOLOX on {size[0]} x {size[1]}")
    cells = [np.indices((size[1] // one, size[0] // one))[::-1].reshape(2, -1).T for one in levels]
    steps = np.repeat(levels, [len(one) for one in cells])[:, None]
    numbers = np.asarray(rows[:, :4], np.float64)
    middles = (numbers[:, :2] + np.concatenate(cells)) * steps
    with np.errstate(over="ignore"):  # of what is sure of nothing
        return np.concatenate([middles, np.exp(numbers[:, 2:]) * steps], axis=1)


def apart(boxes: Boxes, largest_overlap: float, most: int) -> list[int]:
    """Return the places of boxes of which no two of one class overlap more than this, the surest first."""
    left = np.argsort(-boxes.scores, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < most:
        first, rest = left[0], left[1:]
        kept.append(int(first))
        same = boxes.outputs[rest] == boxes.outputs[first]
        left = rest[~(same & (overlaps(boxes.edges[first], boxes.edges[rest]) > largest_overlap))]
    return kept


def overlaps(one: Numbers, others: Numbers) -> Numbers:
    """Return how much a box shares with each of others: intersection over union, 0 to 1, shape (N,)."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = (one[2:] - one[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    return np.asarray(np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0), np.float64)
