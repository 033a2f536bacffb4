"""``aoi-bridge evaluate`` and ``calibrate`` from the words on the command line to the files that they write."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import cv2
import lamps
import numpy as np
import pytest

from bridge.cli.main import main
from bridge.judging import bundle
from bridge.judging.bundle import Bundle
from bridge.judging.spec import HeatMapOutput
from bridge.learning import resemblance, roi, seen
from bridge.learning.seen import Seen, short

pytest.importorskip("matplotlib")

GOOD = [("lit", 150 + number % 90, f"good{number}", "1", "") for number in range(60)]
BAD = [("dark", 10 + number % 100, f"bad{number}", "1", "") for number in range(140)]


@pytest.fixture
def model(tmp_path: Path) -> Bundle:
    """A bundle that was trained on ten parts of the set and validated on twenty."""
    table = lamps.write(tmp_path / "set", [*GOOD, *BAD])
    hashed = [
        (short(hashlib.sha256((table.parent / f"{part}-1.png").read_bytes()).hexdigest()), part)
        for _, _, part, _, _ in (*GOOD[:15], *BAD[:15])
    ]
    past = Seen(train=tuple(hashed[:5] + hashed[15:20]), validation=tuple(hashed[5:15] + hashed[20:]))
    return lamps.shelf(tmp_path, past)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main([*words, "--ok", "lit"])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_evaluate_leaves_out_what_was_seen_and_writes_the_report(
    model: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files beside each other; the counts are of fresh parts only."""
    status, out, _ = run(capsys, "evaluate", "lamps", "set/set.csv", "--out", "reports/lamps v1.0")
    assert status == 0
    assert "170 of 200 pictures; left out: 10 trained on, 20 validated on" in out
    assert "by picture: 0 false calls of 45 good, 0 escapes of 125 bad, AUC 1.0000 (0.93" in out
    said = json.loads(Path("reports/lamps v1.0.json").read_text(encoding="utf-8"))
    assert said["bundle"] == model.identity
    assert Path("reports/lamps v1.0.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_evaluate_says_when_it_measures_memory(model: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    """Only on request, and the report says so too."""
    _, out, _ = run(capsys, "evaluate", "lamps@1", "set/set.csv", "--all")
    assert "this says how well it remembers" in out
    assert "how well it remembers" in Path("evaluation-lamps-1.html").read_text(encoding="utf-8")
    assert model.manifest.version == 1


def test_calibrate_writes_the_next_version_with_its_promise(
    model: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """A temperature from the validation parts among these, a threshold from fresh ones, and what was used."""
    status, out, _ = run(capsys, "calibrate", "lamps", "set/set.csv", "--goal", "1", "--risk", "0.03")
    assert status == 0
    assert "from 20 validation pictures (was 1)" in out
    assert "at most 3 % of bad parts pass, at 95 % confidence: holds (0 of 125 do" in out
    assert "not live yet: aoi-bridge models promote lamps 2" in out
    made = bundle.load(Path("lamps/2"))
    point = made.manifest.operating_point
    assert point is not None
    assert (point.holds, point.bad, point.good, point.errors) == (True, 125, 45, 0)
    assert made.manifest.temperature != 1
    assert made.manifest.parent == model.identity
    assert len(seen.read(made.folder).calibration) == 170


def test_evaluating_what_was_calibrated_on_the_same_parts_says_so(
    model: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is left that it has not seen, so those are taken and the page tells; no second calibration."""
    run(capsys, "calibrate", str(model.folder), "set/set.csv", "--goal", "1", "--risk", "0.03")
    status, out, _ = run(capsys, "evaluate", "lamps@2", "set/set.csv")
    assert status == 0
    assert "on which the threshold was calibrated" in out
    assert "Calibrated for goal 1: at most 3 % bad parts that pass" in Path("evaluation-lamps-2.html").read_text(
        "utf-8"
    )
    status, _, err = run(capsys, "calibrate", "lamps@2", "set/set.csv", "--goal", "1")
    assert status == 2
    assert f"calibrate the bundle before it ({model.identity}) again" in err
    assert err.count("\n") == 1


def test_without_enough_parts_nothing_is_written_unless_asked(
    model: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1 and how many more it takes; with --unproven a version that says that it is a guess."""
    words = ("calibrate", "lamps", "set/set.csv", "--goal", "1")
    status, out, _ = run(capsys, *words)
    assert status == 1
    assert "you have 125, so at least 473 more" in out
    assert not Path("lamps/2").exists()
    status, out, _ = run(capsys, *words, "--unproven")
    assert status == 0
    point = bundle.load(Path("lamps/2")).manifest.operating_point
    assert point is not None
    assert (point.holds, point.missing) == (False, 473)
    assert model.folder.exists()


def test_what_is_boxed_is_as_in_the_bundle_but_for_what_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A calibration may also narrow which boxes the line is shown; the layer and all else stay."""
    lamps.write(tmp_path / "set", [*GOOD, *BAD])
    before = lamps.shelf(tmp_path, heat_map={"layer": "cells", "peak_share": 0.7}).manifest.heat_map
    words = ("calibrate", "lamps", "set/set.csv", "--goal", "1", "--risk", "0.03")
    assert run(capsys, *words)[0] == 0
    assert bundle.load(Path("lamps/2")).manifest.heat_map == before
    assert run(capsys, *words, "--largest-box", "0.2", "--most-boxes", "1")[0] == 0
    found = bundle.load(Path("lamps/3")).manifest.heat_map
    assert found == HeatMapOutput(layer="cells", peak_share=0.7, largest_share=0.2, most_boxes=1)
    assert main(["bundle", "show", "lamps/3"]) == 0
    assert "boxes from 0.7 of its peak, of 0.001 to 0.2 of the region, at most 1" in capsys.readouterr().out
    status, _, err = run(capsys, *words, "--smallest-box", "0.5", "--largest-box", "0.2")
    assert (status, err.count("\n")) == (2, 1)
    assert "--smallest-box 0.5: leaves no box: the largest is 0.2" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("calibrate", "lamps", "set/set.csv", "--goal", "1", "--hot", "0.6"), "which has no heat map"),
        (("calibrate", "lamps", "set/set.csv", "--goal", "1", "--hot", "0"), "0 leaves nothing"),
        (("calibrate", "lamps", "set/set.csv", "--goal", "1", "--most-boxes", "17"), "a number from 1 to 16"),
        (("calibrate", "lamps", "set/set.csv", "--goal", "1", "--risk", "0"), "write a number between 0 and 1"),
        (("calibrate", "lamps", "set/set.csv"), "--goal"),
        (("evaluate", "lamps@7", "set/set.csv"), "write one of the versions 1"),
        (("evaluate", "lamp", "set/set.csv"), "write a bundle's folder"),
        (("evaluate", "lamps", "nowhere"), "is not there"),
        (("evaluate", "lamps", "set/set.csv", "--out", "set/set.csv/x"), "no folder that this user may write to"),
        (("calibrate", "lamps", "set/set.csv", "--goal", "2", "--out", "set/set.csv/x"), "may write to"),
        (("data", "check", "set/set.csv", "--seed", "-1"), "write a whole number from 0"),
        (("data", "check", "set/set.csv", "--validation", "0"), "0 leaves nothing to validate on"),
    ],
)
def test_mistakes_are_one_line(
    model: Bundle, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    """Where, what was found, what to write."""
    try:
        status, _, err = run(capsys, *words)
    except SystemExit as exc:
        status, err = int(str(exc.code)), capsys.readouterr().err
    assert status == 2
    assert says in err
    assert err.count("\n") == 1
    assert model.manifest.name == "lamps"


def test_a_bundle_outside_a_shelf_needs_to_be_told_where_to(
    model: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is judged; with --out the first version there is live."""
    model.folder.rename("elsewhere")
    words = ("calibrate", "elsewhere", "set/set.csv", "--goal", "2", "--risk", "0.1")
    status, _, err = run(capsys, *words)
    assert status == 2
    assert "write --out models/NAME" in err
    status, out, _ = run(capsys, *words, "--out", "models/lamps")
    assert status == 0
    assert "it is live" in out
    assert Path("models/lamps/live").resolve().name == "1"


def test_a_leak_that_was_allowed_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is counted on copies of the training pictures is no evidence, whoever calibrates later."""
    lamps.write(tmp_path / "set", [*GOOD, *BAD])
    lamps.shelf(tmp_path, recipe={"split": {"leak_allowed": True}})
    _, out, _ = run(capsys, "calibrate", "lamps", "set/set.csv", "--goal", "1", "--risk", "0.03")
    assert "was trained with --allow-leak" in out


def test_what_looks_like_a_copy_of_a_training_picture_is_told_of(
    model: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with the first pairs by name; a bundle that keeps nothing to know copies by says nothing."""
    rng = np.random.default_rng(0)
    learnt = rng.normal(180, 30, (16, 16, 3)).clip(0, 245).astype(np.uint8)
    cv2.imwrite("set/good40-1.png", learnt[:, ::-1] + 10)
    shown = roi.look_of(model).picture(cv2.imencode(".png", learnt)[1].tobytes(), "1")
    past = Seen(train=(("a" * 16, "lot 7"),), prints=resemblance.kept(shown[None], ["lot 7"]))
    other = lamps.shelf(tmp_path / "other", past)
    for command, *more in (("evaluate",), ("calibrate", "--goal", "1", "--risk", "0.03")):
        words = ("set/set.csv", *more)
        assert "copies" not in run(capsys, command, str(model.folder), *words)[1]
        status, out, _ = run(capsys, command, str(other.folder), *words)
        assert status == 0
        said = next(line for line in out.splitlines() if "copies" in line)
        assert said.startswith(f"1 of 200 pictures that {other.identity} has not seen look like copies")
        assert "trained on, good40-1.png of lot 7: if they are" in said


def test_a_bundle_without_a_memory_is_told_of(model: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    """An imported one may have been trained on these very pictures."""
    silent = lamps.shelf(model.folder.parents[1] / "other")
    status, out, _ = run(capsys, "evaluate", str(silent.folder), "set/set.csv")
    assert status == 0
    assert "does not say what it was trained on" in out
    assert "200 of 200 pictures" in out


@pytest.mark.parametrize(("command", "package"), [("evaluate", "matplotlib"), ("calibrate", "scipy")])
def test_without_the_report_extra_one_line_names_it(
    model: Bundle,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    package: str,
) -> None:
    """At once, before anything is judged."""
    ours = ("bridge.learning", "bridge.pages")
    for name in [name for name in sys.modules if name.split(".")[0] == package or name.startswith(ours)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    status, out, err = run(
        capsys, command, str(model.folder), "set/set.csv", *(["--goal", "1"] * (package == "scipy"))
    )
    assert status == 2
    assert "pip install 'aoi-bridge[report]'" in err
    assert err.count("\n") == 1
    assert not out
