"""A new line from an old one: what labels, and what unlabelled pictures, are worth where the light is another.

    python benchmarks/new_line.py --weights FILE --seeds 5
    python benchmarks/new_line.py --weights FILE --shifts 0.25 0.5 0.75 1 --ways old

Synthetic bolts. The new line's station has its lamp lower and harder, warmer light, a brighter background and a
softer lens; ``--shifts`` says by how much, 0 is the old line's. No part of the new line is one of the old, and its
test parts are not those that anything is learnt, stopped, or set from. Compared on them, picture by picture:

    old         the old line's model as it is
    fine-tuned  its last block learns on from n labelled pictures of the new line, as ``train --from`` does
    scratch     a model from those n pictures and weights of ImageNet alone, as ``train`` does
    adda        the old model after ``adapt``: pictures of the new line without labels
    adda+fine   that one, fine-tuned on the n pictures

The n pictures show n parts, half of them NG. Some of them validate and set the threshold as ``train`` does, so
that no bad one passes; ``adda`` has no labels and keeps the old one. The strength of the light is to be chosen by
the old model's AUC on the pictures to learn from, which is told first, never by the test. Every seed draws other
labelled pictures and other first weights of the head, on the same parts: the spread is that of learning, and not
that of the test set. Needs the train extra. Sets and features lie in build/new_line and are made once.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from harness import finish
from numpy.typing import NDArray

from bridge.judging.softmax import softmax
from bridge.judging.spec import Input
from bridge.learning import adaptation, augmentation, networks, points, training
from bridge.learning.data import Choice, Dataset, Look, Shares, Split, items, pictures, split
from bridge.learning.features import Rows
from bridge.learning.heads import Kind
from bridge.learning.networks import Backbone, Network, stored
from bridge.learning.networks.stored import Arrays
from bridge.learning.settings import BLOCK, HEAD, Phase, Settings
from bridge.simulate import bolt_set
from bridge.simulate.bolt_camera import Station

WAYS = ("old", "fine-tuned", "scratch", "adda", "adda+fine")
ESCAPES = 0.005
"""The share of bad validation pictures that may pass: the default of ``train``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one model does on the new line's test pictures."""

    shift: float
    seed: int
    way: str
    labelled: int
    """Labelled pictures of the new line that it has seen."""
    auc: float
    false_calls: float
    """Share of the good pictures, at the threshold that goes with the model."""
    escapes: float
    """Share of the bad ones."""
    epochs: int
    """The one that was taken; 0: nothing got better, and the model stayed as it was."""


def relit(shift: float, station: Station) -> Station:
    """Return the new line's station for a part that this one held."""
    right, up, near = station.key
    key = np.array([right, up - 0.9 * shift, near - 0.3 * shift])
    key /= np.linalg.norm(key)
    blue, green, red = station.tint
    return replace(
        station,
        key=(float(key[0]), float(key[1]), float(key[2])),
        strength=station.strength + (1 - station.strength) * 0.6 * shift,
        exposure=station.exposure * float(np.exp(-0.5 * shift)),
        tint=(blue * (1 - 0.35 * shift), green, red * (1 + 0.35 * shift)),
        blur=station.blur + 0.5 * shift,
        backdrop=station.backdrop + 0.3 * shift,
    )


def made(folder: Path, numbers: range, shift: float, into: Input) -> Dataset:
    """Return the pictures of these parts, written once."""
    if not (folder / "manifest.csv").exists():
        for label in ("ok", "ng"):
            (folder / label).mkdir(parents=True, exist_ok=True)
        rows = [row for number in numbers for row in bolt_set.write(folder, number, partial(relit, shift))]
        (folder / "manifest.csv").write_text(
            "file,label,part,view,defect\n" + "".join(",".join(row) + "\n" for row in rows)
        )
    return pictures.read(items.read(folder / "manifest.csv", Choice(ok=("ok",))), Look(into=into))


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """The new line."""

    shift: float
    known: Dataset
    """To learn from, with labels or without."""
    test: Dataset


