"""``aoi-bridge train --kind detector``: from pictures with boxes to a bundle in ``models/``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.cli import boxing, looking, outlet, reading, teaching, train_anomaly, written
from bridge.cli.numbers import count
from bridge.errors import ConfigError
from bridge.judging.bundle import Precision
from bridge.judging.spec import Input

if TYPE_CHECKING:
    from bridge.learning.data import Collection, Dataset, Look, Split
    from bridge.learning.detection.learner import Settings
    from bridge.learning.detection.network import DetectorNetwork
    from bridge.learning.detection.progress import Course
    from bridge.learning.export import Made

_STEP = 16
"""``network.STEP``, whose module needs TensorFlow."""
_LARGEST = 1024
"""Pixels a side where no size is written."""
FLAGS = ("--window",)
"""What means nothing to other kinds."""
_ITS_OWN = frozenset({"--steps", "--augment", "--rate", "--batch", "--any-angle", "--escapes"})
"""What other kinds have too."""
_OTHERS = frozenset(
    {*train_anomaly.FLAGS, *train_anomaly.FOR_CLASSIFIERS, *boxing.FLAGS, "--backbone", "--weights"} - _ITS_OWN
)


def options(parser: argparse.ArgumentParser) -> None:
    """Add what only this kind takes."""
    add = parser.add_argument_group("with --kind detector: from boxes, as COCO or YOLO keep them").add_argument
    add(
        "--window",
        type=count,
        metavar="PIXELS",
        help="a step is shown so much of a picture, a multiple of 16 (default: 256; on a GPU 320)",
    )


def run(args: argparse.Namespace) -> int:
    """Train on windows of the pictures, and export what was best on validation."""
    task = _task(args)
    outlet.folder(task.out)
    from bridge.learning.detection import truth  # noqa: PLC0415 - numpy

    dataset = reading.decoded(task.collection, task.look)
    sides = truth.divided(dataset, reading.shares(args), args.seed, torn=args.allow_leak)
    _tell(dataset, sides)
    reading.refuse_leak(args, replace(task.collection, items=dataset.items), sides)
    with outlet.held(task.work):
        network, course = _trained(task, dataset, sides)
        made = _exported(args, task, (dataset, sides), network, course)
        _close(task, made, course)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is trained."""

    collection: Collection
    look: Look
    settings: Settings
    out: Path
    name: str

    @property
    def work(self) -> Path:
        """Where an interrupted training leaves what it has."""
        return self.out / ".training"


def _task(args: argparse.Namespace) -> _Task:
    written.refuse(args, _OTHERS, "--kind detector")
    from bridge.learning import augmentation  # noqa: PLC0415 - the help needs none of it
    from bridge.learning.detection import training  # noqa: PLC0415 - TensorFlow
    from bridge.learning.detection.learner import Settings  # noqa: PLC0415 - same

    collection = reading.read(args)
    if all(item.marks is None for item in collection.items):
        write = "write a COCO file, or a folder with YOLO's .txt files and a classes.txt"
        raise ConfigError(str(args.data), "holds no boxes to learn from", write)
    policy = augmentation.policy(args.augment or teaching.POLICY)
    if policy.border == "reflect":
        print("border = reflect would show a defect twice and box it once; edge is taken")
        policy = policy.model_copy(update={"border": "edge"})
    steps, batch, window = training.usual(args.steps, args.batch, args.window)
    look = looking.look(args, collection, _standard(collection))
    window = min(window, max(look.into.width, look.into.height)) if args.window is None else window
    settings = Settings(
        policy=policy.at_any_angle() if args.any_angle else policy,
        steps=steps,
        batch=batch,
        window=window,
        rate=args.rate or Settings().rate,
        seed=args.seed,
    )
    training.suits(settings, look.into)
    out: Path = args.out or Path("models/pins")
    return _Task(collection=collection, look=look, settings=settings, out=out, name=outlet.model(out, args.name))


