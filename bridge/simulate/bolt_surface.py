"""The skin of one synthetic M10 bolt, unrolled: what stands at each angle and each depth below the head.

A surface is a set of maps of shape (``LENGTH``, ``TURN``): rows are pixels below the head's seat, columns go once
round the shank. One pixel is 0.08 mm. A defect changes the maps and nothing else, so the cameras see it from
where they stand and a good twin of a bad bolt is the same bolt without that change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]

RADIUS = 62.5
"""Half of M10's 10 mm, in pixels."""
PITCH = 18.75
"""M10's 1.5 mm."""
DEPTH = 11.0
"""From crest to root."""
LENGTH = 345
"""From the head's seat to the tip."""
TURN = 384
"""Columns of a full turn; about one pixel of circumference each."""
COAT_TOP = 105.0
COAT_END = 290.0
"""Where the coating belongs on a nominal part, pixels below the head."""

_ROWS, _COLUMNS = np.mgrid[0:LENGTH, 0:TURN].astype(np.float32)


class Defect(StrEnum):
    """What can be wrong with a coated bolt."""

    UNCOATED = "uncoated"
    """The coating is missing on a side of the thread, or all round."""
    DENTED = "dented"
    """Crests are crushed."""
    FOREIGN_MATTER = "foreign matter"
    """A chip, a lump or a fibre sits on the thread."""
    SHORT_COATING = "short coating"
    """The coating ends threads before it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How a good bolt may differ from the next good one."""

    phase: float
    """Where the thread starts, in turns."""
    coat: tuple[float, float, float]
    """Colour of the coating: blue, green, red, each 0 to 1."""
    coat_top: float
    coat_end: float
    steel: float
    """Albedo of bare steel."""
    mottle: float
    """How uneven the coating lies, 0 to 1."""
    specks: int
    """Harmless grains of dust, each at most four pixels wide."""


