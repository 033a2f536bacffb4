"""From a trained network to bundles: one for each precision, each with its own number, threshold and figures.

Scores are measured by the engine that will run the bundle, not by Keras, so that the threshold belongs to exactly
the numbers that the line will see. float32 is always written, first: it is what the others are held against.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.judging import bundle, preprocess, shelf
from bridge.judging.bundle import Bundle, Manifest, Precision
from bridge.judging.engine import BATCH, Engine, Unfit
from bridge.judging.frames import Load
from bridge.judging.preprocess import MAX_PIXELS
from bridge.judging.spec import Input, Normalisation
from bridge.learning import conversion, golden, points, quantising, seen
from bridge.learning.backend import keras
from bridge.learning.conversion import Graph
from bridge.learning.data import Dataset, Indices, Look
from bridge.learning.network import Model
from bridge.learning.points import Outcome, Scores
from bridge.learning.quantising import Candidate
from bridge.learning.seen import SEEN, Seen
from bridge.messages import Box
from bridge.plugin import BoxOptions

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above


class Network(Protocol):
    """What is exported of a network."""

    @property
    def whole(self) -> Model:
        """Picture to logits."""

    @property
    def normalisation(self) -> Normalisation:
        """How its input is made from pixels."""


class Split(Protocol):
    """Places in the data set."""

    @property
    def train(self) -> Indices:
        """What it was trained on; int8 takes its ranges from these."""

    @property
    def validation(self) -> Indices:
        """What thresholds are set on and precisions compared on."""


class Sides(NamedTuple):
    """A split without anything held out."""

    train: Indices
    validation: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where bundles go and what they are called."""

    models: Path
    """The model's folder; each bundle is written to ``<models>/<version>``."""
    name: str
    look: Look
    """How the pictures of the data set were cut."""
    precisions: tuple[Precision, ...] = (Precision.F32,)
    """What to write besides f32, which is always written."""
    escapes: float = 0.005
    """The share of bad validation parts that may pass."""
    int8_loss: float = 0.2
    """The most AUROC points (hundredths) that int8 may lose against f32 on validation parts."""
    parent: str = ""
    """The identity of the bundle that this one was trained from."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """All that it takes to train this network again, in JSON values."""


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was written, and what its threshold does on the validation parts."""

    bundle: Bundle
    outcome: Outcome


