"""The synthetic part: a coated M10 bolt seen by four cameras at once, good or with one known defect.

Nothing is read from files and everything follows from the seed. A colour or brightness threshold does not tell
good from bad: batches differ in coating colour, lamps in direction, level and tint, parts in position and dust.
Seeds from ``TRAINING_SEEDS`` on are kept for training, so that what is trained on is never played.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.simulate import bolt_camera, bolt_surface
from bridge.simulate.bolt_camera import HEIGHT, WIDTH, Cylinder, Station
from bridge.simulate.bolt_surface import Defect, Finish

__all__ = ["HEIGHT", "TRAINING_SEEDS", "VIEWS", "VISIBLE_PIXELS", "WIDTH", "Bolt", "Defect", "bolt", "oddness"]

VIEWS = ("front", "right", "back", "left")
"""The four cameras, a quarter turn apart."""
TRAINING_SEEDS = 1 << 40
"""The first seed for training; simulators and the demo play smaller ones."""
VISIBLE_PIXELS = 150
"""A defect is visible in a view if its mask has at least so many pixels there."""

_CHANGE = 4.0 / 255
"""A pixel belongs to the mask if the defect changes it by so much in any colour, before the sensor's noise."""

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Relit: TypeAlias = Callable[[Station], Station]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bolt:
    """One part with the truth about it."""

    seed: int
    defect: Defect | None
    """None for a good part."""
    severity: float
    """How strong the defect is, above 0 to 1; 0 for a good part."""
    nuisance: float
    """How odd the part looks apart from its defect, 0 to 1: what makes an old inspector call a good one NG."""
    views: dict[str, Image] = field(repr=False)
    """Camera to picture, (HEIGHT, WIDTH, 3), blue-green-red."""
    masks: dict[str, Mask] = field(repr=False)
    """Camera to (HEIGHT, WIDTH): where the picture differs from the good twin's; all False on a good part."""

    def shows(self, view: str) -> bool:
        """Return whether the defect is to be seen in this view; never on a good part."""
        return int(self.masks[view].sum()) >= VISIBLE_PIXELS

    def encode(self, view: str, quality: int = 92) -> bytes:
        """Return the picture as an inspector hands it over: JPEG of about 20 kB."""
        done, data = cv2.imencode(".jpg", self.views[view], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise ValueError(f"no JPEG of view {view}")
        return data.tobytes()


def bolt(
    seed: int, defect: Defect | None = None, severity: float | None = None, relit: Relit | None = None
) -> Bolt:
    """Make the bolt of this seed; with and without a defect it is the same bolt in the same light.

    Args:
        seed: 0 or more; the same seed and defect give the same pixels.
        defect: what is wrong, None for a good part.
        severity: above 0 to 1; None draws it from the seed.
        relit: the station of another line: changes how this very bolt is lit and seen.
    """
    odd, finish, station, drawn = _drawn(seed)
    station = station if relit is None else relit(station)
    strength = 0.0 if defect is None else drawn if severity is None else severity
    good = Cylinder.of(bolt_surface.surface(finish, seed, None, 0.0))
    bad = None if defect is None else Cylinder.of(bolt_surface.surface(finish, seed, defect, strength))
    views: dict[str, Image] = {}
    masks: dict[str, Mask] = {}
    for index, name in enumerate(VIEWS):
        sensor = np.random.default_rng([seed, 3, index])
        scene = bolt_camera.scene(station, index / 4, sensor)
        clean = bolt_camera.picture(good, station, index / 4, scene)
        masks[name] = np.zeros((HEIGHT, WIDTH), np.bool_)
        if bad is not None:
            marred = bolt_camera.picture(bad, station, index / 4, scene)
            masks[name] = _changed(clean, marred, station)
            clean = np.where(masks[name][..., None], marred, clean)
        views[name] = bolt_camera.expose(clean, station, sensor)
    return Bolt(seed=seed, defect=defect, severity=strength, nuisance=odd, views=views, masks=masks)


def oddness(seed: int, defect: Defect | None = None) -> float:
    """Return, without making it, how odd the bolt of this seed will look: nuisance if good, severity if bad."""
    odd, _, _, drawn = _drawn(seed)
    return odd if defect is None else drawn


def _drawn(seed: int) -> tuple[float, Finish, Station, float]:
    """Return nuisance, finish, station and severity."""
    rng = np.random.default_rng([seed, 0])
    odd = float(rng.beta(1.6, 3.0))
    return odd, _finish(rng, odd), _station(rng, odd), float(rng.beta(1.5, 1.8)) * 0.95 + 0.05


def _changed(clean: bolt_camera.Picture, marred: bolt_camera.Picture, station: Station) -> Mask:
    """Return where the two would differ on the sensor."""
    before, after = (np.sqrt(np.clip(image * station.exposure, 0, 1)) for image in (clean, marred))
    return np.asarray(np.abs(before - after).max(axis=2) > _CHANGE, np.bool_)


def _finish(rng: np.random.Generator, odd: float) -> Finish:
    """Draw the good variation of a part; ``odd`` widens it."""
    hue, saturation, value = rng.uniform(92, 128), rng.uniform(95, 215), rng.uniform(80, 190)
    colour = cv2.cvtColor(np.array([[[hue, saturation, value]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    blue, green, red = (float(channel) / 255 for channel in colour)
    return Finish(
        phase=float(rng.uniform()),
        coat=(blue, green, red),
        coat_top=bolt_surface.COAT_TOP + float(rng.uniform(-9, 9)),
        coat_end=bolt_surface.COAT_END + float(rng.uniform(-7, 7)),
        steel=float(rng.uniform(0.34, 0.52)),
        mottle=float(rng.uniform(0.15, 0.45) + 0.55 * odd),
        specks=int(rng.poisson(3 + 26 * odd)),
    )


def _station(rng: np.random.Generator, odd: float) -> Station:
    """Draw how the part lies and is lit; ``odd`` widens it."""
    wide = 0.4 + odd
    side = float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.6))
    key = np.array([side, rng.uniform(0.05, 0.4), 0.9])
    key /= np.linalg.norm(key)
    warmth = float(rng.normal(0, 0.05)) * wide
    return Station(
        angle=float(rng.uniform()),
        shift=(float(rng.uniform(-9, 9)) * wide, float(rng.uniform(-8, 8)) * wide),
        tilt=float(rng.uniform(-1.9, 1.9)) * wide,
        key=(float(key[0]), float(key[1]), float(key[2])),
        strength=float(rng.uniform(0.45, 0.85)),
        exposure=float(np.exp(rng.normal(0, 0.24) * wide)),
        tint=(1 + warmth, 1.0, 1 - warmth),
        blur=float(rng.uniform(0.55, 0.8) + 0.5 * odd**2),
        noise=float(rng.uniform(0.006, 0.012) + 0.014 * odd),
        backdrop=float(rng.uniform(0.05, 0.28)),
    )
