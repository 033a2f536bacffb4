"""How good a judge is, each figure with how sure it is: pure, over p(OK) and truths.

OK is 1 and NG is 0, an index of p and nothing more: a *false call* is a good part called NG, an *escape* a bad
part called OK. Precision, recall and F1 are given for each class as it is.

A share has the exact interval of Clopper and Pearson, which takes each trial for independent of the others. What
is no share (AUC, F1, Brier score, calibration error) has a percentile bootstrap over whole groups, because
pictures of one lot resemble each other. Where every resample would be perfect that says nothing, and a bound by
counting stands in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.learning import points
from bridge.learning.points import Scores, Truth
from bridge.shadow.statistics import clopper_pearson, clopper_pearson_lower, clopper_pearson_upper

Labels: TypeAlias = NDArray[np.int64]
Weights: TypeAlias = NDArray[np.float64]
"""Shape (resamples, N): how often each of N counts."""
Statistic: TypeAlias = Callable[[Weights], NDArray[np.float64]]

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 1000
BINS: Final = 10
_AT_ONCE: Final = 4_000_000
"""Weights held in memory together: 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its two-sided interval; NaN where there is nothing to count."""

    value: float
    low: float
    high: float
    how: Literal["exact", "bootstrap", "counted", "none"]
    """exact: Clopper and Pearson. bootstrap: over groups. counted: a bound for a perfect figure. none: no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Estimate):
    """A share, with what was counted."""

    events: int
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """How well one class is told from the others."""

    name: str
    precision: Rate
    """Of what is called so, the share that is so."""
    recall: Rate
    """Of what is so, the share that is called so."""
    f1: Estimate
    """The harmonic mean of the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A curve over all thresholds, from the strictest on; K points each."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The scores of one tenth, and how often they were right."""

    mean: float
    """The mean p(OK) of what lies in it."""
    good: Rate
    """The share that is OK."""


def rate(events: int, trials: int) -> Rate:
    """Return a share with its exact interval."""
    if not trials:
        return Rate(value=math.nan, low=0.0, high=1.0, how="none", events=0, trials=0)
    low, high = clopper_pearson(events, trials, CONFIDENCE)
    return Rate(value=events / trials, low=low, high=high, how="exact", events=events, trials=trials)


def confusion(truth: Labels, told: Labels, classes: int) -> NDArray[np.int64]:
    """Return how often each class (row) was told as each class (column)."""
    pairs = np.bincount(truth * classes + told, minlength=classes * classes)
    return np.asarray(pairs.reshape(classes, classes), np.int64)


def class_figures(
    truth: Labels, told: Labels, names: Sequence[str], groups: Sequence[str]
) -> tuple[ClassFigures, ...]:
    """Return precision, recall and F1 of every class.

    Args:
        truth: (N,) the true class of each, as a place in ``names``.
        told: (N,) what it was told as.
        names: the classes.
        groups: what each of N belongs to.
    """
    counted = confusion(truth, told, len(names))
    made: list[ClassFigures] = []
    for place, name in enumerate(names):
        right = int(counted[place, place])
        precision, recall = rate(right, int(counted[:, place].sum())), rate(right, int(counted[place].sum()))
        made.append(
            ClassFigures(
                name=name,
                precision=precision,
                recall=recall,
                f1=_f1(truth == place, told == place, precision, recall, groups),
            )
        )
    return tuple(made)


def _f1(so: Truth, called: Truth, precision: Rate, recall: Rate, groups: Sequence[str]) -> Estimate:
    both, either = (so & called).astype(np.float64), so.astype(np.float64) + called

    def weighed(weights: Weights) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return np.asarray(2 * (weights @ both) / (weights @ either), np.float64)

    value = float(weighed(np.ones((1, len(so))))[0])
    if value == 0.0:
        high = _harmonic(*(_upper(one) for one in (precision, recall)))
        return Estimate(value=0.0, low=0.0, high=high, how="counted")
    if value == 1.0:
        low = _harmonic(
            *(clopper_pearson_lower(one.events, one.trials, 1 - _TAIL / 2) for one in (precision, recall))
        )
        return Estimate(value=1.0, low=low, high=1.0, how="counted")
    return bootstrapped(value, weighed, groups)


