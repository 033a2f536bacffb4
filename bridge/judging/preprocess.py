"""From an encoded picture to the model's input: decode, register, crop, fit, normalise.

Training and the live path run this same code, so that a model is asked about exactly what it was taught. Only
the worker, training and benchmarks import it; the gateway never does.

A JPEG that is much larger than the model needs is decoded at a half, a quarter or an eighth: the largest
reduction that keeps the region of interest at least as large as the model's input. Against a full decode the
crop's edge moves by at most half a pixel of the model's input; on pictures of parts the mean difference is 1 to
2 of 255 grey levels, and below 4 even on hard-edged ones. The reduction follows from sizes alone, so that a
picture is always decoded the same way.
"""

from __future__ import annotations

import atexit
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import IO, Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bridge.judging import headers
from bridge.judging.headers import Data, Header, Unreadable
from bridge.judging.letterbox import GREY, Inside, inside
from bridge.judging.registration import Aligner
from bridge.judging.spec import Input, Normalisation
from bridge.judging.transforms import Matrix, sampled, scaling
from bridge.messages import Box

Picture: TypeAlias = npt.NDArray[np.uint8]
"""Shape (height, width, channels)."""
Tensor: TypeAlias = npt.NDArray[np.float32]
"""Shape (height, width, channels)."""

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # their warnings are of profiles and tags

_PICTURE_RANK, _COLOURS = 3, 3
MAX_PIXELS: Final = 100_000_000
"""Refused above this, from the header, before memory is allocated."""

_COLOUR = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_GRAY = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


@dataclass(frozen=True, slots=True)
class Cut:
    """What the model is shown of a picture, and where it was."""

    picture: Picture
    """The region of interest at the model's size and in its colours, 8 bits: what training augments."""
    placement: Matrix
    """From points of it to those of the original picture, in pixels from the left and top edge of either."""
    correlation: float | None = None
    """How much a registered part looks like the golden one, up to 1; None where parts lie still."""
    inside: Inside | None = None
    """Where in the picture the region lies, if it keeps its proportions; None where it fills it."""


def prepare(
    data: Data,
    into: Input,
    normalisation: Normalisation,
    roi: Box | None = None,
    max_pixels: int = MAX_PIXELS,
    onto: Aligner | None = None,
) -> Tensor:
    """Return the model's input for one encoded picture.

    Raises:
        Unreadable: as ``cut``.
    """
    return normalise(cut(data, into, roi, max_pixels, onto).picture, normalisation)


def picture(
    data: Data, into: Input, roi: Box | None = None, max_pixels: int = MAX_PIXELS, onto: Aligner | None = None
) -> Picture:
    """Return what the model is shown of a picture, before normalising.

    Raises:
        Unreadable: as ``cut``.
    """
    return cut(data, into, roi, max_pixels, onto).picture


def cut(
    data: Data, into: Input, roi: Box | None = None, max_pixels: int = MAX_PIXELS, onto: Aligner | None = None
) -> Cut:
    """Return the region of interest, and where it was.

    Args:
        data: JPEG, PNG, BMP or TIFF.
        into: the model's input.
        roi: in pixels of the original picture, or of the golden one where it is registered; None for all of it.
        max_pixels: the largest picture that is decoded.
        onto: the golden picture onto which a loose part is registered; None where it lies still.

    Raises:
        Unreadable: no complete picture of a known format, too large, the region leaves it, or no part like the
            golden one is where it may be.
    """
    header = headers.read(data)
    if header.width * header.height > max_pixels:
        raise Unreadable(f"has {header.width} x {header.height} pixels, more than {max_pixels}")
    region = roi or Box(cx=header.width / 2, cy=header.height / 2, w=header.width, h=header.height)
    place = inside(region, into)
    filled = replace(into, width=place.width, height=place.height)
    reduction = choose_reduction(header, filled, region, onto.largest_reduction if onto else 8)
    image = decode(data, header, gray=into.colour == "gray", reduction=reduction)
    if onto is None:
        correlation = None
        found, placement = _resized(crop(image, region, reduction), filled), _placement(region, filled, reduction)
    else:
        transform, correlation = onto.found(image, reduction)
        placement = transform @ _over(region, filled)
        found = sampled(image, scaling(1 / reduction) @ placement, filled.width, filled.height)
    if into.colour == "rgb":
        found = np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)
    found = found.reshape(filled.height, filled.width, into.channels)
    if into.fit == "stretch":
        return Cut(found, placement, correlation)
    return Cut(_boxed(found, place, into), placement @ scaling(1, -place.left, -place.top), correlation, place)


def _resized(image: Picture, into: Input) -> Picture:
    """Return a picture at another size; that of a letterbox as those who train with one make it."""
    shrinking = image.shape[0] >= into.height and image.shape[1] >= into.width
    how = cv2.INTER_AREA if shrinking and into.fit == "stretch" else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (into.width, into.height), interpolation=how), np.uint8)


def _boxed(image: Picture, place: Inside, into: Input) -> Picture:
    """Return a picture with grey around it."""
    whole = np.full((into.height, into.width, into.channels), GREY, np.uint8)
    whole[place.top : place.top + place.height, place.left : place.left + place.width] = image
    return whole


def _over(region: Box, into: Input) -> Matrix:
    """Return the transform from the model's input to a region."""
    across, down = region.w / into.width, region.h / into.height
    left, top = region.cx - region.w / 2, region.cy - region.h / 2
    return np.array([[across, 0, left], [0, down, top], [0, 0, 1]], np.float64)


