"""Where a copy's pixels come from: one 3 x 3 matrix, so that pictures, masks and boxes move together.

Coordinates are those of pixel centres, x to the right and y down: the first pixel's centre is (0, 0). An edge at x
in the field's boxes, which count from the picture's edge, is therefore x - 0.5 here.
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


def places(move: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points, shape (N, 2), come to lie."""
    lifted = np.column_stack([points, np.ones(len(points))]) @ move.T
    return np.asarray(lifted[:, :2] / lifted[:, 2:], np.float64)


def boxes(move: Matrix, old: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Return the upright boxes round the moved ones, clipped to the picture.

    A box that is turned is wider than what it holds; where masks are at hand, take boxes from the moved masks.

    Args:
        move: as ``matrix`` gives it.
        old: shape (N, 4): left, top, right, bottom, counted from the picture's edge.
        height: of the picture, in pixels.
        width: of the picture, in pixels.

    Returns:
        Shape (N, 4); a box that has left the picture has no area.
    """
    if not len(old):
        return np.zeros((0, 4))
    corners = np.stack([old[:, [0, 1]], old[:, [2, 1]], old[:, [2, 3]], old[:, [0, 3]]], axis=1)
    moved = (places(move, corners.reshape(-1, 2) - 0.5) + 0.5).reshape(-1, 4, 2)
    edges = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
    return np.asarray(np.clip(edges, 0, [width, height, width, height]), np.float64)
