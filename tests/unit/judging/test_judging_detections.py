"""From a detector's output to boxes, and from boxes in the input to boxes in the picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.judging import detections, preprocess, spots
from bridge.judging.detections import Boxes, Find, Unsound, apart, overlaps
from bridge.judging.letterbox import inside
from bridge.judging.spec import Detection, Input
from bridge.judging.transforms import moved
from bridge.messages import Box

SIZE = (64, 32)
"""Width and height of the input."""
CELLS = 8 * 4 + 4 * 2 + 2 * 1
"""Of YOLOX on it."""


def how(layout: str, **changes: object) -> Detection:
    return Detection(layout=layout, **changes)  # type: ignore[arg-type]  # as each test says it


def output(layout: str, *boxes: tuple[float, ...], rows: int = CELLS) -> np.ndarray:
    """The output that says these boxes of three classes: middle, size, how sure, which class; and nothing else."""
    table = np.zeros((rows, 8), np.float32)
    table[:, 4] = 1
    for place, (cx, cy, w, h, sure, which) in enumerate(boxes):
        table[place, :4] = cx, cy, w, h
        table[place, 5 + int(which)] = sure
    if layout == "yolov8":
        return np.delete(table, 4, axis=1).T
    if layout == "end2end":
        told = np.array([(*one[:4], *one[4:]) for one in boxes] or np.zeros((0, 6)), np.float32)
        low, high = told[:, :2] - told[:, 2:4] / 2, told[:, :2] + told[:, 2:4] / 2
        return np.concatenate([low, high, told[:, 4:]], axis=1)
    return table


TWO = ((20, 12, 8, 6, 0.75, 1), (40, 16, 4, 4, 0.5, 2))
EDGES = [(16, 9, 24, 15), (38, 14, 42, 18)]


def edges(finds: list[Find]) -> list[tuple[float, ...]]:
    return [(one.left, one.top, one.right, one.bottom) for one in finds]


@pytest.mark.parametrize("layout", ["yolov5", "yolov8", "end2end"])
def test_a_layout_is_read_as_its_author_wrote_it(layout: str) -> None:
    found = detections.found(output(layout, *TWO[::-1]), how(layout), 3, [0, 1, 2], SIZE)
    assert np.allclose(edges(found), EDGES)
    assert [(one.score, one.output) for one in found] == [(0.75, 1), (0.5, 2)]


def test_yolov5_is_as_sure_as_of_anything_and_of_the_class_together() -> None:
    raw = output("yolov5", TWO[0])
    raw[0, 4] = 0.5
    (found,) = detections.found(raw, how("yolov5"), 3, [0, 1, 2], SIZE)
    assert found.score == pytest.approx(0.375)


def test_yolox_is_decoded_with_its_grids_and_strides() -> None:
    """Row 33 is the second cell of the second grid, whose steps are 16 pixels; sizes are logarithms."""
    raw = output("yolox")
    raw[33, :4] = 0.5, 0.25, np.log(0.5), np.log(2)
    raw[33, 5] = 0.9
    raw[41, :4], raw[41, 7] = (-0.25, 0.5, 0, -1), 0.8  # the last grid has steps of 32
    first, second = detections.found(raw, how("yolox"), 3, [0, 1, 2], SIZE)
    assert edges([first]) == [pytest.approx((20, -12, 28, 20))]
    assert edges([second]) == [pytest.approx((24 - 16, 16 - 16 / np.e, 24 + 16, 16 + 16 / np.e))]
    assert detections.strides(CELLS, *SIZE) == (8, 16, 32)
    assert detections.strides(8400, 640, 640) == (8, 16, 32)
    assert detections.strides(8400 + 100, 640, 640) == (8, 16, 32, 64)
    with pytest.raises(Unsound, match="not those of YOLOX on 64 x 32"):
        detections.found(raw[:-1], how("yolox"), 3, [0], SIZE)


def test_what_is_sure_of_nothing_may_be_anywhere() -> None:
    """A cell far from everything may say a size beyond all numbers; one that counts may not."""
    raw = output("yolox")
    raw[5, :4] = 0, 0, 1000, 1000
    assert detections.found(raw, how("yolox"), 3, [0, 1, 2], SIZE) == []
    raw[5, 5] = 0.5
    with pytest.raises(Unsound, match="no finite place"):
        detections.found(raw, how("yolox"), 3, [0, 1, 2], SIZE)


@pytest.mark.parametrize("layout", ["yolov5", "yolov8", "end2end"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.5, 1.5])
def test_an_output_that_is_no_boxes_is_none(layout: str, wrong: float) -> None:
    """A score of 7 is over every threshold, and not-a-number under none: neither is ever a verdict."""
    raw = output(layout, (20, 12, 8, 6, wrong, 1))
    with pytest.raises(Unsound):
        detections.found(raw, how(layout), 3, [0, 1, 2], SIZE)


@pytest.mark.parametrize("which", [3, -1, 0.5])
def test_a_class_that_there_is_not_is_no_box(which: float) -> None:
    raw = output("end2end", (20, 12, 8, 6, 0.5, 0))
    raw[0, 5] = which
    with pytest.raises(Unsound, match="names a class"):
        detections.found(raw, how("end2end"), 3, [0], SIZE)


def test_only_defects_that_are_sure_enough_count_and_the_surest_of_them() -> None:
    """A box is what it most likely is: a good thing stays good, however sure the next best class is."""
    boxes = [(8 * place + 4, 4, 6, 6, 0.1 + 0.1 * place, 1) for place in range(8)]
    raw = output("yolov5", *boxes, (4, 20, 6, 6, 0.95, 0))
    raw[8, 6] = 0.9
    found = detections.found(raw, how("yolov5", least_score=0.25, most_boxes=3), 3, [1, 2], SIZE)
    assert [one.score for one in found] == pytest.approx([0.8, 0.7, 0.6])
    many = detections.found(raw, how("yolov5", least_score=0.25), 3, [1, 2], SIZE)
    assert len(many) == 6


def test_end_to_end_keeps_what_overlaps() -> None:
    """Such a model was trained to say everything once."""
    one = (20, 12, 8, 6, 0.75, 1)
    assert len(detections.found(output("end2end", one, one), how("end2end"), 3, [1], SIZE)) == 2
    assert len(detections.found(output("yolov8", one, one), how("yolov8"), 3, [1], SIZE)) == 1


def brute_force(boxes: Boxes, limit: float) -> list[int]:
    """The same, box by box and pair by pair."""
    kept: list[int] = []
    for place in sorted(range(len(boxes.scores)), key=lambda at: (-boxes.scores[at], at)):
        mine = boxes.edges[place]
        for other in kept:
            theirs = boxes.edges[other]
            wide = min(mine[2], theirs[2]) - max(mine[0], theirs[0])
            high = min(mine[3], theirs[3]) - max(mine[1], theirs[1])
            shared = max(0.0, wide) * max(0.0, high)
            both = sum((one[2] - one[0]) * (one[3] - one[1]) for one in (mine, theirs)) - shared
            if boxes.outputs[other] == boxes.outputs[place] and both > 0 and shared / both > limit:
                break
        else:
            kept.append(place)
    return kept


whole = st.integers(0, 12)
a_box = st.tuples(whole, whole, st.integers(0, 8), st.integers(0, 8), st.integers(0, 5), st.integers(0, 2))


@given(st.lists(a_box, max_size=25), st.sampled_from([0.1, 0.45, 0.5, 1.0]), st.integers(1, 25))
def test_suppression_is_what_a_plain_loop_says(drawn: list[tuple[int, ...]], limit: float, most: int) -> None:
    """Equal scores, empty boxes and boxes that only touch included."""
    table = np.array(drawn, np.float64).reshape(-1, 6)
    boxes = Boxes(
        np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1),
        table[:, 4] / 5,
        table[:, 5].astype(int),
    )
    assert apart(boxes, limit, most) == brute_force(boxes, limit)[:most]


@given(a_box, a_box)
def test_an_overlap_is_the_same_from_either_side_and_whole_with_oneself(
    one: tuple[int, ...], other: tuple[int, ...]
) -> None:
    first, second = (np.array([x, y, x + w, y + h], np.float64) for x, y, w, h, *_ in (one, other))
    there, back = overlaps(first, second[None]), overlaps(second, first[None])
    assert there == pytest.approx(back)
    assert 0 <= there[0] <= 1
    if one[2] and one[3]:
        assert overlaps(first, first[None]) == pytest.approx([1])


sizes = st.integers(1, 700)
inputs = st.builds(
    Input, width=st.integers(8, 700), height=st.integers(8, 700), fit=st.sampled_from(["centre", "corner"])
)


@given(sizes, sizes, inputs)
def test_a_letterbox_fits_and_keeps_proportions_to_half_a_pixel(wide: int, high: int, into: Input) -> None:
    """The larger side fills the input; what is left lies around the picture, or at the right and below."""
    place = inside(Box(cx=wide / 2, cy=high / 2, w=wide, h=high), into)
    assert place.width == into.width or place.height == into.height
    scale = min(into.width / wide, into.height / high)
    assert abs(place.width - max(1, wide * scale)) <= 0.5
    assert abs(place.height - max(1, high * scale)) <= 0.5
    left, below = into.width - place.width, into.height - place.height
    assert (place.left, place.top) == ((left // 2, below // 2) if into.fit == "centre" else (0, 0))


@given(st.integers(4, 90), st.integers(4, 90), inputs, st.data())
def test_a_box_comes_back_from_the_letterbox_to_where_it_was(
    wide: int, high: int, into: Input, data: st.DataObject
) -> None:
    """Exactly: the corners of the region are those of its place in the input, and all between lies between."""
    whole = data.draw(st.booleans())
    picture = cv2.imencode(".bmp", np.zeros((high, wide, 3), np.uint8))[1].tobytes()
    left, top = (0, 0) if whole else (data.draw(st.integers(0, wide - 2)), data.draw(st.integers(0, high - 2)))
    w, h = data.draw(st.integers(1, wide - left)), data.draw(st.integers(1, high - top))
    region = Box(cx=left + w / 2, cy=top + h / 2, w=w, h=h)
    cut = preprocess.cut(picture, into, region)
    assert cut.inside == inside(region, into)
    assert cut.picture.shape == (into.height, into.width, 3)
    share = data.draw(st.tuples(*[st.floats(0, 1)] * 4))
    (x0, x1), (y0, y1) = sorted(share[:2]), sorted(share[2:])
    place = cut.inside
    find = Find(
        place.left + x0 * place.width,
        place.top + y0 * place.height,
        place.left + x1 * place.width,
        place.top + y1 * place.height,
        output=0,
    )
    (spot,) = spots.placed([find], ["hair"], cut)
    expected = (
        left + (x0 + x1) / 2 * w,
        top + (y0 + y1) / 2 * h,
        max(0.01, (x1 - x0) * w),
        max(0.01, (y1 - y0) * h),
    )
    assert (spot.cx, spot.cy, spot.w, spot.h) == pytest.approx(expected, abs=0.006)


def test_what_sticks_out_into_the_grey_is_cut_off() -> None:
    """A box that lies in it altogether is a sliver at the picture's edge: it counts, and must be somewhere."""
    picture = cv2.imencode(".png", np.zeros((50, 100, 3), np.uint8))[1].tobytes()
    cut = preprocess.cut(picture, Input(width=100, height=100, fit="centre"))
    finds = [Find(-5, 10, 20, 40, 0, 0.5), Find(30, 80, 60, 95, 0, 0.4)]
    first, second = spots.placed(finds, ["hair"], cut)
    assert (first.cx, first.cy, first.w, first.h) == (10, 7.5, 20, 15)
    assert (second.cx, second.cy, second.w, second.h) == (45, 50, 30, 0.01)


