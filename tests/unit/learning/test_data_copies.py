"""Copies are found whatever was done to them, and parts that only look alike are none."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.cli import reading
from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.learning.data import Choice, Shares, copies, items, page, remembered, split
from bridge.learning.data.copies import merged
from bridge.learning.data.likeness import compare, print_of
from bridge.simulate.bolts import TRAINING_SEEDS, VIEWS, Defect, bolt

Picture = NDArray[np.uint8]


def part(seed: int) -> Picture:
    """Return a bolt's picture, every other one bad; the same fixture and light for each."""
    one = bolt(TRAINING_SEEDS + seed, Defect.DENTED if seed % 2 else None)
    return np.asarray(cv2.imdecode(np.frombuffer(one.encode(VIEWS[0]), np.uint8), cv2.IMREAD_COLOR), np.uint8)


def turned(picture: Picture, degrees: float = 37) -> Picture:
    height, width = picture.shape[:2]
    move = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def mirrored(picture: Picture) -> Picture:
    return np.asarray(cv2.flip(picture, 1), np.uint8)


def brightened(picture: Picture) -> Picture:
    return np.clip(picture * 1.25 + 15, 0, 255).astype(np.uint8)


def cropped(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    inner = picture[height // 20 : height - height // 25, width // 30 : width - width // 20]
    return np.asarray(cv2.resize(inner, (width, height)), np.uint8)


def all_at_once(picture: Picture) -> Picture:
    return brightened(mirrored(turned(cropped(picture), -100)))


CHANGES: list[Callable[[Picture], Picture]] = [turned, mirrored, brightened, cropped, all_at_once]


def write(path: Path, picture: Picture, quality: int = 92) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])


