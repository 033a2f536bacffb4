"""What counts as a difference from a golden picture, and what does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.judging.detections import Find
from bridge.judging.differences import differing, fitted, found
from bridge.judging.spec import Comparison

HOW = Comparison(blur_pixels=0, margin_pixels=0)


def board(size: tuple[int, int] = (120, 90)) -> np.ndarray:
    """Bright tracks and pads on a dark ground, (height, width, 1)."""
    picture = np.full((size[1], size[0]), 60, np.uint8)
    for at in range(8, size[0] - 8, 20):
        picture[6:-6, at : at + 6] = 200
    cv2.circle(picture, (size[0] // 2, size[1] // 2), 12, 200, -1)
    return picture[:, :, None]


def edges(one: Find) -> tuple[float, ...]:
    return (one.left, one.top, one.right, one.bottom)


def test_the_same_picture_differs_nowhere() -> None:
    assert found(board(), board(), Comparison(), 16) == []


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_an_edge_beside_its_place_is_no_difference(x: int, y: int) -> None:
    """Up to the tolerance, in any direction, and at every corner of what there is."""
    moved = np.roll(board(), (y, x), axis=(0, 1))
    if x * x + y * y <= 9:
        assert not differing(moved, board(), HOW)[5:-5, 5:-5].any()


def test_an_edge_further_off_is_one() -> None:
    assert found(np.roll(board(), 5, axis=1), board(), HOW, 16)


@given(st.floats(0.6, 1.5), st.floats(-30, 30))
def test_another_light_is_no_difference(gain: float, offset: float) -> None:
    """Gain and offset are fitted, though a spot is in the way; the spot is still found."""
    picture = board()
    lit = np.clip(picture * gain + offset, 0, 255).astype(np.uint8)
    if lit.max() < 255 and lit.min() > 0:
        assert found(lit, picture, HOW, 16) == []
        lit[40:50, 17:25] = 255
        assert len(found(lit, picture, HOW, 16)) == 1


def test_brightness_is_fitted_by_the_pixels_that_agree() -> None:
    """A tenth of the picture is something else altogether."""
    wanted = board()[:, :, 0].astype(np.float32)
    seen = 0.8 * wanted + 20
    seen[:9] = 255
    assert np.abs(fitted(seen, wanted)[9:] - wanted[9:]).max() < 0.5


def test_a_blank_picture_has_no_gain() -> None:
    blank = np.full((20, 20), 90, np.float32)
    assert np.allclose(fitted(blank + 30, blank), blank)


@pytest.mark.parametrize("level", [0, 255])
def test_a_spot_is_found_where_it_is_as_large_as_it_is(level: int) -> None:
    picture = board()
    picture[40:47, 18:24] = level
    (one,) = found(picture, board(), HOW, 16)
    assert edges(one) == (18, 40, 24, 47)
    assert one.area == 42
    assert one.score == pytest.approx(42 / 62)


def test_what_is_missing_differs_as_well_as_what_is_too_much() -> None:
    """A thin line, thinner than the tolerance: all that the template has near it is still near it."""
    picture = board()
    picture[60:62, 5:115] = 200
    for one, other in ((picture, board()), (board(), picture)):
        assert found(one, other, HOW, 16)


def test_the_whole_of_what_differs_at_an_edge_is_told() -> None:
    """A bite out of a track: the tolerance hides its rim only from what makes it a difference."""
    picture = board()
    picture[20:32, 8:14] = 60
    (one,) = found(picture, board(), HOW, 16)
    assert edges(one) == (8, 20, 14, 32)


def test_what_is_near_is_one_thing_and_what_is_small_nothing() -> None:
    picture = board()
    picture[40:44, 16:20] = 0
    picture[40:44, 22:26] = 200
    picture[70:72, 57:59] = 255
    picture[72:76, 38:42] = 255
    first, second = found(picture, board(), HOW, 16)
    assert edges(first) == (16, 40, 26, 44)
    assert first.area == 32
    assert edges(second) == (38, 72, 42, 76)
    assert len(found(picture, board(), Comparison(blur_pixels=0, join_pixels=0), 16)) == 3
    assert len(found(picture, board(), Comparison(blur_pixels=0, least_area=17), 16)) == 1
    assert len(found(picture, board(), HOW, 1)) == 1


def test_a_box_may_be_told_larger_than_what_differs() -> None:
    """So that a person sees what is around it; the area stays."""
    picture = board()
    picture[40:47, 18:24] = 0
    (one,) = found(picture, board(), Comparison(blur_pixels=0, margin_pixels=4), 16)
    assert edges(one) == (14, 36, 28, 51)
    assert one.area == 42


def test_a_colour_of_the_same_brightness_differs() -> None:
    """In any channel."""
    wanted = np.repeat(board(), 3, axis=2)
    seen = wanted.copy()
    seen[40:48, 17:24] = (120, 60, 60)
    (one,) = found(seen, wanted, HOW, 16)
    assert edges(one) == (17, 40, 24, 48)


def test_noise_is_no_difference() -> None:
    rng = np.random.default_rng(0)
    noisy = np.clip(board() + rng.normal(0, 6, board().shape), 0, 255).astype(np.uint8)
    assert found(noisy, board(), Comparison(), 16) == []
