from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from conftest import Make, brightness_manifest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge import simulate
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import Bundle, Manifest
from bridge.judging.kinds import KINDS
from bridge.messages import Box

FILES = {"model.xml": b"<net/>", "model.bin": b"\0\1\2"}
CLAIM = {"goal": 1, "risk": 0.005, "bound": 0.004, "holds": True, "good": 900, "bad": 800, "errors": 0}


@pytest.fixture
def made(tmp_path: Path) -> Bundle:
    return bundle.write(tmp_path / "pins" / "3", brightness_manifest(), FILES)


def test_what_was_written_is_read_back(made: Bundle) -> None:
    """Loading gives the same manifest and the same identity, with every file hashed."""
    loaded = bundle.load(made.folder)
    assert loaded == made
    assert set(loaded.manifest.files) == set(FILES)
    assert loaded.identity.startswith("bright 3 ")


def test_the_identity_changes_with_anything_in_the_bundle(made: Bundle, tmp_path: Path) -> None:
    """Two bundles that differ in one byte or one threshold never share a name in the journal."""
    weights = bundle.write(tmp_path / "b", brightness_manifest(), FILES | {"model.bin": b"\0\1\3"})
    threshold = bundle.write(tmp_path / "c", brightness_manifest(threshold=0.51), FILES)
    assert len({made.identity, weights.identity, threshold.identity}) == 3


def _flip(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"\0\1\3")


def _remove(folder: Path) -> None:
    (folder / "model.bin").unlink()


def _add(folder: Path) -> None:
    (folder / "readme.txt").write_text("hello")


def _link(folder: Path) -> None:
    (folder / "model.bin").unlink()
    (folder / "model.bin").symlink_to(__file__)


def _escape(folder: Path) -> None:
    _edit(folder, files={"../secret": "0" * 64})


def _empty(folder: Path) -> None:
    (folder / "manifest.json").write_text("")


def _endless(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b" " * ((1 << 20) + 1))


def _gone(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_flip, "SHA-256 differs"),
        (_remove, "is no file here"),
        (_add, "is not named in the manifest"),
        (_link, "is no file here"),
        (_escape, "files"),
        (_empty, "Invalid JSON"),
        (_endless, "larger than 1 MB"),
        (_gone, "cannot be read"),
        (lambda folder: _edit(folder, files={}), "names no model.xml"),
        (lambda folder: _edit(folder, registration={"*": {"golden": "g.png"}}), "names no file g.png, onto which"),
        (lambda folder: _edit(folder, format=2), "format"),
        (lambda folder: _edit(folder, surprise=1), "surprise"),
    ],
)
def test_a_spoilt_bundle_is_refused_in_one_line(made: Bundle, spoil: Callable[[Path], None], says: str) -> None:
    """Whatever is not exactly what was validated is not loaded."""
    spoil(made.folder)
    with pytest.raises(ConfigError, match=says) as caught:
        bundle.load(made.folder)
    assert str(made.folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": [{"name": "a", "verdict": "OK"}, {"name": "b", "verdict": "OK"}]},
        {"classes": [{"name": "a", "verdict": "OK"}, {"name": "a", "verdict": "NG"}]},
        {"classes": [{"name": "a", "verdict": 0}, {"name": "b", "verdict": "NG"}]},
        {"threshold": 0},
        {"threshold": 1.01},
        {"input": {"width": 0, "height": 4}},
        {"input": {"width": 4, "height": 4, "depth": 4}},
        {"normalisation": {"mean": [0, 0]}},
        {"normalisation": {"std": [0]}},
        {"normalisation": {"scale": float("inf")}},
        {"precision": "fp16"},
        {"temperature": 0},
        {"temperature": 2, "output": "probabilities"},
        {"heat_map": {"peak_share": 0}},
        {"heat_map": {"most_boxes": 17}},
        {"registration": {"*": {"golden": "golden.png", "motion": "fly"}}},
        {"registration": {"*": {"golden": "golden.png", "anchor": {"cx": 1, "cy": 1, "w": 0, "h": 1}}}},
        {"operating_point": CLAIM | {"bound": 1.5}},
        {"operating_point": CLAIM | {"goal": 4}},
    ],
)
def test_a_manifest_that_could_be_misread_is_refused(wrong: dict[str, object]) -> None:
    """Each class is called OK or NG in words, both occur, and every number makes sense."""
    facts = brightness_manifest().model_dump(mode="json")
    with pytest.raises(ValidationError):
        Manifest.model_validate_json(json.dumps(facts | wrong))


