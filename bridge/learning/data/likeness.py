"""Whether two pictures are one photograph: turned, mirrored, brightened, cropped or saved again.

Pictures of different parts share much: the outline, the fixture, the light. What only copies share is the fine
detail: texture, dust, the noise of the sensor. So keypoints (SIFT: Lowe 2004) and a robust fit (RANSAC: Fischler
and Bolles 1981) find how one picture would have to be moved onto the other, and then the fine detail is correlated
there.

On castings, ball screws and magnetic tiles, pictures of different parts in one fixture reached a correlation of
0.80 with 26 keypoints in common, 6 % of them, and 0.79 with more where they stood upright in it, as did threads of
bolts; of copies with all five changes at once, nine in ten had more than 0.64, 30 keypoints and 7 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE: Final = 300
"""Pictures are compared with their shorter side no longer than this, in pixels."""
LONGEST: Final = 900
KEYPOINTS: Final = 400
FEWEST: Final = 24
"""A picture with fewer keypoints has too little detail to be compared."""
AGREEING: Final = 20
"""So many keypoints must agree on one movement."""
SHARE: Final = 0.07
"""And so many of the picture's keypoints, as a share."""
CORRELATION: Final = 0.6
"""And the fine detail must correlate like this where the pictures overlap."""
UPRIGHT: Final = 0.85
"""But like this where one stands as upright as the other: what a fixture holds shares outline and light, and a
copy that was not turned askew loses little."""
ASKEW: Final = 5.0
"""Degrees by which a part may lie askew in its fixture."""
_RATIO: Final = 0.85
"""A match counts if the next best is worse by this factor (Lowe's ratio)."""
_REACH: Final = 2.5
"""Pixels by which a keypoint may miss."""
_OVERLAP: Final = 0.3
_SCALES: Final = (0.6, 1.7)
"""By how much the area may change: copies are cropped a little, not zoomed into."""
_FINE, _COARSE, _AROUND = 1.0, 3.0, 8.0

_MIRRORED: Final = np.arange(128).reshape(4, 4, 8)[::-1][..., -np.arange(8) % 8].ravel()
"""Where each number of a keypoint's descriptor stands in that of the mirrored picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """What is kept of a picture to compare it; as an array of K keypoints."""

    gray: NDArray[np.uint8]
    """Shape (rows, columns)."""
    places: NDArray[np.float32]
    """Shape (K, 2): x and y."""
    descriptors: NDArray[np.uint8]
    """Shape (K, 128), the strongest keypoint first."""

    @property
    def plain(self) -> bool:
        """Whether there is too little detail to compare."""
        return len(self.places) < FEWEST

    @property
    def mirrored(self) -> Print:
        """The print of the mirrored picture, without looking for keypoints again."""
        places = self.places * np.array([-1, 1], np.float32) + np.array([self.gray.shape[1] - 1, 0], np.float32)
        return Print(np.ascontiguousarray(self.gray[:, ::-1]), places, self.descriptors[:, _MIRRORED])


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How one picture lies on the other."""

    correlation: float
    """Of the fine detail where they overlap, up to 1."""
    keypoints: int
    """How many agree."""
    degrees: float
    """By how much it is turned, -180 to 180."""
    mirrored: bool
    scale: float
    """1 is the same size."""

    @property
    def upright(self) -> bool:
        """Whether it is turned, if at all, by about a quarter or more of them."""
        return abs((self.degrees + 45) % 90 - 45) < ASKEW

    def __str__(self) -> str:
        """Return what was done to the picture, in words."""
        told = [
            *(["mirrored"] if self.mirrored else []),
            *([f"turned by {self.degrees:.0f}°"] if abs(self.degrees) >= 1 else []),
            *([f"{self.scale:.2f} × as large"] if abs(self.scale - 1) >= 0.02 else []),  # noqa: PLR2004 - to be seen
        ]
        return ", ".join(told) or "as it is"


