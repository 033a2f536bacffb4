"""Which known bad pictures a bundle takes along; without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.judging.bundle import ModelClass
from bridge.learning import golden
from bridge.learning.data import Dataset
from bridge.messages import Verdict

CLASSES = tuple(
    ModelClass(name=name, verdict=Verdict.OK if name == "good" else Verdict.NG) for name in ("good", "bent", "cut")
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Sixty pictures, of each class in turn, two of each group."""
    files = tuple(tmp_path / f"{number}.JPG" for number in range(60))
    for file in files:
        file.write_bytes(b"picture")
    return Dataset(
        pictures=np.zeros((60, 1, 1, 3), np.uint8),
        labels=np.arange(60) % 3,
        groups=tuple(str(number // 6 + number % 3 * 100) for number in range(60)),
        parts=tuple(map(str, range(60))),
        classes=CLASSES,
        digest="",
        files=files,
    )


def test_only_bad_ones_that_are_clearly_rejected_are_taken(dataset: Dataset) -> None:
    """The hardest of them first, the classes by turns, one of each group."""
    scores = np.where(np.arange(60) % 3 == 0, 0.9, np.arange(60) / 100)
    places = golden.chosen(dataset, np.arange(60), scores, threshold=0.6)
    assert len(places) == golden.MOST
    assert all(scores[place] < 0.3 and dataset.bad[place] for place in places)
    assert [int(dataset.labels[place]) for place in places] == [1, 2] * 4
    assert places[:2] == [28, 29]
    assert len({dataset.groups[place] for place in places}) == golden.MOST


def test_the_same_ones_are_taken_each_time(dataset: Dataset) -> None:
    scores = np.zeros(60)
    assert golden.chosen(dataset, np.arange(60), scores, 0.5) == golden.chosen(dataset, np.arange(60), scores, 0.5)


def test_a_bundle_without_a_clear_one_takes_none(dataset: Dataset) -> None:
    """One at the threshold would refuse the bundle on another processor."""
    assert golden.chosen(dataset, np.arange(60), np.full(60, 0.49), threshold=0.5) == []


def test_a_large_picture_stays_out(dataset: Dataset) -> None:
    dataset.files[1].write_bytes(bytes(golden.LARGEST_BYTES + 1))
    assert 1 not in golden.chosen(dataset, np.arange(3), np.zeros(3), 0.5)


def test_pictures_that_were_never_files_cannot_go_along(dataset: Dataset) -> None:
    facts = {name: getattr(dataset, name) for name in dataset.__slots__ if name != "files"}
    assert golden.chosen(Dataset(**facts), np.arange(60), np.zeros(60), 0.5) == []


def test_they_are_packed_under_names_that_fit_a_bundle(dataset: Dataset) -> None:
    said, files = golden.packed(dataset, [4, 1])
    assert [(one.file, one.verdict) for one in said] == [("golden-1.jpg", "NG"), ("golden-2.jpg", "NG")]
    assert files == {"golden-1.jpg": dataset.files[4], "golden-2.jpg": dataset.files[1]}