def _standard(collection: Collection) -> Input:
    """Return the size of the largest picture, in whole steps of the grids and within limits, letterboxed."""
    from bridge.judging import headers  # noqa: PLC0415 - the help needs none of it

    wide = high = _STEP
    for item in collection.items:
        try:
            header = headers.read(item.path.read_bytes())
        except (OSError, headers.Unreadable):
            continue  # told in one line when it is decoded
        wide, high = max(wide, header.width), max(high, header.height)
    scale = min(1.0, _LARGEST / max(wide, high))
    width, height = (-(-round(scale * side) // _STEP) * _STEP for side in (wide, high))
    return Input(width=width, height=height, fit="centre")


def _tell(dataset: Dataset, sides: Split) -> None:
    for side, places in ((side, places) for side, places in sides.sides.items() if len(places)):
        boxes = sum(len(dataset.items[at].marks or ()) for at in places.tolist())
        without = sum(not dataset.items[at].marks for at in places.tolist())
        print(f"{side}: {len(places)} pictures with {boxes} boxes, {without} of them without any")
    for note in sides.notes:
        print(note)


def _trained(task: _Task, dataset: Dataset, sides: Split) -> tuple[DetectorNetwork, Course]:
    from bridge.learning.detection import training  # noqa: PLC0415 - TensorFlow

    material = training.Material(dataset=dataset, sides=sides)
    with teaching.shown() as shown:
        return training.train(
            task.settings,
            task.look.into,
            material,
            task.work,
            lambda doing, done, total: shown(doing, done, total, None),
            lambda line: print(line, flush=True),
        )


def _exported(
    args: argparse.Namespace, task: _Task, data: tuple[Dataset, Split], network: DetectorNetwork, course: Course
) -> list[Made]:
    from bridge.learning.detection import export  # noqa: PLC0415 - TensorFlow
    from bridge.learning.target import Target  # noqa: PLC0415 - same

    target = Target(
        models=task.out,
        name=task.name,
        look=task.look,
        precisions=tuple(Precision(word) for word in args.precision),
        escapes=args.escapes,
        int8_loss=args.int8_loss,
        recipe=_recipe(args, task, data, course),
    )
    with teaching.shown() as shown:
        return export.export(
            network,
            *data,
            target,
            lambda line: print(line, file=sys.stderr),
            lambda doing, done, total: shown(doing, done, total, None),
        )


def _recipe(args: argparse.Namespace, task: _Task, data: tuple[Dataset, Split], course: Course) -> dict[str, Any]:
    from bridge.learning.detection import training  # noqa: PLC0415 - TensorFlow

    dataset, sides = data
    return {
        "method": "detector",
        **training.recipe(task.settings, course),
        "data": {
            "digest": dataset.digest,
            "groups": len(set(dataset.groups)),
            **{side: len(places) for side, places in sides.sides.items()},
        },
        "split": reading.shares_said(args),
    }


def _close(task: _Task, made: list[Made], course: Course) -> None:
    """Say what was made, and clear away what an interruption would have needed."""
    from bridge.learning import training  # noqa: PLC0415 - TensorFlow

    training.finished(task.work)
    print(f"step {course.best:,} of {course.step:,} is kept")
    for one in made:
        found, manifest, outcome = one.bundle, one.bundle.manifest, one.outcome
        half, mean = (manifest.metrics[name] for name in ("validation_map_50", "validation_map_50_95"))
        print(f"written: {found.identity} ({manifest.precision}) in {found.folder}")
        print(
            f"validation: mAP {half:.3f} at 0.5, {mean:.3f} over 0.5 to 0.95; NG if any box scores over", end=" "
        )
        print(f"{1 - manifest.threshold:.2f}: {outcome.false_calls} false calls of {outcome.good} good, ", end="")
        print(f"{outcome.escapes} escapes of {outcome.bad} bad")
    if not made[0].outcome.good:
        print(
            "no good part validated it: calibrate it on labelled parts before it counts, or let it run in shadow"
        )
