"""Figures against scikit-learn's on the same scores, and intervals against what they promise."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.learning import metrics

sklearn_metrics = pytest.importorskip("sklearn.metrics")

sets = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=80)


def arrays(drawn: list[tuple[int, bool]]) -> tuple[metrics.Scores, metrics.Truth]:
    """Scores with many ties, and both kinds."""
    scores, bad = np.array([score / 20 for score, _ in drawn]), np.array([ill for _, ill in drawn])
    assume(bad.any() and not bad.all())
    return scores, bad


def separate(number: int, distance: float, seed: int) -> tuple[metrics.Scores, metrics.Truth]:
    """Normal scores of two kinds, squeezed into 0 to 1."""
    rng = np.random.default_rng(seed)
    bad = np.arange(number) % 2 == 0
    return 1 / (1 + np.exp(-rng.normal(np.where(bad, 0, distance)))), bad


@given(sets)
def test_curves_are_those_of_scikit_learn(drawn: list[tuple[int, bool]]) -> None:
    """Where it drops no points: the same shares at every threshold, for good ones and for NG."""
    scores, bad = arrays(drawn)
    curve = metrics.roc(scores, bad)
    false, true, thresholds = sklearn_metrics.roc_curve(~bad, scores, drop_intermediate=False)
    assert np.allclose(curve.x, false)
    assert np.allclose(curve.y, true)
    assert np.allclose(curve.thresholds[1:], thresholds[1:])
    precision, recall, _ = sklearn_metrics.precision_recall_curve(bad, -scores)
    ours = metrics.precision_recall(scores, bad)
    told = {(round(x, 9), round(y, 9)) for x, y in zip(recall, precision, strict=True)}
    assert told <= {(round(x, 9), round(y, 9)) for x, y in zip(ours.x, ours.y, strict=True)}
    own = [str(place) for place in range(len(bad))]
    assert metrics.average_precision(scores, bad, own).value == pytest.approx(
        sklearn_metrics.average_precision_score(bad, -scores)
    )


@settings(max_examples=25)
@given(sets)
def test_single_figures_are_those_of_scikit_learn(drawn: list[tuple[int, bool]]) -> None:
    """AUC without weights, Brier score."""
    scores, bad = arrays(drawn)
    groups = [str(place) for place in range(len(bad))]
    even = metrics.weighed_auc(scores, bad, np.ones((1, len(bad))))[0]
    assert even == pytest.approx(sklearn_metrics.roc_auc_score(~bad, scores))
    assert metrics.brier(scores, bad, groups).value == pytest.approx(
        sklearn_metrics.brier_score_loss(~bad, scores)
    )


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_class_figures_are_those_of_scikit_learn(drawn: list[tuple[int, int]]) -> None:
    """Precision, recall, F1 and the confusion matrix of four classes, some of which may be absent."""
    truth, told = np.array(drawn).T
    names, groups = list("abcd"), [str(place) for place in range(len(truth))]
    expected = sklearn_metrics.precision_recall_fscore_support(truth, told, labels=range(4), zero_division=np.nan)
    made = metrics.class_figures(truth, told, names, groups)
    assert np.allclose([one.precision.value for one in made], expected[0], equal_nan=True)
    assert np.allclose([one.recall.value for one in made], expected[1], equal_nan=True)
    assert [one.recall.trials for one in made] == expected[3].tolist()
    with_support = [place for place in range(4) if expected[3][place]]
    assert np.allclose([made[place].f1.value for place in with_support], expected[2][with_support])
    assert np.array_equal(
        metrics.confusion(truth, told, 4), sklearn_metrics.confusion_matrix(truth, told, labels=range(4))
    )


def test_the_bolt_papers_table_follows_from_its_counts() -> None:
    """132 pictures: with 65 of 66 NG and 63 of 66 OK told right, the definitions give the published two digits."""
    truth = np.repeat([0, 1], 66)
    told = np.array([0] * 65 + [1] + [1] * 63 + [0] * 3)
    ng, ok = metrics.class_figures(truth, told, ["NG", "OK"], [str(place) for place in range(132)])
    shown = [[round(one.value, 2) for one in (kind.precision, kind.recall, kind.f1)] for kind in (ng, ok)]
    assert shown == [[0.96, 0.98, 0.97], [0.98, 0.95, 0.97]]


@given(sets)
def test_a_weighed_auc_is_that_of_the_repeated_set(drawn: list[tuple[int, bool]]) -> None:
    """A weight of three is the same thing three times."""
    scores, bad = arrays(drawn)
    weights = np.arange(len(bad)) % 3 + 1
    repeated = metrics.weighed_auc(scores, bad, weights[None].astype(float))[0]
    assert repeated == pytest.approx(
        sklearn_metrics.roc_auc_score(~np.repeat(bad, weights), np.repeat(scores, weights))
    )


def test_intervals_of_the_auc_hold_what_they_promise() -> None:
    """Of 120 sets of 80, about 95 % hold the true chance: for normal scores Phi of their distance over root 2."""
    true = NormalDist().cdf(1.2 / 2**0.5)
    groups = [str(place) for place in range(80)]
    found = [metrics.auc(*separate(80, 1.2, seed), groups) for seed in range(120)]
    assert sum(one.low <= true <= one.high for one in found) >= 105


def test_groups_that_resemble_each_other_widen_the_interval() -> None:
    """The same pictures in a tenth of the groups say less than each for itself."""
    scores, bad = separate(40, 1.0, 0)
    scores, bad = np.repeat(scores, 10), np.repeat(bad, 10)
    alone = metrics.auc(scores, bad, [str(place) for place in range(400)])
    together = metrics.auc(scores, bad, [str(place // 10) for place in range(400)])
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_perfect_figure_is_not_called_certain() -> None:
    """Ten good and thirty bad in order: ten pairs bound the chance from below; the bootstrap would say 1 to 1."""
    bad = np.arange(40) < 30
    groups = [str(place) for place in range(40)]
    found = metrics.auc(np.where(bad, 0.1, 0.9), bad, groups)
    assert (found.value, found.high, found.how) == (1.0, 1.0, "counted")
    assert found.low == pytest.approx(0.05 ** (1 / 10))
    figures = metrics.class_figures(bad.astype(np.int64), bad.astype(np.int64), ["OK", "NG"], groups)
    assert [one.f1.how for one in figures] == ["counted", "counted"]
    assert 0.6 < figures[0].f1.low < figures[1].f1.low < 0.95


def test_nothing_right_is_not_called_certain_either() -> None:
    """All in the wrong order, all told wrong: the same bounds from the other side."""
    bad = np.arange(20) < 10
    groups = [str(place) for place in range(20)]
    found = metrics.auc(np.where(bad, 0.9, 0.1), bad, groups)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 10))
    figures = metrics.class_figures(bad.astype(np.int64), (~bad).astype(np.int64), ["OK", "NG"], groups)
    assert figures[0].f1.value == figures[0].f1.low == 0.0
    assert 0.2 < figures[0].f1.high < 0.4


def test_a_paired_gain_is_surer_than_two_figures_apart() -> None:
    """The same hard parts trouble both judges: drawn together, a small gain excludes zero."""
    scores, bad = separate(300, 1.0, 5)
    better = 1 / (1 + np.exp(-(np.log(scores / (1 - scores)) + 0.35 * ~bad)))
    groups = [str(place // 3) for place in range(300)]
    gain = metrics.auc_gain(better, scores, bad, groups)
    one, other = metrics.auc(better, bad, groups), metrics.auc(scores, bad, groups)
    assert gain.value == pytest.approx(one.value - other.value)
    assert gain.low > 0
    assert one.low < other.high
    none = metrics.auc_gain(scores, scores, bad, groups)
    assert (none.value, none.low, none.high) == (0.0, 0.0, 0.0)


def test_calibrated_scores_have_a_small_error_and_a_straight_diagram() -> None:
    """Truth drawn from the scores themselves; then the scores are pushed outwards."""
    rng = np.random.default_rng(0)
    scores = rng.random(4000)
    bad = rng.random(4000) > scores
    groups = [str(place) for place in range(4000)]
    assert metrics.calibration_error(scores, bad, groups).value < 0.04
    diagram = metrics.reliability(scores, bad)
    assert len(diagram) == metrics.BINS
    assert sum(one.good.low <= one.mean <= one.good.high for one in diagram) >= 8
    pushed = np.where(scores > 0.5, 0.999, 0.001)
    found = metrics.calibration_error(pushed, bad, groups)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(0.249, abs=0.02)


def test_the_calibration_error_is_the_gap_of_the_bins() -> None:
    """Two bins: four at 0.05 of which one is good, one at 1.0 that is good."""
    scores, bad = np.array([0.05] * 4 + [1.0]), np.array([True] * 3 + [False] * 2)
    assert metrics.calibration_error(scores, bad, list("abcde")).value == pytest.approx(0.8 * 0.2)


def test_one_kind_only_has_no_auc() -> None:
    """No number rather than a flattering one."""
    found = metrics.auc(np.array([0.5, 0.6]), np.array([True, True]), ["a", "b"])
    assert np.isnan(found.value)
    assert found.how == "none"
    assert np.isnan(metrics.average_precision(np.array([0.5]), np.array([False]), ["a"]).value)


def test_an_average_precision_that_is_perfect_has_a_bound_all_the_same() -> None:
    """Ten bad ones in order are not a promise; what is not in order has an interval around it."""
    scores, bad = np.arange(20) / 20, np.arange(20) < 10
    own = [str(place) for place in range(20)]
    found = metrics.average_precision(scores, bad, own)
    assert (found.value, found.how) == (1.0, "counted")
    assert 0.4 < found.low < 0.6
    bad[[9, 12]] = bad[[12, 9]]
    mixed = metrics.average_precision(scores, bad, own)
    assert mixed.how == "bootstrap"
    assert mixed.low < mixed.value < mixed.high <= 1
    assert metrics.rate(0, 0).how == "none"
