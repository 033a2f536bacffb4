"""A part that lies loosely is found to a fraction of the model's pixels, or is unreadable: never guessed."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import pytest
from conftest import photograph
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.judging import preprocess
from bridge.judging.headers import Unreadable
from bridge.judging.registration import Aligner
from bridge.judging.spec import Input, Motion, Registration
from bridge.judging.transforms import Matrix, frame, moved, scaling, turning, warped
from bridge.messages import Box
from bridge.simulate import bolts

SIZE = (640, 480)
ROI = Box(cx=330, cy=220, w=200, h=160)
INTO = Input(width=64, height=48, colour="bgr")


@cache
def scene() -> np.ndarray:
    """A part with detail at every scale before a plain background."""
    part = photograph((320, 240), seed=4)
    return cv2.copyMakeBorder(part, 100, 140, 170, 150, cv2.BORDER_CONSTANT, value=(90, 90, 90))


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


@cache
def aligner(motion: Motion = "turn", limit: float = 0.5) -> Aligner:
    return Aligner(png(scene()), Registration(golden="g", motion=motion, least_correlation=limit), ROI)


def moved_scene(transform: Matrix, gain: float = 1.0, noise: float = 3.0) -> np.ndarray:
    """The scene as it looks when everything in it moves so, in other light and with a sensor's noise."""
    moved_picture = warped(scene(), np.linalg.inv(transform), *SIZE).astype(np.float32)
    grain = np.random.default_rng(0).normal(0, noise, moved_picture.shape)
    return np.clip(moved_picture * gain + grain, 0, 255).astype(np.uint8)


def bent(kind: Motion, x: float, y: float, degrees: float) -> Matrix:
    """A transform of each kind, about the middle of the part."""
    centre, back = scaling(1, ROI.cx, ROI.cy), scaling(1, -ROI.cx, -ROI.cy)
    own = np.eye(3)
    if kind in {"affine", "perspective"}:
        own[:2, :2] = [[1.04, 0.03], [-0.02, 0.97]]
    if kind == "perspective":
        own[2, :2] = [1e-4, -1.2e-4]
    turned = np.eye(3) if kind == "shift" else turning(degrees, 0, 0)
    return np.asarray(scaling(1, x, y) @ centre @ turned @ own @ back)


def error(found: Matrix, truth: Matrix) -> float:
    """The largest distance between where the two put a corner of the ROI, in pixels."""
    corners = [(ROI.cx + (x - 0.5) * ROI.w, ROI.cy + (y - 0.5) * ROI.h) for x, y in frame(1, 1)]
    return max(math.dist(*pair) for pair in zip(moved(found, corners), moved(truth, corners), strict=True))


@pytest.mark.parametrize("motion", ["shift", "turn", "affine", "perspective"])
@pytest.mark.parametrize(("x", "y", "degrees"), [(0, 0, 0), (31.4, -22.7, 5.3), (-25.2, 30.1, -8.6), (-40, -8, 2)])
def test_a_known_movement_is_found(motion: Motion, x: float, y: float, degrees: float) -> None:
    """To half a pixel of the model's, at every corner of the ROI."""
    truth = bent(motion, x, y, degrees)
    assert error(aligner(motion).locate(moved_scene(truth, gain=0.7)), truth) < ROI.w / INTO.width / 2


@pytest.mark.parametrize("number", range(6))
def test_bolts_are_found_whatever_their_light_and_colour(number: int) -> None:
    """Against bolts that lie as they lie: the registered ones are closer to the golden one than the others are.

    Each is moved once more by a movement that is known, and both are registered: the difference is what is known.
    """
    golden = bolts.bolt(7).views["front"]
    height, width = golden.shape[:2]
    onto = Aligner(png(golden), Registration(golden="g"), Box(cx=width / 2, cy=height / 2, w=150, h=360))
    shown = bolts.bolt(100 + number).views["front"]
    extra = scaling(1, 6.5, -4.25) @ turning(2.5, width / 2, height / 2)
    again = warped(shown, np.linalg.inv(extra), width, height)
    middle = [(width / 2, height / 2), (width / 2, height / 4), (width / 2, 0.75 * height)]
    expected = moved(extra @ onto.locate(shown), middle)
    assert max(math.dist(*pair) for pair in zip(moved(onto.locate(again), middle), expected, strict=True)) < 2.5


