"""``aoi-bridge compare DATA --bundles``: finished judges of several kinds on the same pictures; no Keras here."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import spotted
from spotted import judge

from bridge.cli.main import main
from bridge.learning import side_by_side
from bridge.learning.seen import Seen, short

pytest.importorskip("matplotlib")


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return spotted.write(tmp_path / "set")


def digits(path: Path) -> str:
    return short(hashlib.sha256(path.read_bytes()).hexdigest())


def run(*words: str) -> int:
    return main(["compare", "set/set.csv", "--ok", "lit", *words])


def test_an_anomaly_judge_stands_beside_a_classifier(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The best first; what only one kind has, has only that kind."""
    judge(Path("models/spots"), anomaly=True, seconds=12.5)
    judge(Path("models/lamps"), anomaly=False)
    assert run("--bundles", "models/lamps@1", "models/spots@live", "--polygons", "set") == 0
    said = capsys.readouterr().out
    assert "On 24 pictures, 12 of them NG, spots 1 f32 ranks best: AUROC 1.000" in said
    told = json.loads(Path("comparison/comparison.json").read_text(encoding="utf-8"))
    first, second = told["bundles"]
    assert first["bundle"].startswith("spots 1 ")
    assert first["way"] == "anomaly: patchcore, mobilenet_v2, 4,000 places"
    assert (first["training_seconds"], second["training_seconds"]) == (12.5, 90)
    assert first["pixel"]["drawn"] == 11
    assert first["pixel"]["left_out"] == 1
    assert first["pixel"]["figures"]["pro"]["value"] > 0.9
    assert second["pixel"] is None
    assert first["auroc_gain"] is None
    assert second["auroc_gain"]["value"] == pytest.approx(second["image"]["auroc"]["value"] - 1, abs=1e-5)
    assert second["auroc_gain"]["high"] < 0
    assert min(one["edge_ms"] for one in told["bundles"]) > 0
    assert first["megabytes"] == pytest.approx(
        sum(one.stat().st_size for one in Path("models/spots/1").iterdir()) / 1e6, abs=0.001
    )
    page = Path("comparison/comparison.html").read_text(encoding="utf-8")
    assert "Judges side by side" in page
    assert "12 s" in page
    assert pictures.exists()


def test_nobody_is_asked_about_what_another_learnt_from(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All figures are of the same pictures; those one of them has seen are left out, unless --all is written."""
    learnt = tuple((digits(pictures / f"{number}.png"), f"lot {number}") for number in (0, 1, 12))
    judge(Path("spots"), anomaly=True, past=Seen(train=learnt))
    other = ((digits(pictures / "2.png"), "lot 2"),)
    judge(Path("lamps"), anomaly=False, past=Seen(validation=other, calibration=learnt[:1]))
    words = ("--bundles", "spots", "lamps")
    assert run(*words) == 0
    told = json.loads(Path("comparison/comparison.json").read_text(encoding="utf-8"))
    assert [one["image"]["pictures"] for one in told["bundles"]] == [20, 20]
    assert "spots 1: 3 trained on; lamps 1: 1 validated on" in told["provenance"]["pictures"]
    assert run(*words, "--all") == 0
    assert "On 24 pictures" in capsys.readouterr().out


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--bundles spots spots@1", "spots 1 "),
        ("--bundles lamps --polygons set", "--polygons: means something to anomaly bundles alone"),
        ("--bundles spots lamps --seeds 3", "--seeds: means nothing to --bundles"),
        ("--bundles spots lamps --backbone small", "--backbone: means nothing to --bundles"),
        ("--all", "--all: means nothing to trainings that are compared"),
        ("--bundles nowhere", "nowhere"),
    ],
)
def test_what_cannot_be_compared_is_one_line(words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    judge(Path("spots"), anomaly=True)
    judge(Path("lamps"), anomaly=False)
    assert run(*words.split()) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_set_that_all_have_learnt_from_leaves_nothing(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = tuple((digits(pictures / f"{number}.png"), f"lot {number}") for number in range(24))
    judge(Path("spots"), anomaly=True, past=Seen(train=every[:12]))
    judge(Path("lamps"), anomaly=False, past=Seen(train=every[12:]))
    assert run("--bundles", "spots", "lamps") == 2
    assert "of every picture of it one of the bundles has seen something" in capsys.readouterr().err


def test_a_bundle_that_does_not_say_how_long_it_was_trained(tmp_path: Path) -> None:
    made = judge(tmp_path / "spots", anomaly=True)
    assert side_by_side.trained_for(made) is None
