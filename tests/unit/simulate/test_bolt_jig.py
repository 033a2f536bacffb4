"""Bolts in a jig: the jig goes with the label in training and not in the test, and the cut hides it."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.judging.preprocess import crop
from bridge.simulate.bolt_jig import ROI, Jig, held, where
from bridge.simulate.bolt_jig_set import members, write_set
from bridge.simulate.bolts import HEIGHT, TRAINING_SEEDS, WIDTH, Defect, bolt


def test_the_cut_hides_the_jig_and_nothing_of_the_bolt() -> None:
    """Inside the ROI stands the picture as it was; outside the two differ by what is there, not by brightness."""
    plain = bolt(3).views["front"]
    one, other = (held(plain, jig, 3) for jig in Jig)
    for image in (one, other):
        assert np.array_equal(crop(image, ROI), plain)
    outside = where()
    assert outside.sum() == outside.size - HEIGHT * WIDTH
    assert np.abs(one[outside].astype(int) - other[outside]).mean() > 4
    assert one[outside].mean() == pytest.approx(other[outside].mean(), abs=3)


def test_jigs_are_as_bright_as_their_picture() -> None:
    """A dark exposure has a dark jig, so that the jig is seen and not the lamp."""
    plain = bolt(3).views["front"]
    dark = held((plain * 0.5).astype(np.uint8), Jig.SCREWED, 3)
    assert dark[where()].mean() < 0.75 * held(plain, Jig.SCREWED, 3)[where()].mean()


def test_a_defect_lies_where_its_mask_says() -> None:
    """The mask moves with the picture into the larger one, and never onto the jig."""
    member = next(one for one in members(8, 0) if one.defect is Defect.UNCOATED)
    view, image, mask = member.shown()
    assert mask.shape == image.shape[:2]
    assert mask.any()
    assert not (mask & where()).any()
    good = held(bolt(TRAINING_SEEDS + member.number).views[view], member.jig, member.number)
    changed = np.abs(image.astype(int) - good).max(axis=2) > 12
    assert changed[mask].mean() > 0.5
    assert not changed[~mask].any()


@pytest.mark.parametrize(("together", "expected"), [(1.0, 0), (0.9, 4), (0.5, 20)])
def test_jig_and_label_go_together_in_training_only(together: float, expected: int) -> None:
    """So many of each forty are in the other jig; in the test half of each."""
    chosen = members(80, 40, together)
    cells = Counter((one.side, one.label, one.jig) for one in chosen)
    assert cells["train", "ok", Jig.SLOTTED] == cells["train", "ng", Jig.SCREWED] == expected
    assert {cells["test", label, jig] for label in ("ok", "ng") for jig in Jig} == {10}
    assert {one.defect for one in chosen if one.side == "test"} == {None, *Defect}


def test_seeds_share_no_part() -> None:
    """Several seeds are several sets."""
    first, second = ({one.number for one in members(20, 10, seed=seed)} for seed in (0, 1))
    assert len(first) == 30
    assert not first & second


def test_the_written_set_reads_as_a_users_own(tmp_path: Path) -> None:
    """Class folders under train and test, a mask for every bad part, one line for each in the table."""
    write_set(tmp_path, members(3, 2), processes=1)
    with (tmp_path / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    for row in rows:
        image = cv2.imread(str(tmp_path / row["file"]))
        assert image.shape[:2] == where().shape
        mask = (tmp_path / "ground_truth" / row["file"]).with_suffix(".png")
        assert mask.exists() == (row["label"] == "ng") == bool(row["defect"])