def test_light_that_falls_off_does_not_move_a_part() -> None:
    truth = bent("turn", 12, -9, 4)
    falling = np.linspace(0.5, 1.2, SIZE[0])[None, :, None]
    shown = np.clip(moved_scene(truth) * falling, 0, 255).astype(np.uint8)
    assert error(aligner().locate(shown), truth) < 1.0


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (
            np.full((480, 640, 3), 90, np.uint8),
            "cannot be registered: its correlation with the golden picture is 0.0",
        ),
        (photograph(SIZE, seed=9), "cannot be registered: its correlation with the golden picture is 0."),
        (scene()[:, :600], "cannot be registered: it is not 640 x 480 as the golden picture"),
        (moved_scene(bent("shift", 75, 0, 0)), "cannot be registered: it"),
        (moved_scene(bent("turn", 0, 0, 25)), "cannot be registered: it"),
        (np.ascontiguousarray(scene()[::-1]), "cannot be registered: it"),
    ],
    ids=["empty", "another thing", "another size", "too far", "turned too far", "upside down"],
)
def test_what_is_not_found_is_unreadable(picture: np.ndarray, says: str) -> None:
    """With one clear reason, and never a crop of something else."""
    with pytest.raises(Unreadable, match=says) as caught:
        aligner().locate(picture)
    assert "\n" not in str(caught.value)


def test_a_golden_picture_that_shows_too_little_is_refused() -> None:
    for golden, roi in ((b"no picture", None), (png(scene()[:6, :6]), None)):
        with pytest.raises(Unreadable):
            Aligner(golden, Registration(golden="g"), roi).locate(scene()[:6, :6])


def test_a_part_that_lies_as_it_should_is_cut_as_without_registration() -> None:
    """Identity: the two ways to the model's input differ by less than the noise of a camera."""
    plain = preprocess.cut(png(scene()), INTO, ROI)
    registered = preprocess.cut(png(scene()), INTO, ROI, onto=aligner())
    assert np.abs(plain.picture.astype(int) - registered.picture).mean() < 1.5
    assert np.allclose(moved(plain.placement, frame(64, 48)), moved(registered.placement, frame(64, 48)), atol=0.5)


@pytest.mark.parametrize("form", [".png", ".jpg"])
def test_the_model_sees_a_moved_part_where_it_always_is(form: str) -> None:
    """Also where a JPEG is decoded at a fraction of its size."""
    into = Input(width=32, height=24, colour="rgb")
    large = cv2.resize(scene(), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    roi = Box(cx=4 * ROI.cx, cy=4 * ROI.cy, w=4 * ROI.w, h=4 * ROI.h)
    onto = Aligner(png(large), Registration(golden="g"), roi)
    truth = scaling(1, 90, -60) @ turning(6, roi.cx, roi.cy)
    shown = cv2.imencode(form, warped(large, np.linalg.inv(truth), 2560, 1920))[1].tobytes()
    still, loose = (preprocess.picture(data, into, roi, onto=onto) for data in (png(large), shown))
    unregistered = preprocess.picture(shown, into, roi)
    assert np.abs(still.astype(int) - loose).mean() < 3 < np.abs(still.astype(int) - unregistered).mean() / 3


def test_a_region_that_has_left_the_picture_is_unreadable() -> None:
    """It is never filled up with what the camera did not see."""
    low = Box(cx=330, cy=400, w=200, h=158)
    data = png(moved_scene(bent("shift", 0, 20, 0)))
    onto = Aligner(png(scene()), Registration(golden="g"), ROI)
    with pytest.raises(Unreadable, match="its region of interest lies partly outside the picture"):
        preprocess.cut(data, INTO, low, onto=onto)


@settings(max_examples=25, deadline=None)
@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(-9, 9))
def test_whatever_is_found_is_within_the_limits(x: float, y: float, degrees: float) -> None:
    """And right: a part within the limits is found where it is."""
    truth = bent("turn", x, y, degrees)
    assert error(aligner().locate(moved_scene(truth)), truth) < 1.0
