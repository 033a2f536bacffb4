"""Anomaly judges on the edge: EfficientAD-S and PatchCore, decode to verdict; and how long a memory takes to make.

    python benchmarks/anomaly_speed.py --rounds 15
    python benchmarks/anomaly_speed.py --rounds 15 --weights FILE   # PatchCore too; MobileNetV2's of ImageNet

Needs the train extra. The line's own worker judges an encoded bolt of 256 x 256 over its socket, map included, on
``--threads`` cores; every contender takes its turn in each round, and medians are told. A bare matrix product of
as many multiply-adds in the same precision says what the processor can. EfficientAD's weights are random, which
cost what trained ones cost. PatchCore's memory is made of 400 pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bare_product import product
from efficientad_gpu import noise, untaught
from harness import finish
from inference import precisions

from bridge.judging.bundle import Bundle
from bridge.judging.classifier import AnomalyOptions, Explained, opened
from bridge.judging.spec import Input
from bridge.learning.anomaly import export, patchcore
from bridge.learning.anomaly.network import AnomalyNetwork
from bridge.learning.anomaly.pdn import Size
from bridge.learning.data import Choice, Look, Split, items, pictures
from bridge.learning.networks import cost
from bridge.learning.target import Target
from bridge.log import configure
from bridge.messages import View

INTO = Input(width=256, height=256)
TARGETS = {"efficientad int8": 65.0, "efficientad bf16": 120.0}
PICTURES = 400

Timed = Callable[[], Awaitable[float]]


def main() -> None:
    """Read the arguments, let them race, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights", type=Path, help="MobileNetV2's of ImageNet, without top")
    args = parser.parse_args()
    configure("error")
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work:
        networks = {"efficientad": untaught(Size.SMALL, Path(work))}
        if args.weights:
            started = time.monotonic()
            networks["patchcore"] = memory(args.weights)
            facts["patchcore_training_s"] = round(time.monotonic() - started, 1)
            print(f"PatchCore's memory of {PICTURES} pictures took {facts['patchcore_training_s']} s (target 180)")
        took = asyncio.run(race(networks, Path(work), args))
    for name, rounds in sorted(took.items()):
        target = f" (target {TARGETS[name]:g})" if name in TARGETS else ""
        print(f"{name}: median {statistics.median(rounds):.1f} ms, fastest {min(rounds):.1f}{target}")
        facts[name] = round(statistics.median(rounds), 2)
    finish(facts)


def memory(weights: Path) -> AnomalyNetwork:
    """Return a PatchCore of 400 pictures."""
    return patchcore.train(patchcore.Settings(source=weights), INTO, noise(PICTURES))


def bundles(name: str, network: AnomalyNetwork, work: Path) -> list[Bundle]:
    """Return its bundles, in every precision of this processor; whatever int8 loses."""
    where = work / f"{name}-set"
    for kind, some in (("good", noise(12)[:8]), ("bad", noise(12)[8:])):
        (where / kind).mkdir(parents=True)
        for number, one in enumerate(some):
            cv2.imwrite(str(where / kind / f"{number}.png"), one)
    dataset = pictures.read(items.read(where, Choice(ok=("good",))), Look(into=INTO))
    good, bad = np.flatnonzero(~dataset.bad), np.flatnonzero(dataset.bad)
    sides = Split(train=good[:4], validation=np.concatenate([good[4:], bad]), held_out=good[:0])
    target = Target(
        models=work / name, name=name, look=Look(into=INTO), precisions=tuple(precisions()), int8_loss=100.0
    )
    made = export.export(network, dataset, sides, target, 0.2, print)
    return [one.bundle for one in made]


async def race(
    networks: dict[str, AnomalyNetwork], work: Path, args: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the milliseconds of every round, by contender; they take turns in an order that changes."""
    rng = np.random.default_rng(0)
    found: dict[str, Timed] = {}
    view = View(image=cv2.imencode(".jpg", noise(1)[0])[1].tobytes())
    async with AsyncExitStack() as stack:
        for name, network in networks.items():
            adds = cost.multiply_adds(network.whole)
            print(f"{name}: {adds / 1e9:.1f} thousand million multiply-adds")
            for one in await asyncio.to_thread(bundles, name, network, work):
                precision = one.manifest.precision
                options = AnomalyOptions(model=str(one.folder), threads=args.threads, heat_map=Explained.ALL)
                judge = await stack.enter_async_context(opened(options))
                found[f"{name} {precision}"] = partial(judged, judge, view)
                found[f"{name} bare product {precision}"] = partial(bare, product(precision, args.threads), adds)
        for timed in found.values():
            for _ in range(3):
                await timed()
        took: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(args.rounds):
            for name in rng.permutation(sorted(found)):
                took[name].append(1000 * await found[name]())
    return took


async def judged(judge: Any, view: View) -> float:
    """Return the seconds of one view."""
    started = time.perf_counter()
    (said,) = await judge([view])
    assert said.score is not None, said
    return time.perf_counter() - started


async def bare(seconds: Callable[[int], float], adds: int) -> float:
    """Return the seconds of so many multiply-adds."""
    return seconds(adds)


if __name__ == "__main__":
    main()