@dataclass(slots=True)
class Surface:
    """The unrolled maps; ``paint`` mutates them while a bolt is being made."""

    height: Map
    """Pixels above the nominal outer radius, at most a few; the thread's root is at ``-DEPTH``."""
    coat: Map
    """How much coating covers the steel, 0 to 1."""
    albedo: NDArray[np.float32]
    """Blue, green, red; shape (LENGTH, TURN, 3)."""
    gloss: Map
    """0 matt, 1 turned steel."""
    cavity: Map
    """How open a place is to light: 1 on a crest, less in a groove."""

    def relief(self) -> NDArray[np.float32]:
        """Return slope down the axis, slope round it, gloss and openness, shape (LENGTH, TURN, 4)."""
        padded = cv2.copyMakeBorder(self.height, 0, 0, 1, 1, cv2.BORDER_WRAP)
        along = cv2.Sobel(self.height, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
        around = cv2.Sobel(padded, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)[:, 1:-1]
        return np.asarray(cv2.merge([along, around, self.gloss, self.cavity]), np.float32)


def grain(rng: np.random.Generator, shape: tuple[int, int], rows: int, columns: int) -> Map:
    """Return smooth noise of unit spread with about ``rows`` by ``columns`` bumps; it closes round the turn."""
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    closed = np.concatenate([coarse, coarse[:, :1]], axis=1)
    return cv2.resize(closed, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def thrice(one: Map) -> NDArray[np.float32]:
    """Return the map for blue, green and red; whole arrays multiply six times faster than broadcast ones."""
    return np.asarray(cv2.merge([one, one, one]))


def surface(finish: Finish, seed: int, defect: Defect | None, severity: float) -> Surface:
    """Make the skin of one bolt; without its defect it is the same bolt, pixel for pixel.

    Args:
        finish: the good variation.
        seed: everything random on the skin follows from it.
        defect: what is wrong, None for a good part.
        severity: 0 barely a defect, 1 gross.
    """
    rng = np.random.default_rng([seed, 1])
    profile = _thread(np.float32(finish.phase))
    coarse, fine = grain(rng, (LENGTH, TURN), 12, 16), grain(rng, (LENGTH, TURN), 90, 110)
    turned = grain(rng, (LENGTH, TURN), 170, 6)
    dust = _dust(rng, finish.specks)
    harm = np.random.default_rng([seed, 2])
    coat = _coating(finish, coarse, fine, harm, defect, severity)
    height = DEPTH * (profile - 1) * (1 - 0.3 * coat) + coat * (1 + 0.7 * finish.mottle * fine)
    height = np.minimum(height, _chamfer())
    clear = 1 - 0.6 * dust
    steel = finish.steel * (1 + 0.10 * turned + 0.04 * fine) * (1 - coat) * clear
    paint = (1 + 0.16 * finish.mottle * (coarse + 0.7 * fine)) * coat * clear
    albedo = cv2.merge([steel + colour * paint for colour in finish.coat])
    skin = Surface(
        height=height.astype(np.float32),
        coat=coat,
        albedo=np.asarray(albedo, np.float32),
        gloss=((1 - 0.8 * coat) * (1 - 0.7 * dust)).astype(np.float32),
        cavity=(0.45 + 0.55 * profile).astype(np.float32),
    )
    if defect is Defect.DENTED:
        _dent(skin, harm, severity, finish.steel)
    elif defect is Defect.FOREIGN_MATTER:
        _foreign_matter(skin, harm, severity)
    return skin


def _thread(phase: np.float32) -> Map:
    """Return 1 on a crest, 0 in a groove; ISO flanks of 60 degrees with flattened crest and root."""
    turns = _ROWS / PITCH + _COLUMNS / TURN + phase
    triangle = 1 - np.abs(2 * (turns - np.floor(turns)) - 1)
    profile = np.clip((triangle - 0.14) / 0.68, 0, 1)
    run_out = np.clip((26 - _ROWS) / 14, 0, 1)
    return np.asarray(np.maximum(profile, 0.75 * run_out), np.float32)


def _chamfer() -> Map:
    """Return the height that the bevelled tip allows."""
    return np.asarray(np.clip((LENGTH - 16 - _ROWS) * 0.9, -17, 0) + 3 * (_ROWS < LENGTH - 20), np.float32)


def _dust(rng: np.random.Generator, count: int) -> Map:
    canvas = np.zeros((LENGTH, TURN), np.float32)
    for _ in range(count):
        x, y = int(rng.integers(4, TURN - 4)), int(rng.integers(10, LENGTH - 10))
        axes = (int(rng.integers(0, 3)), int(rng.integers(0, 2)))
        cv2.ellipse(canvas, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.4, 1)), -1)
    return canvas


def _around(centre: float, half_width: float) -> Map:
    """Return, in columns, how far inside the sector round ``centre`` (in turns) each column lies."""
    away = np.abs((_COLUMNS / TURN - centre + 0.5) % 1 - 0.5)
    return np.asarray((half_width - away) * TURN, np.float32)


def _coating(
    finish: Finish, coarse: Map, fine: Map, harm: np.random.Generator, defect: Defect | None, severity: float
) -> Map:
    """Return the cover of coating: a band with a ragged edge, with holes where the defect says so."""
    ragged = 2.5 * coarse + 1.5 * fine
    top, end = _ROWS - finish.coat_top + ragged, finish.coat_end - _ROWS + ragged
    sector, centre = harm.uniform(0.2, 0.45), harm.uniform()
    if defect is Defect.SHORT_COATING:
        missing = 30 + 105 * severity
        end = end - missing * np.clip(_around(centre, sector + 0.3 * severity) / 24 + 0.5, 0, 1)
    inside = np.minimum(top, end)
    if defect is Defect.UNCOATED:
        half = 0.05 + 0.5 * severity**1.6
        side = _around(centre, half) + 3 * ragged
        middle, reach = harm.uniform(finish.coat_top + 40, finish.coat_end - 40), 34 + 180 * severity
        inside = np.minimum(inside, -np.minimum(side, reach - np.abs(_ROWS - middle) + 2 * ragged))
    pinholes = 1 - 0.5 * np.clip(fine - 2.6 + finish.mottle, 0, 1)
    return np.asarray(np.clip(inside / 2 + 0.5, 0, 1) * pinholes, np.float32)


