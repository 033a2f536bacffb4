"""From a trained network to bundles: one for each precision, each with its own number, threshold and figures.

Scores are measured by the engine that will run the bundle, not by Keras, so that temperature and threshold belong
to exactly the numbers that the line will see. float32 is always written, and first: it is held against Keras, and
the others are held against it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import bundle, preprocess, shelf
from bridge.judging.bundle import Manifest, ModelClass, Precision
from bridge.judging.engine import BATCH, Unfit
from bridge.judging.softmax import softmax
from bridge.judging.spec import HeatMapOutput
from bridge.learning import (
    calibration,
    cam,
    conversion,
    golden,
    measuring,
    networks,
    points,
    quantising,
    resemblance,
    roi,
    seen,
)
from bridge.learning.backend import keras
from bridge.learning.conversion import Graph
from bridge.learning.data import Dataset, Indices
from bridge.learning.meaning import meaning
from bridge.learning.measuring import Rows, Told, Wiring, silent
from bridge.learning.networks import Model
from bridge.learning.points import Outcome
from bridge.learning.quantising import Candidate
from bridge.learning.seen import SEEN, Seen
from bridge.learning.target import Exportable, Made, Sides, Split, Target

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above

__all__ = ["PARITY", "Exportable", "Made", "Refusal", "Sides", "Split", "Target", "disagreement", "export"]

PARITY: Final = 1e-3
"""The most by which a probability may differ between Keras and the engine in float32."""
_COMPARED = 64
"""Pictures that are shown to both."""


def _complain(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - a refusal is never silent, whoever calls


def export(
    network: Exportable,
    dataset: Dataset,
    split: Split,
    target: Target,
    refused: Callable[[str], None] = _complain,
    told: Told = silent,
) -> list[Made]:
    """Write the next versions of the model: f32, then each other precision that is asked for and holds.

    The model's first version becomes live; a later one is left for a person to switch to.

    Args:
        network: trained.
        dataset: all pictures.
        split: which of them were used for what.
        target: where to, and in which precisions.
        refused: is told in one line why a precision was not written.
        told: hears how far it is.

    Raises:
        ConfigError: in float32 the engine says something else than Keras.
    """
    with tempfile.TemporaryDirectory() as scratch:
        exporter = _Exporter(network, dataset, split, target, Path(scratch), told)
        return in_turn(exporter, target, refused)


class Exporter(Protocol):
    """A network on its way into bundles, one for each precision."""

    def plain(self) -> Made:
        """Write f32."""

    def other(self, precision: Precision) -> Made:
        """Write another precision, or raise ``Refusal``."""


def in_turn(exporter: Exporter, target: Target, refused: Callable[[str], None]) -> list[Made]:
    """Write f32, then each other precision that holds; a model's first version becomes live.

    Args:
        exporter: writes them.
        target: where to, and in which precisions.
        refused: is told in one line why a precision was not written.
    """
    written = [exporter.plain()]
    for precision in (one for one in (Precision.BF16, Precision.INT8) if one in target.precisions):
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

    def __init__(
        self, network: Exportable, dataset: Dataset, split: Split, target: Target, scratch: Path, told: Told
    ) -> None:
        self._network, self._dataset, self._split, self._target = network, dataset, split, target
        self._scratch, self._told = scratch, told
        self._wiring = Wiring(into=target.look.into, normalisation=network.normalisation, classes=dataset.classes)
        self._seen = target.seen | remembered(dataset, split)
        told("converting", 0, 1)
        self._graph: Graph = conversion.convert(_told_why(network, dataset.classes), scratch)
        told("converting", 1, 1)
        self._reference = self._candidate(self._graph, Precision.F32)

    def plain(self) -> Made:
        """Write f32.

        Raises:
            ConfigError: it does not say what Keras says.
        """
        chosen = self._split.validation[:_COMPARED]
        worst = disagreement(self._network, self._dataset.pictures[chosen], self._reference.rows[:_COMPARED])
        if not worst <= PARITY:
            found = f"OpenVINO {ov.__version__[:8]} differs from Keras {keras.__version__} by up to {worst:.2g}"
            raise ConfigError("export", found, f"no bundle is written above {PARITY:g}; train in float32")
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
        """Return the first way to 8 bits that loses no more than allowed.

        Raises:
            Refusal: none does.
        """
        chosen = quantising.sample(self._dataset.labels, self._split.train)
        shown = preprocess.normalise(self._dataset.pictures[chosen], self._network.normalisation)
        tried = []
        for scope in quantising.LADDER:
            graph = quantising.quantise(self._graph, shown, scope, self._told)
            tried.append(self._candidate(graph, Precision.INT8, scope))
            if quantising.loss(tried[-1], self._reference) <= self._target.int8_loss:
                return tried[-1]
        best = min(tried, key=lambda one: quantising.loss(one, self._reference))
        raise Refusal(quantising.refusal(best, self._reference, self._target.int8_loss))

    def _candidate(self, graph: Graph, precision: Precision, scope: str = "") -> Candidate:
        """Run the graph on the validation pictures as the line would, and set its temperature and threshold."""
        folder = self._scratch / f"{precision}{scope}"
        folder.mkdir()
        files = conversion.save(graph, folder)
        dataset, chosen = self._dataset, self._split.validation
        try:
            rows = measuring.probabilities(files[0], self._wiring, precision, dataset.pictures[chosen], self._told)
        except Unfit as exc:
            raise Refusal(f"{precision} is not written: it cannot be measured here ({exc})") from exc
        temperature = calibration.temperature(np.log(np.maximum(rows, 1e-300)), dataset.labels[chosen])
        views = measuring.ok(measuring.tempered(rows, temperature), self._wiring)
        parts, bad = points.fuse(views, dataset.bad[chosen], [dataset.parts[at] for at in chosen])
        return Candidate(
            precision=precision,
            files=files,
            scope=scope,
            rows=rows,
            temperature=temperature,
            views=views,
            parts=parts,
            bad=bad,
            threshold=points.operating_point(parts, bad, self._target.escapes),
        )

    def _write(self, one: Candidate, facts: Mapping[str, float | int | str]) -> Made:
        dataset, target, chosen = self._dataset, self._target, self._split.validation
        known_bad, pictures = golden.packed(dataset, golden.chosen(dataset, chosen, one.views, one.threshold))
        outcome = points.outcome(one.parts, one.bad, one.threshold)
        places, goldens = roi.bundled(target.look)
        manifest = Manifest(
            name=target.name,
            version=shelf.next_version(target.models),
            classes=dataset.classes,
            threshold=one.threshold,
            normalisation=self._network.normalisation,
            precision=one.precision,
            output="logits",
            temperature=one.temperature,
            score=meaning(dataset.classes, "logits", one.temperature),
            golden=known_bad,
            parent=target.parent,
            training_data=dataset.digest,
            recipe={**target.recipe, "precision": self._recipe(one)},
            metrics={
                **facts,
                **target.took,
                **_metrics(outcome, target, points.auc(one.views, dataset.bad[chosen])),
            },
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            tools=tools(one.precision),
            heat_map=heat_map(self._graph, target.boxes),
            **places,
        )
        files: dict[str, bytes | Path] = {path.name: path for path in one.files}
        files |= {SEEN: self._seen.encoded(), **goldens, **pictures, **target.files}
        return Made(bundle.write(target.models / str(manifest.version), manifest, files), outcome)

    def _recipe(self, one: Candidate) -> dict[str, Any]:
        if one.precision is not Precision.INT8:
            return {"kind": str(one.precision)}
        calibrated = len(quantising.sample(self._dataset.labels, self._split.train))
        return {"kind": "int8", "scope": one.scope, "calibration_pictures": calibrated}


def _told_why(network: Exportable, classes: Sequence[ModelClass]) -> Model:
    """Return the network with its heat map, or without where its head can make none."""
    return cam.explained(network, classes) if isinstance(network, networks.Network) else network.whole


def heat_map(graph: Graph, boxes: HeatMapOutput) -> HeatMapOutput | None:
    """Return what a manifest says of the graph's heat map, with these limits for boxes; None where it has none."""
    return replace(boxes, output=conversion.HEAT_MAP, layer=cam.LAST) if len(graph.outputs) > 1 else None


def disagreement(network: Exportable, pictures: NDArray[np.uint8], rows: Rows) -> float:
    """Return the largest difference between a probability from Keras and the engine's."""
    shown = preprocess.normalise(pictures, network.normalisation)
    logits = np.asarray(network.whole.predict(shown, batch_size=BATCH, verbose=0), np.float64)
    return float(np.abs(softmax(logits) - rows).max())


def tools(precision: Precision) -> dict[str, str]:
    """Return what a bundle was made with."""
    tools = {"keras": keras.__version__, "backend": keras.config.backend(), "openvino": ov.__version__}
    return tools | ({"nncf": version("nncf")} if precision is Precision.INT8 else {})


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


def remembered(dataset: Dataset, split: Split) -> Seen:
    """Return what a bundle says of the pictures that it was made with."""
    hashes = dataset.hashes or ("",) * len(dataset.labels)

    def known(chosen: Indices) -> tuple[tuple[str, str], ...]:
        return tuple((seen.short(hashes[at]), dataset.groups[at]) for at in chosen.tolist())

    learnt = [dataset.groups[at] for at in split.train.tolist()]
    return Seen(
        train=known(split.train),
        validation=known(split.validation),
        prints=resemblance.kept(dataset.pictures[split.train], learnt),
    )
