"""Pictures beside their templates, judged like a detector's: what differs is a box, and the largest decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.judging import differences, preprocess
from bridge.judging.detections import Find
from bridge.judging.engine import Scores, Unfit
from bridge.judging.finder import row
from bridge.judging.frames import MAX_BOXES, Load
from bridge.judging.headers import Unreadable
from bridge.judging.preprocess import Picture
from bridge.judging.registration import Aligner
from bridge.messages import Box

Pair: TypeAlias = NDArray[np.uint8]
"""A picture and behind it its template, shape (height, width, twice the channels)."""
_KEPT = 8
"""So many templates are kept as they were cut: one for each view and region in use."""


class Comparer:
    """The templates of a bundle."""

    batch = 1
    """One view at a time: there is nothing to be gained by more."""

    def __init__(self, load: Load, aligners: Sequence[Aligner]) -> None:
        """Take what parts are registered onto for what they are to look like.

        Raises:
            Unfit: a golden picture does not even find itself: there is nothing on it to register by.
        """
        assert load.comparison is not None  # noqa: S101 - whoever makes one has looked
        self._load, self._how, self._aligners = load, load.comparison, aligners
        self._cut: dict[tuple[int, Box | None], Picture] = {}
        for onto, reference in enumerate(load.references):
            try:
                self._template(onto, reference.roi)
            except Unreadable as exc:
                raise Unfit(f"its golden picture {Path(reference.how.golden).name} {exc}") from exc

    def warm_up(self) -> None:
        """Do nothing: the first pictures do it."""

    def pair(self, picture: Picture, onto: int, roi: Box | None) -> Pair:
        """Return a picture with the template that it was registered onto, cut as it was."""
        return np.concatenate([picture, self._template(onto, roi)], axis=2)

    def _template(self, onto: int, roi: Box | None) -> Picture:
        if (onto, roi) not in self._cut:
            while len(self._cut) >= _KEPT:
                self._cut.pop(next(iter(self._cut)))
            golden = Path(self._load.references[onto].how.golden).read_bytes()
            cut = preprocess.cut(golden, self._load.input, roi, self._load.max_pixels, self._aligners[onto])
            self._cut[onto, roi] = cut.picture
        return self._cut[onto, roi]

    def explain(self, pairs: Sequence[Any]) -> tuple[Scores, list[list[Find]]]:
        """Return a row of probabilities for each view, and what differs, the largest first."""
        finds = [self._found(one) for one in pairs]
        return np.stack([row(one, self._load.classes) for one in finds]), finds

    def _found(self, pair: Pair) -> list[Find]:
        channels = self._load.input.channels
        return differences.found(pair[:, :, :channels], pair[:, :, channels:], self._how, MAX_BOXES)
