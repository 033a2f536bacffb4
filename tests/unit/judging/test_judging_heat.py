"""Drawn heat maps become the boxes that one would draw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bridge.judging import heat
from bridge.judging.frames import LARGEST_MAP
from bridge.judging.spec import HeatMapOutput
from bridge.judging.transforms import Matrix, frame, moved, turning
from bridge.messages import Box, Spot

HOW = HeatMapOutput(smallest_share=0.0)
WIDTH = HEIGHT = 224


def placed(left: float, top: float, width: float, height: float) -> Matrix:
    """The model's input lies there in the original picture, unturned."""
    return np.array([[width / WIDTH, 0, left], [0, height / HEIGHT, top], [0, 0, 1]])


THERE = placed(100, 50, 448, 448)


def boxes(drawn: np.ndarray, how: HeatMapOutput = HOW, there: Matrix = THERE) -> tuple[Box, ...]:
    return heat.boxes(drawn.astype(np.float32), how, there, WIDTH, HEIGHT)


def edges(box: Box) -> list[float]:
    return [box.cx - box.w / 2, box.cy - box.h / 2, box.cx + box.w / 2, box.cy + box.h / 2]


def blank(rows: int = 14, columns: int = 14) -> np.ndarray:
    return np.zeros((rows, columns))


def test_one_hot_place_is_one_box_where_it_lies() -> None:
    """Rows 4 to 6 and columns 8 to 9 of 14, in original pixels: to half a cell of the map."""
    drawn = blank()
    drawn[4:7, 8:10] = 1
    (box,) = boxes(drawn)
    cell = 448 / 14
    assert edges(box) == pytest.approx(
        [100 + 8 * cell, 50 + 4 * cell, 100 + 10 * cell, 50 + 7 * cell], abs=cell / 2
    )


def test_a_map_with_a_scale_of_its_own_is_hot_from_its_limit_on() -> None:
    """However high the peak is: both places are above 2, though one is far below half the other."""
    drawn = blank()
    drawn[1:3, 1:3], drawn[8:10, 8:11] = 20.0, 3.0
    assert len(boxes(drawn)) == 1
    first, second = boxes(drawn, HeatMapOutput(smallest_share=0.0, hot_from=2.0))
    assert first.cx < second.cx
    assert len(boxes(drawn, HeatMapOutput(smallest_share=0.0, hot_from=50.0))) == 1  # never reached: as without


def test_a_box_says_how_much_of_it_is_hot() -> None:
    """An L of one cell's width fills its box by a third; a cell of the map is 32 x 32 pixels of the picture."""
    drawn = blank()
    drawn[2:8, 2], drawn[7, 2:8] = 1, 1
    (box,) = boxes(drawn)
    assert isinstance(box, Spot)
    assert box.area == pytest.approx(11 * 32 * 32, rel=0.35)
    assert box.area < 0.5 * box.w * box.h


def test_a_map_finer_than_the_grid_shrinks_to_it() -> None:
    """An imported model may look at every pixel: its boxes lie where they are, and noise costs no second."""
    drawn = blank(448, 448)
    drawn[112:224, 280:336] = 1
    (box,) = boxes(drawn)
    assert edges(box) == pytest.approx([100 + 280, 50 + 112, 100 + 336, 50 + 224], abs=448 / heat.GRID)
    assert max(heat._grid(drawn.astype(np.float32), WIDTH, HEIGHT).shape) == heat.GRID


def test_two_places_are_two_boxes_the_hotter_first() -> None:
    drawn = blank()
    drawn[1:3, 1:3], drawn[9:12, 9:12] = 0.7, 1
    first, second = boxes(drawn)
    assert first.cx > second.cx
    assert len(boxes(drawn, HeatMapOutput(peak_share=0.8, smallest_share=0.0))) == 1
    assert boxes(drawn, HeatMapOutput(most_boxes=1, smallest_share=0.0)) == (first,)


def test_rectangles_that_overlap_become_one() -> None:
    """An L around a spot: two components, but the spot lies in the rectangle of the L."""
    drawn = blank()
    drawn[2:12, 2] = drawn[11, 2:12] = 1
    drawn[4, 9] = 1
    assert len(boxes(drawn)) == 1


