"""Which place of which grid is to tell which box. Pure.

A place tells the box that it lies in, near its middle, on the grid whose stride suits its size (Tian et al., FCOS,
2019: centre sampling); where sizes meet, two grids do. Of several boxes the smallest; each box has one place at
least. Places of what is cut off too much to be known are neither right nor wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.learning.detection.grids import STRIDES, places

NOTHING: Final = -1
"""Instead of a class: there is nothing."""
UNKNOWN: Final = -2
"""Instead of a class: whatever is said is neither right nor wrong."""
_NEAR: Final = 1.5
"""Places at most so many strides from a box's middle tell it."""
_SIDES: Final = {4: (0.0, 40.0), 8: (28.0, 112.0), 16: (80.0, math.inf)}
"""The longer sides of the boxes that a stride tells, in pixels."""

Edges = NDArray[np.float64]
"""Left, top, right and bottom of n boxes in pixels, shape (n, 4)."""
Kinds = NDArray[np.int64]
"""Their classes, shape (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is drawn in a picture."""

    edges: Edges
    kinds: Kinds
    unknown: Edges
    """Where there may be something."""


class Grids:
    """The places of a window, and what each is to say of it."""

    def __init__(self, height: int, width: int) -> None:
        self._middles, strides = places(height, width)
        self._strides = strides[:, 0]
        self._sides = np.array([_SIDES[one] for one in STRIDES])[np.searchsorted(STRIDES, self._strides)]

    def told(self, marks: Marks) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the class of every place, or ``NOTHING`` or ``UNKNOWN``, and the edges of its box.

        Shapes: (places,) and (places, 4).
        """
        kinds = np.full(len(self._middles), NOTHING, np.int32)
        edges = np.concatenate([self._middles, self._middles], axis=1)
        if len(marks.unknown):
            kinds[self._within(marks.unknown).any(axis=1)] = UNKNOWN
        if len(marks.edges):
            owners = self._owners(marks.edges)
            taken = owners >= 0
            kinds[taken] = marks.kinds[owners[taken]]
            edges[taken] = marks.edges[owners[taken]]
        return kinds, edges

    def _within(self, edges: Edges) -> NDArray[np.bool_]:
        low, high = edges[:, :2], edges[:, 2:]
        inside = (self._middles[:, None] > low) & (self._middles[:, None] < high)
        return np.asarray(inside.all(axis=2), np.bool_)

    def _owners(self, edges: Edges) -> NDArray[np.intp]:
        """Return the box that each place tells, -1 for none."""
        size = edges[:, 2:] - edges[:, :2]
        side, area = size.max(axis=1), size.prod(axis=1)
        away = np.abs(self._middles[:, None] - (edges[:, :2] + edges[:, 2:]) / 2).max(axis=2)
        suits = (side >= self._sides[:, :1]) & (side <= self._sides[:, 1:])
        tells = suits & self._within(edges) & (away <= _NEAR * self._strides[:, None])
        nearest = np.where(suits, away, np.inf).argmin(axis=0)
        tells[nearest, np.arange(len(edges))] = True
        cost = np.where(tells, area, np.inf)
        owners = np.where(tells.any(axis=1), cost.argmin(axis=1), -1)
        owners[nearest] = np.arange(len(edges))  # a box in another one, or of one place, is not forgotten
        return owners
