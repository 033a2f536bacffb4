"""Heat over pictures: at the right place, and the picture still shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bridge.learning import overlay
from bridge.messages import Box, HeatMap


def hot(
    row: int, column: int, corners: tuple[tuple[float, float], ...] = ((0, 0), (80, 0), (80, 40), (0, 40))
) -> HeatMap:
    """A map of 4 x 8 cells with one hot one."""
    values = np.zeros((4, 8), np.uint8)
    values[row, column] = 255
    return HeatMap(label="cut", rows=4, columns=8, values=values.tobytes(), corners=corners)


def test_a_cell_lies_where_its_place_in_the_picture_is() -> None:
    """Not half a cell beside it: the middle of the heat is the middle of the cell, also in a region."""
    for seen, x, y in (
        (hot(1, 6), 65, 15),
        (hot(0, 0, ((20, 10), (60, 10), (60, 30), (20, 30))), 22.5, 12.5),
        (hot(3, 7, ((60, 30), (20, 30), (20, 10), (60, 10))), 22.5, 12.5),  # turned by half a turn
    ):
        heat = overlay.spread(seen, 40, 80)
        rows, columns = np.mgrid[:40, :80] + 0.5
        inner = heat > 0.5
        assert columns[inner].mean() == pytest.approx(x, abs=0.6)
        assert rows[inner].mean() == pytest.approx(y, abs=0.6)
        point = overlay.peak(seen)
        assert point is not None
        assert point == pytest.approx((x, y), abs=0.7)
    assert overlay.peak(HeatMap(label="cut", rows=1, columns=1, values=b"\0", corners=hot(0, 0).corners)) is None


def test_nothing_is_hot_outside_of_what_was_shown() -> None:
    """The region ends the map, whatever its edge cells hold."""
    heat = overlay.spread(hot(0, 0, ((20, 10), (60, 10), (60, 30), (20, 30))), 40, 80)
    assert heat[:, :19].max() == 0
    assert heat[:9].max() == 0
    assert heat[12, 22] > 0.9


def test_cold_places_stay_as_they_are_and_a_hot_one_hides_nothing() -> None:
    """What lies under the hottest place can still be told from what lies beside it."""
    image = np.full((40, 80, 3), 90, np.uint8)
    image[12:18, 62:65] = 0
    drawn = overlay.drawn(image, hot(1, 6))
    assert drawn.shape == (120, 240, 3), "small pictures are drawn larger"
    assert (drawn[:, :120] == 90).all()
    assert np.abs(drawn[45, 199].astype(int) - drawn[45, 190].astype(int)).max() >= 20
    assert np.array_equal(image[15, 63], (0, 0, 0)), "the picture given is left alone"


def test_boxes_and_masks_are_drawn_at_any_size() -> None:
    """Large pictures shrink, gray ones get colours, and what is drawn shrinks with them."""
    mask = np.zeros((1000, 2000), np.bool_)
    mask[400:600, 400:800] = True
    drawn = overlay.drawn(np.zeros((1000, 2000), np.uint8), None, [Box(cx=1500, cy=500, w=400, h=200)], mask)
    assert drawn.shape == (320, 640, 3)
    white = np.argwhere((drawn == 255).all(axis=2))
    assert white.min(axis=0).tolist() == [128, 416]
    assert white.max(axis=0).tolist() == [192, 544]
    cyan = np.argwhere((drawn == (255, 255, 0)).all(axis=2))
    assert cyan.min(axis=0) == pytest.approx([128, 128], abs=1)
    assert cv2.boundingRect(cyan.astype(np.int32)[:, ::-1].copy())[2:] == pytest.approx((129, 65), abs=1)
