"""Comparing trainings: the same pictures for both, whole groups drawn anew, a page that says what to choose."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bridge.learning import comparison, comparison_page
from bridge.learning.comparison import Cost, Trial, Way

NONE = Way(backbone="small", head="gap", augment="none", copies=1)
BOLT = Way(backbone="small", head="gap", augment="bolt", copies=10)
OTHER = Way(backbone="vgg16", head="fc", augment="bolt", copies=10)
CLASSES = ("bent", "good", "rusty")
GOOD = (1,)
COSTS = {NONE.rival: Cost(flops=20_000_000, parameters=60_000, edge_ms=0.7)}


def trial(way: Way, seed: int, wrong: float, views: int = 2) -> Trial:
    """A trial that errs on so many of 120 pictures, on the same ones and more where it errs on more."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(0, 3, 120 // views), views)
    told = np.where(np.argsort(rng.permutation(120)) < wrong * 120, (truth + 1) % 3, truth)
    sure = np.full((120, 3), 0.1)
    sure[np.arange(120), told] = 0.8
    parts = tuple(str(index // views) for index in range(120))
    groups = tuple(f"lot {index // 6}" for index in range(120))
    return Trial(
        way=way,
        seed=seed,
        truth=truth,
        sure=sure,
        parts=parts,
        groups=groups,
        seconds=9.0 + seed,
        best=3,
        epochs=4,
    )


@pytest.fixture(scope="module")
def table() -> comparison.Comparison:
    trials = [trial(way, seed, wrong) for way, wrong in ((NONE, 0.3), (BOLT, 0.05)) for seed in range(5)]
    return comparison.compared([*trials, trial(OTHER, 0, 0.5)], CLASSES, GOOD, COSTS)


def test_the_best_stands_first_with_its_spread(table: comparison.Comparison) -> None:
    """Mean and deviation over seeds; one seed has no deviation."""
    assert [row.way for row in table.rows] == [BOLT, NONE, OTHER]
    best = table.rows[0]
    assert best.accuracy.mean == pytest.approx(0.95)
    assert (best.seeds, best.seconds.mean) == (5, 11.0)
    assert math.isnan(table.rows[2].accuracy.deviation)
    assert best.cost == COSTS[BOLT.rival]
    assert table.rows[2].cost is None


def test_figures_of_a_class_are_counted() -> None:
    """Of four called bent three are; of five that are, three are called so."""
    truth = np.array([0] * 5 + [1] * 5)
    told = np.array([0, 0, 0, 1, 1, 0, 1, 1, 1, 1])
    one = Trial(
        way=NONE,
        seed=0,
        truth=truth,
        sure=np.eye(3)[told],
        parts=tuple(map(str, range(10))),
        groups=tuple(map(str, range(10))),
        seconds=0,
        best=1,
        epochs=1,
    )
    row = comparison.compared([one], CLASSES, GOOD, {}).rows[0]
    assert [figure.mean for figure in row.classes["bent"]] == pytest.approx([3 / 4, 3 / 5, 2 / 3])
    assert math.isnan(row.classes["rusty"][0].mean), "nothing is called so"


def test_a_gain_is_paired_and_its_interval_is_of_whole_groups(table: comparison.Comparison) -> None:
    """A quarter of the pictures fewer wrong is sure; the same way again gains exactly nothing."""
    (gain,) = table.differences
    assert (gain.first, gain.second, gain.seeds) == (NONE, BOLT, 5)
    assert gain.accuracy.value == pytest.approx(0.25)
    assert 0.15 < gain.accuracy.low < 0.25 < gain.accuracy.high < 0.35
    assert gain.excludes_zero(gain.accuracy)
    assert gain.auc.value == pytest.approx(table.rows[0].auc.mean - table.rows[1].auc.mean)
    same = [trial(way, seed, 0.2) for way in (NONE, BOLT) for seed in range(3)]
    (nothing,) = comparison.compared(same, CLASSES, GOOD, {}).differences
    assert (nothing.accuracy.low, nothing.accuracy.high) == (0, 0)
    assert not nothing.excludes_zero(nothing.accuracy)


def test_seeds_that_only_one_way_has_do_not_count() -> None:
    """A comparison that was interrupted compares what both have finished."""
    trials = [trial(NONE, seed, 0.3) for seed in range(4)] + [trial(BOLT, 2, 0.1)]
    (gain,) = comparison.compared(trials, CLASSES, GOOD, {}).differences
    assert gain.seeds == 1
    assert gain.accuracy.value == pytest.approx(0.2)


def test_a_part_is_as_bad_as_its_worst_view() -> None:
    """Two views of one part are one part in the AUC, with its group."""
    scores, bad, groups = comparison.per_part(trial(NONE, 0, 0.0), GOOD)
    assert len(scores) == len(bad) == len(groups) == 60
    assert groups[0] == "lot 0"
    assert groups[-1] == "lot 19"
    assert (scores[bad] < 0.5).all()


def test_the_page_says_which_to_choose(table: comparison.Comparison) -> None:
    """In its first sentence; and the same input gives the same page."""
    html = comparison_page.page_of(table, [("data", "abc")])
    assert "small gap, bolt, 10 copies ranks parts best" in html
    assert "+0.2500" in html
    assert html == comparison_page.page_of(table, [("data", "abc")])


def test_the_table_is_json_without_nan(table: comparison.Comparison) -> None:
    """Whoever reads it elsewhere gets null where there is no number."""
    told = json.loads(json.dumps(comparison.plain(table), allow_nan=False))
    assert told["rows"][2]["accuracy"]["deviation"] is None
    assert told["differences"][0]["accuracy_sure"] is True
