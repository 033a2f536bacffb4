"""Reading pictures: the same code as on the line, and a digest that follows content and labels only."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_sets import fill

from bridge.errors import ConfigError
from bridge.judging.spec import Input, Registration
from bridge.learning.data import Choice, Dataset, Golden, Look, items, pictures
from bridge.messages import Box

LOOK = Look(into=Input(width=16, height=12, colour="gray"))


def read(folder: Path, look: Look = LOOK, ok: str = "ok") -> Dataset:
    return pictures.read(items.read(folder, Choice(ok=(ok,))), look)


def test_pictures_come_in_the_models_size_with_what_is_known_of_them(tmp_path: Path) -> None:
    fill(tmp_path, {"dent/1.png": 10, "fine/1.png": 100, "ok/1.png": 200})
    dataset = read(tmp_path)
    assert dataset.bad.tolist() == [True, True, False]
    assert dataset.pictures.shape == (3, 12, 16, 1)
    assert dataset.pictures.mean(axis=(1, 2, 3)).tolist() == [10, 100, 200]
    assert dataset.hashes == tuple(sha256(file.read_bytes()).hexdigest() for file in dataset.files)
    assert dataset.views == ("1", "1", "1")


def test_a_region_is_cut_out_as_on_the_line(tmp_path: Path) -> None:
    """The same region option means the same pixels in training and live; a view may have its own."""
    fill(tmp_path, {"ok/1.png": 50, "ng/1.png": 50})
    picture = np.zeros((24, 32), np.uint8)
    picture[6:18, 8:24] = 250
    cv2.imwrite(str(tmp_path / "ok/1.png"), picture)
    box = Box(cx=16, cy=12, w=16, h=12)
    for view in ("*", "1"):
        dataset = read(tmp_path, Look(into=LOOK.into, rois={view: box}))
        assert dataset.pictures[dataset.labels == 1].min() == 250
    assert read(tmp_path, Look(into=LOOK.into, rois={"top": box})).pictures[1].min() == 0


def test_the_digest_follows_content_and_labels_only(tmp_path: Path) -> None:
    """The same set has the same digest wherever it lies; one changed pixel or label gives another."""
    digests = []
    for folder, level, ok in (("a", 10, "ok"), ("b", 10, "ok"), ("c", 11, "ok"), ("d", 10, "ng")):
        fill(tmp_path / folder, {"ok/1.png": 90, "ng/1.png": level})
        digests.append(read(tmp_path / folder, ok=ok).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_unreadable_pictures_are_one_line(tmp_path: Path) -> None:
    """The first by name, how many more, and where to see them all."""
    fill(tmp_path, {"ok/1.png": 1, "ng/1.png": 2})
    for name in ("2", "3"):
        (tmp_path / "ok" / f"{name}.png").write_bytes(b"no picture")
    told: list[tuple[int, int]] = []
    with pytest.raises(ConfigError, match=r"2\.png.*and 1 others.*data check lists them") as caught:
        pictures.read(items.read(tmp_path), LOOK, lambda done, total: told.append((done, total)))
    assert "\n" not in str(caught.value)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def loose(folder: Path, lost: int) -> Look:
    """Write ten parts that lie as on a golden picture, of which so many are not there; return how to find them."""
    part = np.full((96, 128), 60, np.uint8)
    cv2.rectangle(part, (40, 30), (88, 66), 200, -1)
    cv2.circle(part, (56, 44), 7, 90, -1)
    for number in range(10):
        path = folder / ("ng" if number < 5 else "ok") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full_like(part, 60) if number < lost else part + number)
    golden = Golden(how=Registration(golden="golden.png"), data=cv2.imencode(".png", part)[1].tobytes())
    return Look(into=LOOK.into, rois={"*": Box(cx=64, cy=48, w=52, h=40)}, goldens={"*": golden})


def test_a_part_that_cannot_be_registered_is_left_out_and_told_of(tmp_path: Path) -> None:
    """On the line it is one part that is not judged; it does not stop a training of thousands."""
    dataset = read(tmp_path, loose(tmp_path, 2))
    assert [path.name for path in dataset.files] == [f"{number}.png" for number in range(2, 10)]
    assert len(dataset.pictures) == len(dataset.hashes) == len(dataset.groups) == 8
    assert dataset.labels.tolist() == [0] * 3 + [1] * 5
    assert dataset.pictures.std(axis=(1, 2, 3)).min() > 20, "the part, not the empty place where one was lost"
    (note,) = dataset.notes
    assert note.startswith("2 of 10 pictures are left out: ng/0.png cannot be registered: ")
    assert note.endswith(", also ng/1.png")
    assert read(tmp_path).notes == ()


def test_more_than_a_fifth_is_another_kind_of_part(tmp_path: Path) -> None:
    """Then the golden picture is the wrong one; the first few say where to look."""
    look = loose(tmp_path, 4)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, look)
    said = str(caught.value)
    assert "4 of 10 pictures of view 1 cannot be laid over the golden one: ng/0.png cannot" in said
    assert "also ng/1.png, ng/2.png and 1 more; register onto a picture of these parts" in said
    assert "\n" not in said