def auc(scores: Scores, bad: Truth, groups: Sequence[str]) -> Estimate:
    """Return the chance that a bad one scores below a good one, ties counting half.

    Where all are in order, as many pairs of a good and a bad group as can be made without using one twice are so
    many independent trials, each of them in order: that bounds the chance from below. Where none is, from above.
    """
    value = points.auc(scores, bad)
    if math.isnan(value):
        return Estimate(value=value, low=0.0, high=1.0, how="none")
    if value in {0.0, 1.0}:
        names = np.asarray(groups)
        pairs = min(len(np.unique(names[bad])), len(np.unique(names[~bad])))
        low = clopper_pearson_lower(pairs, pairs, 1 - _TAIL)
        return Estimate(value=value, low=value * low, high=1 - (1 - value) * low, how="counted")
    return bootstrapped(value, lambda weights: weighed_auc(scores, bad, weights), groups)


def auc_gain(scores: Scores, baseline: Scores, bad: Truth, groups: Sequence[str]) -> Estimate:
    """Return by how much the AUC of ``scores`` is above that of ``baseline`` on the same N, drawn together.

    Paired, so that a hard lot that is drawn twice is drawn twice for both. Where the interval excludes 0, the gain
    is more than the choice of groups.
    """

    def gain(weights: Weights) -> NDArray[np.float64]:
        return weighed_auc(scores, bad, weights) - weighed_auc(baseline, bad, weights)

    return bootstrapped(points.auc(scores, bad) - points.auc(baseline, bad), gain, groups)


def weighed_auc(scores: Scores, bad: Truth, weights: Weights) -> NDArray[np.float64]:
    """Return the AUC under each row of weights; NaN where a row leaves only one kind."""
    order = np.argsort(scores, kind="stable")
    first = np.flatnonzero(np.concatenate([[True], np.diff(scores[order]) > 0]))
    ranked, ill = weights[:, order], bad[order]
    bad_at = np.add.reduceat(np.where(ill, ranked, 0.0), first, axis=1)
    good_at = np.add.reduceat(np.where(ill, 0.0, ranked), first, axis=1)
    below = np.cumsum(bad_at, axis=1) - bad_at / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((good_at * below).sum(axis=1) / (good_at.sum(axis=1) * bad_at.sum(axis=1)), np.float64)


def brier(scores: Scores, bad: Truth, groups: Sequence[str]) -> Estimate:
    """Return the mean squared distance of p(OK) from the truth: 0 is perfect, 0.25 is a coin (Brier 1950)."""
    squares = (scores - ~bad) ** 2
    return bootstrapped(
        float(squares.mean()), lambda w: np.asarray(w @ squares / w.sum(axis=1), np.float64), groups
    )


def calibration_error(scores: Scores, bad: Truth, groups: Sequence[str]) -> Estimate:
    """Return how far p(OK) is from the share that is OK, on average over ``BINS`` equal tenths (ECE; Guo 2017)."""
    place = _bin_of(scores)
    away = scores - ~bad
    member = np.stack([place == one for one in range(BINS)]).astype(np.float64)

    def weighed(weights: Weights) -> NDArray[np.float64]:
        gaps = np.abs((weights * away) @ member.T).sum(axis=1)
        return np.asarray(gaps / weights.sum(axis=1), np.float64)

    return bootstrapped(float(weighed(np.ones((1, len(scores))))[0]), weighed, groups)


def reliability(scores: Scores, bad: Truth) -> tuple[Bin, ...]:
    """Return the tenths of p(OK) in which something lies, from the lowest on."""
    place = _bin_of(scores)
    inside = (place == one for one in np.unique(place))
    return tuple(
        Bin(mean=float(scores[one].mean()), good=rate(int((~bad[one]).sum()), int(one.sum()))) for one in inside
    )


def _bin_of(scores: Scores) -> NDArray[np.int64]:
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def roc(scores: Scores, bad: Truth) -> Curve:
    """Return the share of the good that pass (y) over the share of the bad that do (x), as the threshold falls."""
    passed_bad, passed_good, thresholds = _passed(scores, bad)
    return Curve(
        x=np.concatenate([[0.0], passed_bad / max(bad.sum(), 1)]),
        y=np.concatenate([[0.0], passed_good / max((~bad).sum(), 1)]),
        thresholds=np.concatenate([[np.inf], thresholds]),
    )


