"""What a bundle is worth on labelled pictures: every figure of the report, and the report as JSON.

Counted by picture, by part (a part is NG if any view is: what the line does), and by group, where a group is more
than a part: its mean score counts, so that a lot of a thousand does not speak for a thousand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.learning import metrics, points
from bridge.learning.data import Item
from bridge.learning.metrics import Bin, ClassFigures, Curve, Estimate, Rate
from bridge.learning.scoring import Scored, Units
from bridge.messages import Verdict

Unit: TypeAlias = Literal["picture", "part", "group"]

VERDICTS: Final = (Verdict.NG, Verdict.OK)
"""By index: NG = 0, OK = 1."""
DIGITS: Final = 6
"""After the point, in the JSON: less than any processor's last digit changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What the threshold does, counted by one unit."""

    unit: Unit
    false_calls: Rate
    """Of the good ones."""
    escapes: Rate
    """Of the bad ones."""
    accuracy: Rate
    verdicts: tuple[ClassFigures, ...]
    """NG and OK."""
    auc: Estimate
    average_precision: Estimate
    """Of NG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A view, a group, or what is of one class."""

    name: str
    false_calls: Rate
    escapes: Rate
    auc: Estimate

    @property
    def wrong(self) -> int:
        """False calls and escapes together."""
        return self.false_calls.events + self.escapes.events


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A part, and the picture of it that decided."""

    part: str
    item: Item
    score: float
    bad: bool


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that is to be said of a bundle on a set."""

    scored: Scored
    threshold: float

    @cached_property
    def parts(self) -> Units:
        """Every part that could be judged."""
        return self.scored.units()

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """By picture, by part where a part is more than a picture, and by group where that is more than a part."""
        one, parts = self.scored, self.parts
        made = [_level("picture", one.scores, one.bad, one.groups, self.threshold)]
        if len(parts.names) < len(one.items):
            made.append(_level("part", parts.scores, parts.bad, parts.groups, self.threshold))
        if len(set(parts.groups)) < len(parts.names):
            means, bad = points.average(parts.scores, parts.bad, parts.groups)
            own = [str(place) for place in range(len(means))]
            made.append(_level("group", means, bad, own, self.threshold))
        return tuple(made)

    @property
    def line(self) -> Level:
        """By part: what the line will do."""
        return next((one for one in self.levels if one.unit == "part"), self.levels[0])

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Which class (row) was told as which (column), by picture, whatever the threshold says."""
        return metrics.confusion(self.scored.labels, self._told, len(self.scored.classes))

    @cached_property
    def classes(self) -> tuple[ClassFigures, ...]:
        """Precision, recall and F1 of every class, by picture: how well defects are told from each other."""
        names = [one.name for one in self.scored.classes]
        return metrics.class_figures(self.scored.labels, self._told, names, self.scored.groups)

    @property
    def _told(self) -> NDArray[np.int64]:
        return np.asarray(self.scored.probabilities.argmax(axis=1), np.int64)

    @cached_property
    def kinds(self) -> tuple[Piece, ...]:
        """By true class, by picture."""
        names = np.array([one.name for one in self.scored.classes])[self.scored.labels]
        return _pieces(names.tolist(), self.scored.scores, self.scored.bad, self.scored.groups, self.threshold)

    @cached_property
    def views(self) -> tuple[Piece, ...]:
        """By view, by picture."""
        names = [item.view for item in self.scored.items]
        return _pieces(names, self.scored.scores, self.scored.bad, self.scored.groups, self.threshold)

    @cached_property
    def groups(self) -> tuple[Piece, ...]:
        """By group, by part; the one with most mistakes first. Empty where every part is a group of its own."""
        if len(set(self.parts.groups)) == len(self.parts.names):
            return ()
        parts = self.parts
        found = _pieces(parts.groups, parts.scores, parts.bad, parts.names, self.threshold)
        return tuple(sorted(found, key=lambda one: (-one.wrong, one.name)))

    @cached_property
    def brier(self) -> Estimate:
        """By picture, as p(OK) is a picture's."""
        return metrics.brier(self.scored.scores, self.scored.bad, self.scored.groups)

    @cached_property
    def calibration_error(self) -> Estimate:
        """Same."""
        return metrics.calibration_error(self.scored.scores, self.scored.bad, self.scored.groups)

    @cached_property
    def reliability(self) -> tuple[Bin, ...]:
        """Same."""
        return metrics.reliability(self.scored.scores, self.scored.bad)

    @cached_property
    def roc(self) -> Curve:
        """By part."""
        return metrics.roc(self.parts.scores, self.parts.bad)

    @cached_property
    def precision_recall(self) -> Curve:
        """By part, of NG."""
        return metrics.precision_recall(self.parts.scores, self.parts.bad)

    @cached_property
    def escapes(self) -> tuple[Judged, ...]:
        """Bad parts that pass, the surest first."""
        return tuple(
            sorted((one for one in self._judged if one.bad and self._passes(one)), key=lambda one: -one.score)
        )

    @cached_property
    def false_calls(self) -> tuple[Judged, ...]:
        """Good parts that are called NG, the surest first."""
        found = (one for one in self._judged if not one.bad and not self._passes(one))
        return tuple(sorted(found, key=lambda one: one.score))

    @cached_property
    def closest(self) -> tuple[Judged, ...]:
        """Parts that were judged right, the nearest to the threshold by log-odds first."""
        right = (one for one in self._judged if one.bad != self._passes(one))
        at = points.log_odds(self.threshold)
        return tuple(sorted(right, key=lambda one: abs(points.log_odds(one.score) - at)))

    def _passes(self, one: Judged) -> bool:
        return one.score >= self.threshold

    @cached_property
    def _judged(self) -> tuple[Judged, ...]:
        """Every part, with its lowest view; a bad one with the lowest of those that are bad, if it passes."""
        lowest: dict[tuple[str, bool], tuple[float, Item]] = {}
        scored = self.scored
        for item, score, ill in zip(scored.items, scored.scores.tolist(), scored.bad.tolist(), strict=True):
            known = lowest.get((item.part, ill))
            if known is None or score < known[0]:
                lowest[item.part, ill] = (score, item)
        parts = self.parts
        made = []
        for name, score, ill in zip(parts.names, parts.scores.tolist(), parts.bad.tolist(), strict=True):
            of_its_kind = lowest[name, ill]
            any_kind = min(
                (lowest[key] for key in ((name, True), (name, False)) if key in lowest), key=lambda one: one[0]
            )
            shown = of_its_kind if score >= self.threshold else any_kind
            made.append(Judged(part=name, item=shown[1], score=score, bad=ill))
        return tuple(made)


