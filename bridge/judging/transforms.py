"""Transforms of the plane, and pictures seen through them.

A transform is a 3 x 3 matrix over points (x, y, 1), in pixels from the left and top edge of a picture: the centre
of its first pixel is 0.5, 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bridge.judging.headers import Unregistered

Matrix: TypeAlias = npt.NDArray[np.float64]
"""Shape (3, 3)."""
Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Shape (height, width) or (height, width, channels)."""
Point: TypeAlias = tuple[float, float]

_SLACK = 0.5
"""So many pixels a region may seem to leave a picture: less than its transform is exact to."""


def scaling(scale: float, x: float = 0.0, y: float = 0.0) -> Matrix:
    """Return the transform that scales about the origin, and then shifts."""
    return np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]], np.float64)


def turning(degrees: float, x: float, y: float) -> Matrix:
    """Return the transform that turns about a point: clockwise as one looks at a picture."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned: Matrix = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float64)
    return np.asarray(scaling(1, x, y) @ turned @ scaling(1, -x, -y), np.float64)


def moved(transform: Matrix, points: Sequence[Point]) -> list[Point]:
    """Return where points go."""
    to = np.column_stack([points, np.ones(len(points))]) @ transform.T
    return [(float(x / w), float(y / w)) for x, y, w in to]


def slope(transform: Matrix, x: float, y: float) -> npt.NDArray[np.float64]:
    """Return the derivative of a transform at a point, shape (2, 2)."""
    tx, ty, tw = transform @ (x, y, 1.0)
    upper = transform[:2, :2] - np.outer((tx / tw, ty / tw), transform[2, :2])
    return np.asarray(upper / tw, np.float64)


def frame(width: float, height: float) -> list[Point]:
    """Return a picture's corners: top left, top right, bottom right, bottom left."""
    return [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]


def sampled(image: Pixels, transform: Matrix, width: int, height: int) -> Pixels:
    """Return the picture that ``transform`` cuts out, at (height, width): from its points to those of ``image``.

    What it would have to be shrunk by is shrunk before, averaging over areas, so that fine detail does not alias.

    Raises:
        Unregistered: a part of it is not on the image.
    """
    corners = np.array(moved(transform, frame(width, height)))
    if corners.min() < -_SLACK or (corners > np.array(image.shape[1::-1]) + _SLACK).any():
        raise Unregistered("cannot be registered: its region of interest lies partly outside the picture")
    left, top = np.maximum(np.floor(corners.min(axis=0)) - 1, 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)) + 1, image.shape[1::-1]).astype(int)
    window = image[top:bottom, left:right]
    linear = slope(transform, width / 2, height / 2)
    shrinks = [max(1.0, float(np.hypot(*linear[axis]))) for axis in (0, 1)]
    if max(shrinks) > 1:
        size = (math.ceil(window.shape[1] / shrinks[0]), math.ceil(window.shape[0] / shrinks[1]))
        window = np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA), np.uint8)
    scales = (window.shape[1] / (right - left), window.shape[0] / (bottom - top))
    into = np.diag([scales[0], scales[1], 1.0]) @ scaling(1, -left, -top) @ transform
    return warped(window, into, width, height)


def warped(image: Pixels, transform: Matrix, width: int, height: int) -> Pixels:
    """Return the picture whose points ``transform`` takes to those of ``image``; past its edge, its edge."""
    centres = scaling(1, -0.5, -0.5) @ transform @ scaling(1, 0.5, 0.5)  # OpenCV counts from pixels' centres
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if np.array_equal(centres[2], (0, 0, 1)):
        out = cv2.warpAffine(image, centres[:2], (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
    else:
        out = cv2.warpPerspective(image, centres, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)
