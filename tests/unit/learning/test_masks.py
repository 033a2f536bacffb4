"""Masks: found as sets keep them, and moved into what a model is shown by the very cut of its picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.judging.spec import Input, Registration
from bridge.learning import masks
from bridge.learning.data import Choice, Golden, Look, items
from bridge.learning.masks import Mask
from bridge.messages import Box

HEIGHT, WIDTH = 96, 160
ROI = Box(cx=80, cy=48, w=96, h=64)
OTHER = 30
"""A defect that lies outside of the region."""


def pit(place: int) -> tuple[int, int]:
    """Left and top of a defect of 12 x 8 pixels."""
    return (6, 4) if place == OTHER else (50 + 4 * place, 24 + 3 * place)


def mask_of(place: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    left, top = pit(place)
    mask[top : top + 8, left : left + 12] = True
    return mask


def picture(place: int | None) -> np.ndarray:
    """A gray part; white where it is defect."""
    image = np.full((HEIGHT, WIDTH), 90, np.uint8)
    if place is not None:
        image[mask_of(place)] = 255
    return image


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """A set as MVTec keeps it, one mask named in another way, and one defect that nobody drew."""
    root = tmp_path / "set"
    for side in ("train", "test"):
        write(root / side / "good/good.png", picture(None))
    for place in (0, 1, OTHER):
        write(root / f"test/pit/{place:03d}.png", picture(place))
        suffix = "" if place == 1 else "_mask"
        write(root / f"ground_truth/pit/{place:03d}{suffix}.png", mask_of(place).astype(np.uint8) * 255)
    write(root / "test/pit/nobody.png", picture(2))
    return root


def read(where: Path, look: Look, polygons: Path | None = None) -> dict[str, Mask | None]:
    found = items.read(where, Choice())
    made = masks.read(found.items, found.bad.tolist(), look, polygons)
    return {f"{one.path.parts[-3]} {one.path.stem}": mask for one, mask in zip(found.items, made, strict=True)}


@pytest.mark.parametrize("size", [(96, 64), (48, 32), (24, 16), (192, 128), (40, 30)])
def test_a_mask_lies_where_its_defect_is_shown(where: Path, size: tuple[int, int]) -> None:
    """Whatever the input's size: what is white in the picture is in the mask, and hardly more."""
    look = Look(into=Input(width=size[0], height=size[1], colour="gray"), rois={"*": ROI})
    found = read(where, look)
    for place in (0, 1):
        mask = found[f"test {place:03d}"]
        assert mask is not None
        assert mask.shape == (size[1], size[0])
        white = look.picture((where / f"test/pit/{place:03d}.png").read_bytes(), "1")[..., 0] > 172
        assert (mask != white).mean() < 0.012
        if size in {(96, 64), (48, 32)}:
            assert np.array_equal(mask, white)


def test_who_has_no_mask_is_told_from_who_shows_no_defect(where: Path) -> None:
    """None for a good picture and where nobody drew it; an empty one where it lies outside of the region."""
    found = read(where, Look(into=Input(width=96, height=64, colour="gray"), rois={"*": ROI}))
    assert (found["train good"], found["test good"], found["test nobody"]) == (None, None, None)
    outside = found["test 030"]
    assert outside is not None
    assert not outside.any()
    whole = read(where, Look(into=Input(width=WIDTH, height=HEIGHT, colour="gray")))["test 030"]
    assert whole is not None
    assert np.array_equal(whole, mask_of(OTHER))


def test_polygons_stand_in_where_there_is_no_mask(where: Path, tmp_path: Path) -> None:
    """In a folder of folders, named as the pictures; a mask that is there comes first."""
    left, top = pit(2)
    corners = [[left, top], [left + 11, top], [left + 11, top + 7], [left, top + 7]]
    for name in ("nobody", "000"):
        path = tmp_path / f"label/test/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"shapes": [{"label": "pit", "points": corners}]}))
    look = Look(into=Input(width=WIDTH, height=HEIGHT, colour="gray"))
    found = read(where, look, tmp_path / "label")
    assert np.array_equal(found["test nobody"], mask_of(2))
    assert np.array_equal(found["test 000"], mask_of(0))
    with pytest.raises(ConfigError, match="is no folder"):
        read(where, look, tmp_path / "nowhere")


