"""Versions of a model on the shelf: which is live, and which was before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.judging import bundle, shelf
from bridge.judging.bundle import MODEL, Input, Manifest, ModelClass
from bridge.messages import Verdict

LABELS = (ModelClass(name="good", verdict=Verdict.OK), ModelClass(name="bad", verdict=Verdict.NG))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a shelf with four versions of one model, none of them live."""
    for version in range(1, 5):
        manifest = Manifest(
            name="pins", version=version, classes=LABELS, threshold=0.5, input=Input(width=8, height=8)
        )
        bundle.write(tmp_path / "pins" / str(version), manifest, {MODEL: b"a model"})
    return tmp_path


def live(models: Path) -> list[int]:
    return [one.bundle.manifest.version for one in shelf.versions(models) if one.live and one.bundle]


def put(models: Path, *versions: int) -> None:
    for version in versions:
        shelf.put_live(shelf.folder_of(models, "pins", version))


def back(models: Path) -> None:
    shelf.put_live(shelf.before(models, "pins"), back=True)


def test_every_version_is_listed_and_one_is_live(models: Path) -> None:
    assert live(models) == []
    put(models, 2)
    assert [one.folder.name for one in shelf.versions(models)] == ["1", "2", "3", "4"]
    assert live(models) == [2]


def test_going_back_goes_on_to_what_was_live_before_that(models: Path) -> None:
    put(models, 1, 3, 2, 4)
    for version in (2, 3, 1):
        back(models)
        assert live(models) == [version]
    with pytest.raises(ConfigError, match="no version that was live before"):
        back(models)


def test_the_same_version_again_is_no_step(models: Path) -> None:
    put(models, 1, 2, 2, 2)
    back(models)
    assert live(models) == [1]


def test_a_link_that_somebody_moved_by_hand_counts_as_the_newest(models: Path) -> None:
    put(models, 1, 2)
    bundle.make_live(models / "pins" / "4")
    back(models)
    assert live(models) == [2]


def test_a_version_that_is_gone_is_passed_over(models: Path) -> None:
    put(models, 1, 2, 3)
    (models / "pins" / "2" / "manifest.json").unlink()
    back(models)
    assert live(models) == [1]


def test_a_version_that_is_not_there_is_one_line(models: Path) -> None:
    with pytest.raises(ConfigError, match="write one of the versions 1, 2, 3, 4"):
        shelf.folder_of(models, "pins", 9)
    with pytest.raises(ConfigError, match="write one of pins"):
        shelf.folder_of(models, "pegs", 1)


def test_a_manifest_that_cannot_be_read_is_listed_with_its_trouble(models: Path) -> None:
    (models / "pins" / "3" / "manifest.json").write_text("{}", encoding="utf-8")
    troubled = [one for one in shelf.versions(models) if one.bundle is None]
    assert [one.folder.name for one in troubled] == ["3"]
    assert troubled[0].trouble


def test_without_models_the_shelf_is_empty(tmp_path: Path) -> None:
    assert shelf.versions(tmp_path / "models") == []


def test_a_folder_that_is_no_link_is_left_alone(models: Path) -> None:
    """Somebody copied a bundle to ``live``: it is listed, and not overwritten."""
    (models / "pins" / "4").rename(models / "pins" / "live")
    assert live(models) == [4]
    with pytest.raises(ConfigError, match="cannot be written"):
        put(models, 1)


SWITCHING = """
import itertools, sys
from pathlib import Path
from bridge.judging import shelf
for version in itertools.cycle((1, 2, 3)):
    shelf.put_live(Path(sys.argv[1]) / "pins" / str(version))
    print(version, flush=True)
"""


def test_killed_at_any_moment_the_link_names_a_whole_version(models: Path) -> None:
    """Whoever reads it finds a bundle, and there is a way back from it."""
    put(models, 4, 1)
    for times in range(1, 6):
        with subprocess.Popen(
            [sys.executable, "-c", SWITCHING, str(models)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(times):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
        assert len(live(models)) == 1
        bundle.load(bundle.locate(models, "pins"))
        assert shelf.before(models, "pins").name != str(live(models)[0])


def test_two_folders_of_one_version_are_told_apart_by_people(models: Path) -> None:
    """A copy beside its original: nobody can know which of them was meant, so neither is taken."""
    shutil.copytree(models / "pins" / "2", models / "pins" / "2-copy")
    with pytest.raises(ConfigError, match="the folders 2 and 2-copy"):
        shelf.folder_of(models, "pins", 2)
    assert shelf.folder_of(models, "pins", 3).name == "3"


@pytest.mark.parametrize("name", ["../{}/pins", "./pins", "screws", "", "."])
def test_a_model_is_known_by_its_very_name(models: Path, name: str) -> None:
    """By a path it would be moved without regard to the lines whose judges name it."""
    put(models, 1, 2)
    for find in (lambda: shelf.folder_of(models, name.format(models.name), 1), lambda: shelf.before(models, name)):
        with pytest.raises(ConfigError, match="write one of pins"):
            find()


def test_a_bundle_is_named_by_its_folder_or_by_its_model_and_version(models: Path) -> None:
    """Without a version the live one is meant, followed once; an odd folder name is a name first."""
    put(models, 2)
    pins = models / "pins"
    for text, folder in (("pins", "2"), ("pins@live", "2"), ("pins/live", "2"), ("pins@3", "3"), ("pins/4", "4")):
        assert shelf.located(str(models / text)) == (pins / folder).resolve()
    assert shelf.located(str(pins) + "@candidate").name == "4", "the newest that is not live"
    (models / "odd@9").mkdir()
    shutil.copytree(pins / "1", models / "odd@9", dirs_exist_ok=True)
    assert shelf.located(str(models / "odd@9")).name == "odd@9"


@pytest.mark.parametrize(
    ("text", "write"),
    [
        ("pins", "@live or @VERSION"),
        ("nothing", "a bundle's folder"),
        ("pins@9", "versions 1, 2"),
        ("pins@new", "@candidate or a number, as @2"),
    ],
)
def test_a_bundle_that_is_not_there_says_what_to_write(models: Path, text: str, write: str) -> None:
    """None of the versions is live yet."""
    with pytest.raises(ConfigError, match=write):
        shelf.located(str(models / text))


def test_a_model_whose_only_version_is_live_has_no_candidate(models: Path) -> None:
    for version in ("2", "3", "4"):
        shutil.rmtree(models / "pins" / version, ignore_errors=True)
    put(models, 1)
    with pytest.raises(ConfigError, match="no version beside the live one"):
        shelf.located(str(models / "pins@candidate"))


def test_the_next_version_is_one_more_than_the_highest(models: Path) -> None:
    """Gaps are not filled: a version that was taken away is not given to another."""
    shutil.rmtree(models / "pins" / "2")
    assert shelf.next_version(models / "pins") == 5
    assert shelf.next_version(models / "new") == 1
