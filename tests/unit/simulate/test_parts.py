"""Parts to play: from any labelled folder, with an inspector that errs as told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.errors import ConfigError
from bridge.messages import Verdict
from bridge.simulate.parts import Played, bolts, folder, inspected


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Ten good and ten bad pictures, the bad ones darker."""
    rng = np.random.default_rng(0)
    for name, level in (("good", 160), ("bad", 60)):
        (tmp_path / name).mkdir()
        for number in range(10):
            image = rng.normal(level, 8, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), image)
    (tmp_path / "good" / "notes.txt").write_text("no picture")
    return tmp_path


def test_folder_names_are_the_truth(labelled: Path) -> None:
    """Classes named good are good, every other one is bad, and what is no picture is no part."""
    parts = folder(labelled, ["good"])
    assert sum(part.truth is Verdict.OK for part in parts) == 10
    assert sum(part.truth is Verdict.NG for part in parts) == 10
    assert len({part.serial for part in parts}) == 20


def test_inspector_errs_exactly_as_told(labelled: Path) -> None:
    """The set rates are met in counts, and the same seed plays the same day again."""
    parts = inspected(folder(labelled, ["good"]), false_calls=0.3, escapes=0.2, seed=4)
    said = [(part.truth, part.legacy) for part in parts]
    assert said.count((Verdict.OK, Verdict.NG)) == 3
    assert said.count((Verdict.NG, Verdict.OK)) == 2
    again = inspected(folder(labelled, ["good"]), false_calls=0.3, escapes=0.2, seed=4)
    assert [part.serial for part in again] == [part.serial for part in parts]


@pytest.mark.parametrize(
    ("path", "ok", "said"),
    [("nowhere", ["good"], "is no folder"), (".", ["goood"], "has no such class"), (".", ["bad"], None)],
)
def test_mistakes_are_one_line(labelled: Path, path: str, ok: list[str], said: str | None) -> None:
    """A wrong folder or class says what to write; any class may be the good one."""
    if said is None:
        assert folder(labelled / path, ok)
        return
    with pytest.raises(ConfigError, match=said) as caught:
        folder(labelled / path, ok)
    assert "\n" not in str(caught.value)


def test_bolts_carry_four_views_and_their_truth() -> None:
    """The demo's parts: the set share is bad, every part has its four pictures, and progress is told."""
    done: list[int] = []
    parts = bolts(10, defective=0.3, seed=5, progress=done.append)
    assert sum(part.truth is Verdict.NG for part in parts) == 3
    assert done == list(range(1, 11))
    assert all(len(part.images) == 4 for part in parts)
    assert all(image[:2] == b"\xff\xd8" for part in parts for image in part.images.values())


def test_inspection_is_what_the_inspector_knows() -> None:
    """The truth never leaves the simulator."""
    part = Played(serial="S1", truth=Verdict.NG, oddness=1.0, images={"a": b"x"}, legacy=Verdict.OK)
    handed_over = part.inspection()
    assert (handed_over.part, handed_over.key, handed_over.legacy) == ("S1", "S1", Verdict.OK)
    assert "truth" not in {name for name in dir(handed_over) if not name.startswith("_")}
