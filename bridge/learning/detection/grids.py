"""The grids on whose places boxes are told. Pure.

Strides are 4, 8 and 16, finer than usual: a defect of 15 pixels spans four places of the finest grid.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

STRIDES: Final = (4, 8, 16)
STEP: Final = STRIDES[-1]
"""Width and height of every picture are multiples of this."""


def places(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the middle of every place, shape (places, 2), x first, and its stride, shape (places, 1)."""
    middles, strides = [], []
    for one in STRIDES:
        cells = np.indices((height // one, width // one))[::-1].reshape(2, -1).T
        middles.append((cells + 0.5) * one)
        strides.append(np.full((len(cells), 1), one))
    return np.concatenate(middles).astype(np.float32), np.concatenate(strides).astype(np.float32)
