"""The evaluation of an anomaly judge: every figure as others count it, what is left out, and what is written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bridge.learning import map_evaluation, metrics, pixels
from bridge.learning.map_evaluation import MapEvaluation, evaluated, sized
from bridge.learning.masks import Mask
from bridge.learning.pixels import Map

sklearn_metrics = pytest.importorskip("sklearn.metrics")

NUMBER = 24
GROUPS = [f"part {place // 2}" for place in range(NUMBER)]
BAD = np.arange(NUMBER) % 4 >= 2
"""Two pictures of each part; every second part is bad."""


def scored() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(np.where(BAD, 0.4, 0.6), 0.15), 0, 1)


def seen() -> tuple[list[Map], list[Mask | None]]:
    """Maps with a square that is a defect where one is bad; of the last bad picture nobody drew it."""
    rng = np.random.default_rng(1)
    maps: list[Map] = []
    masks: list[Mask | None] = []
    for ill in BAD.tolist():
        mask = np.zeros((16, 12), np.bool_)
        y, x = rng.integers(0, 8, 2)
        mask[y : y + 4, x : x + 3] = ill
        maps.append(np.asarray(rng.normal(size=mask.shape) + 2 * mask, np.float32))
        masks.append(mask if ill else None)
    masks[int(np.flatnonzero(BAD)[-1])] = None
    return maps, masks


@pytest.fixture(scope="module")
def found() -> MapEvaluation:
    return evaluated(scored(), BAD, GROUPS, 0.5, *seen())


def test_by_picture_the_figures_are_those_of_scikit_learn(found: MapEvaluation) -> None:
    """NG is what is to be found, by a score that falls."""
    scores, image = scored(), found.image
    told = scores < 0.5
    assert image.auroc.value == pytest.approx(sklearn_metrics.roc_auc_score(BAD, -scores))
    assert image.average_precision.value == pytest.approx(sklearn_metrics.average_precision_score(BAD, -scores))
    assert image.ng.precision.value == pytest.approx(sklearn_metrics.precision_score(BAD, told))
    assert image.ng.recall.value == pytest.approx(sklearn_metrics.recall_score(BAD, told))
    assert image.ng.f1.value == pytest.approx(sklearn_metrics.f1_score(BAD, told))
    best = sklearn_metrics.f1_score(BAD, scores < image.best_f1.threshold)
    assert image.best_f1.value == pytest.approx(best)
    assert best >= image.ng.f1.value
    assert image.auroc == metrics.auc(scores, BAD, GROUPS)
    assert (image.pictures, image.bad, image.ng.name) == (NUMBER, 12, "NG")


def test_by_pixel_a_defect_that_nobody_drew_counts_neither_way(found: MapEvaluation) -> None:
    """Its picture is left out whole: to call all of it good would be wrong."""
    maps, masks = seen()
    kept = [place for place in range(NUMBER) if not BAD[place] or masks[place] is not None]
    one = pixels.ranked([maps[place] for place in kept], [masks[place] for place in kept])
    pixel = found.pixel
    assert pixel is not None
    assert (pixel.pictures, pixel.drawn, pixel.left_out, pixel.regions) == (NUMBER - 1, 11, 1, 11)
    assert pixel.figures.auroc.value == pixels.auroc(one)
    assert pixel.figures.pro.value == pixels.pro(one)
    assert pixel.figures.best_f1.value == pixels.best_f1(one).value
    assert pixel.threshold == pixels.best_f1(one).threshold
    assert pixel.figures.pro.low < pixel.figures.pro.value < pixel.figures.pro.high


def test_it_reads_as_a_table(found: MapEvaluation) -> None:
    """One line for each figure, after what was counted."""
    lines = map_evaluation.lines(found)
    assert lines[0] == "image: 24 pictures, 12 of them NG, threshold 0.5"
    assert lines[1].startswith(
        "pixel: 23 pictures, 11 with a drawn defect (11 regions, 2.99% of all pixels); 1 NG"
    )
    assert [name for _, name, _ in map_evaluation.rows(found)] == [
        *("AUROC", "AUPRC", "precision of NG", "recall of NG", "F1 of NG", "F1-max"),
        *("AUROC", "AUPRC", "PRO to 30% false alarms", "F1-max"),
    ]
    assert len(lines) == 12
    assert "–" in lines[2]


def test_the_json_holds_every_figure_with_its_interval(found: MapEvaluation) -> None:
    """To six digits, the map's threshold to six that count."""
    said = json.loads(map_evaluation.encoded(found, [("bundle", "x 1")]))
    assert said["provenance"] == {"bundle": "x 1"}
    assert said["image"]["auroc"]["value"] == round(found.image.auroc.value, 6)
    assert said["pixel"]["figures"]["pro"]["how"] == "bootstrap"
    assert (said["pixel"]["limit"], said["pixel"]["left_out"]) == (0.3, 1)
    maps, masks = seen()
    tiny = evaluated(scored(), BAD, GROUPS, 0.5, [one * np.float32(1e-9) for one in maps], masks)
    told = map_evaluation.facts(tiny)["pixel"]
    assert tiny.pixel is not None
    assert told["threshold"] == pytest.approx(tiny.pixel.threshold, rel=1e-5)
    assert told["figures"] == said["pixel"]["figures"]


def test_without_masks_pictures_are_all_that_is_counted() -> None:
    """No maps, no mask, or nothing that is bad: the figures that there are, and a word about the others."""
    maps, _ = seen()
    for given in ((), (maps, [None] * NUMBER)):
        one = evaluated(scored(), BAD, GROUPS, 0.5, *given)
        assert one.pixel is None
        assert "nothing is counted by pixel" in map_evaluation.lines(one)[1]
        assert json.loads(map_evaluation.encoded(one, ()))["pixel"] is None
    good = evaluated(scored(), np.zeros(NUMBER, bool), GROUPS, 0.5, maps, [None] * NUMBER)
    assert [value for _, _, value in map_evaluation.rows(good)][0::5] == ["–", "–"]
    assert json.loads(map_evaluation.encoded(good, ()))["image"]["auroc"]["value"] is None


def test_what_does_not_belong_together_is_refused() -> None:
    """As many maps as pictures."""
    maps, masks = seen()
    with pytest.raises(ValueError, match="24 pictures, 24 groups, 23 maps and 24 masks"):
        evaluated(scored(), BAD, GROUPS, 0.5, maps[1:], masks)


def test_a_map_is_stretched_over_its_input() -> None:
    """Linear between the middles of its cells, whatever the shape that it comes in."""
    cells = np.arange(6, dtype=np.float16).reshape(2, 3, 1)
    fine = sized(cells, 4, 6)
    assert fine.shape == (4, 6)
    assert fine.dtype == np.float32
    assert fine[0].tolist() == pytest.approx([0, 0.25, 0.75, 1.25, 1.75, 2])
    assert np.array_equal(sized(cells[..., 0], 2, 3), cells[..., 0])
