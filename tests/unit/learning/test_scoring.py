"""Scoring: the numbers of the line, with truth; what cannot be judged is said and counts nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lamps
import numpy as np
import pytest
from lamps import p_ok

from bridge.errors import ConfigError
from bridge.judging.bundle import Bundle, ModelClass
from bridge.judging.classifier import ClassifierOptions, open_classifier
from bridge.learning import data, scoring
from bridge.learning.data import Choice
from bridge.learning.scoring import Scored
from bridge.messages import Goal, Verdict, View


@pytest.fixture
def model(tmp_path: Path) -> Bundle:
    return lamps.shelf(tmp_path)


VIEWS = [
    ("lit", 200, "a", "1", "monday"),
    ("lit", 180, "a", "2", "monday"),
    ("dark", 90, "b", "1", "monday"),
    ("lit", 20, "b", "2", "monday"),
    ("dark", 140, "c", "1", "tuesday"),
    ("lit", 160, "d", "1", "tuesday"),
]


def test_scores_are_those_that_follow_from_the_pictures(model: Bundle, tmp_path: Path) -> None:
    """By hand: p(OK) of each brightness; truth and neighbours beside it."""
    told: list[tuple[int, int]] = []
    found = scoring.score(model, lamps.read(tmp_path / "set", VIEWS), lambda *at: told.append(at))
    grey = {(part, view): level for _, level, part, view, _ in VIEWS}
    expected = [p_ok(grey[item.part, item.view]) for item in found.items]
    assert np.allclose(found.scores, expected, atol=1e-3)
    assert np.allclose(found.probabilities[:, 0], expected, atol=1e-3)
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert found.bad.tolist() == [item.label == "dark" for item in found.items]
    assert told == [(6, 6)]
    assert found.bundle == model.identity


@pytest.fixture
def scored(model: Bundle, tmp_path: Path) -> Scored:
    return scoring.score(model, lamps.read(tmp_path / "set", VIEWS))


@pytest.fixture
def shown(scored: Scored) -> list[View]:
    return [View(name=item.view, image=item.path.read_bytes()) for item in scored.items]


async def test_scores_are_the_numbers_of_the_line(model: Bundle, scored: Scored, shown: list[View]) -> None:
    """The judge that a gateway opens, in its own process, says the same."""
    async with open_classifier(ClassifierOptions(model=str(model.folder), threads=1)) as judge:
        said = await judge(shown)
    assert [one.score for one in said] == pytest.approx(scored.scores.tolist(), abs=1e-12)


def test_another_temperature_divides_the_logits(model: Bundle, tmp_path: Path) -> None:
    """And the logarithms are logits again, up to a constant."""
    found = scoring.score(model, lamps.read(tmp_path / "set", VIEWS), temperature=3.0)
    assert found.scores[0] == pytest.approx(p_ok(200, 3.0), abs=1e-3)
    gaps = found.logarithms[:, 0] - found.logarithms[:, 1]
    assert gaps[0] * 3.0 == pytest.approx(lamps.log_odds(200), abs=1e-2)


def test_what_cannot_be_judged_is_listed_and_its_part_counts_nowhere(model: Bundle, tmp_path: Path) -> None:
    """A broken view and a lost one: on the line their parts get the safe verdict."""
    collection = lamps.read(tmp_path / "set", VIEWS)
    (tmp_path / "set" / "a-2.png").write_bytes(b"no picture")
    (tmp_path / "set" / "d-1.png").unlink()
    found = scoring.score(model, collection)
    assert {one.item.part: one.why.split()[0] for one in found.failures} == {"a": "is", "d": "cannot"}
    assert len(found.items) == 4
    assert sorted(found.units().names) == ["b", "c"]


def test_a_part_is_its_lowest_view_and_under_goal_1_a_bad_one_its_lowest_bad_view(
    model: Bundle, tmp_path: Path
) -> None:
    """Part b is bad in view 1; its darker view 2 is good, and under goal 1 nobody would ask about it."""
    found = scoring.score(model, lamps.read(tmp_path / "set", VIEWS))

    def of(goal: Goal) -> dict[str, float]:
        units = found.units(goal=goal)
        return dict(zip(units.names, units.scores.tolist(), strict=True))

    assert of(Goal.REPLACE)["b"] == of(Goal.CATCH_ESCAPES)["b"] == pytest.approx(p_ok(20), abs=1e-3)
    assert of(Goal.CUT_FALSE_CALLS)["b"] == pytest.approx(p_ok(90), abs=1e-3)
    assert of(Goal.CUT_FALSE_CALLS)["a"] == pytest.approx(p_ok(180), abs=1e-3)
    units = found.units()
    assert dict(zip(units.names, units.bad.tolist(), strict=True)) == {
        "a": False,
        "b": True,
        "c": True,
        "d": False,
    }


def test_a_group_is_as_bad_as_what_would_go_wrong_in_it(model: Bundle, tmp_path: Path) -> None:
    """Bad parts by the one that passes first, good ones by the one that is called NG first; both kinds are two."""
    more = [*VIEWS, ("dark", 120, "e", "1", "monday"), ("lit", 150, "f", "1", "monday")]
    units = scoring.score(model, lamps.read(tmp_path / "set", more)).units("group", Goal.CUT_FALSE_CALLS)
    found = {
        (name, bool(ill)): score for name, ill, score in zip(units.names, units.bad, units.scores, strict=True)
    }
    assert found[("monday", True)] == pytest.approx(p_ok(120), abs=1e-3)
    assert found[("monday", False)] == pytest.approx(p_ok(150), abs=1e-3)
    assert len(found) == 4


def test_the_digest_is_of_bytes_and_truth_not_of_places(model: Bundle, tmp_path: Path) -> None:
    """The same set elsewhere is the same; another label or another pixel is not."""
    relabelled = [("dark", *VIEWS[0][1:]), *VIEWS[1:]]
    brighter = [("lit", 201, *VIEWS[0][2:]), *VIEWS[1:]]
    sets = {"one": VIEWS, "two": VIEWS, "three": relabelled, "four": brighter}
    digests = [scoring.score(model, lamps.read(tmp_path / name, of)).digest for name, of in sets.items()]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_classes_that_only_the_set_has_come_after_the_bundles(model: Bundle, tmp_path: Path) -> None:
    """A defect that the bundle was never taught is bad all the same."""
    table = lamps.write(tmp_path / "set", [*VIEWS, ("cracked", 60, "g", "1", "friday")])
    found = scoring.score(model, data.items.read(table, Choice(classes=lamps.LAMPS, ok=("lit",))))
    assert [one.name for one in found.classes] == ["lit", "dark", "cracked"]
    assert found.bad[found.labels == 2].all()
    assert found.probabilities.shape == (7, 2)


def test_a_class_that_means_the_opposite_is_one_line(model: Bundle, tmp_path: Path) -> None:
    """Truth read for other classes would turn every figure round."""
    collection = lamps.read(tmp_path / "set", VIEWS)
    turned = tuple(ModelClass(name=one.name, verdict=Verdict.NG) for one in collection.classes)
    with pytest.raises(ConfigError, match="its classes are lit = OK, dark = NG"):
        scoring.score(model, replace(collection, classes=turned))


def test_an_empty_set_scores_nothing(model: Bundle, tmp_path: Path) -> None:
    """No pictures, no figures, no error."""
    found: Scored = scoring.score(model, lamps.read(tmp_path / "set", VIEWS).take([]))
    assert found.scores.shape == (0,)
    assert found.units().names == ()


def test_after_an_interruption_only_the_rest_is_judged(
    model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the third batch; the same call goes on there, ends with the same numbers and leaves nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    many = [("lit", 100 + number, f"p{number}", "1", "") for number in range(40)]
    collection = lamps.read(tmp_path / "set", many)

    def interrupted(done: int, total: int) -> None:
        if done >= 20 < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scoring.score(model, collection, interrupted)
    (left,) = (tmp_path / "cache").rglob("*.jsonl")
    lines = left.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) == 24
    told = [line.replace('"score": 0.', '"score": 0.99') for line in lines[:8]] + lines[8:-1] + [lines[-1][:30]]
    left.write_text("".join(told), encoding="utf-8")  # so that it is seen which were judged again
    found = scoring.score(model, collection)
    fresh = scoring.score(model, collection)
    assert (found.scores[:8] > 0.99).all()
    assert np.array_equal(found.scores[8:], fresh.scores[8:])
    assert fresh.scores[0] < 0.99
    assert not list((tmp_path / "cache").rglob("*.jsonl"))


def test_a_home_that_cannot_be_written_keeps_nothing(
    model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And judges all the same."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(scoring.score(model, lamps.read(tmp_path / "set", VIEWS)).scores) == 6