def _place(stamp: Map, harm: np.random.Generator) -> Map:
    """Turn what was drawn in the middle of a map to a random angle and depth."""
    down = int(harm.integers(70 - LENGTH // 2, LENGTH - 45 - LENGTH // 2))
    moved = np.roll(stamp, int(harm.integers(TURN)), axis=1)
    return np.asarray(np.roll(moved, down, axis=0), np.float32)


def _dent(skin: Surface, harm: np.random.Generator, severity: float, steel: float) -> None:
    """Crush the crests in a lens-shaped place and lay a burr round it; the blow tears the coating."""
    stamp = np.zeros((LENGTH, TURN), np.float32)
    axes = (int(7 + 16 * severity), int(10 + 24 * severity))
    cv2.ellipse(stamp, (TURN // 2, LENGTH // 2), axes, float(harm.uniform(-50, 50)), 0, 360, 1.0, -1)
    soft = _place(np.asarray(cv2.GaussianBlur(stamp, (0, 0), 2.2), np.float32), harm)
    burr = 4 * soft * (1 - soft)
    floor = -DEPTH * (0.55 + 0.4 * severity)
    skin.height[...] = skin.height * (1 - soft) + np.minimum(skin.height, floor) * soft + 1.6 * burr
    torn = (soft * (0.35 + 0.55 * severity))[..., None]
    skin.albedo[...] = skin.albedo * (1 - torn) + steel * 1.25 * torn
    skin.gloss[...] = np.maximum(skin.gloss, 0.9 * soft)
    skin.cavity[...] = skin.cavity * (1 - soft) + 0.7 * soft


def _foreign_matter(skin: Surface, harm: np.random.Generator, severity: float) -> None:
    """Lay a lump, a bright chip or a fibre on the thread."""
    stamp = np.zeros((LENGTH, TURN), np.float32)
    draw = (_lump, _chip, _fibre)[int(harm.integers(3))]
    colour, gloss, thick = draw(stamp, harm, severity)
    cover = _place(np.asarray(cv2.GaussianBlur(stamp, (0, 0), 0.8), np.float32), harm)
    lift = cv2.GaussianBlur(cover, (0, 0), 1.5) * thick
    skin.height[...] = skin.height * (1 - 0.8 * cover) + lift
    skin.albedo[...] = skin.albedo * (1 - cover[..., None]) + np.asarray(colour, np.float32) * cover[..., None]
    skin.gloss[...] = skin.gloss * (1 - cover) + gloss * cover
    skin.cavity[...] = np.maximum(skin.cavity, cover)


Matter = tuple[tuple[float, float, float], float, float]
"""Colour, gloss and thickness of what lies on the thread."""


def _lump(stamp: Map, harm: np.random.Generator, severity: float) -> Matter:
    count = 7
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radii = (8 + 12 * severity) * harm.uniform(0.65, 1.2, count)
    points = np.stack([TURN / 2 + radii * np.cos(angles), LENGTH / 2 + radii * np.sin(angles)], axis=1)
    cv2.fillPoly(stamp, [points.astype(np.int32)], 1.0)
    tone = float(harm.uniform(0.03, 0.14))
    return (tone, tone * 1.3, tone * 1.6), 0.15, 3.0


def _chip(stamp: Map, harm: np.random.Generator, severity: float) -> Matter:
    size = (5 + 4 * severity, 15 + 18 * severity)
    centre = (TURN / 2, LENGTH / 2)
    corners = cv2.boxPoints((centre, size, float(harm.uniform(0, 180)))) + harm.uniform(-2, 2, (4, 2))
    cv2.fillPoly(stamp, [corners.astype(np.int32)], 1.0)
    return (0.75, 0.78, 0.8), 1.0, 4.0


def _fibre(stamp: Map, harm: np.random.Generator, severity: float) -> Matter:
    count = 24
    steps = np.cumsum(harm.normal(0, 0.33, count)) + harm.uniform(0, 2 * np.pi)
    reach = (40 + 44 * severity) / count
    points = np.cumsum(np.stack([np.cos(steps), np.sin(steps)], axis=1) * reach, axis=0)
    points += (TURN / 2, LENGTH / 2) - points.mean(axis=0)
    cv2.polylines(stamp, [points.astype(np.int32)], isClosed=False, color=1.0, thickness=3 + int(1.6 * severity))
    tone = float(harm.choice([0.05, 0.85]))
    return (tone, tone, tone), 0.2, 2.5
