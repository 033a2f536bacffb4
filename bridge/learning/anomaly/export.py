"""From a network that knows good parts to bundles: one for each precision, each with its own limit.

Whatever the network's number counts, the bundle turns it into p(OK) = 1 / (1 + exp((a - limit) / temperature)):
one half at the limit, and 0.95 for the middle good part of validation. Limit and temperature stand in the
manifest, never in the graph, and are set by what the engine of the line says.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import bundle, preprocess, shelf
from bridge.judging.bundle import Manifest, ModelClass, OperatingPoint, Precision
from bridge.judging.engine import Unfit
from bridge.learning import conversion, golden, measuring, points, quantising, roi
from bridge.learning.anomaly.limits import Limit, of_good
from bridge.learning.anomaly.network import AnomalyNetwork
from bridge.learning.conversion import Graph
from bridge.learning.data import Dataset, Split
from bridge.learning.export import PARITY, Refusal, heat_map, in_turn, remembered, tools
from bridge.learning.measuring import Told, Wiring, silent
from bridge.learning.points import Outcome, Scores
from bridge.learning.seen import SEEN
from bridge.learning.target import Made, Target
from bridge.messages import Goal, Verdict

CLASSES: Final = (ModelClass(name="good", verdict=Verdict.OK), ModelClass(name="strange", verdict=Verdict.NG))
CONFIDENCE: Final = 0.95
_MIDDLE: Final = math.log(0.95 / 0.05)
"""The log-odds of p(OK) for the middle good part."""
_DRIFT: Final = 0.1
"""Without bad parts to rank, int8 may move anomalies by this share of the way from the middle good part to the
limit, at 95 of 100 validation pictures."""
_COMPARED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A graph at a precision, and what it says of the validation pictures."""

    precision: Precision
    files: tuple[Path, Path]
    scope: str
    anomalies: Scores
    """Of each picture."""
    parts: Scores
    """Of each part: its strangest view's."""
    bad: NDArray[np.bool_]
    """Which parts are NG."""
    limit: Limit

    @property
    def temperature(self) -> float:
        """So that the middle good part gets p(OK) = 0.95."""
        return max((self.limit.value - self.limit.middle) / _MIDDLE, 1e-9)

    def ok(self, anomalies: Scores) -> Scores:
        """Return p(OK)."""
        return np.asarray(1 / (1 + np.exp(np.clip((anomalies - self.limit.value) / self.temperature, -700, 700))))

    @property
    def auc(self) -> float:
        """The chance that a bad part is stranger than a good one; NaN without any."""
        return points.auc(-self.parts, self.bad)


def export(
    network: AnomalyNetwork,
    dataset: Dataset,
    sides: Split,
    target: Target,
    false_calls: float,
    refused: Callable[[str], None],
    told: Told = silent,
) -> list[Made]:
    """Write the next versions of the model: f32, then each other precision that is asked for and holds.

    Args:
        network: trained.
        dataset: all pictures.
        sides: which of them were used for what; at least one good picture validates.
        target: where to, and in which precisions.
        false_calls: the share of good parts that may be called NG.
        refused: is told in one line why a precision was not written.
        told: hears how far it is.

    Raises:
        ConfigError: in float32 the engine says something else than Keras, or what it says is not finite.
    """
    with tempfile.TemporaryDirectory() as scratch:
        exporter = _Exporter(network, dataset, sides, target, Path(scratch), false_calls, told)
        return in_turn(exporter, target, refused)


