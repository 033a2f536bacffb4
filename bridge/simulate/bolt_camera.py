"""The station round the synthetic bolt: a slotted rail that holds it by its head, lamps, and a camera's picture.

Orthographic cameras look at the axis. Pictures are linear float maps, blue-green-red, 0 to 1, until ``expose``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.simulate.bolt_surface import LENGTH, RADIUS, TURN, Map, Surface, grain, thrice

WIDTH, HEIGHT = 212, 420
"""Half of the 425 x 840 region that the bolt paper judges."""

Picture = NDArray[np.float32]

_SEAT = 42.0
"""Row of the head's seat in a picture without shift."""
_HALF = 84
"""Half width of the strip in which the shank is traced, wide enough for the largest tilt and shift."""
_BLOCK = 60
"""Rows shaded at a time: intermediate maps then stay in the processor's cache, twice as fast as all at once."""
_QUARTER = TURN // 4
_COLUMNS_PER_RADIAN = np.float32(TURN / (2 * np.pi))
_CORNER = 115.0
"""From the axis to a corner of the hexagon head, 16 mm across flats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """How the part lies and how it is lit, for all cameras of one shot."""

    angle: float
    """How the part is turned about its axis, in turns."""
    shift: tuple[float, float]
    """Right and down, in pixels."""
    tilt: float
    """In the picture's plane, in degrees."""
    key: tuple[float, float, float]
    """Direction to the main lamp: right, up, towards the camera; of unit length."""
    strength: float
    """Of the main lamp against the dome's even light."""
    exposure: float
    tint: tuple[float, float, float]
    """The lamps' colour: blue, green, red."""
    blur: float
    """Spread of the lens, in pixels."""
    noise: float
    """Spread of the sensor's noise at full scale 1."""
    backdrop: float
    """How bright the background is."""


@dataclass(frozen=True, slots=True)
class Cylinder:
    """A skin made ready to be looked at: its maps, and a quarter turn of them again at either end."""

    height: Map
    albedo: Picture
    relief: NDArray[np.float32]

    @classmethod
    def of(cls, skin: Surface) -> Cylinder:
        """Work out what all cameras share."""
        return cls(_closed(skin.height), _closed(skin.albedo), _closed(skin.relief()))


def _closed(skin: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.copyMakeBorder(skin, 0, 0, _QUARTER, _QUARTER + 1, cv2.BORDER_WRAP))


def picture(part: Cylinder, station: Station, camera: float, scene: Picture) -> Picture:
    """Return what a camera at ``camera`` turns round the part sees before the `scene`, without noise."""
    image = scene.copy()
    left = int(WIDTH / 2 + station.shift[0]) - _HALF
    across, down = _axes(station, left, 2 * _HALF)
    for top in range(0, HEIGHT, _BLOCK):
        rows = slice(top, top + _BLOCK)
        strip = image[rows, left : left + 2 * _HALF]
        shade, inside = _look(part, station, camera, across[rows], down[rows])
        strip += (shade - strip) * thrice(inside)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), station.blur), np.float32)


def scene(station: Station, camera: float, rng: np.random.Generator) -> Picture:
    """Return the background, the rail and the bolt's head: all that a defect of the thread cannot change."""
    tone = station.backdrop * (1 + 0.15 * grain(rng, (HEIGHT, WIDTH), 3, 3))
    tone *= np.linspace(1.15, 0.75, HEIGHT, dtype=np.float32)[:, None]
    _rail(tone, station, rng)
    across, down = _axes(station, 0, WIDTH)
    on_head = np.clip(0.5 - down, 0, 1) * np.clip(_CORNER - np.abs(across), 0, 1)
    tone += (_head(across, down, station, camera) - tone) * on_head
    return np.asarray(cv2.merge([tone * tint for tint in station.tint]), np.float32)


