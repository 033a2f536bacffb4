"""Variation of training pictures: mirror, place, angle, level and contrast, as on another shift.

Works on 8-bit pictures before they are normalised, with OpenCV: much faster on a CPU than layers of a network,
and what happens to a picture follows from a seed alone, so that an interrupted training goes on as it would have.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]
"""Shape (batch, height, width, channels)."""

_TILT = 4.0
"""Degrees to either side, for parts that lie as a fixture holds them."""
_SHIFT = 0.04
"""Share of width and height."""
_ZOOM = 0.03
_LEVEL = 36.0
"""Grey levels up or down."""
_CONTRAST = 0.3
"""In powers of e."""


def vary(pictures: Pictures, rng: np.random.Generator, *, any_angle: bool) -> Pictures:
    """Return a varied copy of a batch.

    Args:
        pictures: as the model is shown them, before normalisation.
        rng: decides.
        any_angle: turn by any angle and mirror both ways; otherwise tilt a little and mirror left to right.
    """
    return np.stack([_vary(picture, rng, any_angle=any_angle) for picture in pictures])


def _vary(picture: NDArray[np.uint8], rng: np.random.Generator, *, any_angle: bool) -> NDArray[np.uint8]:
    height, width, channels = picture.shape
    angle = rng.uniform(-180, 180) if any_angle else rng.uniform(-_TILT, _TILT)
    move = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1 + rng.uniform(-_ZOOM, _ZOOM))
    move[0, 2] += rng.uniform(-_SHIFT, _SHIFT) * width
    move[1, 2] += rng.uniform(-_SHIFT, _SHIFT) * height
    moved = cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    if rng.uniform() < 0.5:  # noqa: PLR2004 - as often as not
        moved = cv2.flip(moved, 1)
    gain, level = np.exp(rng.uniform(-_CONTRAST, _CONTRAST)), rng.uniform(-_LEVEL, _LEVEL)
    tones = np.clip((np.arange(256) - 128) * gain + 128 + level, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(moved, tones), np.uint8).reshape(height, width, channels)
