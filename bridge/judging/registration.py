"""Finding a loose part: the transform that lays the golden picture's part over the one in a new picture.

The anchor, a piece of the golden picture, is looked for by its outlines, which stay where they are when the light
comes from another side or a batch has another colour. First it is matched at a few tens of pixels, at every turn
that is allowed and everywhere that it may have moved to; then the best match is refined to a fraction of a pixel
by maximising the enhanced correlation coefficient (Evangelidis and Psarakis, 2008; OpenCV's ``findTransformECC``).
What is found must look like the anchor and lie within the limits, or the part counts as unreadable: a crop is
never guessed. Training and the live path run this same code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bridge.judging.headers import Data, Unreadable, Unregistered
from bridge.judging.spec import Registration
from bridge.judging.transforms import Matrix, Pixels, frame, moved, scaling, slope, turning, warped
from bridge.messages import Box

Gray: TypeAlias = npt.NDArray[np.uint8]
"""Shape (height, width)."""

FINE: Final = 128
"""The anchor's longer side in pixels, at most, where it is refined; more costs time and gains nothing."""
COARSE: Final = 40
"""The same where it is first looked for."""
SURROUNDINGS: Final = 0.25
"""An anchor that follows from the ROI is larger by so much: what surrounds a part places it well."""
LARGEST_STRETCH: Final = 0.25
"""A part that would have to be stretched or shrunk by more was not found."""
_SMALLEST = 8
"""An anchor of fewer pixels says nothing."""
_STEP_DEGREES = 4.0
"""Between two turns that are tried; moves the rim of a coarse anchor by a pixel or so."""
_CANDIDATES = 2
"""So many turns are looked at closely."""
_ITERATIONS, _ENOUGH = 30, 1e-4
_BLUR = 3
"""Pixels; widens what the refinement is drawn from."""
_AROUND, _NOISE = 8.0, 8.0
"""What an outline is held against: pixels around it, and a steepness that is only noise."""
_MODELS = {
    "shift": cv2.MOTION_TRANSLATION,
    "turn": cv2.MOTION_EUCLIDEAN,
    "affine": cv2.MOTION_AFFINE,
    "perspective": cv2.MOTION_HOMOGRAPHY,
}


@dataclass(frozen=True, slots=True)
class _Level:
    """The anchor at one scale, and where a picture is searched for it: all in whole pixels of that scale."""

    step: int
    """Pixels of the original picture to one of this scale."""
    left: int
    top: int
    fine: Gray
    coarse: Gray
    shrink: int
    """Fine pixels to a coarse one."""
    margin: int
    """How far around the anchor is searched, in coarse pixels."""


@dataclass(frozen=True, slots=True)
class _Match:
    score: float
    turn: float
    placed: Matrix
    """From fine pixels of the anchor to those of what was searched, both from their edges."""


