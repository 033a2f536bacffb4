"""From a trained network to a bundle: OpenVINO IR in float32, its operating point, and what was measured.

Scores are measured by the engine that will run the bundle, not by Keras, so that the threshold belongs to
exactly the numbers that the line will see. The largest difference between the two is recorded.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.judging import bundle, preprocess
from bridge.judging.bundle import ANY_VIEW, Bundle, Manifest, Precision
from bridge.judging.engine import BATCH, Engine
from bridge.judging.frames import Load
from bridge.judging.preprocess import MAX_PIXELS
from bridge.judging.spec import Input
from bridge.learning import golden, network, points
from bridge.learning.backend import keras
from bridge.learning.data import Dataset, Indices
from bridge.learning.network import Model
from bridge.learning.points import Outcome, Scores
from bridge.messages import Box
from bridge.plugin import BoxOptions

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a bundle goes and what it is called."""

    models: Path
    """The model's folder; the bundle is written to ``<models>/<version>``."""
    name: str
    escapes: float = 0.005
    """The share of bad validation parts that may pass."""
    roi: Box | None = None


def convert(net: Model, folder: Path) -> tuple[Path, Path]:
    """Write the network as OpenVINO IR in float32; return its two files."""
    with redirect_stdout(StringIO()):  # Keras prints the signature, which nobody asked for
        net.export(folder / "saved", format="tf_saved_model", verbose=False)
    model = ov.convert_model(folder / "saved")
    ov.save_model(model, folder / bundle.MODEL, compress_to_fp16=False)
    return folder / bundle.MODEL, (folder / bundle.MODEL).with_suffix(".bin")


def scores(model: Path, into: Input, dataset: Dataset, chosen: Indices) -> Scores:
    """Return p(OK) of these pictures, as the engine of the line computes it."""
    good = [index for index, one in enumerate(dataset.classes) if one.verdict == "OK"]
    load = Load(
        model=str(model),
        input=into,
        normalisation=network.NORMALISATION,
        precision=str(Precision.F32),
        logits=True,
        classes=len(dataset.classes),
        ok_outputs=tuple(good),
        threads=1,
        max_pixels=MAX_PIXELS,
    )
    engine = Engine(load)
    seen = preprocess.normalise(dataset.pictures[chosen], network.NORMALISATION)
    rows = [engine.infer(list(seen[at : at + BATCH])) for at in range(0, len(seen), BATCH)]
    return np.asarray(np.concatenate(rows)[:, good].sum(axis=1), np.float64)


def disagreement(net: Model, measured: Scores, dataset: Dataset, chosen: Indices) -> float:
    """Return the largest difference between p(OK) from Keras and the engine's."""
    seen = preprocess.normalise(dataset.pictures[chosen], network.NORMALISATION)
    logits = np.asarray(net.predict(seen, batch_size=BATCH, verbose=0), np.float64)
    powers: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    good = np.array([one.verdict == "OK" for one in dataset.classes])
    return float(np.abs(powers[:, good].sum(axis=1) / powers.sum(axis=1) - measured).max())


def export(
    net: Model, dataset: Dataset, into: Input, validated: Indices, target: Target
) -> tuple[Bundle, Outcome]:
    """Write the next version of the model; return it and what its threshold does on the validation parts.

    The first version becomes live; a later one is left for a person to switch to.
    """
    with tempfile.TemporaryDirectory() as scratch:
        xml, weights = convert(net, Path(scratch))
        measured = scores(xml, into, dataset, validated)
        parts = [dataset.parts[index] for index in validated]
        fused, bad = points.fuse(measured, dataset.bad[validated], parts)
        threshold = points.operating_point(fused, bad, target.escapes)
        outcome = points.outcome(fused, bad, threshold)
        metrics = {
            "parity_max_abs": disagreement(net, measured[:64], dataset, validated[:64]),
            "parameters": net.count_params(),
        }
        known_bad, pictures = golden.packed(dataset, golden.chosen(dataset, validated, measured, threshold))
        manifest = Manifest(
            name=target.name,
            version=_next_version(target.models),
            classes=dataset.classes,
            threshold=threshold,
            input=into,
            normalisation=network.NORMALISATION,
            roi={} if target.roi is None else {ANY_VIEW: _written(target.roi)},
            precision=Precision.F32,
            output="logits",
            golden=known_bad,
            training_data=dataset.digest,
            metrics={**metrics, **_metrics(outcome, target, points.auc(measured, dataset.bad[validated]))},
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            tools={"keras": keras.__version__, "backend": keras.config.backend(), "openvino": ov.__version__},
        )
        model: dict[str, bytes | Path] = {bundle.MODEL: xml, weights.name: weights}
        made = bundle.write(target.models / str(manifest.version), manifest, model | pictures)
    if not (target.models / "live").exists():
        bundle.make_live(made.folder)
    return made, outcome


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


def _next_version(models: Path) -> int:
    if not models.is_dir():
        return 1
    return 1 + max((int(path.name) for path in models.iterdir() if path.name.isdecimal()), default=0)


def _written(roi: Box) -> BoxOptions:
    return BoxOptions(cx=roi.cx, cy=roi.cy, w=roi.w, h=roi.h)
