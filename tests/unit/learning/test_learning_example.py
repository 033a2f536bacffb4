"""The example that trains a judge runs, and its judge looks over the inspector's shoulder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from bridge.judging import bundle

pytestmark = pytest.mark.learning

EXAMPLE = Path(__file__).parents[3] / "examples" / "train_a_judge"


@pytest.mark.timeout(600)
def test_from_a_folder_of_pictures_to_a_judge_on_a_shadow_line(tmp_path: Path) -> None:
    """The README's four commands, at toy scale, then bolts that the judge has never seen."""
    spec = importlib.util.spec_from_file_location("train_a_judge", EXAMPLE / "run.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = example
    spec.loader.exec_module(example)
    figures = example.main(tmp_path, parts=100, epochs=8, risk=0.25, shown=8)
    made = bundle.load((tmp_path / "var/models/bolts/live").resolve())
    assert made.manifest.version == 2
    assert made.manifest.operating_point is not None
    assert made.manifest.operating_point.holds
    assert made.manifest.operating_point.risk == 0.25
    assert (figures.parts, figures.lost, figures.fallbacks) == (8, 0, 0)
    assert figures.false_calls_after == figures.false_calls_before, "shadow changed a verdict"


def test_the_readme_shows_the_commands_that_run() -> None:
    """What a reader copies is what the suite runs."""
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8").replace("\\\n    ", "")
    told = "pictures --ok ok --parts manifest.csv:part --views manifest.csv:view"
    for words in (f"data check {told}", f"train {told}", f"calibrate var/models/bolts@1 {told} --goal 1 --risk"):
        assert f"aoi-bridge {words}" in text
    assert "aoi-bridge models promote bolts 2" in text