def _placement(region: Box, into: Input, reduction: int) -> Matrix:
    """Return the same for what ``crop`` cuts, which ends at whole pixels."""
    left, top, right, bottom = (edge * reduction for edge in _edges(region, reduction))
    whole = Box(cx=(left + right) / 2, cy=(top + bottom) / 2, w=right - left, h=bottom - top)
    return _over(whole, into)


def normalise(image: Picture, by: Normalisation) -> Tensor:
    """Return ``(image * scale - mean) / std`` in float32."""
    if image.ndim == _PICTURE_RANK and image.shape[2] == _COLOURS and image.dtype == np.uint8:
        return np.asarray(cv2.LUT(image, _table(by)), np.float32)
    return _normalised(image, by)


@lru_cache(maxsize=16)
def _table(by: Normalisation) -> Tensor:
    """Return what becomes of each of 256 levels in each colour: looking up is five times as fast as reckoning."""
    levels = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1)
    return _normalised(np.repeat(levels, _COLOURS, axis=2), by)


def _normalised(image: Picture, by: Normalisation) -> Tensor:
    numbers: Tensor = image.astype(np.float32)
    numbers *= np.float32(by.scale)
    numbers -= np.asarray(by.mean, np.float32)
    numbers /= np.asarray(by.std, np.float32)
    return numbers


def choose_reduction(header: Header, into: Input, roi: Box, most: float = 8) -> int:
    """Return 1, 2, 4 or 8, at most ``most`` where that is more than 1: how much smaller a picture is decoded.

    Only JPEG gains: its decoder computes fewer pixels, all others would decode in full and shrink.
    """
    if header.form != "jpeg":
        return 1
    fits = (n for n in (8, 4, 2) if n <= most and roi.w / n >= into.width and roi.h / n >= into.height)
    return next(fits, 1)


def decode(data: Data, header: Header, *, gray: bool = False, reduction: int = 1) -> Picture:
    """Return the picture in BGR or gray, 8 bits, as stored: an orientation tag is not applied.

    Raises:
        Unreadable: the decoder fails, complains of missing data, or finds another size than the header says.
    """
    flags = (_GRAY if gray else _COLOUR)[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        with _refusing_damage(header):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError) as exc:
        raise Unreadable("cannot be decoded") from exc
    if image is None:
        raise Unreadable("cannot be decoded")
    if image.shape[:2] != (-(-header.height // reduction), -(-header.width // reduction)):
        raise Unreadable("has another size than its header says")
    return np.asarray(image, np.uint8)


def crop(image: Picture, roi: Box, reduction: int = 1) -> Picture:
    """Return the region of interest of a picture that was decoded ``reduction`` times smaller.

    Edges are rounded to whole pixels.

    Raises:
        Unreadable: the region leaves the picture, or is smaller than a pixel. It is never moved or padded:
            a camera that suddenly delivers another size is a failure to be seen, not a shifted crop.
    """
    left, top, right, bottom = _edges(roi, reduction)
    height, width = image.shape[:2]
    if left < 0 or top < 0 or right > width or bottom > height:
        raise Unreadable(f"is smaller than its region of interest {roi.w:g} x {roi.h:g} at {roi.cx:g}, {roi.cy:g}")
    if left >= right or top >= bottom:
        raise Unreadable("has a region of interest smaller than a pixel")
    return image[top:bottom, left:right]


def _edges(roi: Box, reduction: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom in whole pixels of the reduced picture."""
    left, right = (round((roi.cx + side * roi.w / 2) / reduction) for side in (-1, 1))
    top, bottom = (round((roi.cy + side * roi.h / 2) / reduction) for side in (-1, 1))
    return left, top, right, bottom


_HARMLESS = re.compile(
    rb"\b\d{1,2} extraneous bytes before marker|Invalid SOS parameters|Unknown Adobe color transform"
)
"""Complaints about JPEGs whose pixels are all there; some cameras cause them with every picture."""
_DAMAGE = re.compile(rb"error|IDAT", re.IGNORECASE)
"""Complaints of the other decoders about pixels, not about colour profiles and unknown tags."""


@contextmanager
def _refusing_damage(header: Header) -> Iterator[None]:
    """Raise Unreadable where the decoder says that pixels are missing.

    Decoders fill the gap and return success; the only trace is a line of C code on file descriptor 2.
    """
    with _standard_error.captured() as file:
        yield
    said = file.read(4096)
    damaged = not _HARMLESS.search(said) if header.form == "jpeg" else _DAMAGE.search(said)
    if said and damaged:
        raise Unreadable(f"is damaged: {said.decode(errors='replace').splitlines()[0]}")


class _StandardError:
    """File descriptor 2, lent to a temporary file for the length of one decode."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None

    @contextmanager
    def captured(self) -> Iterator[IO[bytes]]:
        """Yield the file that holds, after the block, what was written meanwhile."""
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - kept for the next decode
                atexit.register(self._file.close)
            file = self._file
            file.seek(0)
            file.truncate()
            saved = os.dup(2)
            os.dup2(file.fileno(), 2)
            try:
                yield file
            finally:
                os.dup2(saved, 2)
                os.close(saved)
                file.seek(0)


_standard_error = _StandardError()
