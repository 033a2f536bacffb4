"""What happens to one copy, drawn once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.learning.augmentation.geometry import Matrix
from bridge.learning.augmentation.tones import Colouring, Degradation

Picture: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, channels)."""
Border: TypeAlias = Literal["edge", "reflect", "mean"]

_BEYOND: Final = {"edge": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101, "mean": cv2.BORDER_CONSTANT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """One copy's fate; applying it twice gives the same copy twice."""

    matrix: Matrix
    """From a place in the picture to its place in the copy, in coordinates of pixel centres."""
    border: Border
    colouring: Colouring
    degradation: Degradation
    seed: int
    """What the noise follows from."""

    def picture(self, picture: Picture) -> Picture:
        """Return the copy of a picture, 8 bits; the picture itself stays as it is."""
        ground = list(cv2.mean(picture)) if self.border == "mean" else [0.0]
        moved = self._moved(picture, ground)
        lit = self.colouring(moved.reshape(picture.shape))
        copy = self.degradation(lit, np.random.default_rng(self.seed))
        return copy.copy() if np.may_share_memory(copy, picture) else copy

    def _moved(self, picture: Picture, ground: list[float]) -> Picture:
        if np.array_equal(self.matrix, np.eye(3)):
            return picture
        size, how = (picture.shape[1], picture.shape[0]), cv2.INTER_LINEAR
        beyond = _BEYOND[self.border]
        if np.array_equal(self.matrix[2], (0, 0, 1)):  # twice as fast as the general case
            moved = cv2.warpAffine(
                picture, self.matrix[:2], size, flags=how, borderMode=beyond, borderValue=ground
            )
        else:
            moved = cv2.warpPerspective(
                picture, self.matrix, size, flags=how, borderMode=beyond, borderValue=ground
            )
        return np.asarray(moved, np.uint8)