def print_of(gray: NDArray[np.uint8]) -> Print:
    """Return the print of a picture of shape (rows, columns)."""
    factor = min(1.0, SIDE / min(gray.shape), LONGEST / max(gray.shape))
    size = (max(1, round(gray.shape[1] * factor)), max(1, round(gray.shape[0] * factor)))
    small = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
    sift = cv2.SIFT.create(KEYPOINTS, contrastThreshold=0.01)
    described: Any
    found, described = sift.detectAndCompute(small, None)  # no keypoints: None
    order = sorted(range(len(found)), key=lambda place: -found[place].response)[:KEYPOINTS]
    places = np.array([found[place].pt for place in order], np.float32).reshape(-1, 2)
    descriptors = np.empty((0, 128), np.uint8) if described is None else described[order].astype(np.uint8)
    return Print(small, places, descriptors)


def rooted(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return descriptors to be compared by distance (RootSIFT: Arandjelović and Zisserman 2012); same shape."""
    numbers = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1e-7)), np.float32)


def compare(one: Print, other: Print) -> Likeness | None:
    """Return how the other picture lies on this one; None where they are two photographs, or too plain to tell."""
    if one.plain or other.plain:
        return None
    fits = [(*_fit(one, shown), shown, mirrored) for shown, mirrored in ((other, False), (other.mirrored, True))]
    count, motion, shown, mirrored = max(fits, key=lambda fit: fit[0])
    share = count / min(len(one.places), len(other.places))
    if motion is None or count < AGREEING or share < SHARE:
        return None
    area = float(abs(np.linalg.det(motion[:, :2])))
    correlation = _correlation(one.gray, shown.gray, motion) if _SCALES[0] < area < _SCALES[1] else 0.0
    likeness = Likeness(
        correlation=correlation,
        keypoints=count,
        degrees=math.degrees(math.atan2(motion[1, 0], motion[0, 0])),
        mirrored=mirrored,
        scale=math.sqrt(area),
    )
    return likeness if correlation >= (UPRIGHT if likeness.upright else CORRELATION) else None


def _fit(one: Print, other: Print) -> tuple[int, NDArray[np.float64] | None]:
    """Return how many keypoints agree on the best movement of this picture onto the other, and that movement."""
    nearest = cv2.BFMatcher(cv2.NORM_L2).knnMatch(rooted(one.descriptors), rooted(other.descriptors), 2)
    pairs = [best for best, *rest in nearest if rest and best.distance < _RATIO * rest[0].distance]
    if len(pairs) < AGREEING:
        return 0, None
    here = one.places[[pair.queryIdx for pair in pairs]]
    there = other.places[[pair.trainIdx for pair in pairs]]
    cv2.setRNGSeed(0)  # RANSAC draws; the same pictures must give the same answer
    motion: Any  # none fits: None
    motion, agree = cv2.estimateAffine2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=_REACH)
    return (0, None) if motion is None else (int(agree.sum()), np.asarray(motion, np.float64))


def _correlation(one: NDArray[np.uint8], other: NDArray[np.uint8], motion: NDArray[np.float64]) -> float:
    size, how = one.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    there = cv2.warpAffine(np.ones(other.shape, np.float32), motion, size, flags=how) > 0.99  # noqa: PLR2004 - whole
    if there.mean() < _OVERLAP:
        return 0.0
    moved = np.asarray(cv2.warpAffine(other, motion, size, flags=how), np.uint8)
    mine, theirs = _detail(one)[there], _detail(moved)[there]
    spread = float(mine.std() * theirs.std())
    return float(((mine - mine.mean()) * (theirs - theirs.mean())).mean()) / spread if spread else 0.0


def _detail(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what is left between two blurs, as strong everywhere: edges count no more than texture."""
    numbers = gray.astype(np.float32)
    band = cv2.GaussianBlur(numbers, (0, 0), _FINE) - cv2.GaussianBlur(numbers, (0, 0), _COARSE)
    around = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), _AROUND))
    return np.asarray(band / (around + 0.7), np.float32)
