"""A policy: how far a training picture may be varied, as a table of bounds that a person can read and write.

What is drawn for one copy follows from one generator, and each effect has its own place in the random numbers: a
bound that is changed changes that effect and no other, so that two policies can be compared copy by copy.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bridge.learning.augmentation.geometry import Bounds, Mirror, matrix
from bridge.learning.augmentation.tones import Colouring, Degradation, colouring
from bridge.learning.augmentation.variation import Border, Variation

Pictures: TypeAlias = NDArray[np.uint8]
"""Shape (batch, height, width, channels)."""
Picture: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, channels)."""

_NUMBERS: Final = 32
"""Random numbers that a copy takes, whatever its policy uses; the places are below."""
_GEOMETRY, _COLOUR, _NOISE, _WHETHER = slice(0, 14), slice(14, 22), slice(22, 26), slice(26, 30)
_PLACES: Final[dict[str, tuple[int, ...]]] = {
    "angle_degrees": (0,),
    "shift": (2, 3),
    "zoom": (1,),
    "corner_shift": tuple(range(6, 14)),
    "mirror": (4, 5),
    "brightness_levels": (14,),
    "contrast": (15,),
    "gamma": (16,),
    "tint": (19, 20, 21),
    "saturation": (17,),
    "hue_degrees": (18,),
    "blur_pixels": (22,),
    "salt_and_pepper": (23,),
    "gaussian_levels": (24,),
    "poisson_levels": (25,),
}
_SIGNS: Final = {"tint": (1, 0, -1), "corner_shift": (1, 1, 1, -1, -1, -1, 1, 1)}
"""Where one number stands for several: warm against cold, and a picture seen from a corner."""