@pytest.fixture(scope="module")
def bolts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve bolts, and of five of them a copy each in the other half of the split."""
    folder = tmp_path_factory.mktemp("bolts")
    for seed in range(12):
        kind = "ng" if seed % 2 else "ok"
        write(folder / "train" / kind / f"{seed:02d}.jpg", part(seed))
    for seed in range(20, 24):
        write(folder / "test" / ("ng" if seed % 2 else "ok") / f"{seed:02d}.jpg", part(seed))
    for seed, change in enumerate(CHANGES):
        kind = "ng" if seed % 2 else "ok"
        copy = change(part(seed))
        write(folder / "test" / kind / f"{seed:02d}-{change.__name__}.jpg", copy, quality=75)
    return folder


def test_each_kind_of_copy_is_found_and_nothing_else(bolts: Path) -> None:
    """Turned by any angle, mirrored, brightened, cropped, all of it; other bolts are other bolts."""
    collection = items.read(bolts, Choice())
    found = remembered.find(collection, lambda *_: None)
    names = [item.path.stem for item in collection.items]
    pairs = {tuple(sorted((names[pair.one], names[pair.other]))) for pair in found.pairs}
    assert pairs == {(f"{seed:02d}", f"{seed:02d}-{change.__name__}") for seed, change in enumerate(CHANGES)}
    assert len(found.across(split.by_group(collection, Shares()))) == len(CHANGES)


def test_what_was_done_to_a_copy_is_said(bolts: Path) -> None:
    """An engineer reads how two pictures lie on each other."""
    collection = items.read(bolts, Choice())
    names = [item.path.stem for item in collection.items]
    said = {
        name: pair.likeness
        for pair in remembered.find(collection, lambda *_: None).pairs
        for name in (names[pair.one], names[pair.other])
        if "-" in name
    }
    assert "mirrored" in str(said["01-mirrored"])
    assert not said["00-turned"].mirrored
    assert abs(abs(said["00-turned"].degrees) - 37) < 1
    assert "as large" in str(said["03-cropped"])
    assert str(said["02-brightened"]) == "as it is"


def test_a_copy_is_shown_as_its_original_lies() -> None:
    """A person sees at once that two pictures are one, however the second was turned and mirrored."""
    original = part(5)
    copy = mirrored(turned(original, 50))
    likeness = compare(*(print_of(cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY)) for shown in (original, copy)))
    assert likeness is not None
    laid = page._laid(copy, likeness)
    assert laid is not None
    height, width = original.shape[:2]
    middle = np.s_[height // 2 - width // 3 : height // 2 + width // 3, width // 6 : -width // 6]
    difference = {
        name: np.abs(shown[middle] - original[middle].astype(float)).mean()
        for name, shown in (("laid", laid), ("as it is", copy))
    }
    assert difference["laid"] < difference["as it is"] / 3


def test_copies_become_one_group(bolts: Path) -> None:
    """``--groups copies`` keeps them together, whatever the split."""
    collection = items.read(bolts, Choice(own_split=False))
    whole = merged(collection, remembered.find(collection, lambda *_: None).pairs)
    assert len(set(whole.groups)) == len(set(collection.groups)) - len(CHANGES)
    assert not remembered.find(whole, lambda *_: None).pairs
    for seed in range(10):
        sides = split.by_group(whole, Shares(), seed).sides.values()
        train, validation, held_out = ({whole.groups[place] for place in places} for places in sides)
        assert not (train & validation) | (train & held_out) | (validation & held_out)


def test_a_split_that_leaks_is_not_called_clean(
    bolts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check refuses in one line, unless a person takes it on; the page and the JSON are there either way."""
    out = tmp_path / "check"
    assert main(["data", "check", str(bolts), "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert "5 pairs of copies lie on two sides" in said.err
    assert "--allow-leak" in said.err
    assert said.err.count("\n") == 1
    facts = json.loads((out / "data.json").read_text())
    assert (facts["leaking"], facts["clean"]) == (5, False)
    assert "not clean" in (out / "data.html").read_text()
    assert main(["data", "check", str(bolts), "--out", str(out), "--allow-leak"]) == 0
    assert main(["data", "check", str(bolts), "--out", str(out), "--split", "new", "--groups", "copies"]) == 0
    assert "5 pairs of copies: 16 groups instead of 21" in capsys.readouterr().out


def test_training_on_a_split_that_leaks_is_refused(bolts: Path) -> None:
    """In one line that names a pair and what to write; with the copies in one group it goes on."""
    parser = argparse.ArgumentParser()
    reading.options(parser)
    reading.split_options(parser)
    told = []
    for words, seeds in (([], 1), (["--split", "new"], 20)):
        args = parser.parse_args([str(bolts), *words])
        collection = reading.read(args)
        splits = [split.by_group(collection, reading.shares(args), seed) for seed in range(seeds)]
        with pytest.raises(ConfigError, match="pairs of copies lie on two sides of the split, as t") as caught:
            reading.refuse_leak(args, collection, *splits)
        told.append(str(caught.value))
    assert all("--groups copies" in line and "\n" not in line for line in told)
    args.allow_leak = True
    reading.refuse_leak(args, collection, *splits)
    args = parser.parse_args([str(bolts), "--split", "new", "--groups", "copies"])
    whole = reading.read(args)
    reading.refuse_leak(args, whole, *(split.by_group(whole, reading.shares(args), seed) for seed in range(20)))


def test_a_set_is_searched_once_and_again_when_it_changes(
    bolts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the search found is kept; a torn note of it is no note."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shutil.copytree(bolts, tmp_path / "set")
    searched: list[str] = []

    def look() -> copies.Copies:
        collection = items.read(tmp_path / "set", Choice())
        return remembered.find(collection, lambda what, *_: searched.append(what))

    first = look()
    assert searched
    searched.clear()
    assert look() == first
    assert not searched
    (kept,) = (tmp_path / "aoi-bridge").rglob("*.json")
    kept.write_text(kept.read_text()[:-20])
    assert look() == first
    assert searched
    (tmp_path / "set" / "test" / "ok" / "00-turned.jpg").unlink()
    assert len(look().pairs) == len(first.pairs) - 1


def test_one_photograph_under_two_labels_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can learn from it, and it is no matter of sides."""
    for seed in range(8):
        write(tmp_path / "set" / ("ng" if seed % 2 else "ok") / f"{seed}.jpg", part(seed))
    write(tmp_path / "set" / "ng" / "0-again.jpg", turned(part(0), 180))
    shutil.copy(tmp_path / "set" / "ok" / "2.jpg", tmp_path / "set" / "ng" / "2-too.jpg")
    words = ["--out", str(tmp_path / "out"), "--allow-leak"]
    assert main(["data", "check", str(tmp_path / "set"), *words]) == 1
    said = capsys.readouterr().out
    assert "2 pairs are one photograph under two labels" in said
    assert "1 files are byte for byte another one" in said
    assert "what looks like 10 groups is 8" in said
    facts = json.loads((tmp_path / "out" / "data.json").read_text())
    assert sorted(facts["contradicting"]) == [["ng/0-again.jpg", "ok/0.jpg"], ["ng/2-too.jpg", "ok/2.jpg"]]
    assert facts["identical_files"] == [["ng/2-too.jpg", "ok/2.jpg"]]
    assert "One photograph, two labels" in (tmp_path / "out" / "data.html").read_text()


def test_what_cannot_be_read_is_listed_and_shortcuts_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A torn file costs its own line; a label that goes with brightness is said aloud."""
    for seed in range(8):
        picture = part(seed)
        shown = brightened(picture) if seed % 2 else picture
        write(tmp_path / "set" / ("ng" if seed % 2 else "ok") / f"{seed}.jpg", shown)
    torn = tmp_path / "set" / "ok" / "torn.jpg"
    torn.write_bytes((tmp_path / "set" / "ok" / "0.jpg").read_bytes()[:2000])
    assert main(["data", "check", str(tmp_path / "set"), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "1 pictures cannot be read" in said
    assert "Brightness alone tells OK from NG with AUC 1.00" in said
    assert list(json.loads((tmp_path / "out" / "data.json").read_text())["unreadable"]) == ["ok/torn.jpg"]
