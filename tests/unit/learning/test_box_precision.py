"""Average precision, held to pycocotools; and what is said of a detector's boxes, counted by hand."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from bridge.learning.detection import evaluation, precision
from bridge.learning.detection.precision import LEVELS, Drawn, Told

KINDS = 3


def scene(rng: np.random.Generator) -> tuple[Drawn, Told]:
    """Return true boxes, and what a middling detector says of them: shifted, doubled, missed, invented."""
    count = int(rng.integers(0, 7))
    low = rng.uniform(0, 80, (count, 2))
    edges = np.concatenate([low, low + rng.uniform(5, 40, (count, 2))], axis=1)
    kinds = rng.integers(0, KINDS - (rng.random() < 0.5), count)
    seen = rng.random(count) < 0.8
    near = np.concatenate([edges[seen], edges[rng.random(count) < 0.3]])
    wild = rng.uniform(0, 60, (int(rng.integers(0, 4)), 2))
    said = np.concatenate([near + rng.normal(0, 3, near.shape), np.concatenate([wild, wild + 20], axis=1)])
    guessed = rng.integers(0, KINDS, len(said))
    guessed[: seen.sum()] = kinds[seen]
    scores = np.round(rng.random(len(said)), 1)  # many are equally sure
    said[:, 2:] = np.maximum(said[:, 2:], said[:, :2] + 1)
    return Drawn(edges=edges, kinds=kinds), Told(edges=said, kinds=guessed, scores=scores)


def reference(drawn: list[Drawn], told: list[Told], levels: tuple[float, ...]) -> np.ndarray:
    """Return what pycocotools says: shape (levels, kinds), -1 where nothing is there."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")

    def rows(one: Drawn | Told, image: int) -> list[dict[str, Any]]:
        wide = one.edges[:, 2:] - one.edges[:, :2]
        return [
            {
                "image_id": image,
                "category_id": int(kind),
                "bbox": [*edges[:2].tolist(), *size.tolist()],
                "area": float(size.prod()),
                "iscrowd": 0,
            }
            for edges, size, kind in zip(one.edges, wide, one.kinds, strict=True)
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "images": [{"id": at} for at in range(len(drawn))],
            "categories": [{"id": at, "name": str(at)} for at in range(KINDS)],
            "annotations": [row for at, one in enumerate(drawn) for row in rows(one, at)],
        }
        for number, one in enumerate(truth.dataset["annotations"], 1):
            one["id"] = number
        truth.createIndex()
        said = [
            row | {"score": float(score)}
            for at, one in enumerate(told)
            for row, score in zip(rows(one, at), one.scores, strict=True)
        ]
        found = cocoeval.COCOeval(truth, truth.loadRes(said), "bbox")
        found.params.iouThrs = np.array(levels)
        found.evaluate()
        found.accumulate()
    counted: np.ndarray = found.eval["precision"][:, :, :, 0, -1].mean(axis=1)
    return counted


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    """Class by class, at COCO's overlaps and at 0.33; equal scores and classes that nobody drew are among them."""
    rng = np.random.default_rng(seed)
    scenes = [scene(rng) for _ in range(12)]
    drawn, told = [one for one, _ in scenes], [one for _, one in scenes]
    levels = (0.33, *LEVELS)
    theirs = reference(drawn, told, levels)
    ours = [[precision.average_precision(drawn, told, kind, one) for kind in range(KINDS)] for one in levels]
    np.testing.assert_allclose(np.nan_to_num(ours, nan=-1), theirs, atol=1e-9)
    mean = precision.mean_precision(drawn, told, range(KINDS))
    assert mean == pytest.approx(theirs[1:][theirs[1:] > -1].mean())


def test_figures_at_the_threshold_are_counted_by_hand() -> None:
    """Only boxes over the threshold count there; one that touches a true one is not false."""
    drawn = [Drawn(edges=np.array([[0, 0, 10, 10], [50, 50, 60, 60.0]]), kinds=np.array([0, 1]))]
    told = [
        Told(
            edges=np.array([[0, 0, 10, 8], [58, 58, 70, 70], [80, 80, 90, 90], [50, 50, 60, 60.0]]),
            kinds=np.array([1, 1, 0, 1]),
            scores=np.array([0.9, 0.8, 0.7, 0.3]),
        )
    ]
    found = evaluation.counted(drawn, told, ["hair", "hole"], 0.5, (0.33, 0.9))
    assert (found.pictures, found.boxes, found.found, found.touched, found.false) == (1, 2, (1, 0), 2, 1)
    assert [one.average_precision for one in found.classes] == [
        (0.0, 0.0),
        (pytest.approx(1 / 3), pytest.approx(1 / 3)),
    ]
    said = evaluation.lines(found)
    assert said[-1] == "such boxes that touch no true one: 1, 1.00 a picture"
    assert evaluation.facts(found)["classes"][0] == {"name": "hair", "boxes": 1, "average_precision": [0.0, 0.0]}


def test_nothing_to_find_is_no_figure() -> None:
    empty = np.empty((0, 4))
    drawn, told = (
        [Drawn(edges=empty, kinds=np.empty(0, np.int64))],
        [Told(edges=empty, kinds=np.empty(0, np.int64), scores=np.empty(0))],
    )
    found = evaluation.counted(drawn, told, ["hair"], 0.5, (0.5,))
    assert np.isnan(found.mean)
    assert evaluation.facts(found)["mean"] is None
    assert "–" in "".join(evaluation.lines(found))