def expose(image: Picture, station: Station, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the sensor's 8-bit picture: exposure, gamma and noise; each pixel by itself."""
    down, right = int(rng.integers(HEIGHT)), int(rng.integers(WIDTH))
    spread = _film()[down : down + HEIGHT, right : right + WIDTH]
    light = np.sqrt(np.clip(image * station.exposure, 0, 1)) + station.noise * spread
    return np.asarray(np.clip(light, 0, 1) * 255 + 0.5, np.uint8)


@cache
def _film() -> Picture:
    """Return a sheet of noise, mostly of brightness, from which each picture takes another cut-out."""
    rng = np.random.default_rng(0)
    shape = (2 * HEIGHT, 2 * WIDTH, 3)
    chroma, grains = rng.standard_normal(shape, np.float32), rng.standard_normal((*shape[:2], 1), np.float32)
    return np.asarray(0.4 * chroma + grains, np.float32)


def _axes(station: Station, left: int, width: int) -> tuple[Map, Map]:
    """Return, for a strip of the picture, pixels right of the bolt's axis and below the head's seat."""
    rows, columns = np.ogrid[0:HEIGHT, left : left + width]
    right = (columns - WIDTH / 2 - station.shift[0]).astype(np.float32)
    below = (rows - _SEAT - station.shift[1]).astype(np.float32)
    cos, sin = np.cos(np.radians(station.tilt)), np.sin(np.radians(station.tilt))
    return np.asarray(right * cos + below * sin, np.float32), np.asarray(below * cos - right * sin, np.float32)


def _look(part: Cylinder, station: Station, camera: float, across: Map, down: Map) -> tuple[Picture, Map]:
    """Return the shaded skin under each pixel, and how much of the pixel it fills.

    A ray is followed to the nominal cylinder first, then once more with the thread's height found there.
    """
    middle = (station.angle + camera) % 1 * TURN + _QUARTER
    rows = np.clip(down, 0, LENGTH - 1)
    first = np.arcsin(np.clip(across / RADIUS, -1, 1)) * _COLUMNS_PER_RADIAN + middle
    reach = RADIUS + _sample(part.height, first, rows)
    theta = np.arcsin(np.clip(across / reach, -1, 1))
    inside = np.clip(reach - np.abs(across), 0, 1) * np.clip(down, 0, 1) * np.clip(LENGTH - down, 0, 1)
    columns = theta * _COLUMNS_PER_RADIAN + middle
    lit = _light(theta, _sample(part.relief, columns, rows), _sample(part.albedo, columns, rows), station)
    under_head = np.asarray(np.clip(0.35 + down / 26, 0.35, 1), np.float32)
    return np.asarray(lit * thrice(under_head), np.float32), np.asarray(inside, np.float32)


def _sample(skin: NDArray[np.float32], columns: Map, rows: Map) -> NDArray[np.float32]:
    return np.asarray(cv2.remap(skin, columns, rows, cv2.INTER_LINEAR))


def _light(theta: Map, relief: NDArray[np.float32], albedo: Picture, station: Station) -> Picture:
    """Shade the skin: even light from the dome, a lamp, and for steel the long lamps' reflections."""
    along, around, gloss, cavity = cv2.split(relief)
    sin, cos = np.sin(theta), np.cos(theta)
    x, y, z = sin - around * cos, along, cos + around * sin
    length = 1 / np.sqrt(x * x + y * y + z * z)
    x, y, z = x * length, y * length, z * length
    key = station.key
    lamp = np.clip(x * key[0] + y * key[1] + z * key[2], 0, 1)
    matt = cavity * (0.38 + 0.22 * y) + station.strength * lamp * (0.4 + 0.6 * cavity)
    bars = _bar(2 * z * x, key[0], 0.24) + 0.55 * _bar(2 * z * x, -0.75, 0.16)
    shine = gloss * cavity * bars * np.clip(1.1 - np.abs(2 * z * y - key[1] * 0.5), 0, 1)
    sheen = 0.10 * (1 - gloss) * cavity * _bar(2 * z * x, key[0], 0.5)
    lit = albedo * thrice(matt) + thrice(0.55 * shine + sheen)
    return np.asarray(cv2.merge([part * tint for part, tint in zip(cv2.split(lit), station.tint, strict=True)]))


def _bar(reflected: Map, place: float, width: float) -> Map:
    """Return how much of an upright lamp of this half width is seen in the mirror direction."""
    inside = np.clip(1 - ((reflected - place) / (2 * width)) ** 2, 0, 1)
    return np.asarray(inside * inside, np.float32)


def _rail(tone: Map, station: Station, rng: np.random.Generator) -> None:
    """Draw the slotted rail on which the head rests: dark, with a worn bright edge, and screw or not."""
    top, thick = int(_SEAT + 2 + rng.uniform(-3, 3)), int(rng.integers(16, 30))
    gap = RADIUS + rng.uniform(8, 16)
    shade = float(station.backdrop * rng.uniform(0.35, 0.8))
    for side in (-1, 1):
        edge = int(WIDTH / 2 + side * gap)
        outer = -1 if side < 0 else WIDTH
        cv2.rectangle(tone, (outer, top), (edge, top + thick), shade, -1)
        cv2.line(tone, (outer, top + thick), (edge, top + thick), shade * 2.2, 1)
        if rng.integers(2):
            cv2.circle(tone, (int(WIDTH / 2 + side * (gap + 14)), top + thick // 2), 5, shade * 1.7, -1)
    cv2.GaussianBlur(tone, (0, 0), 1.8, dst=tone)


def _head(across: Map, down: Map, station: Station, camera: float) -> Map:
    """Shade the hexagon's faces, each by the angle between it and the lamp, and the washer face below them."""
    centres = 2 * np.pi * ((np.arange(6) / 6 + station.angle + camera + 0.5) % 1 - 0.5)
    tone = np.full(across.shape, 0.05, np.float32)
    for centre in centres[np.cos(centres) + np.sin(np.pi / 6) > 0]:
        low, high = _CORNER * np.sin(np.clip(centre + np.array([-1, 1]) * np.pi / 6, -np.pi / 2, np.pi / 2))
        facing = max(0.0, np.sin(centre) * station.key[0] + np.cos(centre) * station.key[2])
        tone[(across >= low) & (across < high)] = 0.10 + 0.28 * facing
    washer = np.clip(7 + down, 0, 1)
    return np.asarray(tone * (1 - washer) + washer * (0.22 + 0.1 * station.key[2]), np.float32)
