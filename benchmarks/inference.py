"""Decode to verdict: VGG16 on four bolt views and ResNet-50 on one, OpenVINO beside Keras; what int8 costs.

    python benchmarks/inference.py --rounds 15
    python benchmarks/inference.py --rounds 0 --data FOLDER --groups COLUMN --weights FILE   # only what int8 costs

Needs the train extra. The worker of the line judges over its socket, encoded pictures in, on ``--threads`` cores;
Keras gets the same pictures through the same decoding. All take turns in every round, so that the machine's moods
fall on all of them; medians are told. A bare matrix product of as many multiply-adds says what the processor can.
The networks have ImageNet's shapes and random weights, which cost what trained ones cost, and stay in ``--work``
for the next run. bf16 only where the processor has it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bare_product import product
from harness import finish
from int8_cost import BOLTS, Lost, costs

from bridge.judging import bundle, preprocess
from bridge.judging.bundle import Bundle, Manifest, ModelClass, Precision
from bridge.judging.classifier import ClassifierOptions, Explained, opened
from bridge.judging.engine import Unfit, check_precision
from bridge.judging.spec import HeatMapOutput, Input
from bridge.learning import cam, conversion, heads, networks, quantising
from bridge.learning.backend import keras
from bridge.learning.networks import Backbone, Network, cost
from bridge.log import configure
from bridge.messages import Verdict, View
from bridge.simulate.bolts import TRAINING_SEEDS, VIEWS, bolt

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above

CLASSES = (ModelClass(name="ok", verdict=Verdict.OK), ModelClass(name="ng", verdict=Verdict.NG))
INTO = Input(width=224, height=224)
CALIBRATED = 32
"""Bolts' views for int8; random weights have no accuracy to lose."""
TARGETS = {
    "vgg16 bf16 ms": 250.0,
    "vgg16 int8 ms": 150.0,
    "vgg16 best times faster than keras.predict": 6.0,
    "resnet50 int8 ms": 12.0,
    "resnet50 best times faster than tf.function": 8.0,
    "heat map times the plain verdict": 1.5,
    "int8 auroc points lost": 0.2,
}

BARE = "as many multiply-adds in one matrix product,"
"""What the processor can do: whoever is as fast is bound by arithmetic."""

Timed = Callable[[], Awaitable[float]]
"""Judge once and return the seconds from encoded pictures to verdicts."""


@dataclass(frozen=True)
class Case:
    """A network and the pictures that it judges together."""

    name: str
    backbone: Backbone
    head: heads.Kind
    views: int


CASES = (
    Case("vgg16", Backbone.VGG16, heads.Kind.FC, 4),
    Case("resnet50", Backbone.RESNET50, heads.Kind.GAP, 1),
)


def pictures(count: int, seed: int) -> list[bytes]:
    """Return the views of one bolt, as an inspector hands them over."""
    part = bolt(TRAINING_SEEDS + seed)
    return [part.encode(view) for view in VIEWS[:count]]


def network(case: Case) -> Network:
    """Return the network, with the same random weights each time."""
    keras.utils.set_random_seed(0)
    return networks.build(case.backbone, INTO, len(CLASSES), head=case.head)


