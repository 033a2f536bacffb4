"""Finding a labelled set: layouts as people have them, words that decide what is OK, and mistakes in one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from annotated_types import MaxLen
from drawn_sets import fill

from bridge.errors import ConfigError
from bridge.judging.bundle import Manifest, ModelClass
from bridge.learning.data import Choice, Collection, items
from bridge.messages import Verdict


def named(collection: Collection) -> list[tuple[str, str]]:
    return [(one.name, str(one.verdict)) for one in collection.classes]


def test_names_decide_what_is_ok_and_folder_order_means_nothing(tmp_path: Path) -> None:
    """A class is OK because its name was given, wherever it sorts."""
    fill(tmp_path, {"zz_good/1.png": 200, "aa_dent/1.png": 10, "mm_fine/1.png": 100})
    (tmp_path / "notes").mkdir()
    found = items.read(tmp_path, Choice(ok=("zz_good", "mm_fine")))
    assert named(found) == [("aa_dent", "NG"), ("mm_fine", "OK"), ("zz_good", "OK")]
    assert found.bad.tolist() == [True, False, False]
    assert [one.path.name for one in found.items] == ["1.png"] * 3


def test_a_class_that_is_called_ok_is_ok_unless_two_are(tmp_path: Path) -> None:
    """What is clear is not asked for; what is not costs one line."""
    fill(tmp_path, {"Good/1.png": 1, "dent/1.png": 2})
    assert named(items.read(tmp_path)) == [("Good", "OK"), ("dent", "NG")]
    fill(tmp_path, {"free/1.png": 1})
    with pytest.raises(ConfigError, match="write --ok with some of Good, dent, free"):
        items.read(tmp_path)


def test_folders_as_mvtec_has_them_bring_masks(tmp_path: Path) -> None:
    """Training pictures are all good there: such a split teaches no classifier, so the set is split anew."""
    names = ["train/good/0.png", "train/good/1.png", "test/good/0.png", "test/cut/0.png"]
    fill(tmp_path, {**dict.fromkeys(names, 9), "ground_truth/cut/0_mask.png": 255})
    found = items.read(tmp_path)
    assert named(found) == [("cut", "NG"), ("good", "OK")]
    assert [one.mask for one in found.items] == [tmp_path / "ground_truth/cut/0_mask.png", None, None, None]
    assert set(found.splits) == {""}
    assert found.notes == ("the set's own split has no cut to train on; it is split anew",)


def test_a_set_with_its_own_split_keeps_it_unless_told_otherwise(tmp_path: Path) -> None:
    """Masks lie beside the sides or below them."""
    names = ["train/free/0.jpg", "train/crack/0.jpg", "test/free/1.jpg", "test/crack/1.jpg"]
    fill(tmp_path, {**dict.fromkeys(names, 9), "ground_truth/test/crack/1.png": 255})
    found = items.read(tmp_path)
    assert sorted(zip([one.path.name for one in found.items], found.splits, strict=True)) == [
        ("0.jpg", "train"),
        ("0.jpg", "train"),
        ("1.jpg", "test"),
        ("1.jpg", "test"),
    ]
    assert [one.mask.name for one in found.items if one.mask] == ["1.png"]
    assert set(items.read(tmp_path, Choice(own_split=False)).splits) == {""}


@pytest.mark.parametrize("comma", [",", ";"])
def test_a_table_says_all_that_it_knows(tmp_path: Path, comma: str) -> None:
    """Written by a spreadsheet of any country; other columns can be named."""
    fill(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 3, "m.png": 255})
    table = [
        ["file", "label", "serial", "view", "lot", "split", "mask", "shift"],
        ["a.png", "ok", "s1", "top", "l1", "Train", "", "early"],
        ["b.png", "ok", "s1", "side", "l1", "train", "", "early"],
        ["c.png", "dent", "s2", "top", "l2", "train", "m.png", "late"],
    ]
    (tmp_path / "set.csv").write_text("\ufeff" + "\r\n".join(comma.join(row) for row in table), encoding="utf-8")
    dent, first, second = items.read(tmp_path / "set.csv").items
    assert (first.part, first.view, first.group, first.split) == ("s1", "top", "l1", "train")
    assert (second.part, second.view, second.group) == ("s1", "side", "l1")
    assert (dent.part, dent.group, dent.mask) == ("s2", "l2", tmp_path / "m.png")
    assert items.read(tmp_path / "set.csv", Choice(groups=("shift",))).groups == ("late", "early", "early")


def test_groups_come_from_a_table_or_from_the_name(tmp_path: Path) -> None:
    """A table's paths are relative to the table, which may lie beside or above the set."""
    fill(tmp_path / "set", {"ok/g1_a.png": 1, "ng/g2_b.png": 2})
    (tmp_path / "manifest.csv").write_text("file,casting\nset/ok/g1_a.png,x\nset/ng/g2_b.png,y\n")
    by_table = items.read(tmp_path / "set", Choice(groups=("../manifest.csv:casting",)))
    by_name = items.read(tmp_path / "set", Choice(groups=("(?P<group>g[0-9]+)_",), views="_(?P<view>.)"))
    assert by_table.groups == ("y", "x")
    assert by_name.groups == ("g2", "g1")
    assert [item.view for item in by_name.items] == ["b", "a"]
    assert by_table.parts == tuple(str(item.path) for item in by_table.items)


