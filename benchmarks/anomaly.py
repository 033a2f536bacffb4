"""Judges from good parts alone, on real parts: which layers and which score find what was never shown.

    python benchmarks/anomaly.py SETS --weights FILE [--sets impeller bsdata magnetic_tile] [--seeds 3]
    python benchmarks/anomaly.py SETS --weights FILE --backbone resnet152 --depths fine middle

SETS and FILE are as for ``real_data.py``: a set's own sides hold, and training pictures that are copies of test
ones are left out. Learnt from are good pictures of the training side alone; those of some groups, another draw
for each seed, validate, beside bad pictures of groups that are not learnt from. PatchCore describes places by two
layers (``--depth`` of ``train``) of a backbone, MobileNetV2 unless another is named, compares them
(``--metric``), and a picture is as strange as the mean of a share of its strangest places (``--strangest``).
Told of each: image AUROC of validation and test, mean and spread over seeds; which one validation chose; and of
that one, where there are masks, AUROC by pixel and PRO to 30 % false alarms.

The bar is nearest-neighbour patches on MobileNetV2 as others measured it. Needs the train extra.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from harness import finish
from numpy.typing import NDArray
from real_data import TASKS, collected

from bridge.judging import preprocess
from bridge.judging.spec import Input
from bridge.learning import map_evaluation, masks, points
from bridge.learning.anomaly import dividing, patchcore
from bridge.learning.anomaly.patchcore import Depth, Metric, Settings
from bridge.learning.data import Collection, Dataset, Look, Shares, pictures
from bridge.learning.networks import applications

SHARES = (0.0, 0.005, 0.1, 1.0)
BAR = {"impeller": 0.81, "bsdata": 0.89, "magnetic_tile": 0.59}
TARGET = {"impeller": 0.92, "bsdata": 0.95, "magnetic_tile": 0.90}
SIZES = {"impeller": (320, 320), "bsdata": (320, 320), "magnetic_tile": (288, 384)}
BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One memory, asked."""

    depth: Depth
    metric: Metric
    seed: int
    seconds: float
    validation: dict[float, float]
    """Image AUROC by share."""
    test: dict[float, float]
    scores: NDArray[np.float64]
    """Anomalies of test pictures by share, shape (shares, pictures)."""
    maps: NDArray[np.float32]
    """Of test pictures."""


def main() -> None:
    """Read the arguments, try all, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="SETS")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--metrics", nargs="+", type=Metric, default=list(Metric))
    parser.add_argument("--depths", nargs="+", type=Depth, default=list(Depth))
    parser.add_argument("--memory", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    finish({name: of_set(name, args) for name in args.sets})


def of_set(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return what all of one set came to."""
    width, height = SIZES[name]
    colour = applications.APPLICATIONS[args.backbone].colour
    look = Look(into=Input(width=width, height=height, colour=colour))
    collection = collected(name, args.data)
    dataset = pictures.read(collection, look)
    ways = [(depth, metric) for depth in args.depths for metric in args.metrics]
    tried = [tell(one(dataset, look, *way, seed, args)) for way in ways for seed in range(args.seeds)]
    print(f"| {name} | validation | test |\n|---|---|---|")
    best, highest = (ways[0], SHARES[0]), 0.0
    for way in ways:
        for share in SHARES:
            mine = [run for run in tried if (run.depth, run.metric) == way]
            validation = [run.validation[share] for run in mine]
            test = [run.test[share] for run in mine]
            print(f"| {', '.join(way)}, share {share:g} | {spread(validation)} | {spread(test)} |")
            if np.mean(validation) > highest:
                best, highest = (way, share), float(np.mean(validation))
    chosen = [run for run in tried if (run.depth, run.metric) == best[0]]
    facts: dict[str, Any] = {
        "chosen": f"{', '.join(best[0])}, share {best[1]:g}",
        "validation": highest,
        "test": [run.test[best[1]] for run in chosen],
        "bar": BAR[name],
        "target": TARGET[name],
        "seconds": [round(run.seconds) for run in tried],
    }
    at = SHARES.index(best[1])
    told = [(run.scores[at], run.maps) for run in chosen]
    facts |= by_pixel(collection, look, dataset, told, args.data / name)
    print(f"{name}: {facts}\n", flush=True)
    return facts


