"""What one step learns from: windows of pictures, varied as the classifiers' are, and their boxes with them.

A box goes where its middle goes, and is as large as the ellipse in it becomes there: exact for mirrors, zoom and
quarter turns, and for a few degrees closer to a defect than the box around its four turned corners. One thing
carries no boxes: ``border = "reflect"`` would show a defect twice and box it once, so that ``edge`` is taken
instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.judging import preprocess
from bridge.judging.letterbox import GREY
from bridge.judging.spec import Normalisation
from bridge.learning.augmentation import Policy
from bridge.learning.augmentation.geometry import Matrix
from bridge.learning.detection.assigning import Edges, Grids, Marks

Picture = NDArray[np.uint8]
Batch = list[NDArray[np.generic]]
"""Pictures, classes of places, edges of places; see ``assigning.Grids.told``."""

VISIBLE: Final = 0.4
"""Of what is cut off more than the rest of this, nobody is asked."""
_SMALLEST: Final = 3.0
"""Pixels."""
_ON_A_BOX: Final = 0.75
"""So often a window is laid over a box, the classes as evenly as may be; otherwise anywhere."""
_MOVES: Final = ("angle_degrees", "shift", "zoom", "corner_shift")


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Pictures that are learnt from, and how."""

    pictures: Sequence[Picture]
    marks: Sequence[Marks]
    policy: Policy
    side: int
    normalisation: Normalisation
    seed: int

    def batch(self, grids: Grids, step: int, size: int) -> Batch:
        """Return what a step learns from: it follows from seed and step alone."""
        rng = np.random.default_rng([self.seed, step])
        drawn = [self.drawn(rng) for _ in range(size)]
        told = [grids.told(marks) for _, marks in drawn]
        shown = preprocess.normalise(np.stack([picture for picture, _ in drawn]), self.normalisation)
        return [shown, np.stack([kinds for kinds, _ in told]), np.stack([edges for _, edges in told])]

    def drawn(self, rng: np.random.Generator) -> tuple[Picture, Marks]:
        """Return one window, varied, and what is drawn in it."""
        at, box = self._chosen(rng)
        picture, marks = self.pictures[at], self.marks[at]
        around = self.side // 8 if any(getattr(self.policy, one) for one in _MOVES) else 0
        left, top = self._place(picture, box, around, rng)
        wide = self.side + 2 * around
        cut = _cut(picture, left, top, wide)
        variation = self.policy.draw(wide, wide, rng)
        move = shift(0.5 - around) @ variation.matrix @ shift(-0.5) @ shift(-left, -top)
        shown = variation.picture(cut)[around : around + self.side, around : around + self.side]
        return shown, visible(moved(marks, move), self.side, self.side)

    def _chosen(self, rng: np.random.Generator) -> tuple[int, NDArray[np.float64] | None]:
        """Return a picture, and the box that the window is laid over, if it is."""
        kinds = [(kind, at, place) for at, one in enumerate(self.marks) for place, kind in enumerate(one.kinds)]
        if not kinds or rng.random() >= _ON_A_BOX:
            return int(rng.integers(len(self.pictures))), None
        known = sorted({int(kind) for kind, _, _ in kinds})
        wanted = known[int(rng.integers(len(known)))]
        mine = [(at, place) for kind, at, place in kinds if kind == wanted]
        at, place = mine[int(rng.integers(len(mine)))]
        return at, self.marks[at].edges[place]

    def _place(
        self, picture: Picture, box: NDArray[np.float64] | None, around: int, rng: np.random.Generator
    ) -> tuple[int, int]:
        """Return left and top of what is cut; a picture that is smaller lies in its middle."""
        found = []
        for axis, whole in enumerate((picture.shape[1], picture.shape[0])):
            most = whole - self.side
            if box is None or most <= 0:
                inner = int(rng.integers(most + 1)) if most > 0 else most // 2
            else:
                low, high = box[axis], box[axis + 2]
                first, last = sorted((high - self.side, low))
                inner = int(np.clip(round(rng.uniform(first, last)), 0, most))
            found.append(inner - around)
        return found[0], found[1]


def _cut(picture: Picture, left: int, top: int, side: int) -> Picture:
    """Return a window; where it leaves the picture, grey."""
    high, wide = picture.shape[:2]
    whole = np.full((side, side, picture.shape[2]), GREY, np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, wide), min(top + side, high)
    whole[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
    return whole


def shift(across: float, down: float | None = None) -> Matrix:
    """Return the move by so many pixels; down as across where nothing is said."""
    return np.array([[1, 0, across], [0, 1, across if down is None else down], [0, 0, 1]], np.float64)


def moved(marks: Marks, by: Matrix) -> Marks:
    """Return what is drawn after a transform of the plane, in pixels from the left and top edge."""
    return Marks(edges=carried(marks.edges, by), kinds=marks.kinds, unknown=carried(marks.unknown, by))


def carried(edges: Edges, by: Matrix) -> Edges:
    """Return where boxes lie after a transform of the plane: each around the ellipse in it."""
    x, y = ((edges[:, axis] + edges[:, axis + 2]) / 2 for axis in (0, 1))
    a, b = ((edges[:, axis + 2] - edges[:, axis]) / 2 for axis in (0, 1))
    u, v, w = by @ np.stack([x, y, np.ones_like(x)])
    u, v = u / w, v / w
    across = np.hypot((by[0, 0] - u * by[2, 0]) / w * a, (by[0, 1] - u * by[2, 1]) / w * b)
    down = np.hypot((by[1, 0] - v * by[2, 0]) / w * a, (by[1, 1] - v * by[2, 1]) / w * b)
    return np.stack([u - across, v - down, u + across, v + down], axis=1)


def visible(marks: Marks, width: int, height: int) -> Marks:
    """Return what of marks is in a picture of this size; of what is cut off too much, that it is unknown."""
    cut, ignored = _clipped(marks.edges, width, height), _clipped(marks.unknown, width, height)
    seen = (cut[:, 2:] - cut[:, :2]).prod(axis=1) / (marks.edges[:, 2:] - marks.edges[:, :2]).prod(axis=1)
    kept = (seen >= VISIBLE) & ((cut[:, 2:] - cut[:, :2]).min(axis=1, initial=np.inf) >= _SMALLEST)
    return Marks(edges=cut[kept], kinds=marks.kinds[kept], unknown=np.concatenate([ignored, cut[~kept]]))


def _clipped(edges: Edges, width: int, height: int) -> Edges:
    return np.clip(edges, 0, (width, height, width, height))