class Policy(BaseModel):
    """Bounds of every effect; one of 0 does nothing, so the default leaves pictures as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    angle_degrees: Annotated[float, Field(ge=0, le=180)] = 0
    """degrees from 0 to 180: a copy is turned by up to so much to either side; 180 is any angle"""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0
    """a share from 0 to 0.5: moved by up to this share of the width, and of the height"""
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0
    """a share from 0 to 0.5: enlarged or reduced by up to this share"""
    corner_shift: Annotated[float, Field(ge=0, le=0.2)] = 0
    """a share from 0 to 0.2: each corner is moved by itself by up to this share of width and height, as if the
    camera stood elsewhere; all eight degrees of freedom of a projective map"""
    mirror: Mirror = "none"
    """none, horizontal (left and right change sides on every second copy), vertical or both"""
    border: Border = "edge"
    """edge, reflect or mean: what is seen beyond the picture's edge. edge repeats the last pixels and invents
    nothing; reflect suits textures but may show a defect twice; mean is the picture's own mean colour"""
    brightness_levels: Annotated[float, Field(ge=0, le=128)] = 0
    """grey levels from 0 to 128: lighter or darker by up to so many of 255"""
    contrast: Annotated[float, Field(ge=0, le=1)] = 0
    """a number from 0 to 1: contrast is multiplied by e to a power between minus this and this"""
    gamma: Annotated[float, Field(ge=0, le=1)] = 0
    """a number from 0 to 1: the tone curve's exponent is e to a power between minus this and this"""
    tint: Annotated[float, Field(ge=0, le=0.5)] = 0
    """a share from 0 to 0.5: each colour becomes stronger or weaker by up to this share, as under other lamps"""
    saturation: Annotated[float, Field(ge=0, le=1)] = 0
    """a share from 0 to 1: colours are made stronger or paler by up to this share"""
    hue_degrees: Annotated[float, Field(ge=0, le=180)] = 0
    """degrees from 0 to 180: hues are turned by up to so much; 0 where a colour tells good from bad"""
    blur_pixels: Annotated[float, Field(ge=0, le=8)] = 0
    """pixels of the model's input from 0 to 8: the largest spread of a Gaussian blur"""
    salt_and_pepper: Annotated[float, Field(ge=0, le=0.2)] = 0
    """a share from 0 to 0.2: the largest share of pixels that become black or white, half of them each"""
    gaussian_levels: Annotated[float, Field(ge=0, le=64)] = 0
    """grey levels from 0 to 64: the largest standard deviation of noise that is the same in dark and light"""
    poisson_levels: Annotated[float, Field(ge=0, le=64)] = 0
    """grey levels from 0 to 64: the largest standard deviation, at white, of photon noise; its variance goes with
    the level"""
    degraded: Annotated[float, Field(ge=0, le=1)] = 1
    """a share from 0 to 1: how often each of blur and the three kinds of noise happens to a copy"""

    def draw(self, height: int, width: int, rng: np.random.Generator) -> Variation:
        """Return what happens to one copy of a picture of this size.

        Args:
            height: of the picture, in pixels.
            width: of the picture, in pixels.
            rng: decides; always the same count of numbers is taken from it.
        """
        steps = rng.uniform(-1, 1, _NUMBERS)
        return self.variation(steps, int(rng.integers(1 << 62)), height, width)

    def at(self, effect: str, step: float, height: int, width: int) -> Variation:
        """Return one effect alone, at this share of its bound; noise comes out the same each time.

        Args:
            effect: the name of a bound.
            step: from -1 to 1; below 0 a picture that may be mirrored is.
            height: of the picture, in pixels.
            width: of the picture, in pixels.
        """
        places = _PLACES[effect]
        steps = np.zeros(_NUMBERS)
        steps[list(places)] = step * np.array(_SIGNS.get(effect, (1,) * len(places)))
        return self.only(effect).variation(steps, 0, height, width)

    def variation(self, steps: NDArray[np.float64], seed: int, height: int, width: int) -> Variation:
        """Return what these numbers choose.

        Args:
            steps: 32 numbers from -1 to 1; every effect has places of its own among them.
            seed: what the noise follows from.
            height: of the picture, in pixels.
            width: of the picture, in pixels.
        """
        return Variation(
            matrix=matrix(self._bounds(), steps[_GEOMETRY], height, width),
            border=self.border,
            colouring=self._colouring(steps[_COLOUR]),
            degradation=self._degradation(np.abs(steps[_NOISE]), np.abs(steps[_WHETHER])),
            seed=seed,
        )

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Return a varied copy of one picture, 8 bits, before normalisation."""
        return self.draw(picture.shape[0], picture.shape[1], rng).picture(picture)

    def vary(self, pictures: Pictures, rng: np.random.Generator) -> Pictures:
        """Return a varied copy of a batch; what happens follows from the generator's state alone."""
        return np.stack([self.apply(picture, rng) for picture in pictures])

    def at_any_angle(self) -> Policy:
        """Return this policy for parts that may lie at any angle: turned fully and mirrored both ways."""
        return self.model_copy(update={"angle_degrees": 180.0, "mirror": "both"})

    @property
    def effects(self) -> tuple[str, ...]:
        """The names of the bounds that do something, in the table's order."""
        return tuple(name for name in _PLACES if getattr(self, name) not in {0, "none"})

    def only(self, *effects: str) -> Policy:
        """Return a policy of these effects alone, each as strong as here and on every copy."""
        kept = {name: getattr(self, name) for name in effects}
        return Policy(**kept, border=self.border)

    def _bounds(self) -> Bounds:
        return Bounds(self.angle_degrees, self.shift, self.zoom, self.corner_shift, self.mirror)

    def _colouring(self, steps: NDArray[np.float64]) -> Colouring:
        strengths = (self.brightness_levels, self.contrast, self.gamma, self.saturation, self.hue_degrees)
        level, contrast, gamma, saturation, hue = (
            step * most for step, most in zip(steps, strengths, strict=False)
        )
        return colouring(level, contrast, gamma, 1 + saturation, hue, 1 + steps[5:8] * self.tint)

    def _degradation(self, strength: NDArray[np.float64], whether: NDArray[np.float64]) -> Degradation:
        blur, salt, gaussian, poisson = strength * (whether <= self.degraded)
        return Degradation(
            blur_pixels=float(blur * self.blur_pixels),
            salt_and_pepper=float(salt * self.salt_and_pepper),
            gaussian_levels=float(gaussian * self.gaussian_levels),
            poisson_levels=float(poisson * self.poisson_levels),
        )


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of one copy; ``key`` names it, for instance place of the picture and number of copy."""
    return np.random.default_rng([seed, *key])
