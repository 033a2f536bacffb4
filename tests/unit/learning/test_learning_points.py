"""The operating point: no more escapes than allowed, and no false call that could be had for nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.cli.numbers import said_auc
from bridge.learning import points

chances = st.floats(0, 1, allow_subnormal=False)
sets = st.lists(st.tuples(chances, st.booleans()), min_size=2, max_size=60)


def arrays(drawn: list[tuple[float, bool]]) -> tuple[points.Scores, points.Truth]:
    scores, bad = np.array([score for score, _ in drawn]), np.array([ill for _, ill in drawn])
    assume(bad.any() and not bad.all())
    return scores, bad


@given(sets, st.sampled_from([0.0, 0.005, 0.05, 0.3]))
def test_never_lets_more_bad_parts_pass_than_allowed(drawn: list[tuple[float, bool]], escapes: float) -> None:
    """The stated share is kept whatever the scores; only a bad part of p(OK) = 1 cannot be held."""
    scores, bad = arrays(drawn)
    assume(scores[bad].max() < 1)
    found = points.outcome(scores, bad, points.operating_point(scores, bad, escapes))
    assert found.escapes <= escapes * found.bad


@given(sets, st.sampled_from([0.0, 0.1]))
def test_a_lower_threshold_with_fewer_false_calls_would_let_too_many_pass(
    drawn: list[tuple[float, bool]], escapes: float
) -> None:
    """Among all thresholds that keep the share, none calls fewer good parts NG."""
    scores, bad = arrays(drawn)
    assume(scores[bad].max() < 1)
    found = points.outcome(scores, bad, points.operating_point(scores, bad, escapes))
    others = [points.outcome(scores, bad, float(score)) for score in scores]
    assert all(other.false_calls >= found.false_calls for other in others if other.escapes <= escapes * other.bad)


@given(sets)
def test_the_threshold_is_one_that_a_manifest_takes(drawn: list[tuple[float, bool]]) -> None:
    """Above 0 and at most 1, so that silence of a model is never OK."""
    assert 0 < points.operating_point(*arrays(drawn), 0.0) <= 1


def test_stands_in_the_middle_of_a_gap() -> None:
    """Where good and bad are apart, new parts of either kind have the same room."""
    scores, bad = np.array([0.1, 0.2, 0.8, 0.9]), np.array([True, True, False, False])
    assert points.operating_point(scores, bad, 0) == pytest.approx(0.5)


def test_a_part_is_as_good_as_its_worst_view_and_bad_if_any_view_is() -> None:
    """Four cameras, one part: order of first appearance."""
    scores, bad = points.fuse(np.array([0.9, 0.2, 0.8, 0.7]), np.array([False, True, False, False]), list("abab"))
    assert scores.tolist() == [0.8, 0.2]
    assert bad.tolist() == [False, True]


def test_a_group_of_both_kinds_counts_once_for_each() -> None:
    """A casting photographed before and after it broke is two results."""
    scores, bad = points.average(np.array([0.9, 0.7, 0.2]), np.array([False, False, True]), ["a", "a", "a"])
    assert scores.tolist() == pytest.approx([0.8, 0.2])
    assert bad.tolist() == [False, True]


@given(sets)
def test_auc_is_the_share_of_pairs_in_order(drawn: list[tuple[float, bool]]) -> None:
    """The ranking formula agrees with counting every pair."""
    scores, bad = arrays(drawn)
    good, ill = scores[~bad][None, :], scores[bad][:, None]
    assert points.auc(scores, bad) == pytest.approx(np.mean((ill < good) + (ill == good) / 2))


def test_auc_of_one_kind_only_is_unknown() -> None:
    """No number rather than a flattering one."""
    assert np.isnan(points.auc(np.array([0.5]), np.array([True])))


def test_an_auc_of_one_kind_is_said_in_words() -> None:
    """NaN tells nobody anything."""
    assert said_auc(0.5, 0.25, 0.75) == "AUC 0.5000 (0.2500–0.7500)"
    assert said_auc(0.5) == "AUC 0.5000"
    assert said_auc(math.nan, math.nan, math.nan) == "no AUC, for all are of one kind"


@given(chances, chances)
def test_the_middle_of_two_scores_lies_between_them(one: float, other: float) -> None:
    """By log-odds, so that a gap near certainty is as wide as one near a half; certainty has a middle too."""
    assert min(one, other) <= points.middle(one, other) <= max(one, other)
    assert points.middle(one, other) == points.middle(other, one)


def test_the_error_of_an_auc_is_its_spread_over_samples() -> None:
    """Hanley and McNeil's formula against drawn scores: exponential ones, for which it is exact."""
    rng, good, bad = np.random.default_rng(0), 30, 20
    truth = np.arange(good + bad) >= good
    drawn = []
    for _ in range(2000):
        scores = rng.exponential(1.0, good + bad)
        scores[truth] /= 4
        drawn.append(points.auc(scores, truth))
    assert np.mean(drawn) == pytest.approx(0.8, abs=0.01)
    assert points.auc_error(0.8, good, bad) == pytest.approx(np.std(drawn), rel=0.1)
    assert points.auc_error(1.0, good, bad) == 0