def _level(unit: Unit, scores: points.Scores, bad: points.Truth, groups: Sequence[str], threshold: float) -> Level:
    passed = scores >= threshold
    truth, told = (~bad).astype(np.int64), passed.astype(np.int64)
    names = [str(one) for one in VERDICTS]
    return Level(
        unit=unit,
        false_calls=metrics.rate(int((~passed & ~bad).sum()), int((~bad).sum())),
        escapes=metrics.rate(int((passed & bad).sum()), int(bad.sum())),
        accuracy=metrics.rate(int((truth == told).sum()), len(bad)),
        verdicts=metrics.class_figures(truth, told, names, groups),
        auc=metrics.auc(scores, bad, groups),
        average_precision=metrics.average_precision(scores, bad, groups),
    )


def _pieces(
    names: Sequence[str], scores: points.Scores, bad: points.Truth, groups: Sequence[str], threshold: float
) -> tuple[Piece, ...]:
    """Return the pieces by name; their intervals draw ``groups`` anew."""
    member, drawn = np.asarray(names), np.asarray(groups)
    made = []
    for name in dict.fromkeys(sorted(names)):
        mine, ill = scores[member == name], bad[member == name]
        passed = mine >= threshold
        made.append(
            Piece(
                name=name,
                false_calls=metrics.rate(int((~passed & ~ill).sum()), int((~ill).sum())),
                escapes=metrics.rate(int((passed & ill).sum()), int(ill.sum())),
                auc=metrics.auc(mine, ill, drawn[member == name].tolist()),
            )
        )
    return tuple(made)


def encoded(
    one: Evaluation, provenance: Iterable[tuple[str, object]], more: Mapping[str, Any] | None = None
) -> str:
    """Return the report as JSON: every figure with its interval, and every part's score, to count again from.

    Args:
        one: what was counted.
        provenance: of what, by name.
        more: what else belongs into it, in JSON values.
    """
    parts = one.parts
    scored = one.scored
    facts = {
        "bundle": scored.bundle,
        "threshold": one.threshold,
        "provenance": {name: str(value) for name, value in provenance},
        "confidence": metrics.CONFIDENCE,
        "levels": [plain(level) for level in one.levels],
        "classes": [plain(figures) for figures in one.classes],
        "confusion": {"classes": [kind.name for kind in scored.classes], "counts": one.confusion.tolist()},
        "by_class": [plain(piece) for piece in one.kinds],
        "by_view": [plain(piece) for piece in one.views],
        "by_group": [plain(piece) for piece in one.groups],
        "brier": plain(one.brier),
        "calibration_error": plain(one.calibration_error),
        "reliability": [plain(tenth) for tenth in one.reliability],
        "failures": [{"file": failed.item.path.name, "why": failed.why} for failed in scored.failures],
        "parts": [
            {"part": name, "group": group, "truth": str(VERDICTS[not ill]), "score": number(score)}
            for name, group, ill, score in zip(
                parts.names, parts.groups, parts.bad.tolist(), parts.scores.tolist(), strict=True
            )
        ],
    }
    return json.dumps({**facts, **(more or {})}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plain(one: Any) -> dict[str, Any]:
    """Return a dataclass as JSON values, what is not finite as null."""
    return {name: _value(getattr(one, name)) for name in one.__dataclass_fields__}


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(one) for one in value]
    if isinstance(value, float):
        return number(value)
    return plain(value) if hasattr(value, "__dataclass_fields__") else value


def number(value: float) -> float | None:
    """Return a figure as JSON has it."""
    return round(value, DIGITS) if math.isfinite(value) else None
