"""A heat map over the picture that it explains: cold places stay as they are, hot ones glow, boxes stand out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.messages import Box, HeatMap

Picture: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, 3), blue-green-red."""
Grid: TypeAlias = NDArray[np.float32]
"""Shape (height, width), 0 to 1."""

LONGEST: Final = 640
"""Larger pictures are drawn at this length of their longer side."""
SHORTEST: Final = 240
"""Smaller ones are drawn so many times larger that their longer side is at least this, and lines stay thin."""
_STRENGTH = 0.65
"""How much of the picture the hottest place hides: a defect must stay visible under its own heat."""
_LARGE = 400
"""Pictures above this are mostly shown smaller than they are drawn, and thin lines would vanish."""
_FINER = 8
_BLACK, _WHITE, _CYAN = (0, 0, 0), (255, 255, 255), (255, 255, 0)


def grid(seen: HeatMap) -> Grid:
    """Return a map's cells, 0 to 1, shape (rows, columns)."""
    values = np.frombuffer(seen.values, np.uint8).reshape(seen.rows, seen.columns)
    return np.asarray(values / np.float32(255), np.float32)


def spread(seen: HeatMap, height: int, width: int, scale: float = 1.0) -> Grid:
    """Return a map laid over a picture: smooth between the middles of its cells, 0 outside of what was shown.

    Args:
        seen: with the corners of what was shown, in pixels of the original picture.
        height: of the picture as drawn.
        width: of the picture as drawn.
        scale: pixels drawn for each original one.
    """
    cells = grid(seen)
    corners = np.array([(0, 0), (seen.columns, 0), (seen.columns, seen.rows), (0, seen.rows)], np.float32)
    there = cv2.getPerspectiveTransform(corners, np.array(seen.corners, np.float32) * scale)
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV counts from the middle of the first pixel
    onto = np.linalg.inv(half) @ there @ half
    how = cv2.INTER_CUBIC if min(cells.shape) > 1 else cv2.INTER_NEAREST
    laid = cv2.warpPerspective(cells, onto, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inside, np.round(np.array(seen.corners) * scale).astype(np.int32), (1,))
    return np.asarray(np.clip(laid, 0, 1) * inside, np.float32)


def peak(seen: HeatMap) -> tuple[float, float] | None:
    """Return the hottest point (x, y), in pixels of the original picture; None where nothing is hot.

    It is sought between the middles of the cells, on a grid eight times as fine.
    """
    cells = grid(seen)
    if not cells.any():
        return None
    fine = cv2.resize(cells, None, fx=_FINER, fy=_FINER, interpolation=cv2.INTER_CUBIC)
    edge = _FINER // 2  # beyond the middle of the outermost cells nothing is known
    between = fine[edge : fine.shape[0] - edge, edge : fine.shape[1] - edge]
    row, column = np.unravel_index(int(between.argmax()), between.shape)
    corners = np.array([(0, 0), (seen.columns, 0), (seen.columns, seen.rows), (0, seen.rows)], np.float32)
    there = cv2.getPerspectiveTransform(corners, np.array(seen.corners, np.float32))
    x, y, w = there @ ((column + edge + 0.5) / _FINER, (row + edge + 0.5) / _FINER, 1.0)
    return float(x / w), float(y / w)


def drawn(
    image: Picture | NDArray[np.uint8],
    seen: HeatMap | None,
    boxes: Sequence[Box] = (),
    mask: NDArray[np.bool_] | None = None,
) -> Picture:
    """Return the picture with what the model looked at.

    Args:
        image: the original picture, blue-green-red or gray.
        seen: None where there is no map: then only boxes and mask are drawn.
        boxes: white, in pixels of the original picture.
        mask: where a person drew the defect, as large as the picture; its outline is drawn, in cyan.
    """
    picture, scale = sized(image)
    height, width = picture.shape[:2]
    if seen is not None:
        heat = spread(seen, height, width, scale)
        glow = cv2.applyColorMap(np.round(heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        share = (_STRENGTH * np.sqrt(heat))[..., None]
        picture = np.asarray(np.round(picture * (1 - share) + glow * share), np.uint8)
        _frame(picture, seen, scale)
    if mask is not None and mask.any():
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        small = cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=how) // 64
        outlines, _ = cv2.findContours(small, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, _CYAN, 2 if max(height, width) > _LARGE else 1)
    for box in boxes:
        _box(picture, box, scale)
    return picture


def sized(image: NDArray[np.uint8]) -> tuple[Picture, float]:
    """Return a picture in colour, of a size to draw on, and how many of its pixels one original pixel is."""
    longest = max(image.shape[:2])
    scale = min(1.0, LONGEST / longest) if longest >= SHORTEST else float(-(-SHORTEST // longest))
    picture = image
    if scale != 1:
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        picture = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    if picture.ndim == 2 or picture.shape[2] == 1:  # noqa: PLR2004 - gray
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    return picture.copy(), scale


def _frame(picture: Picture, seen: HeatMap, scale: float) -> None:
    """Draw the edge of what the model was shown, where that is less than the picture."""
    corners = np.round(np.array(seen.corners) * scale).astype(np.int32)
    height, width = picture.shape[:2]
    if corners.min() > 0 or (corners.max(axis=0) < (width - 1, height - 1)).any():
        cv2.polylines(picture, [corners], isClosed=True, color=(160, 160, 160), thickness=1)


def _box(picture: Picture, box: Box, scale: float) -> None:
    """Draw a white line with a black one on either side, so that it shows on any ground."""
    low = (round((box.cx - box.w / 2) * scale), round((box.cy - box.h / 2) * scale))
    high = (round((box.cx + box.w / 2) * scale), round((box.cy + box.h / 2) * scale))
    cv2.rectangle(picture, low, high, _BLACK, 3)
    cv2.rectangle(picture, low, high, _WHITE, 1)