def test_a_view_has_its_own_region_or_the_common_one() -> None:
    boxes = {"top": {"cx": 1, "cy": 2, "w": 3, "h": 4}, "*": {"cx": 5, "cy": 6, "w": 7, "h": 8}}
    manifest = brightness_manifest(roi=boxes)
    assert manifest.region("top") == Box(cx=1, cy=2, w=3, h=4)
    assert manifest.region("side") == Box(cx=5, cy=6, w=7, h=8)
    assert brightness_manifest().region("top") is None


def test_everything_that_may_be_told_of_a_model_is_read_back(tmp_path: Path) -> None:
    """Registration, temperature, heat map, the threshold's claim and the recipe are the same after the disk."""
    anchor = {"cx": 30, "cy": 40, "w": 20, "h": 10}
    told = brightness_manifest(
        registration={"top": {"golden": "golden.png", "motion": "affine", "anchor": anchor}},
        temperature=1.7,
        heat_map={"layer": "block5_conv3", "peak_share": 0.4},
        operating_point=CLAIM | {"steps": 12, "strictest": 0.99},
        recipe={"phases": [{"epochs": 30, "rate": 1e-4}], "weights": None},
        score="p(OK)",
    )
    made = bundle.write(tmp_path / "pins" / "3", told, FILES | {"golden.png": b"a picture"})
    loaded = bundle.load(made.folder).manifest
    assert loaded == told.model_copy(update={"files": loaded.files})
    registered = loaded.registered("top")
    assert registered is not None
    assert registered.anchor == Box(**anchor)
    assert loaded.registered("side") is None


def test_a_manifest_of_before_loads_as_it_meant() -> None:
    """The demo's model was written before any of this: it lies still, is not tempered and promises nothing."""
    loaded = bundle.load(Path(simulate.__file__).parent / "demo_bundle").manifest
    assert (loaded.temperature, loaded.heat_map, loaded.operating_point, loaded.registration) == (
        1,
        None,
        None,
        {},
    )


def test_a_bundle_is_never_overwritten(made: Bundle) -> None:
    with pytest.raises(ConfigError, match="write a new version"):
        bundle.write(made.folder, brightness_manifest(), FILES)


@pytest.mark.parametrize("files", [{"model.bin": b""}, {**FILES, "../x": b""}, {**FILES, "a/b": b""}])
def test_a_bundle_that_cannot_be_written_leaves_nothing(tmp_path: Path, files: dict[str, bytes]) -> None:
    """A name with a path in it or a missing model is refused, and no half bundle stays behind."""
    with pytest.raises(ConfigError):
        bundle.write(tmp_path / "models" / "1", brightness_manifest(), files)
    assert list((tmp_path / "models").iterdir()) == []
    assert not (tmp_path / "x").exists()


def test_a_model_is_found_by_folder_or_by_name(made: Bundle, tmp_path: Path) -> None:
    """``live`` is followed once, so that moving it does not change what runs."""
    bundle.make_live(made.folder)
    assert bundle.locate(tmp_path, str(made.folder)) == made.folder.resolve()
    assert bundle.locate(tmp_path, "pins") == made.folder.resolve()
    newer = bundle.write(tmp_path / "pins" / "4", brightness_manifest(version=4), FILES)
    bundle.make_live(newer.folder)
    assert bundle.locate(tmp_path, "pins") == newer.folder.resolve()
    assert sorted(path.name for path in (tmp_path / "pins").iterdir()) == ["3", "4", "live"]


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'pin'.*holds a manifest.json; write a bundle's folder"):
        bundle.locate(tmp_path, "pin")


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reading_of_a_manifest(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    """Whatever a damaged disk returns, the user reads one line."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "manifest.json").write_bytes(junk)
    with pytest.raises(ConfigError):
        bundle.load(folder)


def test_a_real_model_goes_through(make: Make) -> None:
    made = make()
    assert bundle.load(made.folder).model.is_file()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "cannot be written (No space left on device); make room there"),
        (errno.EROFS, "cannot be written (Read-only file system); make room there, or write another place"),
        (errno.ENOTEMPTY, "was written by another command meanwhile; write the command again"),
    ],
)
def test_a_disk_that_takes_no_bundle_is_one_line_and_keeps_what_lies_there(
    code: int, says: str, made: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where two commands write the same version at once."""

    def refused(_from: Path, to: Path) -> Path:
        raise OSError(code, os.strerror(code), str(to))

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(ConfigError) as caught:
        bundle.write(made.folder.parent / "4", brightness_manifest(version=4), FILES)
    assert says in str(caught.value)
    assert [one.name for one in made.folder.parent.iterdir()] == ["3"]


def test_every_kind_of_bundle_has_a_judge() -> None:
    """``bundle verify`` and ``bundle import`` open whatever there is."""
    assert set(KINDS) == set(get_args(Manifest.model_fields["kind"].annotation))
