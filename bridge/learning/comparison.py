"""Trainings side by side: what each says of pictures that it never saw, and how far two of them are apart.

Pure: no Keras. Two ways that were trained with the same seed have the same split, so every difference is taken on
the same pictures. Its interval comes from drawing whole groups anew, the same ones for both ways and all seeds:
how the figure would have come out with other parts. How it comes out with another draw of weights and splits is
the spread over seeds, which stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.learning import metrics, points
from bridge.learning.metrics import Estimate, Weights
from bridge.learning.points import Scores, Truth

EVEN: Final = 0.0
"""What a difference must not include to mean anything."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Way:
    """One way to train."""

    backbone: str
    head: str
    augment: str
    copies: int

    @property
    def name(self) -> str:
        """What a file is called after it."""
        policy = self.augment.replace("/", "_")
        return f"{self.backbone}-{self.head}-{policy}-{self.copies}"

    @property
    def rival(self) -> tuple[str, str]:
        """Ways that share this differ in how pictures are varied and copied, and in nothing else."""
        return self.backbone, self.head


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one way, trained with one seed, says of the N pictures that were held out."""

    way: Way
    seed: int
    truth: NDArray[np.int64]
    """The place of each picture's class, shape (N,)."""
    sure: NDArray[np.float64]
    """Probabilities, shape (N, classes)."""
    parts: tuple[str, ...]
    groups: tuple[str, ...]
    seconds: float
    """Its epochs took so long; features that several trials share are not in it."""
    best: int
    """The best epoch, of ``epochs``."""
    epochs: int

    @property
    def told(self) -> NDArray[np.int64]:
        """The class that each picture is told to be."""
        return np.asarray(self.sure.argmax(axis=1), np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether it is."""
        return np.asarray(self.told == self.truth, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What it costs to run a network."""

    flops: int
    """Floating-point operations of one picture, two for each multiply-add."""
    parameters: int
    edge_ms: float
    """One picture on this machine, by the engine of the line in float32: median, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over seeds."""

    mean: float
    deviation: float
    """Between seeds; NaN with fewer than two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way in the table."""

    way: Way
    seeds: int
    accuracy: Spread
    """The share of pictures whose class is told."""
    auc: Spread
    """How well p(OK) ranks parts."""
    classes: Mapping[str, tuple[Spread, Spread, Spread]]
    """Precision, recall and F1 by class."""
    seconds: Spread
    cost: Cost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One way against another with the same network: the second less the first."""

    first: Way
    second: Way
    seeds: int
    accuracy: Estimate
    auc: Estimate

    @staticmethod
    def excludes_zero(one: Estimate) -> bool:
        """Return whether the sign of a difference is sure."""
        return one.low > EVEN or one.high < EVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All of it."""

    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]


def compared(
    trials: Sequence[Trial], classes: Sequence[str], good: Sequence[int], costs: Mapping[tuple[str, str], Cost]
) -> Comparison:
    """Return the table of finished trials, best AUC first, and the differences between rivals.

    Args:
        trials: of any ways and seeds.
        classes: names, in the order of the outputs.
        good: the places of those that are OK.
        costs: by backbone and head.
    """
    ways = list(dict.fromkeys(one.way for one in trials))
    rows = [_row([one for one in trials if one.way == way], classes, good, costs.get(way.rival)) for way in ways]
    rows.sort(key=lambda row: (0.0 if math.isnan(row.auc.mean) else -row.auc.mean, -row.accuracy.mean))
    firsts = {way.rival: way for way in reversed(ways)}
    pairs = [(firsts[way.rival], way) for way in ways if firsts[way.rival] != way]
    return Comparison(
        classes=tuple(classes),
        rows=tuple(rows),
        differences=tuple(_difference(trials, first, second, good) for first, second in pairs),
    )


def spread(values: Sequence[float]) -> Spread:
    """Return mean and deviation of what seeds gave."""
    return Spread(
        mean=float(np.mean(values)), deviation=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    )


