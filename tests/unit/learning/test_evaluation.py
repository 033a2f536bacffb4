"""The evaluation: figures that can be counted again, parts that can be looked at, and the same bytes each time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import lamps
import numpy as np
import pytest

from bridge.judging.bundle import Bundle
from bridge.learning import data, scoring
from bridge.learning.data import Choice
from bridge.learning.evaluation import Evaluation, encoded
from bridge.learning.points import fuse

pytest.importorskip("matplotlib")
from bridge.learning import evaluation_page, exhibits

LAMPS = [
    *(("lit", 150 + level, f"good{level}", "top", f"lot {level % 3}") for level in range(20)),
    *(("dark", 20 + level, f"bad{level}", "top", f"lot {level % 3}") for level in range(20)),
    ("lit", 100, "dim", "top", "lot 0"),
    ("lit", 200, "dim", "side", "lot 0"),
    ("dark", 180, "shiny", "top", "lot 1"),
    ("lit", 220, "shiny", "side", "lot 1"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return lamps.shelf(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def found(model: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    collection = lamps.read(tmp_path_factory.mktemp("set"), LAMPS)
    return Evaluation(scored=scoring.score(model, collection), threshold=0.5)


def page(found: Evaluation, model: Bundle) -> str:
    shown = exhibits.Exhibits(model, evaluation_page.shown(found))
    return evaluation_page.page_of(found, model.manifest, [("bundle", "<b>")], shown.picture)


def test_pictures_parts_and_groups_are_counted_each_for_itself(found: Evaluation) -> None:
    """By picture one view of each odd part is wrong; by part both parts are; by group none is."""
    assert [level.unit for level in found.levels] == ["picture", "part", "group"]
    counts = [
        (one.false_calls.events, one.false_calls.trials, one.escapes.events, one.escapes.trials)
        for one in found.levels
    ]
    assert counts == [(1, 23, 1, 21), (1, 21, 1, 21), (0, 3, 0, 3)]
    assert found.line.unit == "part"


def test_figures_of_the_line_are_those_of_the_parts(found: Evaluation) -> None:
    """Recall of NG is what the escapes leave; the AUC is that of the lowest views."""
    ng, ok = found.line.verdicts
    assert (ng.recall.value, ok.recall.value) == (20 / 21, 20 / 21)
    scores, bad = fuse(found.scored.scores, found.scored.bad, [item.part for item in found.scored.items])
    pairs = scores[~bad][:, None] > scores[bad][None, :]
    assert found.line.auc.value == pytest.approx(pairs.mean())
    for one in (found.line.auc, found.line.average_precision, found.views[-1].auc):
        assert one.low < one.value < one.high <= 1


def test_mistakes_are_shown_by_the_picture_that_decided(found: Evaluation) -> None:
    """A false call by its lowest view, an escape by a view that is bad; close calls by how close they were."""
    assert [(one.part, one.item.view) for one in found.false_calls] == [("dim", "top")]
    assert [(one.part, one.item.view) for one in found.escapes] == [("shiny", "top")]
    assert [one.part for one in found.closest[:2]] == ["good0", "good1"]


def test_pieces_add_up_to_the_whole(found: Evaluation) -> None:
    """Views and classes count every picture once, groups every part."""
    for pieces, level in ((found.views, 0), (found.kinds, 0), (found.groups, 1)):
        whole = found.levels[level]
        assert sum(one.escapes.trials for one in pieces) == whole.escapes.trials
        assert sum(one.false_calls.events for one in pieces) == whole.false_calls.events
    assert found.groups[0].name in {"lot 0", "lot 1"}
    assert found.groups[-1].name == "lot 2"


def test_the_json_lets_anybody_count_again(found: Evaluation) -> None:
    """From the scores of the parts follow the figures that stand beside them."""
    said = json.loads(encoded(found, [("bundle", found.scored.bundle)]))
    parts = said["parts"]
    escapes = sum(one["truth"] == "NG" and one["score"] >= said["threshold"] for one in parts)
    by_part = next(level for level in said["levels"] if level["unit"] == "part")
    assert escapes == by_part["escapes"]["events"] == 1
    assert len(parts) == by_part["accuracy"]["trials"] == 42
    assert said["provenance"] == {"bundle": found.scored.bundle}


def test_the_same_input_gives_the_same_bytes(found: Evaluation, model: Bundle, tmp_path: Path) -> None:
    """Scored once more, from a copy elsewhere: page and JSON are the same to the byte."""
    again = Evaluation(scored=scoring.score(model, lamps.read(tmp_path / "copy", LAMPS)), threshold=0.5)
    assert encoded(again, []) == encoded(found, [])
    assert page(again, model) == page(found, model)


def test_the_page_stands_alone_and_says_what_came_out(found: Evaluation, model: Bundle) -> None:
    """Every part of it is there, with pictures inside and nothing from elsewhere; names stay text."""
    made = page(found, model)
    assert "Of 21 bad parts, 1 would have passed; of 21 good ones, 1 would have been called NG." in made
    assert "4.76 % (0.12–23.82)" in made
    assert "Nothing is promised of this threshold yet" in made
    assert made.count("<img ") == 4 + len(evaluation_page.shown(found))
    assert not re.search(r'(?:src|href)="(?!data:|#)', made)
    assert "&lt;b&gt;" in made


def test_several_defects_are_told_from_each_other(model: Bundle, tmp_path: Path) -> None:
    """A third class has its row in the confusion matrix, also one that the bundle cannot name."""
    table = lamps.write(tmp_path / "set", [*LAMPS, ("cracked", 60, "crack", "top", "lot 0")])
    collection = data.items.read(table, Choice(classes=lamps.LAMPS, ok=("lit",)))
    one = Evaluation(scored=scoring.score(model, collection), threshold=0.5)
    assert one.confusion.tolist() == [[22, 1, 0], [1, 20, 0], [0, 1, 0]]
    assert "cracked" in page(one, model)
    assert np.isnan(one.classes[2].precision.value)


def test_a_picture_that_could_not_be_judged_is_on_the_page(model: Bundle, tmp_path: Path) -> None:
    """With the reason, and a warning at the top."""
    collection = lamps.read(tmp_path / "set", LAMPS)
    (tmp_path / "set" / "dim-side.png").write_bytes(b"no picture")
    one = Evaluation(scored=scoring.score(model, collection), threshold=0.5)
    made = page(one, model)
    assert "1 pictures could not be judged" in made
    assert "dim-side.png" in made
    assert not one.false_calls


def test_pictures_are_cut_to_where_the_model_looks_and_glow_where_it_looked(tmp_path: Path) -> None:
    """Without a map the region with its surroundings, as it is; with one, heat where the picture is red."""
    pixels = np.full((200, 300, 3), 40, np.uint8)
    pixels[60:80, 110:130, 2] = 255
    table = lamps.write(tmp_path / "set", [("lit", 200, "a", "1", ""), ("dark", 20, "b", "1", "")])
    cv2.imwrite(str(tmp_path / "set" / "b-1.png"), pixels)
    item = next(one for one in data.items.read(table, Choice(classes=lamps.LAMPS)).items if one.part == "b")
    roi = {"*": {"cx": 140, "cy": 100, "w": 100, "h": 100}}
    plain = exhibits.Exhibits(lamps.shelf(tmp_path / "plain", roi=roi, golden=[]), [item]).picture(item)
    hot = exhibits.Exhibits(lamps.shelf(tmp_path / "hot", roi=roi, golden=[], heat_map={}), [item]).picture(item)
    assert plain is not None
    assert hot is not None
    assert plain.shape == (108, 108, 3)
    assert np.array_equal(hot[:, :108], plain)
    hot = hot[:, -108:]
    assert np.array_equal(plain, pixels[46:154, 86:194])
    changed = np.abs(hot.astype(int) - plain).max(axis=2)
    assert changed[14:34, 24:44].mean() > 5 * changed[60:, 60:100].mean()
    item.path.unlink()
    assert exhibits.Exhibits(lamps.shelf(tmp_path / "gone", golden=[]), [item]).picture(item) is None