class Bench:
    """One network object for all trainings, filled with other weights each time: building one takes seconds."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.into = args, Input(width=args.size[0], height=args.size[1])
        old, known, test = args.parts
        self.old = made(args.folder / f"old-{old}", range(old), 0.0, self.into)
        self.news = [
            New(
                shift=shift,
                known=made(
                    args.folder / f"new-{shift:g}-{old}-{known}", range(old, old + known), shift, self.into
                ),
                test=made(
                    args.folder / f"test-{shift:g}-{old + known}-{test}",
                    range(old + known, old + known + test),
                    shift,
                    self.into,
                ),
            )
            for shift in args.shifts
        ]
        self._kept = args.folder / "features"
        self._net = training.begun(self.settings(0), self.into, self.old.classes)
        if self._net.lower is None:
            raise SystemExit("a network that is trained from nothing has no last block of its own; give --weights")

    def settings(self, seed: int, phases: tuple[Phase, ...] = (HEAD, BLOCK)) -> Settings:
        """Return what the commands would take."""
        args = self.args
        return Settings(
            backbone=Backbone(args.backbone),
            source=args.weights or networks.IMAGENET,
            head=Kind(args.head),
            phases=phases,
            policy=augmentation.policy(args.augment),
            copies=args.copies,
            seed=seed,
        )

    def first(self, seed: int) -> Arrays:
        """Return the weights that a training from nothing but ImageNet begins with."""
        return stored.arrays(training.begun(self.settings(seed), self.into, self.old.classes))

    def trained(
        self, start: Arrays, dataset: Dataset, sides: Split, seed: int, *phases: Phase
    ) -> tuple[Arrays, float, int]:
        """Return weights, threshold and the epoch that was taken."""
        work = Path(tempfile.mkdtemp(dir=self.args.folder))
        try:
            settings = self.settings(seed, phases)
            net, progress = training.train(
                lambda: self._filled(start), dataset, sides, settings, work, kept=self._kept
            )
        finally:
            shutil.rmtree(work)
        seen = dataset.take(sides.validation.tolist())
        return (
            stored.arrays(net),
            points.operating_point(self.scores(stored.arrays(net), seen), seen.bad, ESCAPES),
            progress.best,
        )

    def adapted(self, start: Arrays, new: Dataset, seed: int) -> tuple[Arrays, int]:
        """Return the weights after an adaptation without labels, and its epoch."""
        work = Path(tempfile.mkdtemp(dir=self.args.folder))
        net = self._filled(start)
        try:
            old = adaptation.Old(entries=self._entries(self.old), bad=self.old.bad)
            how = adaptation.AdaptSettings(seed=seed)
            went = adaptation.adapt(net, self.old.classes, old, self._entries(new), how, work)
        finally:
            shutil.rmtree(work)
        return stored.arrays(net), went.best

    def scores(self, weights: Arrays, dataset: Dataset) -> NDArray[np.float64]:
        """Return p(OK) of every picture."""
        net, rows = self._filled(weights), self._entries(dataset)
        logits = np.concatenate(
            [net.tail.predict_on_batch(rows[at : at + 64].astype(np.float32)) for at in range(0, len(rows), 64)]
        )
        good = [place for place, one in enumerate(dataset.classes) if one.verdict == "OK"]
        return np.asarray(softmax(np.asarray(logits, np.float64))[:, good].sum(axis=1))

    def _entries(self, dataset: Dataset) -> Rows:
        return np.asarray(adaptation.entries(self._net, dataset.pictures, self._kept), np.float16)

    def _filled(self, weights: Arrays) -> Network:
        stored.fill(self._net, weights, "here")
        return self._net


def labelled(known: Dataset, count: int, seed: int) -> Dataset:
    """Return one picture each of so many parts, half of them NG; more hold fewer of the same seed."""
    order = np.random.default_rng(seed).permutation(len(known.labels)).tolist()
    taken: dict[bool, list[int]] = {False: [], True: []}
    parts: set[str] = set()
    for place in order:
        bad = bool(known.bad[place])
        if known.parts[place] not in parts and len(taken[bad]) <= len(taken[not bad]):
            taken[bad].append(place)
            parts.add(known.parts[place])
    assert len(parts) >= count, f"only {len(parts)} parts of the new line can be labelled"
    both = [place for pair in zip(taken[True], taken[False], strict=False) for place in pair]
    return known.take(sorted(both[:count]))


def run(bench: Bench, seed: int) -> Iterator[Result]:
    """Yield what every way comes to, with one old model."""
    args, whole = bench.args, Shares(held_out=0)
    first = bench.first(seed)
    sides = split.by_group(bench.old, whole, seed)
    old, limit, epoch = bench.trained(first, bench.old, sides, seed, HEAD, BLOCK)
    held = bench.old.take(sides.validation.tolist())
    print(
        f"seed {seed}: old model on the old line's validation {points.auc(bench.scores(old, held), held.bad):.3f}"
    )
    for new in bench.news:

        def told(way: str, labels: int, weights: Arrays, threshold: float, epochs: int, new: New = new) -> Result:
            found = points.outcome(bench.scores(weights, new.test), new.test.bad, threshold)
            return Result(
                shift=new.shift,
                seed=seed,
                way=way,
                labelled=labels,
                auc=found.auc,
                false_calls=found.false_calls / found.good,
                escapes=found.escapes / found.bad,
                epochs=epochs,
            )

        before = points.auc(bench.scores(old, new.known), new.known.bad)
        print(f"seed {seed}, shift {new.shift:g}: old model on the new line's pictures to learn from {before:.3f}")
        yield told("old", 0, old, limit, epoch)
        starts = {"fine-tuned": (old, (BLOCK,)), "scratch": (first, (HEAD, BLOCK))}
        if {"adda", "adda+fine"} & set(args.ways):
            adapted, epochs = bench.adapted(old, new.known, seed)
            yield told("adda", 0, adapted, limit, epochs)
            starts["adda+fine"] = (adapted, (BLOCK,))
        for count in args.counts:
            few = labelled(new.known, count, seed)
            halves = split.by_group(few, whole, seed)
            for way, (start, phases) in starts.items():
                if way in args.ways:
                    yield told(way, count, *bench.trained(start, few, halves, seed, *phases))


def table(results: list[Result]) -> None:
    """Print mean and spread over the seeds, in per cent."""
    print("| shift | way | labelled | AUC | false calls | escapes |\n|---|---|---|---|---|---|")
    for shift, way, labels in dict.fromkeys((one.shift, one.way, one.labelled) for one in results):
        rows = [one for one in results if (one.shift, one.way, one.labelled) == (shift, way, labels)]
        cells = []
        for name in ("auc", "false_calls", "escapes"):
            values = 100 * np.array([getattr(one, name) for one in rows])
            cells.append(f"{values.mean():.1f} ± {values.std(ddof=min(1, len(values) - 1)):.1f}")
        print(f"| {shift:g} | {way} | {labels} | {' | '.join(cells)} |")


def main() -> None:
    """Run every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--shifts", type=float, nargs="+", default=[0.5], help="strengths of the new light (0.5)")
    add("--counts", type=int, nargs="+", default=[5, 10, 20, 40, 80], help="labelled pictures (5 10 20 40 80)")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    add("--parts", type=int, nargs=3, default=(100, 120, 120), metavar=("OLD", "NEW", "TEST"))
    add("--seeds", type=int, default=5)
    add("--backbone", default="mobilenet_v2", choices=[one.value for one in Backbone])
    add("--weights", type=Path, help="a file of ImageNet weights (Keras' own download)")
    add("--head", default="avgmax", choices=[one.value for one in Kind])
    add("--augment", default="fixture", choices=sorted(augmentation.NAMED))
    add("--copies", type=int, default=4, help="of each picture, as train --from takes (4)")
    add("--size", type=int, nargs=2, default=(106, 210), metavar=("WIDTH", "HEIGHT"))
    add("--folder", type=Path, default=Path("build/new_line"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    began, bench = time.monotonic(), Bench(args)
    results: list[Result] = []
    for seed in range(args.seeds):
        for one in run(bench, seed):
            results.append(one)
            print(one, flush=True)
    table(results)
    finish({"runs": [asdict(one) for one in results], "seconds": round(time.monotonic() - began)})


if __name__ == "__main__":
    main()