def per_part(trial: Trial, good: Sequence[int]) -> tuple[Scores, Truth, list[str]]:
    """Return score, truth and group of each part: its lowest view counts."""
    bad = ~np.isin(trial.truth, list(good))
    scores, ill = points.fuse(trial.sure[:, list(good)].sum(axis=1), bad, trial.parts)
    groups = dict(zip(reversed(trial.parts), reversed(trial.groups), strict=True))
    return scores, ill, [groups[part] for part in dict.fromkeys(trial.parts)]


def _row(trials: Sequence[Trial], classes: Sequence[str], good: Sequence[int], cost: Cost | None) -> Row:
    figures = [_class_figures(one, len(classes)) for one in trials]
    return Row(
        way=trials[0].way,
        seeds=len(trials),
        accuracy=spread([float(one.right.mean()) for one in trials]),
        auc=spread([points.auc(*per_part(one, good)[:2]) for one in trials]),
        classes={
            name: (
                spread([float(one[place, 0]) for one in figures]),
                spread([float(one[place, 1]) for one in figures]),
                spread([float(one[place, 2]) for one in figures]),
            )
            for place, name in enumerate(classes)
        },
        seconds=spread([one.seconds for one in trials]),
        cost=cost,
    )


def _class_figures(trial: Trial, classes: int) -> NDArray[np.float64]:
    """Return precision, recall and F1 of each class, shape (classes, 3); NaN where there is nothing to count."""
    counted = metrics.confusion(trial.truth, trial.told, classes).astype(np.float64)
    right, called, there = np.diag(counted), counted.sum(axis=0), counted.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.stack([right / called, right / there, 2 * right / (called + there)], axis=1)


def _difference(trials: Sequence[Trial], first: Way, second: Way, good: Sequence[int]) -> Difference:
    ones = {one.seed: one for one in trials if one.way == first}
    pairs = [(ones[one.seed], one) for one in trials if one.way == second and one.seed in ones]
    return Difference(
        first=first, second=second, seeds=len(pairs), accuracy=_accuracy(pairs), auc=_auc(pairs, good)
    )


def _accuracy(pairs: Sequence[tuple[Trial, Trial]]) -> Estimate:
    gained = [other.right.astype(np.float64) - one.right for one, other in pairs]
    return _estimated(gained, [list(one.groups) for one, _ in pairs], _mean)


def _mean(gained: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.asarray(weights @ gained / weights.sum(axis=1), np.float64)


def _auc(pairs: Sequence[tuple[Trial, Trial]], good: Sequence[int]) -> Estimate:
    parts = [(per_part(one, good), per_part(other, good)) for one, other in pairs]

    def gain(both: tuple[Any, Any], weights: Weights) -> NDArray[np.float64]:
        one, other = (metrics.weighed_auc(scores, bad, weights) for scores, bad, _ in both)
        return np.asarray(other - one, np.float64)

    return _estimated(parts, [one[2] for one, _ in parts], gain)


def _estimated(
    each: Sequence[Any], groups: Sequence[list[str]], statistic: Callable[[Any, Weights], NDArray[np.float64]]
) -> Estimate:
    """Return the mean over seeds of a paired statistic; a group that is drawn is drawn for every seed."""
    if not each:
        return Estimate(value=math.nan, low=math.nan, high=math.nan, how="none")
    ends = np.cumsum([len(one) for one in groups])[:-1]

    def over_seeds(weights: Weights) -> NDArray[np.float64]:
        shares = np.split(weights, ends, axis=1)
        gained = [statistic(one, share) for one, share in zip(each, shares, strict=True)]
        return np.asarray(np.mean(gained, axis=0), np.float64)

    flat = [name for one in groups for name in one]
    return metrics.bootstrapped(float(over_seeds(np.ones((1, len(flat))))[0]), over_seeds, flat)


def plain(one: Comparison) -> dict[str, Any]:
    """Return the table in JSON values; what is not a number is null."""
    return {
        "classes": list(one.classes),
        "rows": [_finite(asdict(row)) for row in one.rows],
        "differences": [
            _finite(asdict(two))
            | {f"{name}_sure": two.excludes_zero(getattr(two, name)) for name in ("accuracy", "auc")}
            for two in one.differences
        ],
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