def _complain(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - a refusal is never silent, whoever calls


def export(
    network: Network,
    dataset: Dataset,
    split: Split,
    target: Target,
    refused: Callable[[str], None] = _complain,
) -> list[Made]:
    """Write the next versions of the model: f32, then each other precision that is asked for and holds.

    The model's first version becomes live; a later one is left for a person to switch to.

    Args:
        network: trained.
        dataset: all pictures.
        split: which of them were used for what.
        target: where to, and in which precisions.
        refused: is told in one line why a precision was not written.
    """
    with tempfile.TemporaryDirectory() as scratch:
        exporter = _Exporter(network, dataset, split, target, Path(scratch))
        written = [exporter.plain()]
        asked = dict.fromkeys(target.precisions)
        for precision in (one for one in (Precision.BF16, Precision.INT8) if one in asked):
            try:
                written.append(exporter.other(precision))
            except Refusal as exc:
                refused(f"{exc}; {written[0].bundle.identity} (f32) stays")
    if not (target.models / "live").exists():
        bundle.make_live(written[0].bundle.folder)
    return written


class Refusal(ValueError):  # noqa: N818 - named after what is done
    """A precision that this network or processor does not bear; ``str()`` is one line for the user."""


class _Exporter:
    """One network on its way into bundles."""

    def __init__(self, network: Network, dataset: Dataset, split: Split, target: Target, scratch: Path) -> None:
        self._network, self._dataset, self._split, self._target = network, dataset, split, target
        self._scratch = scratch
        self._seen = _seen(dataset, split)
        self._parts = [dataset.parts[index] for index in split.validation]
        self._graph: Graph = conversion.convert(network.whole, scratch)
        self._reference = self._candidate(self._graph, Precision.F32)

    def plain(self) -> Made:
        """Write f32."""
        chosen = self._split.validation[:64]
        worst = disagreement(self._network, self._dataset, chosen, self._reference.views[:64])
        facts = {"parity_max_abs": worst, "parameters": self._network.whole.count_params()}
        return self._write(self._reference, facts)

    def other(self, precision: Precision) -> Made:
        """Write another precision.

        Raises:
            Refusal: the processor lacks it, or it loses too much.
        """
        best = self._int8() if precision is Precision.INT8 else self._candidate(self._graph, precision)
        return self._write(best, quantising.compared(best, self._reference))

    def _int8(self) -> Candidate:
        """Return the first way to 8 bits that loses no more than allowed."""
        tried = []
        train = self._split.train
        pictures = self._dataset.pictures[quantising.sample(self._dataset.labels, train)]
        shown = preprocess.normalise(pictures, self._network.normalisation)
        for ladder in quantising.LADDER:
            graph = quantising.quantise(self._graph, shown, ladder)
            tried.append(self._candidate(graph, Precision.INT8, str(ladder)))
            if quantising.loss(tried[-1], self._reference) <= self._target.int8_loss:
                return tried[-1]
        best = min(tried, key=lambda one: quantising.loss(one, self._reference))
        raise Refusal(quantising.refusal(best, self._reference, self._target.int8_loss))

    def _candidate(self, graph: Graph, precision: Precision, how: str = "") -> Candidate:
        """Run the graph on the validation pictures, as the line would, and set its threshold."""
        folder = self._scratch / f"{precision}{how}"
        folder.mkdir()
        files = conversion.save(graph, folder)
        dataset, chosen = self._dataset, self._split.validation
        try:
            views = scores(
                files[0], self._target.look.into, self._network.normalisation, precision, dataset, chosen
            )
        except Unfit as exc:
            raise Refusal(f"{precision} is not written: {exc}") from exc
        parts, bad = points.fuse(views, dataset.bad[chosen], self._parts)
        threshold = points.operating_point(parts, bad, self._target.escapes)
        return Candidate(
            precision=precision, files=files, how=how, views=views, parts=parts, bad=bad, threshold=threshold
        )

    def _write(self, one: Candidate, facts: Mapping[str, float | int | str]) -> Made:
        dataset, target, chosen = self._dataset, self._target, self._split.validation
        known_bad, pictures = golden.packed(dataset, golden.chosen(dataset, chosen, one.views, one.threshold))
        outcome = points.outcome(one.parts, one.bad, one.threshold)
        manifest = Manifest(
            name=target.name,
            version=shelf.next_version(target.models),
            classes=dataset.classes,
            threshold=one.threshold,
            input=target.look.into,
            normalisation=self._network.normalisation,
            roi={view: _written(box) for view, box in target.look.rois.items()},
            precision=one.precision,
            output="logits",
            golden=known_bad,
            parent=target.parent,
            training_data=dataset.digest,
            metrics={**facts, **_metrics(outcome, target, points.auc(one.views, dataset.bad[chosen]))},
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            tools={"keras": keras.__version__, "backend": keras.config.backend(), "openvino": ov.__version__},
        )
        files: dict[str, bytes | Path] = {path.name: path for path in one.files}
        folder = target.models / str(manifest.version)
        return Made(bundle.write(folder, manifest, files | pictures | {SEEN: self._seen.encoded()}), outcome)


def scores(
    model: Path,
    into: Input,
    normalisation: Normalisation,
    precision: Precision,
    dataset: Dataset,
    chosen: Indices,
) -> Scores:
    """Return p(OK) of these pictures, as the engine of the line computes it.

    Raises:
        Unfit: the processor lacks the precision.
    """
    good = [index for index, one in enumerate(dataset.classes) if one.verdict == "OK"]
    load = Load(
        model=str(model),
        input=into,
        normalisation=normalisation,
        precision=str(precision),
        logits=True,
        classes=len(dataset.classes),
        ok_outputs=tuple(good),
        threads=1,
        max_pixels=MAX_PIXELS,
    )
    engine = Engine(load)
    rows = [
        engine.infer(list(preprocess.normalise(dataset.pictures[chosen[at : at + BATCH]], normalisation)))
        for at in range(0, len(chosen), BATCH)
    ]
    return np.asarray(np.concatenate(rows)[:, good].sum(axis=1), np.float64)


def disagreement(network: Network, dataset: Dataset, chosen: Indices, measured: Scores) -> float:
    """Return the largest difference between p(OK) from Keras and the engine's."""
    shown = preprocess.normalise(dataset.pictures[chosen], network.normalisation)
    logits = np.asarray(network.whole.predict(shown, batch_size=BATCH, verbose=0), np.float64)
    powers: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    good = np.array([one.verdict == "OK" for one in dataset.classes])
    return float(np.abs(powers[:, good].sum(axis=1) / powers.sum(axis=1) - measured).max())


def _metrics(outcome: Outcome, target: Target, view_auc: float) -> dict[str, float | int | str]:
    return {
        "validation_good_parts": outcome.good,
        "validation_bad_parts": outcome.bad,
        "validation_false_calls": outcome.false_calls,
        "validation_escapes": outcome.escapes,
        "validation_part_auc": outcome.auc,
        "validation_view_auc": view_auc,
        "allowed_escape_share": target.escapes,
    }


def _seen(dataset: Dataset, split: Split) -> Seen:
    def known(chosen: Indices) -> tuple[tuple[str, str], ...]:
        files = dataset.files
        return tuple((seen.digits(files[at]) if files else "", dataset.groups[at]) for at in chosen.tolist())

    return Seen(train=known(split.train), validation=known(split.validation))


def _written(roi: Box) -> BoxOptions:
    return BoxOptions(cx=roi.cx, cy=roi.cy, w=roi.w, h=roi.h)