class _Exporter:
    """One network on its way into bundles."""

    def __init__(
        self,
        network: AnomalyNetwork,
        dataset: Dataset,
        sides: Split,
        target: Target,
        scratch: Path,
        false_calls: float,
        told: Told,
    ) -> None:
        self._network, self._dataset, self._sides, self._target = network, dataset, sides, target
        self._scratch, self._allowed, self._told = scratch, false_calls, told
        self._wiring = Wiring(
            into=target.look.into, normalisation=network.normalisation, classes=CLASSES, limit=0.0
        )
        told("converting", 0, 1)
        self._graph: Graph = conversion.convert(network.whole, scratch, conversion.ANOMALY)
        told("converting", 1, 1)
        self._reference = self._candidate(self._graph, Precision.F32)

    def plain(self) -> Made:
        """Write f32.

        Raises:
            ConfigError: it does not say what Keras says.
        """
        chosen = self._sides.validation[:_COMPARED]
        shown = preprocess.normalise(self._dataset.pictures[chosen], self._network.normalisation)
        keras_says = np.concatenate(
            [np.asarray(self._network.whole.predict_on_batch(one[None])[0]) for one in shown]
        )
        reference = self._reference
        differs = reference.ok(keras_says[:, 0].astype(np.float64)) - reference.ok(reference.anomalies[:_COMPARED])
        worst = float(np.abs(differs).max())
        if not worst <= PARITY:
            found = f"OpenVINO differs from Keras by up to {worst:.2g} in p(OK)"
            raise ConfigError("export", found, f"no bundle is written above {PARITY:g}")
        return self._write(reference, {"parity_max_abs": worst})

    def other(self, precision: Precision) -> Made:
        """Write another precision.

        Raises:
            Refusal: the processor lacks it, or it loses too much.
        """
        best = self._int8() if precision is Precision.INT8 else self._candidate(self._graph, precision)
        return self._write(best, self._compared(best))

    def _int8(self) -> Candidate:
        chosen = self._sides.train[: quantising.MOST_PICTURES]
        shown = preprocess.normalise(self._dataset.pictures[chosen], self._network.normalisation)
        tried = []
        for scope in quantising.LADDER:
            graph = quantising.quantise(self._graph, shown, scope, self._told, self._network.exact)
            one = self._candidate(graph, Precision.INT8, scope)
            if (why := self._too_far(one)) is None:
                return one
            tried.append(why)
        raise Refusal(f"int8 is not written: {tried[-1]}")

    def _too_far(self, one: Candidate) -> str | None:
        """Return why this precision loses too much; None where it does not."""
        if one.bad.any():
            lost = 100 * (self._reference.auc - one.auc)
            allowed = self._target.int8_loss
            said = f"{lost:.2f} AUROC points lost where --int8-loss allows {allowed:g}"
            return None if lost <= allowed else said
        drift = self._drift(one)
        said = f"anomalies move by {drift:.0%} of the way from the middle good part to the limit"
        return None if drift <= _DRIFT else f"{said}, and there is no bad part to show that it does no harm"

    def _drift(self, one: Candidate) -> float:
        reference = self._reference
        way = max(reference.limit.value - reference.limit.middle, 1e-12)
        return float(np.quantile(np.abs(one.anomalies - reference.anomalies), 0.95) / way)

    def _compared(self, one: Candidate) -> dict[str, float | int | str]:
        reference = self._reference
        changed = (one.parts > one.limit.value) != (reference.parts > reference.limit.value)
        facts: dict[str, float | int | str] = {"changed_decisions": int(changed.sum()), "drift": self._drift(one)}
        if one.bad.any():
            facts |= {"f32_part_auc": reference.auc, "auroc_points_lost": 100 * (reference.auc - one.auc)}
        return facts | ({"quantised": one.scope} if one.scope else {})

    def _candidate(self, graph: Graph, precision: Precision, scope: str = "") -> Candidate:
        folder = self._scratch / f"{precision}{scope}"
        folder.mkdir()
        files = conversion.save(graph, folder)
        dataset, chosen = self._dataset, self._sides.validation
        try:
            rows = measuring.probabilities(files[0], self._wiring, precision, dataset.pictures[chosen], self._told)
        except Unfit as exc:
            raise Refusal(f"{precision} is not written: it cannot be measured here ({exc})") from exc
        anomalies = np.log(rows[:, 1]) - np.log(rows[:, 0])
        if not np.isfinite(anomalies).all():
            raise ConfigError(
                "export", f"an anomaly in {precision} is no number", "train again with other pictures"
            )
        lowest, bad = points.fuse(-anomalies, dataset.bad[chosen], [dataset.parts[at] for at in chosen])
        return Candidate(
            precision=precision,
            files=files,
            scope=scope,
            anomalies=anomalies,
            parts=-lowest,
            bad=bad,
            limit=of_good(-lowest[~bad], self._allowed, CONFIDENCE),
        )

    def _write(self, one: Candidate, facts: Mapping[str, float | int | str]) -> Made:
        dataset, target, chosen = self._dataset, self._target, self._sides.validation
        views = one.ok(one.anomalies)
        known_bad, pictures = golden.packed(dataset, golden.chosen(dataset, chosen, views, 0.5))
        outcome = points.outcome(one.ok(one.parts), one.bad, 0.5)
        places, goldens = roi.bundled(target.look)
        boxes = replace(target.boxes, hot_from=one.limit.value if one.limit.value > 0 else None)
        manifest = Manifest(
            name=target.name,
            version=shelf.next_version(target.models),
            kind="anomaly",
            classes=CLASSES,
            threshold=0.5,
            normalisation=self._network.normalisation,
            precision=one.precision,
            output="anomaly",
            limit=one.limit.value,
            temperature=one.temperature,
            score=meaning(self._network.unit),
            operating_point=_promise(one, self._allowed),
            golden=known_bad,
            training_data=dataset.digest,
            recipe={**target.recipe, "precision": {"kind": str(one.precision), "scope": one.scope}},
            metrics={**facts, **target.took, **_metrics(outcome, one.limit)},
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            tools=tools(one.precision),
            heat_map=heat_map(self._graph, boxes),
            **places,
        )
        files: dict[str, bytes | Path] = {path.name: path for path in one.files}
        files |= {SEEN: remembered(dataset, self._sides).encoded(), **goldens, **pictures, **target.files}
        return Made(bundle.write(target.models / str(manifest.version), manifest, files), outcome)


