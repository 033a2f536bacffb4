"""What int8 and bf16 cost in AUROC, on pictures that the network has never seen.

On synthetic bolts it is the demo's own bundle, calibrated on bolts of its training set. On a real set, by path, it
is what ``aoi-bridge train --precision bf16 int8`` makes of ImageNet's MobileNetV2, whatever is lost, measured on
what it has not seen.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.judging import bundle, preprocess
from bridge.judging.bundle import Precision
from bridge.judging.engine import Unfit
from bridge.judging.spec import Input
from bridge.learning import conversion, measuring, metrics, points, quantising, seen
from bridge.learning.data import Choice, Look, items, pictures
from bridge.learning.points import Scores
from bridge.simulate.bolt_set import labelled
from bridge.simulate.bolts import TRAINING_SEEDS, Defect, bolt
from bridge.simulate.factory import DEMO_BUNDLE

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above

BOLTS = 400
"""Parts that are judged; not those that were trained on."""
CALIBRATED = 80
"""Parts of the training set that int8 takes its ranges from, four views each."""


@dataclass(frozen=True)
class Lost:
    """What a precision changed on pictures that were never seen."""

    pictures: int
    auc_f32: float
    points: float
    """AUROC points (hundredths) lost; below 0: gained."""
    low: float
    high: float
    """Between which they lie with 95 %, were other groups drawn."""
    changed: int
    """Views whose verdict, at each bundle's own threshold, is another."""


def costs(args: argparse.Namespace) -> dict[str, dict[str, Lost]]:
    """Return by set and precision what was lost; prints a line for each."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if args.bolts:
            found["synthetic bolts, the bundle of the demo"] = _on_bolts(work, args.bolts)
        if args.data:
            found[f"{args.data.name}, MobileNetV2"] = _on_real(args, work)
    for where, lost in found.items():
        for precision, one in lost.items():
            print(
                f"{where}: {precision} loses {one.points:.3f} ({one.low:.3f} to {one.high:.3f}) AUROC points of "
                f"{100 * one.auc_f32:.2f} on {one.pictures} pictures never seen, {one.changed} verdicts changed"
            )
    return found


def _on_bolts(work: Path, parts: int) -> dict[str, Lost]:
    """Measure the demo's bundle; its threshold counts for every precision."""
    plain = bundle.load(DEMO_BUNDLE)
    one, graph = plain.manifest, ov.Core().read_model(plain.model)
    wiring = measuring.wiring(plain)
    learnt, _, _ = _bolts(range(TRAINING_SEEDS, TRAINING_SEEDS + CALIBRATED), one.input)
    shown, bad, groups = _bolts(range(parts), one.input)
    rounded = quantising.quantise(graph, preprocess.normalise(learnt, one.normalisation), quantising.Scope.ALL)
    (work / "int8").mkdir()
    files = {Precision.F32: plain.model, Precision.BF16: plain.model}
    files[Precision.INT8] = conversion.save(rounded, work / "int8")[0]
    judged = {}
    for precision, file in files.items():
        try:
            scores = measuring.ok(measuring.probabilities(file, wiring, precision, shown), wiring)
        except Unfit:
            continue
        judged[precision] = scores, scores >= one.threshold
    return _lost(judged, bad, groups)


def _bolts(seeds: range, into: Input) -> tuple[NDArray[np.uint8], NDArray[np.bool_], list[str]]:
    """Return the views of bolts, half of them bad, as the model is shown them, which are NG, and their parts."""
    shown, bad, parts = [], [], []
    for seed in seeds:
        part = bolt(seed, tuple(Defect)[seed // 2 % len(Defect)] if seed % 2 else None)
        for view, label in labelled(part):
            shown.append(preprocess.picture(part.encode(view), into))
            bad.append(label == "ng")
            parts.append(str(seed))
    return np.stack(shown), np.array(bad), parts


def _on_real(args: argparse.Namespace, work: Path) -> dict[str, Lost]:
    """Train as a user would, and measure on what the bundles have not seen."""
    words = (
        *("train", str(args.data), "--ok", *args.ok, "--groups", *args.groups, "--out", str(work / "real")),
        *("--backbone", "mobilenet_v2", "--weights", str(args.weights), "--head", "gap", "--fine-epochs", "0"),
        *("--precision", "bf16", "int8", "--int8-loss", "100"),
    )
    subprocess.run([sys.executable, "-m", "bridge.cli", *words], check=True)
    made = [bundle.load(folder) for folder in sorted((work / "real").iterdir()) if folder.name.isdecimal()]
    look = Look(into=made[0].manifest.input)
    choice = Choice(ok=tuple(args.ok), groups=tuple(args.groups))
    dataset, known = pictures.read(items.read(args.data, choice), look), seen.read(made[0].folder)
    fresh = np.array([group not in known.groups for group in dataset.groups])
    judged = {}
    for one in made:
        scores = measuring.scores(one, dataset.pictures[fresh])
        judged[one.manifest.precision] = scores, scores >= one.manifest.threshold
    groups = [group for group, new in zip(dataset.groups, fresh, strict=True) if new]
    return _lost(judged, dataset.bad[fresh], groups)


def _lost(
    judged: Mapping[Precision, tuple[Scores, NDArray[np.bool_]]], bad: NDArray[np.bool_], groups: Sequence[str]
) -> dict[str, Lost]:
    plain, verdicts = judged[Precision.F32]
    found = {}
    for precision, (scores, others) in judged.items():
        if precision is Precision.F32:
            continue
        gain = metrics.auc_gain(scores, plain, bad, groups)
        found[str(precision)] = Lost(
            pictures=len(bad),
            auc_f32=points.auc(plain, bad),
            points=-100 * gain.value,
            low=-100 * gain.high,
            high=-100 * gain.low,
            changed=int((others != verdicts).sum()),
        )
    return found