def test_a_group_is_never_finer_than_a_part(tmp_path: Path) -> None:
    """Views of one part stay together even where their groups differ, and several groupings are joined."""
    fill(
        tmp_path, {f"{label}/{name}.png": 1 for label in ("ok", "ng") for name in ("p1-a", "p2-b", "p3-c", "p4-b")}
    )
    plain = items.read(tmp_path, Choice(parts="(?P<part>p.)-", groups=("-(?P<group>.)",)))
    assert len(set(plain.groups)) == 3
    joined = items.read(
        tmp_path, Choice(parts="(?P<part>p.)-", groups=("-(?P<group>.)", "(?P<group>p(?=[12]))|."))
    )
    assert joined.groups == ("a", "a", "c", "a") * 2


def test_a_set_for_a_bundle_keeps_the_bundles_classes(tmp_path: Path) -> None:
    """Their order is that of the model's outputs; one that the model does not know is asked for."""
    known = tuple(
        ModelClass(name=name, verdict=Verdict(verdict))
        for name, verdict in (("ng", "NG"), ("fine", "OK"), ("x", "NG"))
    )
    fill(tmp_path, {"fine/1.png": 1})
    found = items.read(tmp_path, Choice(classes=known))
    assert found.classes == known
    assert found.labels.tolist() == [1]
    fill(tmp_path, {"dent/1.png": 1})
    with pytest.raises(ConfigError, match="--ok"):
        items.read(tmp_path, Choice(classes=known))
    assert named(items.read(tmp_path, Choice(classes=known, ok=("fine",))))[-1] == ("dent", "NG")


def test_a_row_that_ends_early_says_nothing_of_the_rest(tmp_path: Path) -> None:
    """As spreadsheets write it; a picture of which no part is named is a part of its own."""
    fill(tmp_path, {"ok/1.png": 1, "ok/2.png": 1, "ng/1.png": 2, "ng/2.png": 2})
    (tmp_path / "m.csv").write_text("file,part\nok/1.png,a\nok/2.png,a\nng/1.png\nng/2.png\n")
    read = items.read(tmp_path, Choice(parts="m.csv:part"))
    assert [item.part == "a" for item in read.items] == [False, False, True, True]
    assert len(set(read.parts)) == 3


def _table(folder: Path, text: str) -> Callable[[], object]:
    def read() -> object:
        (folder / "t.csv").write_text(text, encoding="utf-8")
        return items.read(folder / "t.csv")

    return read