def meaning(unit: str) -> str:
    """Return what p(OK) is, in words."""
    return (
        f"p(OK) of one view = 1 / (1 + exp((a - limit) / temperature)), where a is the {unit}; it is a half at "
        "the limit, which was set on good parts alone, and says how strange a part is, not how often it is bad. A "
        "view is OK from the threshold on, a part is as its worst view."
    )


def _promise(one: Candidate, allowed: float) -> OperatingPoint:
    limit = one.limit
    return OperatingPoint(
        goal=Goal(2),
        risk=allowed,
        confidence=CONFIDENCE,
        bound=limit.bound,
        holds=limit.holds,
        good=limit.parts,
        bad=int(one.bad.sum()),
        errors=limit.exceeding,
        missing=limit.missing,
    )


def _metrics(outcome: Outcome, limit: Limit) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "validation_good_parts": outcome.good,
        "validation_bad_parts": outcome.bad,
        "validation_false_calls": outcome.false_calls,
        "middle_good_anomaly": limit.middle,
    }
    if outcome.bad:
        facts |= {"validation_escapes": outcome.escapes, "validation_part_auc": outcome.auc}
    return facts


def said(limits: Sequence[OperatingPoint]) -> str:
    """Return in one line what a threshold from good parts alone holds."""
    one = limits[0]
    if one.holds:
        return (
            f"at most {one.bound:.2%} of good parts are called NG with {one.confidence:.0%} confidence "
            f"({one.errors} of {one.good})"
        )
    more = "" if one.missing is None else f"; {one.missing} more good parts to validate on would show it"
    return (
        f"{one.good} good parts cannot show that at most {one.risk:.2%} are called NG{more}: the limit is a guess"
    )