def test_boxes_of_no_fitting_size_are_left_out() -> None:
    drawn = blank()
    drawn[0, 0], drawn[4:12, 4:12] = 1, 1
    assert len(boxes(drawn)) == 2
    (large,) = boxes(drawn, HeatMapOutput(smallest_share=0.05))
    (small,) = boxes(drawn, HeatMapOutput(smallest_share=0.0, largest_share=0.05))
    assert large.w > small.w


@pytest.mark.parametrize(
    "cold", [blank(), np.full((7, 7), np.nan), np.where(np.eye(7) > 0, np.inf, 0.0), blank(1, 1)]
)
def test_a_map_that_says_nothing_gives_no_box(cold: np.ndarray) -> None:
    assert boxes(cold) == ()


def test_a_map_that_is_hot_everywhere_is_one_box_of_the_whole_region() -> None:
    (box,) = boxes(np.ones((7, 7)))
    assert edges(box) == pytest.approx([100, 50, 548, 498], abs=0.02)


def test_a_turned_part_has_an_upright_box_around_the_place() -> None:
    """Its corners lie on the edges of the box."""
    there = turning(30, 300, 300) @ THERE
    (box,) = boxes(np.ones((7, 7)), there=there)
    across, down = zip(*moved(there, frame(WIDTH, HEIGHT)), strict=True)
    assert edges(box) == pytest.approx([min(across), min(down), max(across), max(down)], abs=0.02)


maps = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.floats(0, 2.0**60, width=32)
)
hows = st.builds(
    HeatMapOutput,
    peak_share=st.floats(0.01, 1),
    smallest_share=st.floats(0, 0.5),
    largest_share=st.floats(0.01, 1),
    most_boxes=st.integers(1, 16),
)


@given(maps, hows, st.floats(0, 500), st.floats(0, 500), st.floats(50, 2000), st.floats(50, 2000))
def test_boxes_lie_in_the_region_and_do_not_touch(
    drawn: np.ndarray, how: HeatMapOutput, left: float, top: float, width: float, height: float
) -> None:
    """Whatever the map: few, of the asked sizes, inside the region, and apart from each other."""
    found = boxes(drawn, how, placed(left, top, width, height))
    assert len(found) <= how.most_boxes
    for box in found:
        west, north, east, south = edges(box)
        assert left - 0.02 <= west < east <= left + width + 0.02
        assert top - 0.02 <= north < south <= top + height + 0.02
        share = box.w * box.h / (width * height)
        assert how.smallest_share - 1e-3 <= share <= how.largest_share + 1e-3
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            apart = abs(one.cx - other.cx) - (one.w + other.w) / 2, abs(one.cy - other.cy) - (one.h + other.h) / 2
            assert max(apart) > -0.02


@given(maps)
def test_the_hottest_place_is_in_a_box(drawn: np.ndarray) -> None:
    """Where the map is hottest, there is a box, unless a limit of size forbids it."""
    found = boxes(drawn)
    if drawn.max() <= 1e-30:
        return
    row, column = np.unravel_index(drawn.argmax(), drawn.shape)
    x, y = 100 + 448 * (column + 0.5) / drawn.shape[1], 50 + 448 * (row + 0.5) / drawn.shape[0]
    slack = 448 / min(drawn.shape) / 2 + 4
    first = found[0]
    inside = [abs(x - box.cx) <= box.w / 2 + slack and abs(y - box.cy) <= box.h / 2 + slack for box in found]
    assert any(inside) or len(found) == HOW.most_boxes, first


@given(maps)
def test_a_map_travels_in_few_bytes(drawn: np.ndarray) -> None:
    """At most so many rows and columns, the hottest 255, with its corners in the original picture."""
    sent = heat.packed(drawn, 1, THERE, WIDTH, HEIGHT)
    assert (sent.rows, sent.columns) == drawn.shape
    assert max(sent.values) == (255 if drawn.max() > 1e-30 else max(sent.values))
    assert sent.corners == ((100, 50), (548, 50), (548, 498), (100, 498))


def test_a_large_map_is_made_small() -> None:
    drawn = np.zeros((200, 100), np.float32)
    drawn[150:, 50:] = 3
    sent = heat.packed(drawn, 0, THERE, WIDTH, HEIGHT)
    assert (sent.rows, sent.columns) == (LARGEST_MAP, LARGEST_MAP // 2)
    seen = np.frombuffer(sent.values, np.uint8).reshape(sent.rows, sent.columns)
    assert seen[-1, -1] == 255
    assert seen[0, 0] == 0
