"""The next version: another threshold, the same model, and everything that it rests on; the old one stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lamps
import numpy as np
import pytest
from test_operating import aim, scored

from bridge.judging import bundle
from bridge.judging.bundle import Bundle
from bridge.learning import operating, reissue, scoring, seen
from bridge.learning.reissue import Calibration
from bridge.learning.seen import Seen

PAST = Seen(train=(("a" * 16, "monday"),), validation=(("b" * 16, "tuesday"),))
USED = (("c" * 16, "friday"), ("d" * 16, "friday"))


def done(threshold: float | None = None, temperature: float = 1.0) -> Calibration:
    found = operating.find(scored([0.9] * 50, [0.1] * 100), aim(1, 0.05))
    if threshold is not None:
        found = replace(found, threshold=threshold)
    return Calibration(found=found, temperature=temperature, past=PAST, used=USED, data="digest")


@pytest.fixture
def model(tmp_path: Path) -> Bundle:
    return lamps.shelf(tmp_path, PAST)


def made(model: Bundle, of: Calibration) -> tuple[Bundle, int]:
    golden = scoring.golden(model, of.temperature)
    return reissue.reissue(model, of, golden, model.folder.parent)


def test_the_next_version_says_what_it_rests_on(model: Bundle) -> None:
    """Threshold, promise, parent, what was seen, and how to do it again; it loads like any other."""
    of = done()
    written, left = made(model, of)
    again = bundle.load(written.folder)
    assert (written.folder.name, left) == ("2", 0)
    assert again.manifest.threshold == of.found.threshold
    assert again.manifest.operating_point == of.found.point
    assert again.manifest.parent == model.identity
    assert again.manifest.recipe["calibration"]["data"] == "digest"
    assert seen.read(written.folder) == replace(PAST, calibration=USED)
    for name in ("model.xml", "model.bin", "dark.png"):
        assert (written.folder / name).read_bytes() == (model.folder / name).read_bytes()


def test_what_the_threshold_before_did_is_not_said_of_the_new_one(tmp_path: Path) -> None:
    """Ranking figures stay; counts at a threshold are those of the calibration."""
    model = lamps.shelf(tmp_path, PAST, metrics={"validation_false_calls": 3, "validation_part_auc": 0.99})
    written, _ = made(model, done())
    assert written.manifest.metrics == {
        "validation_part_auc": 0.99,
        "calibration_good_passed": 50,
        "calibration_bad_caught": 100,
    }


def test_the_version_before_stays_what_it_was_and_live(model: Bundle) -> None:
    """A person decides what judges."""
    made(model, done())
    assert bundle.load(model.folder).identity == model.identity
    assert (model.folder.parent / "live").resolve() == model.folder


def test_the_first_version_of_a_folder_is_live(model: Bundle, tmp_path: Path) -> None:
    """As the first one that is trained."""
    written, _ = reissue.reissue(model, done(), scoring.golden(model, 1.0), tmp_path / "other")
    assert (tmp_path / "other" / "live").resolve() == written.folder


def test_a_temperature_changes_what_the_score_means(model: Bundle, tmp_path: Path) -> None:
    """The sentence is written anew; the line divides by it: scores are those that the threshold was set on."""
    written, _ = made(model, done(temperature=2.5))
    assert written.manifest.temperature == 2.5
    assert "2.5" in written.manifest.score
    found = scoring.score(
        written, lamps.read(tmp_path / "set", [("lit", 200, "a", "1", ""), ("dark", 9, "b", "1", "")])
    )
    assert np.allclose(found.scores, [lamps.p_ok(200, 2.5), lamps.p_ok(9, 2.5)], atol=1e-3)


def test_known_bad_pictures_that_are_no_longer_clear_stay_behind(model: Bundle) -> None:
    """Else another processor's last digit, or this threshold itself, refuses the bundle at its start."""
    score = lamps.p_ok(0)
    kept, _ = made(model, done(threshold=3 * score))
    assert "dark.png" in kept.manifest.files
    left, number = made(model, done(threshold=1.5 * score))
    assert number == 1
    assert "dark.png" not in left.manifest.files
    assert not left.manifest.golden
    bundle.load(left.folder)


def test_calibrating_again_remembers_both(model: Bundle) -> None:
    """What was once used is never fresh again; the same picture stands once."""
    first, _ = made(model, done())
    second = Calibration(
        found=done().found, temperature=1.0, past=seen.read(first.folder), used=(USED[0], ("e" * 16, "x")), data=""
    )
    written, _ = made(first, second)
    assert written.folder.name == "3"
    assert set(seen.read(written.folder).calibration) == {*USED, ("e" * 16, "x")}
    assert len(seen.read(written.folder).calibration) == 3