def test_a_mask_moves_with_a_part_that_is_registered(tmp_path: Path) -> None:
    """The part lies 7 pixels to the right and 5 further down than the golden one; so does its defect."""
    rng = np.random.default_rng(0)
    part = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8), (0, 0), 2)
    golden = cv2.normalize(part, None, 20, 200, cv2.NORM_MINMAX)
    moved = np.roll(golden, (5, 7), (0, 1))
    mask = np.roll(mask_of(0), (5, 7), (0, 1))
    write(tmp_path / "set/ok/good.png", golden)
    write(tmp_path / "set/ng/bad.png", moved)
    write(tmp_path / "set/ground_truth/ng/bad.png", mask.astype(np.uint8) * 255)
    registered = Golden(how=Registration(golden="golden.png"), data=(tmp_path / "set/ok/good.png").read_bytes())
    look = Look(into=Input(width=96, height=64, colour="gray"), rois={"*": ROI}, goldens={"*": registered})
    found = items.read(tmp_path / "set", Choice())
    made = next(one for one in masks.read(found.items, found.bad.tolist(), look) if one is not None)
    still = mask_of(0)[16:80, 32:128]
    assert (made & still).sum() / (made | still).sum() > 0.75


@given(st.integers(1, 30), st.integers(0, 90), st.integers(0, 150), st.integers(2, 12))
def test_no_piece_vanishes(size: int, top: int, left: int, shrinks: int) -> None:
    """A speck, or a hair of one pixel, is still there when the picture has shrunk; nothing is where it is not."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[top, left : left + size] = True
    into = Input(width=WIDTH // shrinks, height=HEIGHT // shrinks)
    placement = np.diag([WIDTH / into.width, HEIGHT / into.height, 1.0])
    made = masks.shown(mask, placement, into)
    rows, columns = np.nonzero(made)
    assert rows.size
    assert np.abs((rows + 0.5) * placement[1, 1] - top - 0.5).max() <= placement[1, 1]
    assert columns.min() * placement[0, 0] <= left + size
    assert (columns.max() + 1) * placement[0, 0] >= left


def test_a_large_defect_keeps_its_size() -> None:
    """By half: what is cut at its edge neither grows nor shrinks."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[13:75, 22:131] = True
    made = masks.shown(mask, np.diag([4.0, 4.0, 1.0]), Input(width=40, height=24))
    assert 16 * made.sum() == pytest.approx(mask.sum(), rel=0.06)


def test_what_cannot_be_read_is_one_line(where: Path) -> None:
    """A picture that is none, beside a mask that is one."""
    (where / "test/pit/000.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        read(where, Look(into=Input(width=96, height=64, colour="gray")))
    assert "\n" not in str(caught.value)


def test_polygons_and_rectangles_become_masks(tmp_path: Path) -> None:
    """As labelme writes them; a picture without a file has no defect."""
    shapes = [
        {"label": "pit", "points": [[10, 10], [20, 10], [20, 20], [10, 20]]},
        {"label": "pit", "points": [[50, 60], [40, 50]], "shape_type": "rectangle"},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"shapes": shapes}))
    mask = masks.outlined(tmp_path / "a.json", 100, 200)
    assert mask.shape == (100, 200)
    assert mask[15, 15]
    assert mask[55, 45]
    assert mask.sum() == 2 * 11 * 11
    assert not masks.outlined(tmp_path / "b.json", 100, 200).any()


def test_a_mask_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    """Another size would put every defect in the wrong place."""
    cv2.imwrite(str(tmp_path / "m.png"), np.full((10, 20), 255, np.uint8))
    assert masks.painted(tmp_path / "m.png", 10, 20).all()
    (tmp_path / "bad.json").write_text('{"shapes": [{"points": [[1, 1]], "shape_type": "point"}]}')
    for wrong, words in (
        (lambda: masks.painted(tmp_path / "m.png", 20, 20), "same size"),
        (lambda: masks.painted(tmp_path / "none.png", 20, 20), "no mask"),
        (lambda: masks.outlined(tmp_path / "bad.json", 20, 20), "no labelme file"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            wrong()
        assert "\n" not in str(caught.value)
