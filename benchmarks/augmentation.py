"""Whether policies of augmentation pay: the paper's experiment, 272 pictures against ten copies of each.

    python benchmarks/augmentation.py --seeds 5
    python benchmarks/augmentation.py DATA --ok OK --groups manifest.csv:COLUMN --weights FILE

Without DATA, synthetic bolts: 68 parts in four views to train on, others to test on. With it, any labelled set,
split by group. Each policy trains the same network on the same parts from the same first weights; with weights of
ImageNet only the head learns, on ten fixed copies of each picture. Told for each policy: test AUC and accuracy,
mean and spread over seeds, and the difference to the first policy with the same seed. Needs the train extra.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from harness import finish

from bridge.judging import preprocess
from bridge.judging.softmax import softmax
from bridge.judging.spec import Input
from bridge.learning import augmentation, networks, points, training
from bridge.learning.data import Choice, Collection, Dataset, Look, Shares, Split, items, pictures, split
from bridge.learning.networks import Backbone
from bridge.learning.settings import Phase, Settings, Share
from bridge.simulate import bolt_set

PARTS, TEST_PARTS = 68, 200
"""68 parts of four views are the paper's 272 pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What one training came to, on the test pictures."""

    policy: str
    seed: int
    auc: float
    accuracy: float
    """At p(OK) = 0.5."""
    epochs: int


def bolts(folder: Path) -> Collection:
    """Return synthetic bolts, made once: those of the first parts train, the others test."""
    if not (folder / "manifest.csv").exists():
        for label in ("ok", "ng"):
            (folder / label).mkdir(parents=True, exist_ok=True)
        rows = [row for number in range(PARTS + TEST_PARTS) for row in bolt_set.write(folder, number)]
        sides = ["train" if int(row[2]) < PARTS else "test" for row in rows]
        lines = [",".join((*row, side)) for row, side in zip(rows, sides, strict=True)]
        (folder / "manifest.csv").write_text("file,label,part,view,defect,split\n" + "\n".join(lines) + "\n")
    return items.read(folder / "manifest.csv", Choice(ok=("ok",)))


def chosen(args: argparse.Namespace) -> Collection:
    """Return the set that the command line means."""
    if args.data is None:
        return bolts(args.folder / "bolts")
    return items.read(args.data, Choice(ok=tuple(args.ok), groups=tuple(args.groups)))


def how(args: argparse.Namespace, policy: str, seed: int) -> Settings:
    """Return the same settings for each policy."""
    learns = Share.HEAD if args.weights else Share.ALL
    phase = Phase(learns=learns, epochs=args.epochs, patience=args.patience, rate=args.rate)
    return Settings(
        backbone=Backbone(args.backbone),
        source=args.weights or networks.NONE,
        phases=(phase,),
        policy=augmentation.policy(policy),
        copies=args.copies,
        seed=seed,
    )


def run(args: argparse.Namespace, dataset: Dataset, sides: Split, policy: str, seed: int) -> Gain:
    """Train by one policy, and test."""
    settled = how(args, policy, seed)
    into = Input(width=dataset.pictures.shape[2], height=dataset.pictures.shape[1])
    work = Path(tempfile.mkdtemp(dir=args.folder))
    make = partial(training.begun, settled, into, dataset.classes)
    try:
        net, progress = training.train(make, dataset, sides, settled, work, kept=args.folder / "features")
    finally:
        shutil.rmtree(work)
    seen = preprocess.normalise(dataset.pictures[sides.held_out], net.normalisation)
    logits = np.concatenate([net.whole.predict_on_batch(seen[at : at + 32]) for at in range(0, len(seen), 32)])
    good = [place for place, one in enumerate(dataset.classes) if one.verdict == "OK"]
    score, bad = softmax(np.asarray(logits, np.float64))[:, good].sum(axis=1), dataset.bad[sides.held_out]
    right = float(((score >= 0.5) == ~bad).mean())
    return Gain(policy=policy, seed=seed, auc=points.auc(score, bad), accuracy=right, epochs=progress.best)


def table(gains: list[Gain], policies: list[str]) -> None:
    """Print mean and spread of each policy, and of its gain over the first."""
    print("| policy | test AUC | accuracy | gain in accuracy over the first |\n|---|---|---|---|")
    first = np.array([one.accuracy for one in gains if one.policy == policies[0]])
    for policy in policies:
        auc, right = (np.array([getattr(one, name) for one in gains if one.policy == policy]) for name in FIGURES)
        cells = [said(auc), said(right), "" if policy == policies[0] else said(right - first)]
        print(f"| {policy} | {' | '.join(cells)} |")


FIGURES = ("auc", "accuracy")


def said(values: np.ndarray) -> str:
    """Return mean and spread in per cent."""
    return f"{100 * values.mean():.1f} ± {100 * values.std(ddof=min(1, len(values) - 1)):.1f}"


def main() -> None:
    """Run every policy with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("data", nargs="?", type=Path)
    add("--ok", nargs="+", default=[])
    add("--groups", nargs="+", default=[])
    add("--policies", nargs="+", default=["none", "bolt", "aoi", "fixture"])
    add("--copies", type=int, default=10, help="of each picture; 0 varies every epoch anew (10)")
    add("--backbone", default="small", choices=[one.value for one in Backbone])
    add("--weights", type=Path, help="of ImageNet: only the head learns")
    add("--size", type=int, nargs=2, default=(106, 210), metavar=("WIDTH", "HEIGHT"))
    add("--epochs", type=int, default=12)
    add("--patience", type=int, default=6)
    add("--rate", type=float, default=3e-3)
    add("--seeds", type=int, default=3)
    add("--folder", type=Path, default=Path("build/augmentation"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    collection = chosen(args)
    dataset = pictures.read(collection, Look(into=Input(width=args.size[0], height=args.size[1])))
    gains: list[Gain] = []
    for seed in range(args.seeds):
        sides = split.by_group(collection, Shares(), seed)
        for policy in args.policies:
            gains.append(run(args, dataset, sides, policy, seed))
            print(gains[-1], flush=True)
    print(f"{len(sides.train)} pictures to train on, {len(sides.held_out)} to test on")
    table(gains, args.policies)
    finish({"runs": [asdict(one) for one in gains]})


if __name__ == "__main__":
    main()
