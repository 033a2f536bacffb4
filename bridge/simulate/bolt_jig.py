"""The synthetic bolt in a jig: what is in view round the part, and may tell its label where it should not.

``ROI`` is the cut that hides it. Pictures are larger than the bolt's own by the jig's two jaws and its foot.
"""

from __future__ import annotations

import itertools
from enum import StrEnum
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.messages import Box
from bridge.simulate.bolts import HEIGHT, WIDTH

SIDE, FOOT = 64, 52
"""Pixels of the jig to either side and below the part."""
ROI: Final = Box(cx=SIDE + WIDTH / 2, cy=HEIGHT / 2, w=WIDTH, h=HEIGHT)
"""The part without its jig."""

Image: TypeAlias = NDArray[np.uint8]
"""Shape (HEIGHT + FOOT, WIDTH + 2 SIDE, 3), blue-green-red."""
Mask: TypeAlias = NDArray[np.bool_]
"""Shape (HEIGHT + FOOT, WIDTH + 2 SIDE)."""


class Jig(StrEnum):
    """Two jigs of the same steel, as bright as each other: they differ by what is on them."""

    SCREWED = "screwed"
    """Jaws held by round screws."""
    SLOTTED = "slotted"
    """Jaws with slots."""


_TONE, _GRAIN = 1.25, 7.0
"""How bright the steel is against the picture, and the depth of the marks that grinding left, in grey levels."""


def held(picture: NDArray[np.uint8], jig: Jig, seed: int) -> Image:
    """Return the picture of a bolt with its jig round it, in the same light.

    Args:
        picture: shape (HEIGHT, WIDTH, 3), as ``Bolt.views`` holds it; its pixels stay as they are.
        jig: which.
        seed: where the jig lies and how it is worn.
    """
    rng = np.random.default_rng([seed, 4])
    light = float(np.clip(picture[: HEIGHT // 8].mean(), 40, 140))
    shape = (HEIGHT + FOOT, WIDTH + 2 * SIDE)
    fall = np.linspace(1.1, 0.85, shape[0])[:, None, None] * light * _TONE
    ground = np.ascontiguousarray(np.broadcast_to(fall, (*shape, 3)), np.float32)
    marks = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), sigmaX=9, sigmaY=0.6)
    ground += _GRAIN * (marks / marks.std())[..., None]
    shift = rng.integers(-4, 5, 2)
    draw = _screws if jig is Jig.SCREWED else _slots
    draw(ground, light, shift)
    ground *= light * _TONE / ground[where()].mean()
    ground += 2.5 * rng.standard_normal((*shape, 3), np.float32)
    image: Image = np.clip(ground, 0, 255).astype(np.uint8)
    cv2.rectangle(image, (SIDE - 2, -2), (SIDE + WIDTH + 1, HEIGHT + 1), [light * 0.3] * 3, 2)
    image[:HEIGHT, SIDE : SIDE + WIDTH] = picture
    return image


def _screws(ground: NDArray[np.float32], light: float, shift: NDArray[np.int64]) -> None:
    for x, y in itertools.product((SIDE // 2, 3 * SIDE // 2 + WIDTH), (90, HEIGHT - 90)):
        place = (int(x + shift[0]), int(y + shift[1]))
        cv2.circle(ground, place, 19, [light * 0.5] * 3, -1)
        cv2.circle(ground, place, 16, [light * 1.8] * 3, -1)
        cv2.circle(ground, place, 7, [light * 0.25] * 3, -1)


def _slots(ground: NDArray[np.float32], light: float, shift: NDArray[np.int64]) -> None:
    for x in (SIDE // 2, 3 * SIDE // 2 + WIDTH):
        for y in range(60, HEIGHT, 80):
            corner = (int(x + shift[0]) - 13, int(y + shift[1]) - 5)
            cv2.rectangle(ground, corner, (corner[0] + 26, corner[1] + 10), [light * 0.15] * 3, -1)
            cv2.line(ground, (corner[0], corner[1] + 11), (corner[0] + 26, corner[1] + 11), [light * 1.1] * 3, 1)


def around(mask: NDArray[np.bool_]) -> Mask:
    """Return a mask of the bolt's picture as it lies in the one with the jig."""
    return np.asarray(np.pad(mask, ((0, FOOT), (SIDE, SIDE))), np.bool_)


def where() -> Mask:
    """Return where the jig is to be seen."""
    return ~around(np.ones((HEIGHT, WIDTH), np.bool_))