def precision_recall(scores: Scores, bad: Truth) -> Curve:
    """Return the precision of NG (y) over its recall (x), as the threshold falls: all are called NG at first."""
    passed_bad, passed_good, thresholds = _passed(scores, bad)
    caught, called = bad.sum() - passed_bad, len(bad) - passed_bad - passed_good
    share = np.divide(caught, called, out=np.ones(len(called)), where=called > 0)
    return Curve(
        x=np.concatenate([[1.0], caught / max(bad.sum(), 1)]),
        y=np.concatenate([[float(bad.mean())], share]),
        thresholds=np.concatenate([[np.inf], thresholds]),
    )


def average_precision(scores: Scores, bad: Truth, groups: Sequence[str]) -> Estimate:
    """Return the area under ``precision_recall`` as steps; NaN where nothing is bad.

    Where it is perfect, the bounds of precision and recall at the threshold that parts them bound it from below.
    """

    def weighed(weights: Weights) -> NDArray[np.float64]:
        return weighed_average_precision(scores, bad, weights)

    value, number = float(weighed(np.ones((1, len(bad))))[0]), int(bad.sum())
    if value == 1.0:
        low = clopper_pearson_lower(number, number, 1 - _TAIL / 2) ** 2
        return Estimate(value=1.0, low=low, high=1.0, how="counted")
    return bootstrapped(value, weighed, groups)


def weighed_average_precision(scores: Scores, bad: Truth, weights: Weights) -> NDArray[np.float64]:
    """Return the average precision of NG under each row of weights; NaN where a row leaves nothing bad."""
    order = np.argsort(scores, kind="stable")
    first = np.flatnonzero(np.concatenate([[True], np.diff(scores[order]) > 0]))
    ranked, ill = weights[:, order], bad[order]
    bad_at = np.add.reduceat(np.where(ill, ranked, 0.0), first, axis=1)
    called = np.cumsum(np.add.reduceat(ranked, first, axis=1), axis=1)
    with np.errstate(invalid="ignore"):
        precision = np.cumsum(bad_at, axis=1) / np.maximum(called, 1e-300)
        return np.asarray((bad_at * precision).sum(axis=1) / bad_at.sum(axis=1), np.float64)


def _passed(scores: Scores, bad: Truth) -> tuple[NDArray[np.int64], NDArray[np.int64], Scores]:
    """Return how many bad and good ones reach each score that occurs, from the highest on."""
    thresholds, place = np.unique(scores, return_inverse=True)
    bad_at, good_at = (np.bincount(place[one], minlength=len(thresholds))[::-1] for one in (bad, ~bad))
    return np.cumsum(bad_at), np.cumsum(good_at), thresholds[::-1]


def bootstrapped(value: float, statistic: Statistic, groups: Sequence[str], seed: int = 0) -> Estimate:
    """Return a figure with the percentiles of what it becomes when groups are drawn anew (Efron 1979).

    Args:
        value: the figure itself.
        statistic: the figure under rows of weights.
        groups: what each of N belongs to; with few of them the interval is too narrow.
        seed: decides what is drawn; the same one for every figure, so that they can be compared.
    """
    drawn = np.concatenate([statistic(weights) for weights in resampled(groups, seed)])
    drawn = drawn[np.isfinite(drawn)]
    if math.isnan(value) or not drawn.size:
        return Estimate(value=value, low=math.nan, high=math.nan, how="none")
    low, high = np.quantile(drawn, [_TAIL / 2, 1 - _TAIL / 2])
    return Estimate(value=value, low=float(low), high=float(high), how="bootstrap")


def resampled(groups: Sequence[str], seed: int = 0, times: int = RESAMPLES) -> Iterator[Weights]:
    """Yield weights, a few resamples at a time: as many groups as there are, drawn with replacement."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    rng, number = np.random.default_rng(seed), len(names)
    step = max(1, _AT_ONCE // max(len(member), 1))
    for done in range(0, times, step):
        drawn = (rng.integers(0, number, number) for _ in range(min(step, times - done)))
        yield np.stack([np.bincount(one, minlength=number)[member] for one in drawn]).astype(np.float64)


def _upper(one: Rate) -> float:
    return clopper_pearson_upper(one.events, one.trials, 1 - _TAIL / 2) if one.trials else 1.0


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other)


_TAIL: Final = 1 - CONFIDENCE