def made(case: Case, net: Network, precision: Precision, work: Path) -> Bundle:
    """Return the bundle in this precision, written once."""
    folder = work / case.name / precision
    if folder.exists():
        return bundle.load(folder)
    draft = work / case.name / f".{precision}"
    draft.mkdir(parents=True, exist_ok=True)
    graph = conversion.convert(cam.explained(net, CLASSES), draft)
    if precision is Precision.INT8:
        views = [one for seed in range(CALIBRATED // len(VIEWS)) for one in pictures(len(VIEWS), seed)]
        shown = preprocess.normalise(np.stack([preprocess.picture(one, INTO) for one in views]), net.normalisation)
        graph = quantising.quantise(graph, shown, quantising.Scope.ALL)
    files = conversion.save(graph, draft)
    manifest = Manifest(
        name=case.name,
        version=1,
        classes=CLASSES,
        threshold=0.5,
        input=INTO,
        normalisation=net.normalisation,
        output="logits",
        precision=precision,
        heat_map=HeatMapOutput(layer=cam.LAST),
    )
    return bundle.write(folder, manifest, {path.name: path for path in files})


def precisions() -> list[Precision]:
    """Return those that this processor has."""
    have = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    found = []
    for one in Precision:
        try:
            check_precision(one, have)
        except Unfit as exc:
            print(f"{one} is left out: {exc}")
        else:
            found.append(one)
    return found


async def contenders(stack: AsyncExitStack, case: Case, args: argparse.Namespace) -> dict[str, Timed]:
    """Return who takes part, each warm."""
    net, views = network(case), pictures(case.views, 0)
    found: dict[str, Timed] = {}
    for precision in precisions():
        one = made(case, net, precision, args.work)
        found[str(precision)] = await _judge(stack, one, views, args.threads, Explained.NONE)
        if case.views == 1:
            found[f"{precision} with heat map"] = await _judge(stack, one, views, args.threads, Explained.ALL)
        adds = case.views * cost.multiply_adds(net.whole)
        found[f"{BARE} {precision}"] = _bare(product(precision, args.threads), adds)
    found["keras.predict"] = _keras(net, views, lambda shown: net.whole.predict(shown, verbose=0))
    compiled = _compiled(net)
    found["tf.function"] = _keras(net, views, lambda shown: np.asarray(compiled(shown)))
    for timed in found.values():
        for _ in range(3):
            await timed()
    return found


def _bare(seconds: Callable[[int], float], adds: int) -> Timed:
    async def timed() -> float:
        return seconds(adds)

    return timed


async def _judge(
    stack: AsyncExitStack, one: Bundle, views: Sequence[bytes], threads: int, explained: Explained
) -> Timed:
    options = ClassifierOptions(model=str(one.folder), threads=threads, heat_map=explained)
    judge = await stack.enter_async_context(opened(options))
    asked = [View(name=str(place), image=data) for place, data in enumerate(views)]

    async def timed() -> float:
        started = time.perf_counter()
        said = await judge(asked)
        assert all(one.verdict is not None for one in said), said
        return time.perf_counter() - started

    return timed


def _keras(net: Network, views: Sequence[bytes], predict: Callable[[Any], Any]) -> Timed:
    async def timed() -> float:
        started = time.perf_counter()
        shown = np.stack([preprocess.prepare(data, INTO, net.normalisation) for data in views])
        logits = predict(shown)
        assert np.isfinite(logits).all()
        return time.perf_counter() - started

    return timed


def _compiled(net: Network) -> Callable[[Any], Any]:
    import tensorflow as tf  # noqa: PLC0415 - Keras runs on it here

    return tf.function(  # type: ignore[no-any-return]
        lambda shown: net.whole(shown, training=False),
        input_signature=[tf.TensorSpec((None, INTO.height, INTO.width, INTO.channels), tf.float32)],
    )


async def race(case: Case, args: argparse.Namespace) -> dict[str, list[float]]:
    """Return the milliseconds of every round, by contender; they take turns in an order that changes."""
    rng = np.random.default_rng(0)
    async with AsyncExitStack() as stack:
        found = await contenders(stack, case, args)
        took: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(args.rounds):
            for name in rng.permutation(sorted(found)):
                took[name].append(1000 * await found[name]())
    return took


def told(case: Case, took: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Print a case's table; return its medians in milliseconds."""
    medians = {name: statistics.median(values) for name, values in took.items()}
    print(f"\n{case.name}, {case.views} views of {INTO.width} x {INTO.height}, decode to verdict")
    print("| | median ms | fastest | slowest | times faster than keras.predict | than tf.function |")
    print("|---|---|---|---|---|---|")
    for name, median in sorted(medians.items(), key=lambda one: one[1]):
        ratios = " | ".join(f"{medians[base] / median:.1f}" for base in ("keras.predict", "tf.function"))
        print(f"| {name} | {median:.1f} | {min(took[name]):.1f} | {max(took[name]):.1f} | {ratios} |")
    return {name: round(median, 2) for name, median in medians.items()}


def reached(
    figures: Mapping[str, Mapping[str, float]], lost: Mapping[str, Mapping[str, Lost]]
) -> dict[str, float]:
    """Return the figures that the targets are about."""
    found: dict[str, float] = {}
    if "vgg16" in figures:
        vgg, resnet = figures["vgg16"], figures["resnet50"]
        found |= {f"vgg16 {one} ms": vgg[one] for one in ("bf16", "int8") if one in vgg}
        best = min(vgg[one] for one in Precision if one in vgg)
        found["vgg16 best times faster than keras.predict"] = vgg["keras.predict"] / best
        found["resnet50 int8 ms"] = resnet["int8"]
        found["resnet50 best times faster than tf.function"] = resnet["tf.function"] / resnet["int8"]
        found["heat map times the plain verdict"] = max(
            resnet[f"{one} with heat map"] / resnet[one] for one in Precision if one in resnet
        )
    if lost:
        found["int8 auroc points lost"] = max(one["int8"].points for one in lost.values())
    return found


def main() -> None:
    """Race, measure what int8 costs, and hold both against the targets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each judges (15); 0: no race")
    parser.add_argument("--threads", type=int, default=2, help="cores for OpenVINO (2)")
    parser.add_argument("--work", type=Path, default=Path("build/inference"), help="where networks are kept")
    parser.add_argument("--bolts", type=int, default=BOLTS, help=f"synthetic bolts to measure int8 on ({BOLTS})")
    parser.add_argument("--data", type=Path, help="a real set, as aoi-bridge train takes it")
    parser.add_argument("--ok", nargs="+", default=[], help="its classes that are OK")
    parser.add_argument("--groups", nargs="+", default=[], help="what of it must not be torn apart")
    parser.add_argument("--weights", type=Path, help="MobileNetV2's weights, for the real set")
    args = parser.parse_args()
    configure(level="error")
    cv2.setNumThreads(args.threads)
    figures: dict[str, dict[str, float]] = {}
    if args.rounds:
        figures = {case.name: told(case, asyncio.run(race(case, args))) for case in CASES}
    lost = costs(args)
    found = reached(figures, lost)
    print()
    for name, value in found.items():
        target = TARGETS[name]
        good = value >= target if "faster" in name else value <= target
        print(f"{name}: {value:.2f}, target {target:g}, {'reached' if good else 'missed'}")
    told_lost = {where: {name: asdict(one) for name, one in each.items()} for where, each in lost.items()}
    finish({"median_ms": figures, "lost": told_lost, "reached": found, "targets": TARGETS})


if __name__ == "__main__":
    main()
