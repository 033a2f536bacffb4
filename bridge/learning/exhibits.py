"""Parts shown to a person: the picture that decided, cut to where the model looks, with its heat map if any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.bundle import Bundle
from bridge.judging.preprocess import Picture
from bridge.learning import overlay, seeing
from bridge.learning.data import Item
from bridge.learning.masks import Mask
from bridge.learning.seeing import Seen

_AROUND: Final = 0.04
"""As a share of the region: so that its edge and what lies beyond it can be seen."""
_WIDE: Final = 1.5
"""Pictures that are so many times as wide as high have their twin below."""
_GAP: Final = 4
"""Pixels between a picture and its twin."""


Drawn: TypeAlias = Callable[[Item], Mask | None]


def nowhere(_item: Item) -> None:
    """Return where nobody drew a defect."""


class Exhibits:
    """A few pictures, judged once more with the question why."""

    def __init__(self, model: Bundle, items: Sequence[Item], drawn: Drawn = nowhere) -> None:
        """Ask for heat maps or boxes, if the bundle has them; blocks.

        Args:
            model: the bundle.
            items: what may be shown.
            drawn: returns where a person drew the defect; its outline is drawn over the heat map.
        """
        self._drawn = drawn
        self._model, tells = model, model.manifest.heat_map or model.manifest.kind in {"detector", "template"}
        explained = seeing.seen(model, items, maps=False) if tells and items else []
        self._seen: Mapping[Path, Seen] = {one.item.path: one for one in explained}

    def picture(self, item: Item) -> Picture | None:
        """Return one, and with a heat map or boxes it once more with them beside it, for they may hide something.

        None if it cannot be read any more.
        """
        try:
            image = seeing.picture(item)
        except ConfigError:
            return None
        seen = self._seen.get(item.path)
        limit = self._model.manifest.limit
        heat, boxes = (seeing.dimmed(seen, limit), seen.boxes) if seen else (None, ())
        plain, scale = overlay.sized(image)
        corners = np.array(heat.corners) if heat else self._region(item)
        drawn = [plain, overlay.drawn(image, heat, boxes, self._drawn(item))] if heat or boxes else [plain]
        return _beside(drawn if corners is None else [_cut(one, corners * scale) for one in drawn])

    def _region(self, item: Item) -> NDArray[np.float64] | None:
        """Return two corners of the region; None for all of the picture, or where it must be sought."""
        roi = self._model.manifest.region(item.view)
        if roi is None or self._model.manifest.registered(item.view):
            return None
        middle, half = np.array([roi.cx, roi.cy]), np.array([roi.w, roi.h]) / 2
        return np.stack([middle - half, middle + half])


def _beside(drawn: Sequence[Picture]) -> Picture:
    """Return pictures of one size side by side, or wide ones one above the other."""
    height, width = drawn[0].shape[:2]
    wide = width > _WIDE * height
    gap = np.full((_GAP, width, 3) if wide else (height, _GAP, 3), 255, np.uint8)
    pieces = [drawn[0], *(piece for one in drawn[1:] for piece in (gap, one))]
    return np.vstack(pieces) if wide else np.hstack(pieces)


def _cut(drawn: Picture, corners: NDArray[np.float64]) -> Picture:
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _AROUND * (high - low)
    left, top = np.maximum(np.floor(low - margin), 0).astype(int)
    right, bottom = np.ceil(high + margin).astype(int)
    return drawn[top:bottom, left:right]
