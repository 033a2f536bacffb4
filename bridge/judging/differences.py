"""Where a picture differs from its template, which lies exactly below it: no learning, and nothing to label.

Both are blurred a little; the picture's brightness is fitted to the template's (gain and offset, of pixels that
agree); and a pixel differs only if it is darker or brighter than all that the other picture has within reach, so
that an edge which lies a pixel beside its place is none. What nearly touches is one thing, and small things are
dropped.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.judging.detections import Find
from bridge.judging.spec import Comparison

Pixels: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, channels)."""
Gray: TypeAlias = NDArray[np.float32]
"""Shape (height, width)."""
Mask: TypeAlias = NDArray[np.uint8]
"""Shape (height, width), 0 or 1."""

_FITTED: Final = 20_000
"""About so many pixels are looked at to fit the brightness."""
_ROUNDS: Final = 4
_GAINS: Final = (0.5, 2.0)
"""Beyond these, it is another picture and not another light."""
_AGREES: Final = 25.0
"""Grey levels: the least that a pixel may be off and still count for the fit."""


def found(picture: Pixels, template: Pixels, how: Comparison, most: int) -> list[Find]:
    """Return what differs, the largest first, in pixels of the pictures.

    How sure it is that there is something is area / (area + allowed area): 0.5 for exactly what is allowed.

    Args:
        picture: a part's.
        template: how it should look, of the same shape.
        how: what counts as a difference.
        most: so many at most.
    """
    mask = differing(picture, template, how)
    near = _grown(mask, how.join_pixels) if how.join_pixels else mask
    total, labels = cv2.connectedComponents(near, connectivity=8)
    areas = np.bincount(labels[mask > 0], minlength=total)
    kept = [int(label) for label in np.argsort(-areas, kind="stable") if label and areas[label] >= how.least_area]
    return [_find(mask * (labels == label), float(areas[label]), how) for label in kept[:most]]


def _find(blob: Mask, area: float, how: Comparison) -> Find:
    left, top, wide, high = cv2.boundingRect(blob)
    more, sure = how.margin_pixels, area / (area + how.allowed_area)
    return Find(left - more, top - more, left + wide + more, top + high + more, output=0, score=sure, area=area)


def differing(picture: Pixels, template: Pixels, how: Comparison) -> Mask:
    """Return which pixels differ."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for channel in range(picture.shape[2]):
        seen, wanted = (_blurred(one[:, :, channel], how.blur_pixels) for one in (picture, template))
        mask |= _differing(fitted(seen, wanted), wanted, how)
    return mask


def _blurred(channel: Pixels, sigma: float) -> Gray:
    plain = np.asarray(channel, np.float32)
    return np.asarray(cv2.GaussianBlur(plain, (0, 0), sigma), np.float32) if sigma else plain


def _differing(seen: Gray, wanted: Gray, how: Comparison) -> Mask:
    """Return what is out of the other's reach, and what around that differs at all."""
    reach = how.tolerance_pixels
    out = np.maximum(_beyond(seen, wanted, reach), _beyond(wanted, seen, reach))
    seeds = (out > how.least_difference).astype(np.uint8)
    if not reach or not seeds.any():
        return seeds
    plain = (np.abs(seen - wanted) > how.least_difference).astype(np.uint8)
    return np.asarray(seeds | (plain & _grown(seeds, reach)), np.uint8)


def _beyond(one: Gray, other: Gray, reach: int) -> Gray:
    """Return by how much each pixel is brighter or darker than all that the other has within reach."""
    disc = _disc(reach)
    return np.asarray(np.maximum(one - cv2.dilate(other, disc), cv2.erode(other, disc) - one), np.float32)


def _grown(mask: Mask, reach: int) -> Mask:
    return np.asarray(cv2.dilate(mask, _disc(reach)), np.uint8)


def _disc(reach: int) -> Mask:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)), np.uint8)


def fitted(seen: Gray, wanted: Gray) -> Gray:
    """Return a picture as bright as another, of which it may differ in places: seen = gain * wanted + offset.

    By least squares over all pixels, then over those that agree so far; where nothing but one grey is to be seen,
    or the gain would be beyond reason, only the offset is fitted.
    """
    step = max(1, int(np.sqrt(seen.size / _FITTED)))
    x, y = (np.asarray(one[::step, ::step], np.float64).ravel() for one in (wanted, seen))
    gain, offset = _line(x, y)
    for _ in range(_ROUNDS):
        off = np.abs(y - gain * x - offset)
        good = off <= max(_AGREES, 3 * float(np.median(off)))
        gain, offset = _line(x[good], y[good])
    return np.asarray((seen - np.float32(offset)) / np.float32(gain), np.float32)


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    spread = float(x.var())
    gain = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 1 else 1.0
    if not _GAINS[0] <= gain <= _GAINS[1]:
        gain = 1.0
    return gain, float(y.mean() - gain * x.mean())
