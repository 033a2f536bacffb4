"""From a trained detector to bundles: one for each precision, each with its own threshold.

What a bundle is worth is measured by the line's own engine and its reading of boxes. Where validation holds good
and bad parts, the threshold is set by them, as a classifier's is; where all parts are bad, by their boxes: where
precision and recall of these balance best (F1).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import bundle, detections, preprocess, shelf
from bridge.judging.bundle import Manifest, Precision
from bridge.judging.detections import Find
from bridge.judging.engine import Unfit
from bridge.judging.finder import Finder
from bridge.judging.frames import Load
from bridge.judging.preprocess import MAX_PIXELS
from bridge.learning import conversion, golden, points, quantising, roi
from bridge.learning.conversion import Graph
from bridge.learning.data import Dataset, Split
from bridge.learning.detection import precision as counted
from bridge.learning.detection import truth
from bridge.learning.detection.network import DetectorNetwork
from bridge.learning.detection.precision import Drawn
from bridge.learning.detection.precision import Told as Boxes
from bridge.learning.detection.training import HOW, boxes
from bridge.learning.export import PARITY, Refusal, in_turn, remembered, tools
from bridge.learning.meaning import of_boxes
from bridge.learning.measuring import Told, silent
from bridge.learning.points import Scores
from bridge.learning.seen import SEEN
from bridge.learning.target import Made, Target
from bridge.messages import Verdict

BOXES: Final = "boxes"
RIGHT: Final = 0.33
"""What a box must share with a true one, where a threshold is set by boxes: DeepPCB's authors'."""
_COMPARED: Final = 8
_LOST: Final = 1.0
"""Points (hundredths) of mean average precision at 0.5 that int8 may lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A graph at a precision, and what it says of the validation pictures."""

    precision: Precision
    files: tuple[Path, Path]
    scope: str
    told: list[Boxes]
    """Of each picture."""
    views: Scores
    """p(OK) of each picture: 1 - how sure the surest box is."""
    parts: Scores
    bad: NDArray[np.bool_]
    """Which parts are NG."""
    threshold: float
    half: float
    """Mean average precision at 0.5."""
    mean: float
    """The same over 0.5 to 0.95."""

    @property
    def auc(self) -> float:
        """The chance that a bad part scores below a good one; NaN without any of either."""
        return points.auc(self.parts, self.bad)


def export(
    network: DetectorNetwork,
    dataset: Dataset,
    sides: Split,
    target: Target,
    refused: Callable[[str], None],
    told: Told = silent,
) -> list[Made]:
    """Write the next versions of the model: f32, then each other precision that is asked for and holds.

    Args:
        network: trained.
        dataset: all pictures.
        sides: which of them were used for what.
        target: where to, and in which precisions.
        refused: is told in one line why a precision was not written.
        told: hears how far it is.

    Raises:
        ConfigError: in float32 the engine says something else than Keras.
    """
    with tempfile.TemporaryDirectory() as scratch:
        exporter = _Exporter(network, dataset, sides, target, Path(scratch), told)
        return in_turn(exporter, target, refused)


class _Exporter:
    """One network on its way into bundles."""

    def __init__(
        self,
        network: DetectorNetwork,
        dataset: Dataset,
        sides: Split,
        target: Target,
        scratch: Path,
        told: Told,
    ) -> None:
        self._network, self._dataset, self._sides, self._target = network, dataset, sides, target
        self._scratch, self._told = scratch, told
        self._drawn = truth.drawn(truth.marks(dataset), sides.validation)
        told("converting", 0, 1)
        self._graph: Graph = conversion.convert(network.whole, scratch, BOXES)
        told("converting", 1, 1)
        self._reference = self._candidate(self._graph, Precision.F32)

    def plain(self) -> Made:
        """Write f32.

        Raises:
            ConfigError: it does not say what Keras says.
        """
        worst = self._disagreement()
        if not worst <= PARITY:
            found = f"OpenVINO differs from Keras by up to {worst:.2g} in how sure a box is"
            raise ConfigError("export", found, f"no bundle is written above {PARITY:g}")
        facts = {"parity_max_abs": worst, "parameters": self._network.core.count_params()}
        return self._write(self._reference, facts)

    def other(self, precision: Precision) -> Made:
        """Write another precision.

        Raises:
            Refusal: the processor lacks it, or it loses too much.
        """
        best = self._int8() if precision is Precision.INT8 else self._candidate(self._graph, precision)
        return self._write(best, self._compared(best))

    def _disagreement(self) -> float:
        """Return the largest difference between Keras' and the engine's surest boxes of some pictures."""
        chosen, size = self._sides.validation[:_COMPARED].tolist(), self._size
        worst = 0.0
        for at, said in zip(chosen, self._reference.views.tolist(), strict=False):
            shown = preprocess.normalise(self._dataset.pictures[at : at + 1], self._network.normalisation)
            raw = np.asarray(self._network.whole.predict_on_batch(shown))[0]
            finds = detections.found(raw, HOW, len(self._names), self._ng, size)
            worst = max(worst, abs(_score(finds) - said))
        return worst

    def _int8(self) -> Candidate:
        chosen = quantising.sample(self._dataset.labels, self._sides.train)
        shown = preprocess.normalise(self._dataset.pictures[chosen], self._network.normalisation)
        tried = []
        for scope in quantising.LADDER:
            graph = quantising.quantise(self._graph, shown, scope, self._told, exact=_ENDS)
            one = self._candidate(graph, Precision.INT8, scope)
            if (why := self._too_far(one)) is None:
                return one
            tried.append(why)
        raise Refusal(f"int8 is not written: {tried[-1]}")

    def _too_far(self, one: Candidate) -> str | None:
        """Return why this precision loses too much; None where it does not."""
        lost = 100 * (self._reference.half - one.half)
        if lost > _LOST:
            return f"{lost:.2f} points of mAP at 0.5 lost, and at most {_LOST:g} may be"
        ranked, allowed = 100 * (self._reference.auc - one.auc), self._target.int8_loss
        return f"{ranked:.2f} AUROC points lost where --int8-loss allows {allowed:g}" if ranked > allowed else None

    def _compared(self, one: Candidate) -> dict[str, float | int | str]:
        reference = self._reference
        changed = (one.parts >= one.threshold) != (reference.parts >= reference.threshold)
        return {
            "changed_decisions": int(changed.sum()),
            "f32_map_50": reference.half,
            "map_50_points_lost": 100 * (reference.half - one.half),
        } | ({"quantised": one.scope} if one.scope else {})

    def _candidate(self, graph: Graph, precision: Precision, scope: str = "") -> Candidate:
        """Run the graph on the validation pictures as the line would."""
        folder = self._scratch / f"{precision}{scope}"
        folder.mkdir()
        files = conversion.save(graph, folder)
        dataset, chosen = self._dataset, self._sides.validation
        try:
            finds = self._found(files[0], precision)
        except Unfit as exc:
            raise Refusal(f"{precision} is not written: it cannot be measured here ({exc})") from exc
        told, views = [boxes(one) for one in finds], np.array([_score(one) for one in finds])
        parts, bad = points.fuse(views, dataset.bad[chosen], [dataset.parts[at] for at in chosen.tolist()])
        both = bool(bad.any() and not bad.all())
        kinds = range(len(self._names))
        return Candidate(
            precision=precision,
            files=files,
            scope=scope,
            told=told,
            views=views,
            parts=parts,
            bad=bad,
            threshold=_between(parts, bad, self._target.escapes)
            if both
            else 1 - best_score(self._drawn, told, RIGHT),
            half=counted.mean_precision(self._drawn, told, kinds, (0.5,)),
            mean=counted.mean_precision(self._drawn, told, kinds),
        )

    def _found(self, model: Path, precision: Precision) -> list[list[Find]]:
        look, known = self._target.look, self._dataset.classes
        load = Load(
            model=str(model),
            input=look.into,
            normalisation=self._network.normalisation,
            precision=str(precision),
            logits=False,
            classes=len(known),
            ok_outputs=tuple(at for at, one in enumerate(known) if one.verdict is Verdict.OK),
            threads=len(os.sched_getaffinity(0)),
            max_pixels=MAX_PIXELS,
            detection=HOW,
        )
        engine, found = Finder(load), list[list[Find]]()
        chosen = self._sides.validation
        for at in range(0, len(chosen), engine.batch):
            self._told(f"judging in {precision}", at, len(chosen))
            some = self._dataset.pictures[chosen[at : at + engine.batch]]
            rows, finds = engine.explain(list(preprocess.normalise(some, self._network.normalisation)))
            if not np.isfinite(rows).all():
                raise Refusal(f"{precision} is not written: its output is no boxes")
            found += finds
        self._told(f"judging in {precision}", len(chosen), len(chosen))
        return found

    @property
    def _names(self) -> list[str]:
        """The classes of boxes."""
        return [one.name for one in self._dataset.classes[:-1]]

    @property
    def _ng(self) -> list[int]:
        return [at for at, one in enumerate(self._dataset.classes[:-1]) if one.verdict is Verdict.NG]

    @property
    def _size(self) -> tuple[int, int]:
        return self._target.look.into.width, self._target.look.into.height

    def _write(self, one: Candidate, facts: Mapping[str, float | int | str]) -> Made:
        dataset, target, chosen = self._dataset, self._target, self._sides.validation
        known_bad, pictures = golden.packed(dataset, golden.chosen(dataset, chosen, one.views, one.threshold))
        outcome = points.outcome(one.parts, one.bad, one.threshold)
        places, goldens = roi.bundled(target.look)
        manifest = Manifest(
            name=target.name,
            version=shelf.next_version(target.models),
            kind="detector",
            classes=dataset.classes,
            threshold=one.threshold,
            normalisation=self._network.normalisation,
            precision=one.precision,
            score=of_boxes(dataset.classes),
            detection=HOW,
            golden=known_bad,
            training_data=dataset.digest,
            recipe={**target.recipe, "precision": {"kind": str(one.precision), "scope": one.scope}},
            metrics={
                **facts,
                "validation_good_parts": outcome.good,
                "validation_bad_parts": outcome.bad,
                "validation_false_calls": outcome.false_calls,
                "validation_escapes": outcome.escapes,
                "validation_map_50": one.half,
                "validation_map_50_95": one.mean,
            },
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            tools=tools(one.precision),
            **places,
        )
        files: dict[str, bytes | Path] = {path.name: path for path in one.files}
        files |= {SEEN: remembered(dataset, self._sides).encoded(), **goldens, **pictures, **target.files}
        return Made(bundle.write(target.models / str(manifest.version), manifest, files), outcome)


_ENDS: Final = ("softplus", "sigmoid", "SoftPlus", "Sigmoid", "transpose")
"""From raw numbers to boxes: rounded to 8 bits, a box would lie beside its place."""


def _score(finds: Sequence[Find]) -> float:
    return 1 - (finds[0].score or 0.0 if finds else 0.0)


def _between(parts: Scores, bad: NDArray[np.bool_], escapes: float) -> float:
    """Return the threshold by good and bad parts; one without boxes may have some that are not told at all."""
    return points.operating_point(np.minimum(parts, 1 - HOW.least_score), bad, escapes)


def best_score(drawn: Sequence[Drawn], told: Sequence[Boxes], least: float) -> float:
    """Return how sure boxes must be for their F1, whatever their class, to be highest; 0.5 where none is right."""
    scores, right = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for one, said in zip(drawn, told, strict=True):
        order = np.argsort(-said.scores, kind="stable")
        scores.append(said.scores[order])
        right.append(counted.matched(one.edges, said.edges[order], least) >= 0)
    every = np.concatenate(scores)
    order = np.argsort(-every, kind="stable")
    ranked, hits = every[order], np.cumsum(np.concatenate(right)[order])
    if not hits.size or not hits[-1]:
        return 0.5
    total = sum(len(one.edges) for one in drawn)
    best = int((2 * hits / (np.arange(1, len(hits) + 1) + total)).argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