class Aligner:
    """Lays one golden picture over others."""

    def __init__(self, golden: Data, how: Registration, roi: Box | None = None) -> None:
        """Decode the golden picture.

        Args:
            golden: the encoded picture.
            how: what may have moved and how far; ``how.golden`` is not read here.
            roi: the region of interest on the golden picture, from which the anchor follows if none is stated.

        Raises:
            Unreadable: it cannot be decoded, or has no anchor of enough pixels.
        """
        picture = cv2.imdecode(
            np.frombuffer(golden, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
        )
        if picture is None:
            raise Unreadable("cannot be decoded")
        self._golden: Gray = np.asarray(picture, np.uint8)
        self._how = how
        self.width, self.height = picture.shape[1], picture.shape[0]
        self.anchor = _anchor(how.anchor, roi, self.width, self.height)
        """What is looked for, in pixels of the golden picture."""
        self._longest_shift = how.largest_shift_share * max(self.width, self.height)
        self._levels: dict[int, _Level] = {}

    @property
    def largest_reduction(self) -> float:
        """How many times smaller a picture may be decoded without being too coarse to be registered."""
        return max(self.anchor.w, self.anchor.h) / FINE

    def locate(self, image: Pixels, reduction: int = 1) -> Matrix:
        """Return the transform from points of the golden picture to those of this one.

        Raises:
            Unregistered: as ``found``.
        """
        return self.found(image, reduction)[0]

    def found(self, image: Pixels, reduction: int = 1) -> tuple[Matrix, float]:
        """Return the same, and how much the part looks like the golden one there: its correlation, up to 1.

        Args:
            image: BGR or gray, decoded ``reduction`` times smaller.
            reduction: 1, 2, 4 or 8.

        Raises:
            Unregistered: it has another size, does not look like the golden one anywhere, or lies too far off.
        """
        if image.shape[:2] != (-(-self.height // reduction), -(-self.width // reduction)):
            raise Unregistered(
                f"cannot be registered: it is not {self.width} x {self.height} as the golden picture"
            )
        level = self._level(reduction)
        seen, left, top = self._window(image, level, level.step // reduction)
        origin = scaling(level.step, (level.left + left) * level.step, (level.top + top) * level.step)
        start = _found(level, seen, left, top, self._turns())
        found, correlation = _refined(level, seen, start, _MODELS[self._how.motion])
        golden = scaling(level.step, level.left * level.step, level.top * level.step)
        transform: Matrix = origin @ found @ np.linalg.inv(golden)
        self._check(transform, correlation)
        return transform, correlation

    def _turns(self) -> list[float]:
        most = 0.0 if self._how.motion == "shift" else self._how.largest_turn_degrees
        steps = math.ceil(most / _STEP_DEGREES)
        return [most * step / steps for step in range(-steps, steps + 1)] if steps else [0.0]

    def _level(self, reduction: int) -> _Level:
        """Return the anchor as it looks in pictures decoded so, made once; everything is whole pixels."""
        if reduction not in self._levels:
            self._levels[reduction] = self._made(reduction)
        return self._levels[reduction]

    def _made(self, reduction: int) -> _Level:
        box = self.anchor
        step = reduction * math.ceil(max(box.w, box.h) / (FINE * reduction))
        left, top = math.ceil((box.cx - box.w / 2) / step), math.ceil((box.cy - box.h / 2) / step)
        right = min(math.floor((box.cx + box.w / 2) / step), self.width // step)
        bottom = min(math.floor((box.cy + box.h / 2) / step), self.height // step)
        if right - left < _SMALLEST or bottom - top < _SMALLEST:
            raise Unreadable(f"has an anchor of {box.w:g} x {box.h:g} pixels, too small to be found again")
        cut = self._golden[top * step : bottom * step, left * step : right * step]
        fine = _outlines(_shrunk(cut, step))
        shrink = math.ceil(max(fine.shape) / COARSE)
        margin = math.ceil(self._longest_shift / (step * shrink)) + 1
        return _Level(step, left, top, fine, _shrunk(fine, shrink), shrink, margin)

    def _window(self, image: Pixels, level: _Level, times: int) -> tuple[Gray, int, int]:
        """Return what is searched, at the level's scale, and where it begins relative to the anchor."""
        rows, columns = level.fine.shape
        grown = level.margin * level.shrink + math.ceil(math.hypot(rows, columns) * _reach(self._how))
        height, width = (size // times for size in image.shape[:2])
        top, bottom = max(0, level.top - grown), min(height, level.top + rows + grown)
        left, right = max(0, level.left - grown), min(width, level.left + columns + grown)
        seen = _shrunk(image[top * times : bottom * times, left * times : right * times], times)
        gray = cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY) if seen.ndim == 3 else seen  # noqa: PLR2004 - colours
        return _outlines(np.asarray(gray, np.uint8)), left - level.left, top - level.top

    def _check(self, transform: Matrix, correlation: float) -> None:
        """Refuse what was not found, or where it cannot be."""
        how, box = self._how, self.anchor
        if not correlation >= how.least_correlation:
            raise Unregistered(
                f"cannot be registered: its correlation with the golden picture is {max(0, correlation):.2f},"
                f" and must be at least {how.least_correlation:g}"
            )
        x, y = moved(transform, [(box.cx, box.cy)])[0]
        shift = math.hypot(x - box.cx, y - box.cy)
        if shift > self._longest_shift:
            raise Unregistered(
                f"cannot be registered: it lies {shift:.0f} pixels off, {self._longest_shift:.0f} at most"
            )
        linear = slope(transform, box.cx, box.cy)
        turn = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
        if abs(turn) > how.largest_turn_degrees + 0.5 and how.motion != "shift":
            raise Unregistered(
                f"cannot be registered: it is turned by {turn:.1f} degrees, {how.largest_turn_degrees:g} at most"
            )
        places = [(box.cx + (x - 0.5) * box.w, box.cy + (y - 0.5) * box.h) for x, y in frame(1, 1)]
        stretches = np.linalg.svd([slope(transform, *place) for place in places], compute_uv=False)
        if max(stretches.max(), 1 / max(stretches.min(), 1e-9)) > 1 + LARGEST_STRETCH:
            raise Unregistered("cannot be registered: it would have to be stretched too much")


def _anchor(stated: Box | None, roi: Box | None, width: int, height: int) -> Box:
    """Return what is looked for, within the picture."""
    if stated is not None:
        wide, high, about = stated.w, stated.h, stated
    elif roi is not None:
        wide, high, about = roi.w * (1 + SURROUNDINGS), roi.h * (1 + SURROUNDINGS), roi
    else:
        return Box(cx=width / 2, cy=height / 2, w=width, h=height)
    left, right = max(0.0, about.cx - wide / 2), min(float(width), about.cx + wide / 2)
    top, bottom = max(0.0, about.cy - high / 2), min(float(height), about.cy + high / 2)
    return Box(cx=(left + right) / 2, cy=(top + bottom) / 2, w=right - left, h=bottom - top)


def _found(level: _Level, seen: Gray, left: int, top: int, turns: list[float]) -> Matrix:
    """Return where the anchor matches best, from its fine pixels to those of ``seen``: to a pixel or so.

    The best few turns at the coarse scale are looked at closely, for a part that repeats itself, as a thread does,
    matches nearly as well one pitch away.
    """
    there = scaling(1, -left, -top)
    small = _shrunk(seen, level.shrink)
    coarse = [_match(level.coarse, small, there, turn, level.shrink, level.margin) for turn in turns]
    near = _STEP_DEGREES / 3 if len(turns) > 1 else 0.0
    best = _Match(-2.0, 0.0, np.eye(3))
    for one in sorted(coarse, key=lambda match: -match.score)[:_CANDIDATES]:
        for turn in {one.turn - near, one.turn, one.turn + near}:
            match = _match(level.fine, seen, one.placed, turn - one.turn, 1, level.shrink + 1)
            best = max(best, match, key=lambda match: match.score)
    return best.placed


def _match(anchor: Gray, seen: Gray, placed: Matrix, turn: float, shrink: int, margin: int) -> _Match:
    """Return the best place of an anchor near one that is known, turned about its centre.

    Args:
        anchor: at the scale at which it is matched.
        seen: what it is looked for in, at the same scale.
        placed: from fine pixels of the anchor to those of what is searched.
        turn: in degrees.
        shrink: fine pixels to one of this scale.
        margin: how far around it is looked, in pixels of this scale.
    """
    rows, columns = anchor.shape
    fine = scaling(shrink)
    turned = placed @ fine @ turning(turn, columns / 2, rows / 2)
    start = scaling(1, -margin, -margin)
    out = warped(seen, np.linalg.inv(fine) @ turned @ start, columns + 2 * margin, rows + 2 * margin)
    scores = np.nan_to_num(cv2.matchTemplate(out, anchor, cv2.TM_CCOEFF_NORMED), posinf=-1, neginf=-1)
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    at = turned @ scaling(1, column - margin, row - margin) @ np.linalg.inv(fine)
    return _Match(float(scores[row, column]), turn, at)


def _refined(level: _Level, seen: Gray, start: Matrix, model: int) -> tuple[Matrix, float]:
    """Return the transform that correlates best, and how well; not at all where it leads nowhere."""
    centres = (scaling(1, -0.5, -0.5) @ start @ scaling(1, 0.5, 0.5)).astype(np.float32)
    if model == cv2.MOTION_TRANSLATION:
        centres[:2, :2] = np.eye(2)
    given = centres if model == cv2.MOTION_HOMOGRAPHY else centres[:2].copy()
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, _ENOUGH)
    try:
        everywhere = np.full(seen.shape, 255, np.uint8)
        correlation, found = cv2.findTransformECC(level.fine, seen, given, model, until, everywhere, _BLUR)
    except cv2.error:  # it says so where it finds no overlap or no texture
        return start, 0.0
    whole = np.eye(3)
    whole[: len(found)] = found
    return scaling(1, 0.5, 0.5) @ whole @ scaling(1, -0.5, -0.5), float(correlation)


def _outlines(gray: Gray) -> Gray:
    """Return how steep the picture is at each pixel against how steep it is around it, whatever the contrast."""
    steps = gray.astype(np.float32)
    steep = cv2.magnitude(cv2.Sobel(steps, cv2.CV_32F, 1, 0), cv2.Sobel(steps, cv2.CV_32F, 0, 1))
    level = cv2.GaussianBlur(steep, (0, 0), _AROUND) + _NOISE
    return np.asarray(cv2.convertScaleAbs(cv2.GaussianBlur(steep / level, (0, 0), 1.0), alpha=80.0), np.uint8)


def _shrunk(image: Pixels, times: int) -> Pixels:
    """Return an image averaged over whole squares of pixels; what is left over at its far edges is left out."""
    rows, columns = image.shape[0] // times, image.shape[1] // times
    if times == 1:
        return image
    whole = image[: rows * times, : columns * times]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def _reach(how: Registration) -> float:
    """Return by what share of its diagonal an anchor's rim may leave its place without its centre moving."""
    turn = 0.0 if how.motion == "shift" else math.sin(math.radians(min(how.largest_turn_degrees, 90.0))) / 2
    return turn + (LARGEST_STRETCH / 2 if how.motion in {"affine", "perspective"} else 0.0)