def test_a_letterbox_is_grey_and_the_picture_as_those_who_train_with_one_make_it() -> None:
    """In every channel, whatever the colours; the rest is OpenCV's plain linear resize."""
    image = np.random.default_rng(0).integers(0, 256, (37, 90, 3), np.uint8)
    picture = cv2.imencode(".png", image)[1].tobytes()
    cut = preprocess.cut(picture, Input(width=64, height=64, colour="bgr", fit="centre"))
    assert cut.inside is not None
    assert (cut.inside.left, cut.inside.top, cut.inside.width, cut.inside.height) == (0, 19, 64, 26)
    assert (cut.picture[:19] == 114).all()
    assert (cut.picture[45:] == 114).all()
    assert (cut.picture[19:45] == cv2.resize(image, (64, 26), interpolation=cv2.INTER_LINEAR)).all()
    corner = preprocess.cut(picture, Input(width=64, height=64, colour="bgr", fit="corner"))
    assert (corner.picture[:26] == cut.picture[19:45]).all()
    assert (corner.picture[26:] == 114).all()


def test_a_large_jpeg_comes_back_to_its_own_pixels() -> None:
    """It is decoded smaller; a box is still in pixels of the original."""
    image = np.full((900, 1600, 3), 200, np.uint8)
    picture = cv2.imencode(".jpg", image)[1].tobytes()
    cut = preprocess.cut(picture, Input(width=160, height=160, fit="centre"), Box(cx=900, cy=450, w=800, h=400))
    place = cut.inside
    assert place is not None
    corners = [(place.left, place.top), (place.left + place.width, place.top + place.height)]
    assert moved(cut.placement, corners) == [pytest.approx((500, 250), abs=8), pytest.approx((1300, 650), abs=8)]


def test_an_area_is_in_pixels_of_the_picture() -> None:
    picture = cv2.imencode(".png", np.zeros((50, 100, 3), np.uint8))[1].tobytes()
    cut = preprocess.cut(picture, Input(width=50, height=50, fit="corner"))
    (spot,) = spots.placed([replace(Find(0, 0, 10, 10, 0), area=60)], ["hair"], cut)
    assert (spot.w, spot.h, spot.area, spot.score) == (20, 20, 240, None)