def test_mistakes_are_one_line_that_says_what_to_write(tmp_path: Path) -> None:
    """The person who mistyped a folder needs no traceback."""
    fill(tmp_path, {"ok/1.png": 1, "ng/1.png": 2})
    (tmp_path / "m.csv").write_text("file,casting\nok/1.png,x\n")
    (tmp_path / "k.csv").write_bytes("file,label\nok/1.png,불량\n".encode("cp949"))
    (tmp_path / "empty").mkdir()

    def reading(where: str = ".", **words: object) -> Callable[[], object]:
        return lambda: items.read(tmp_path / where, Choice(**words))  # type: ignore[arg-type]

    for wrong, words in (
        (reading("nowhere"), "one folder per class"),
        (reading("empty"), "one folder of pictures per class"),
        (reading(ok=("okay",)), "write one of"),
        (reading(ok=("ok", "ng")), "no class that is NG"),
        (reading(groups=("nowhere.csv:casting",)), "names no table"),
        (reading(groups=("m.csv:part",)), "has no column 'part'"),
        (reading(groups=("(?P<group>[",)), "is no pattern"),
        (reading(groups=("m.csv:casting",)), "is not listed"),
        (reading(parts="(?P<group>casting)"), "does not match"),
        (reading(groups=("lot",)), "is no column of this set; write FILE.csv:COLUMN"),
        (reading("k.csv"), "save it as CSV UTF-8"),
        (_table(tmp_path, "file,label\n"), "lists no pictures"),
        (_table(tmp_path, "picture,label\nok/1.png,ok\n"), "has no column 'file'"),
        (_table(tmp_path, "file,kind\nok/1.png,ok\n"), "has no column 'label'"),
        (_table(tmp_path, "file,label\nok/2.png,ok\n"), "t.csv:2: there is no file"),
        (_table(tmp_path, "file,label\nok/1.png,\n"), "t.csv:2: has no label"),
        (_table(tmp_path, "file,label,split\nok/1.png,ok,trian\n"), "is no side of a set"),
        (_table(tmp_path, "file,label,mask\nok/1.png,ok,m.png\n"), "there is no mask"),
        (_table(tmp_path, "file,label\nok/1.png,ok\nng/1.png,ng\nok/1.png,ok\n"), "is listed twice"),
        (_table(tmp_path, f"file,label\nok/1.png,ok\n{'x' * 5000},ng\n"), "there is no file"),
        (_table(tmp_path, f'file,label\nok/1.png,ok\n"{"x" * 200_000}",ng\n'), "t.csv:3: is no row"),
        (_table(tmp_path, f"file,label\nok/1.png,ok\nng/1.png,{'x' * 65}\n"), "at most 64 printable characters"),
        (_table(tmp_path, 'file,label\nok/1.png,ok\nng/1.png,"n\x1bg"\n'), "at most 64 printable characters"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            wrong()
        assert "\n" not in str(caught.value)


def test_a_name_in_an_older_code_is_one_line(tmp_path: Path) -> None:
    """It could be kept in no report and no bundle; a set is not silently smaller for it."""
    fill(tmp_path, {"ok/1.png": 1, "ng/1.png": 2})
    for old, new in (("ng/1.png", b"ng/\xe9.png"), ("ng", b"n\xe9g")):
        (tmp_path / old).rename(tmp_path / os.fsdecode(new))
        with pytest.raises(ConfigError, match="has a name that is not UTF-8") as caught:
            items.read(tmp_path)
        assert str(caught.value).isascii()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_may_not_be_read_does_not_go_missing(tmp_path: Path) -> None:
    """Else a lot, or a whole class, is not learnt and nobody knows."""
    fill(tmp_path, {"ok/1.png": 1, "ng/lot 7/1.png": 2})
    (tmp_path / "ng" / "lot 7").chmod(0)
    with pytest.raises(ConfigError, match="cannot be read"):
        items.read(tmp_path)
    (tmp_path / "ng" / "lot 7").chmod(0o755)


def test_more_classes_than_a_bundle_holds_are_refused_before_training() -> None:
    """Mostly a folder of folders per part; the line that says so does not list them all."""
    names = [f"part {number}" for number in range(items.MOST_CLASSES)]
    with pytest.raises(ConfigError, match="it is not clear which") as caught:
        items.classes(names, Choice())
    assert len(str(caught.value)) < 400
    with pytest.raises(ConfigError, match="has 1,001 classes"):
        items.classes([*names, "ok"], Choice())


def test_what_a_bundle_holds_is_what_a_set_may_have() -> None:
    """The limits stand twice, and are the same."""
    fields = Manifest.model_fields["classes"].metadata + ModelClass.model_fields["name"].metadata
    assert {items.MOST_CLASSES, items.LONGEST_NAME} == {
        one.max_length for one in fields if isinstance(one, MaxLen)
    }


def test_classes_that_differ_by_capitals_alone_are_told(tmp_path: Path) -> None:
    """A slip of whoever labelled is two classes to a judge."""
    fill(tmp_path, {"ok/1.png": 1, "Dent/1.png": 2, "dent/1.png": 3})
    assert items.read(tmp_path).notes == ("classes that differ by capitals alone: Dent and dent; are they one?",)


def test_a_row_that_ends_early_has_blanks(tmp_path: Path) -> None:
    """A picture without a part is a part of its own."""
    fill(tmp_path, {"1.png": 1, "2.png": 2, "3.png": 3})
    (tmp_path / "t.csv").write_text("file,label,part\n1.png,ok,a\n2.png,ng\n3.png,ng\n")
    for parts in ("", "part", "t.csv:part"):
        found = items.read(tmp_path / "t.csv", Choice(parts=parts)).items
        assert [one.part for one in found] == [str(tmp_path / "2.png"), str(tmp_path / "3.png"), "a"]
