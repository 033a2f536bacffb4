"""What lamps, lens and sensor do to a copy: colour, tone, blur, and three kinds of noise.

Colour is turned and stretched about the grey axis, which is the same line in every order of the channels, so that
pictures may be red-green-blue or blue-green-red.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, channels)."""
Numbers: TypeAlias = NDArray[np.float32]

_WHITE = 255
_MANY = 25
"""Photons from which on a Poisson number is as good as normal: a skew of a fifth."""
_LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Colouring:
    """A mix of the channels, and a tone curve behind it."""

    mix: NDArray[np.float64] | None
    """Shape (3, 3); None leaves colours as they are."""
    curve: NDArray[np.uint8] | None
    """Shape (256,): the new level of each; None leaves levels as they are."""

    def __call__(self, picture: Picture) -> Picture:
        """Return the picture in other light; gray pictures have no colours to mix."""
        shape = picture.shape
        if self.mix is not None and shape[2] == 3:  # noqa: PLR2004 - three colours
            picture = np.asarray(cv2.transform(picture, self.mix), np.uint8)
        if self.curve is not None:
            picture = np.asarray(cv2.LUT(picture, self.curve), np.uint8)
        return picture.reshape(shape)


def colouring(
    level: float, contrast: float, gamma: float, saturation: float, hue: float, tint: NDArray[np.float64]
) -> Colouring:
    """Return the change of colour and tone.

    Args:
        level: grey levels that are added.
        contrast: power of e of the gain about the middle grey.
        gamma: power of e of the tone curve's exponent.
        saturation: how many times stronger colours become.
        hue: degrees to turn.
        tint: the gain of each channel, shape (3,).
    """
    mix = np.diag(tint) @ _about_grey(saturation, hue)
    curve = None
    if level or contrast or gamma:
        bent = _WHITE * (_LEVELS / _WHITE) ** np.exp(gamma)
        curve = np.clip(np.rint((bent - 128) * np.exp(contrast) + 128 + level), 0, _WHITE).astype(np.uint8)
    return Colouring(None if np.array_equal(mix, np.eye(3)) else mix, curve)


def _about_grey(saturation: float, hue: float) -> NDArray[np.float64]:
    """Return the turn about the axis of greys (Rodrigues) with what lies across it stretched."""
    if saturation == 1 and hue == 0:
        return np.eye(3)
    grey = np.full((3, 3), 1 / 3)
    axis = np.sqrt(1 / 3) * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    turn = np.radians(hue)
    return np.asarray(grey + saturation * (np.cos(turn) * (np.eye(3) - grey) + np.sin(turn) * axis), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """What a worse lens and sensor do; each 0 where it does nothing."""

    blur_pixels: float
    """Spread of the blur."""
    salt_and_pepper: float
    """Share of pixels."""
    gaussian_levels: float
    """Standard deviation."""
    poisson_levels: float
    """Standard deviation at white."""

    def __call__(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Return the picture as they see it: blur, photons, read-out, dead pixels, in this order."""
        shape = picture.shape
        if self.blur_pixels > 0:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self.blur_pixels), np.uint8).reshape(shape)
        if self.poisson_levels > 0 or self.gaussian_levels > 0:
            light = picture.astype(np.float32)
            if self.poisson_levels > 0:
                light = _photons(light, self.poisson_levels, rng)
            if self.gaussian_levels > 0:
                light += self.gaussian_levels * rng.standard_normal(shape, np.float32)
            picture = np.clip(light + 0.5, 0, _WHITE).astype(np.uint8)
        return _dead(picture, self.salt_and_pepper, rng) if self.salt_and_pepper > 0 else picture


def _photons(light: Numbers, spread: float, rng: np.random.Generator) -> Numbers:
    """Return the light as counted photons: white is as many as make its standard deviation ``spread`` levels.

    A count of mean n has variance n; with n = k times the level, the level's variance is level / k, and at white
    it must be the spread squared: k = 255 / spread². Counts of many are drawn as normal numbers of that variance,
    four times as fast and the same after rounding to levels; the skew of few is kept.
    """
    per_level = np.float32(_WHITE / spread**2)
    counts = light * per_level
    few = counts < _MANY
    counted = counts + np.sqrt(counts) * rng.standard_normal(light.shape, np.float32)
    counted[few] = rng.poisson(counts[few])
    return np.asarray(counted / per_level, np.float32)


def _dead(picture: Picture, share: float, rng: np.random.Generator) -> Picture:
    """Return a copy with this share of pixels black or white, all channels of a pixel together."""
    chance = rng.random(picture.shape[:2], np.float32)
    spoilt = picture.copy()
    spoilt[chance < share] = _WHITE
    spoilt[chance < share / 2] = 0
    return spoilt
