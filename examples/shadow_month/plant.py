"""The plant of the example: what happens on thirty days, part by part, and what is true. No word of the bridge.

A part is a small grey picture. A defect is a dark spot; a good part may have a stain, which is less dark. The old
machine calls NG what is darker than its limit anywhere, and its limit was set too strictly; on day 20 it is
trained anew. The model looks at how much darker the spot is than the rest, which is better, until the lamp ages:
then one corner grows dark, and every part looks a little worse to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import cv2
import numpy as np
from numpy.typing import NDArray

BEGIN = datetime(2026, 9, 7, tzinfo=UTC).timestamp()
"""A Monday."""
DAY, HOUR = 86400.0, 3600.0
DAYS = 30
CAVITIES = 6
"""The moulds: each has its own lot of material in every week."""
SIDE = 24

RETRAINED = 20.0
"""Days after which the old machine is another."""
POWER_CUTS = (9.4, 22.3)
"""Days after which the gateway's power is cut; the old machine goes on."""
DARK_HOURS = 2.0
"""How long nobody plugs it in again."""
MES_AWAY = (12.0, 13.0)
LAMP = (14.0, 21.0)
"""Days between which the lamp ages, until it is changed."""

BAD = 0.03
OVERLOOKED = 0.05
"""Of what it should call NG, the share that the old machine does not even look at."""
STAINED = 0.08
CORNER = 22.0
"""How much darker the corner is under an old lamp, in grey values."""
SECOND_TRIES = 0.1
"""Of the parts that the old machine calls NG, so many more are put in again by an operator."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it comes."""

    at: float
    """Unix time."""
    counter: int
    """The old machine's own running number."""
    serial: str
    lot: str
    bad: bool
    called_ng: bool
    """By the old machine."""
    picture: bytes
    """PNG."""
    again: bool = False
    """It was there before."""

    @property
    def day(self) -> float:
        """Days since the month began."""
        return (self.at - BEGIN) / DAY


def month(per_day: int, seed: int = 1) -> Iterator[Part]:
    """Yield every part that the old machine sees, in order of time."""
    random = np.random.default_rng(seed)
    burst = random.beta(
        BAD * 60, (1 - BAD) * 60, (DAYS // 7 + 1, CAVITIES)
    )  # bad material makes bad parts, lot by lot
    counter = 0
    for number in range(per_day * DAYS):
        at = BEGIN + (number + 0.5) * DAY / per_day
        day, cavity = (at - BEGIN) / DAY, int(random.integers(CAVITIES))
        week = int(day // 7)
        bad = bool(random.random() < burst[week, cavity])
        stained = not bad and random.random() < STAINED
        depth = random.normal(82, 11) if bad else random.normal(36, 9) if stained else 0.0
        picture, darkest = _picture(random, max(0.0, depth), _age(day))
        counter += 1
        called = darkest < _limit(day) and random.random() >= OVERLOOKED
        part = Part(at, counter, f"P{number:06d}", f"W{week + 37}-{cavity + 1}", bad, called, picture)
        yield part
        if called and random.random() < SECOND_TRIES:
            counter += 1
            yield Part(at + 20, counter, part.serial, part.lot, bad, called, picture, again=True)


def pixels(picture: bytes) -> NDArray[np.uint8]:
    """Return the grey levels of a picture."""
    return np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


def score(seen: NDArray[np.uint8]) -> float:
    """Return what the model makes of grey levels: p(OK), from the contrast of the darkest spot."""
    smooth = cv2.blur(seen.astype(np.float64), (3, 3))
    contrast = float(np.median(smooth) - smooth.min())
    return float(1 / (1 + np.exp((contrast - 43) / 5)))


def reached(part: Part) -> bool:
    """Return whether the gateway had power when the part came."""
    return not any(cut <= part.day < cut + DARK_HOURS / 24 for cut in POWER_CUTS)


def _age(day: float) -> float:
    """Return how old the lamp is: 0 when it is new, 1 just before it is changed."""
    begin, end = LAMP
    return (day - begin) / (end - begin) if begin <= day < end else 0.0


def _limit(day: float) -> float:
    return 118.0 if day < RETRAINED else 106.0


def _picture(random: np.random.Generator, depth: float, age: float) -> tuple[bytes, float]:
    """Return the encoded picture, and how dark the old machine finds its darkest spot."""
    pixels: NDArray[np.float64] = random.normal(150, 3, (SIDE, SIDE))
    x, y = random.integers(4, SIDE - 4, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pixels -= depth * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8)
    pixels -= CORNER * age * np.maximum(0, (rows + columns) / SIDE - 1)
    shown = np.clip(pixels, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".png", shown)
    return data.tobytes(), float(cv2.blur(shown, (3, 3)).min()) + random.normal(0, 4)
