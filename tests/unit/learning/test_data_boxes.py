"""Sets with boxes, as COCO and as YOLO keep them: how they are read, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import drawn_boxes
import numpy as np
import pytest

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass
from bridge.judging.spec import Input
from bridge.learning.data import Choice, Look, items, pictures
from bridge.messages import Box, Verdict


def test_yolo_boxes_are_pixels_of_the_picture(tmp_path: Path) -> None:
    """A picture is of the rarest class in it, and good without any box."""
    rng = np.random.default_rng(3)
    shown = [drawn_boxes.picture(rng, clean=number % 4 == 3)[1] for number in range(12)]
    read = items.read(drawn_boxes.yolo(tmp_path / "set", 12, 3))
    assert [f"{one.name}={one.verdict}" for one in read.classes] == ["hair=NG", "hole=NG", "ok=OK"]
    by_name = {item.path.stem: item for item in read.items}
    for number, rows in enumerate(shown):
        item = by_name[f"{number:03}"]
        assert item.marks is not None
        assert [one.label for one in item.marks] == [drawn_boxes.KINDS[kind] for kind, *_ in rows]
        edges = [(one.left, one.top, one.right, one.bottom) for one in item.marks]
        np.testing.assert_allclose(
            np.reshape(edges, (-1, 4)), np.reshape([(x, y, x + w, y + h) for _, x, y, w, h in rows], (-1, 4))
        )
        assert (item.label == "ok") == (not rows)
    assert read.bad.sum() == 9


def test_yolo_files_beside_the_pictures_and_names_in_a_list(tmp_path: Path) -> None:
    """One without a file counts as good, and that is told; sides are folders."""
    where = drawn_boxes.yolo(tmp_path / "set", 8, 1)
    for side, numbers in (("train", range(6)), ("val", range(6, 8))):
        (where / side).mkdir()
        for number in numbers:
            (where / "images" / f"{number:03}.png").rename(where / side / f"{number:03}.png")
            (where / "labels" / f"{number:03}.txt").rename(where / side / f"{number:03}.txt")
    (where / "data.yaml").unlink()
    (where / "classes.txt").write_text("hair\nhole\n", encoding="utf-8")
    (where / "train" / "000.txt").unlink()
    read = items.read(where)
    assert read.notes == ("1 of 8 pictures have no file of boxes and count as good",)
    assert sorted(item.split for item in read.items) == ["train"] * 6 + ["validation"] * 2


@pytest.mark.parametrize(
    "names",
    [
        "names: [hair, 'hole']",
        "names:\n  - hair\n  - hole  # round",
        "names: {0: hair, 1: hole}",
        "names:\n- hair\n- hole",
    ],
)
def test_names_in_yaml_as_people_write_them(names: str, tmp_path: Path) -> None:
    where = drawn_boxes.yolo(tmp_path / "set", 8, 1)
    (where / "data.yaml").write_text(f"path: .\nnc: 2\n{names}\ntrain: images\n", encoding="utf-8")
    assert [one.name for one in items.read(where).classes] == ["hair", "hole", "ok"]


def test_coco_with_sides_and_without_good_pictures(tmp_path: Path) -> None:
    """Files of annotations say which side a picture is on; a class that is OK is asked for."""
    where = drawn_boxes.coco(tmp_path / "set", 6, 2)
    read = items.read(where, Choice(ok=("hair",)))
    assert [f"{one.name}={one.verdict}" for one in read.classes] == ["hair=OK", "hole=NG", "ok=OK"]
    assert {item.split for item in read.items} == {"train", "validation"}
    only = items.read(where / "annotations" / "instances_val2017.json")
    assert len(only.items) == 6
    assert all(item.marks for item in only.items)


def test_a_set_is_read_for_a_bundle_by_the_bundles_classes(tmp_path: Path) -> None:
    """What it calls a view without boxes holds, and so does the order of its classes."""
    known = (
        ModelClass(name="hole", verdict=Verdict.NG),
        ModelClass(name="hair", verdict=Verdict.OK),
        ModelClass(name="clean", verdict=Verdict.OK),
    )
    read = items.read(drawn_boxes.yolo(tmp_path / "set", 8, 1), Choice(classes=known))
    assert read.classes == known
    assert {item.label for item in read.items if not item.marks} == {"clean"}


def test_boxes_follow_the_region_of_interest(tmp_path: Path) -> None:
    """From points of what the model is shown to those of the file."""
    where = drawn_boxes.yolo(tmp_path / "set", 4, 1)
    look = Look(into=Input(width=64, height=32, colour="gray"), rois={"*": Box(cx=48, cy=40, w=64, h=32)})
    read = pictures.read(items.read(where), look)
    np.testing.assert_allclose(read.placements, [[[1, 0, 16], [0, 1, 24], [0, 0, 1]]] * 4)
    assert read.take([1, 2]).placements.shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.1", "000.txt:1: is no box; write class, middle and size"),
        ("0 0.5 0.5 0.1 0", "000.txt:1: is no box"),
        ("0 0.5 0.5 nan 0.1", "000.txt:1: is no box"),
        ("hair 0.5 0.5 0.1 0.1", "000.txt:1: is no box; write class, middle and size, as 0 0.5"),
        ("2 0.5 0.5 0.1 0.1", "000.txt:1: is of class 2, and 2 have names; name it too"),
    ],
)
def test_a_line_that_is_no_box_is_told(line: str, said: str, tmp_path: Path) -> None:
    where = drawn_boxes.yolo(tmp_path / "set", 4, 1)
    (where / "labels" / "000.txt").write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        items.read(where)
    assert said in str(told.value)


def test_what_coco_lacks_is_told(tmp_path: Path) -> None:
    where = drawn_boxes.coco(tmp_path / "set", 2, 2)
    path = where / "annotations" / "instances_val2017.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    for change, said in (
        ({"images": [{"id": 0, "file_name": "gone.png"}]}, "is not as COCO's"),
        ({"categories": None}, "has no images, annotations, categories"),
        ({"images": [*whole["images"], {"id": 9, "file_name": "gone.png"}]}, "names gone.png, which is not there"),
    ):
        path.write_text(json.dumps(whole | change), encoding="utf-8")
        with pytest.raises(ConfigError) as told:
            items.read(where)
        assert said in str(told.value)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no JSON that can be read"):
        items.read(where)
    for one in where.glob("annotations/*.json"):
        one.write_text(json.dumps(whole | {"annotations": [], "images": []}), encoding="utf-8")
    with pytest.raises(ConfigError, match="holds no box"):
        items.read(where)
