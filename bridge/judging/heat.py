"""From a heat map to boxes: what is hot, in pixels of the original picture.

The model's map is a small grid, seven by seven say, stretched over what the model was shown. What reaches a share
of its peak is hot; hot places that hang together, and those whose rectangles touch, are one box. Boxes outside the
bundle's size limits are left out, and the hottest few are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bridge.judging.frames import LARGEST_MAP, Heat
from bridge.judging.spec import HeatMapOutput
from bridge.judging.transforms import Matrix, frame, moved
from bridge.messages import Box, Spot

Map: TypeAlias = npt.NDArray[np.float32]
"""Shape (rows, columns), from 0 on."""

GRID: Final = 128
"""The longer side of the grid on which boxes are found: mostly finer than the model's map."""


@dataclass(frozen=True, slots=True)
class _Rectangle:
    """Whole cells of the grid, the last ones not included."""

    left: int
    top: int
    right: int
    bottom: int
    heat: float
    cells: int
    """So many of them are hot."""

    @property
    def area(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)

    def touches(self, other: _Rectangle) -> bool:
        across = self.left <= other.right and other.left <= self.right
        return across and self.top <= other.bottom and other.top <= self.bottom

    def joined(self, other: _Rectangle) -> _Rectangle:
        return _Rectangle(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
            max(self.heat, other.heat),
            self.cells + other.cells,
        )


def boxes(heat: Map, how: HeatMapOutput, placement: Matrix, width: int, height: int) -> tuple[Box, ...]:
    """Return what is hot, the hottest first; nothing of a map that is cold everywhere or holds no numbers.

    Args:
        heat: stretched over the model's input.
        how: what is hot, and which boxes count.
        placement: from points of the model's input to those of the original picture.
        width: of the model's input.
        height: of the model's input.
    """
    peak = float(heat.max(initial=0.0))
    if not (peak > 0 and np.isfinite(heat).all()):
        return ()
    grid = _grid(heat, width, height)
    found = _merged(_hot(grid, _limit(how, float(grid.max()))))
    share = {one: one.area / grid.size for one in found}
    kept = [one for one in found if how.smallest_share <= share[one] <= how.largest_share]
    kept.sort(key=lambda one: (-one.heat, one.top, one.left))
    rows, columns = grid.shape
    there = placement @ np.diag([width / columns, height / rows, 1.0])
    return tuple(_box(one, there) for one in kept[: how.most_boxes])


def packed(heat: Map, explains: int, placement: Matrix, width: int, height: int) -> Heat:
    """Return a map as it travels: eight bits, at most ``LARGEST_MAP`` rows and columns, with where it lies."""
    small = shrunk(heat)
    peak = max(float(small.max()), 1e-30)
    values = np.clip(np.rint(small * (255 / peak)), 0, 255).astype(np.uint8)
    corners = tuple(moved(placement, frame(width, height)))
    return Heat(explains, values.shape[0], values.shape[1], values.tobytes(), corners)


def shrunk(heat: Map) -> Map:
    """Return a map of at most ``LARGEST_MAP`` rows and columns; what is small enough, as it is."""
    rows, columns = heat.shape
    shrink = max(1.0, rows / LARGEST_MAP, columns / LARGEST_MAP)
    if shrink == 1:
        return heat
    size = (max(1, int(columns / shrink)), max(1, int(rows / shrink)))
    return np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_AREA), np.float32)


def _grid(heat: Map, width: int, height: int) -> Map:
    """Return the map on the grid; a larger one shrinks to it, or a noisy map would take a second to be merged."""
    times = min(GRID, max(width, height)) / max(heat.shape)
    size = (max(1, round(heat.shape[1] * times)), max(1, round(heat.shape[0] * times)))
    return np.asarray(
        cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR if times > 1 else cv2.INTER_AREA), np.float32
    )


def _limit(how: HeatMapOutput, peak: float) -> float:
    """Return from which value on it is hot."""
    return how.hot_from if how.hot_from is not None and how.hot_from <= peak else how.peak_share * peak


def _hot(grid: Map, limit: float) -> list[_Rectangle]:
    mask = (grid >= limit).astype(np.uint8)
    total, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = []
    for label in range(1, total):
        left, top, wide, high = (int(value) for value in stats[label, :4])
        inside = labels[top : top + high, left : left + wide] == label
        heat = float(grid[top : top + high, left : left + wide][inside].max())
        found.append(_Rectangle(left, top, left + wide, top + high, heat, int(inside.sum())))
    return found


def _merged(rectangles: Sequence[_Rectangle]) -> list[_Rectangle]:
    """Join what touches until nothing does: a joined rectangle may touch what its parts did not."""
    apart: list[_Rectangle] = []
    for one in rectangles:
        grown = one
        while near := [other for other in apart if other.touches(grown)]:
            apart = [other for other in apart if other not in near]
            for other in near:
                grown = grown.joined(other)
        apart.append(grown)
    return apart


def _box(one: _Rectangle, there: Matrix) -> Spot:
    """Return the upright box around where a rectangle lies in the original picture, and the area that is hot."""
    corners = [(one.left, one.top), (one.right, one.top), (one.right, one.bottom), (one.left, one.bottom)]
    across, down = zip(*moved(there, corners), strict=True)
    left, right, top, bottom = min(across), max(across), min(down), max(down)
    told = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    cx, cy, w, h = (round(value, 2) for value in told)  # hundredths of a pixel are enough for anybody
    area = round(one.cells * abs(float(np.linalg.det(there[:2, :2]))), 2)
    return Spot(cx=cx, cy=cy, w=max(w, 0.01), h=max(h, 0.01), area=max(area, 0.01))
