"""Reading a labelled set: words decide what is OK, groups stay whole, and each mistake is one line."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.judging.spec import Input
from bridge.learning import data
from bridge.messages import Box, Verdict

INTO = Input(width=16, height=12, colour="gray")


def fill(folder: Path, names: dict[str, int]) -> None:
    """Write pictures whose grey level is the number given."""
    for name, level in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((24, 32), level, np.uint8))


def test_names_decide_what_is_ok_and_folder_order_means_nothing(tmp_path: Path) -> None:
    """A class is OK because its name was given, wherever it sorts."""
    fill(tmp_path, {"zz_good/1.png": 200, "aa_dent/1.png": 10, "mm_fine/1.png": 100})
    known = data.classes(tmp_path, ["zz_good", "mm_fine"])
    assert [(one.name, one.verdict) for one in known] == [
        ("aa_dent", Verdict.NG),
        ("mm_fine", Verdict.OK),
        ("zz_good", Verdict.OK),
    ]
    dataset = data.read(tmp_path, known, INTO)
    assert dataset.bad.tolist() == [True, False, False]
    assert dataset.pictures.shape == (3, 12, 16, 1)
    assert dataset.pictures.mean(axis=(1, 2, 3)).tolist() == [10, 100, 200]


def test_a_region_is_cut_out_as_on_the_line(tmp_path: Path) -> None:
    """The same region option means the same pixels in training and live."""
    fill(tmp_path, {"ok/1.png": 50, "ng/1.png": 50})
    picture = np.zeros((24, 32), np.uint8)
    picture[6:18, 8:24] = 250
    cv2.imwrite(str(tmp_path / "ok/1.png"), picture)
    dataset = data.read(tmp_path, data.classes(tmp_path, ["ok"]), INTO, roi=Box(cx=16, cy=12, w=16, h=12))
    assert dataset.pictures[dataset.labels == 1].min() == 250


def test_the_digest_follows_content_and_labels_only(tmp_path: Path) -> None:
    """The same set has the same digest wherever it lies; one changed pixel or label gives another."""
    digests = []
    for folder, level, ok in (("a", 10, "ok"), ("b", 10, "ok"), ("c", 11, "ok"), ("d", 10, "ng")):
        fill(tmp_path / folder, {"ok/1.png": 90, "ng/1.png": level})
        digests.append(data.read(tmp_path / folder, data.classes(tmp_path / folder, [ok]), INTO).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_groups_come_from_a_table_or_from_the_name(tmp_path: Path) -> None:
    """A table's paths are relative to the table, which may lie beside or above the set."""
    fill(tmp_path / "train", {"ok/g1_a.png": 1, "ng/g2_b.png": 2})
    (tmp_path / "manifest.csv").write_text("file,casting\ntrain/ok/g1_a.png,x\ntrain/ng/g2_b.png,y\n")
    by_table = data.grouping("../manifest.csv:casting", tmp_path / "train")
    by_name = data.grouping("(?P<group>g[0-9]+)_", tmp_path / "train")
    pictures = [tmp_path / "train/ok/g1_a.png", tmp_path / "train/ng/g2_b.png"]
    assert [by_table(path) for path in pictures] == ["x", "y"]
    assert [by_name(path) for path in pictures] == ["g1", "g2"]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=80),
    st.floats(0.05, 0.6),
    st.integers(0, 1000),
)
def test_no_group_is_on_both_sides_and_every_class_on_each(
    drawn: list[tuple[int, int]], share: float, seed: int
) -> None:
    """A split either keeps both promises or is refused."""
    labels, groups = np.array([label for label, _ in drawn]), [str(group) for _, group in drawn]
    try:
        learned, validated = data.split(labels, groups, share, seed)
    except ConfigError:
        return
    assert sorted([*learned, *validated]) == list(range(len(drawn)))
    assert not {groups[index] for index in learned} & {groups[index] for index in validated}
    assert set(labels[learned]) == set(labels[validated]) == set(labels)


def test_a_split_follows_from_its_seed() -> None:
    """Training can be repeated; another seed validates on other parts."""
    labels, groups = np.arange(100) % 2, [str(index) for index in range(100)]
    first = data.split(labels, groups, 0.2, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, data.split(labels, groups, 0.2, 1), strict=True))
    assert not np.array_equal(first[1], data.split(labels, groups, 0.2, 2)[1])


def test_mistakes_are_one_line_that_says_what_to_write(tmp_path: Path) -> None:
    """The person who mistyped a folder needs no traceback."""
    fill(tmp_path, {"ok/1.png": 1, "ng/1.png": 2})
    (tmp_path / "t.csv").write_text("file,casting\nok/1.png,x\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken" / "ok").mkdir(parents=True)
    (tmp_path / "hollow" / "ok").mkdir(parents=True)
    (tmp_path / "broken" / "ok" / "1.png").write_bytes(b"no picture")
    known = data.classes(tmp_path, ["ok"])
    for wrong, words in (
        (lambda: data.classes(tmp_path / "nowhere", ["ok"]), "one folder per class"),
        (lambda: data.classes(tmp_path, ["okay"]), "write one of"),
        (lambda: data.classes(tmp_path, ["ok", "ng", "empty", "broken", "hollow"]), "no class that is NG"),
        (lambda: data.read(tmp_path / "hollow", known[-1:], INTO), "holds no pictures"),
        (lambda: data.read(tmp_path / "broken", known[-1:], INTO), "remove or replace it"),
        (lambda: data.grouping("nowhere.csv:casting", tmp_path), "names no table"),
        (lambda: data.grouping("t.csv:part", tmp_path), "has no column 'part'"),
        (lambda: data.grouping("(?P<group>[", tmp_path), "is no pattern"),
        (lambda: data.grouping("t.csv:casting", tmp_path)(tmp_path / "ng/1.png"), "is not listed"),
        (lambda: data.grouping("(?P<group>casting)", tmp_path)(tmp_path / "1.png"), "does not match"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            wrong()
        assert "\n" not in str(caught.value)
