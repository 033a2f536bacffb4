"""Where a copy's pixels come from: one 3 x 3 matrix.

Coordinates are those of pixel centres, x to the right and y down: the first pixel's centre is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]
"""Shape (3, 3), from a place in the picture to its place in the copy, homogeneous coordinates."""
Steps: TypeAlias = NDArray[np.float64]
"""Random numbers from -1 to 1."""
Mirror: TypeAlias = Literal["none", "horizontal", "vertical", "both"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a copy may move; as in the policy's table."""

    angle_degrees: float
    shift: float
    zoom: float
    corner_shift: float
    mirror: Mirror


def matrix(bounds: Bounds, steps: Steps, height: int, width: int) -> Matrix:
    """Return the move that these steps choose: mirror, corners, turn and zoom about the middle, then shift.

    Args:
        bounds: the farthest of each.
        steps: 14 numbers: angle, zoom, shift by width and height, both mirrors, and the four corners.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
    """
    angle, zoom = steps[0] * bounds.angle_degrees, 1 + steps[1] * bounds.zoom
    across, down = steps[2] * bounds.shift * width, steps[3] * bounds.shift * height
    turned = np.eye(3)
    turned[:2] = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(angle), float(zoom))
    turned[:2, 2] += (across, down)
    return (
        turned
        @ _corners(bounds.corner_shift * steps[6:14], height, width)
        @ _mirrored(bounds, steps, height, width)
    )


def _mirrored(bounds: Bounds, steps: Steps, height: int, width: int) -> Matrix:
    result = np.eye(3)
    if bounds.mirror in {"horizontal", "both"} and steps[4] < 0:
        result[0] = (-1, 0, width - 1)
    if bounds.mirror in {"vertical", "both"} and steps[5] < 0:
        result[1] = (0, -1, height - 1)
    return result


def _corners(shares: Steps, height: int, width: int) -> Matrix:
    """Return the projective map that moves the four corners by these shares of the size.

    Four points in general position fix its eight degrees of freedom. Below a quarter of the size the corners
    cannot lie on one line or change sides, so the map always exists and never folds the picture.
    """
    if not shares.any():
        return np.eye(3)
    size = np.array([width, height], np.float64)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size - 0.5
    moved = corners + shares.reshape(4, 2) * size
    return np.asarray(
        cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32)), np.float64
    )