def spread(values: list[float]) -> str:
    """Return mean and deviation."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def one(dataset: Dataset, look: Look, depth: Depth, metric: Metric, seed: int, args: argparse.Namespace) -> Tried:
    """Train one memory and ask it."""
    sides = dividing.divided(dataset, Shares(validation=0.25, held_out=0.25), seed, torn=True)
    settings = Settings(
        backbone=args.backbone,
        source=args.weights,
        depth=depth,
        metric=metric,
        memory=args.memory,
        seed=seed,
    )
    started = time.monotonic()
    net = patchcore.train(settings, look.into, dataset.pictures[sides.train])
    seconds = time.monotonic() - started

    def maps(chosen: NDArray[np.intp]) -> NDArray[np.float32]:
        found = []
        for at in range(0, len(chosen), BATCH):
            shown = preprocess.normalise(dataset.pictures[chosen[at : at + BATCH]], net.normalisation)
            found.append(np.asarray(net.whole.predict_on_batch(shown)[1])[..., 0])
        return np.concatenate(found)

    seen, tested = maps(sides.validation), maps(sides.held_out)
    bad = dataset.bad
    said = {share: points.auc(-strangeness(seen, share), bad[sides.validation]) for share in SHARES}
    scores = np.stack([strangeness(tested, share) for share in SHARES])
    told = {share: points.auc(-row, bad[sides.held_out]) for share, row in zip(SHARES, scores, strict=True)}
    return Tried(
        depth=depth,
        metric=metric,
        seed=seed,
        seconds=seconds,
        validation=said,
        test=told,
        scores=scores,
        maps=tested,
    )


def strangeness(maps: NDArray[np.float32], share: float) -> NDArray[np.float64]:
    """Return what ``network.Summed`` says of maps."""
    ranked = np.sort(maps.reshape(len(maps), -1), axis=1)
    return ranked[:, -max(1, round(share * ranked.shape[1])) :].mean(axis=1).astype(np.float64)


def tell(run: Tried) -> Tried:
    """Say how one went."""
    told = ", ".join(f"{share:g}: {run.validation[share]:.3f} {run.test[share]:.3f}" for share in SHARES)
    print(
        f"{run.depth} {run.metric} {run.seed} in {run.seconds:.0f} s, share: validation test: {told}", flush=True
    )
    return run


def by_pixel(
    collection: Collection,
    look: Look,
    dataset: Dataset,
    told: Sequence[tuple[NDArray[np.float64], NDArray[np.float32]]],
    where: Path,
) -> dict[str, Any]:
    """Return AUROC by pixel and PRO of some judges' scores and maps of the test side, where defects are drawn."""
    tested = [at for at, side in enumerate(dataset.splits) if side == "test"]
    items, bad = [collection.items[at] for at in tested], dataset.bad[tested]
    drawn = masks.read(items, bad.tolist(), look, where / "label" if (where / "label").is_dir() else None)
    if not any(mask is not None and mask.any() for mask in drawn):
        return {}
    height, width = look.into.height, look.into.width
    figures = []
    for scores, maps in told:
        sized = [map_evaluation.sized(one, height, width) for one in maps]
        groups = [dataset.groups[at] for at in tested]
        found = map_evaluation.evaluated(-scores, bad, groups, -np.inf, sized, drawn)
        assert found.pixel is not None
        figures.append(found.pixel.figures)
    return {
        "pixel_auroc": [round(one.auroc.value, 4) for one in figures],
        "pro": [round(one.pro.value, 4) for one in figures],
    }


if __name__ == "__main__":
    main()
