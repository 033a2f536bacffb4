"""``aoi-bridge train``: from labelled pictures to a bundle in ``models/``.

Heavy imports happen in ``run``, so that the help and every other command work without the train extra.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import boxing, looking, outlet, reading, teaching, train_anomaly, train_detector, written
from bridge.cli.numbers import of_a_hundred, said_auc, share
from bridge.errors import ConfigError
from bridge.judging.bundle import Precision

_COPIES_OF_A_FEW = 4
"""Of each picture where a bundle learns on; with so many ``benchmarks/new_line.py`` was measured."""

if TYPE_CHECKING:
    from bridge.judging.bundle import Bundle
    from bridge.judging.spec import HeatMapOutput
    from bridge.learning.data import Collection, Dataset, Look, Split
    from bridge.learning.export import Made
    from bridge.learning.networks import Network
    from bridge.learning.points import Outcome
    from bridge.learning.settings import Progress, Settings


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge train`` takes."""
    written.noted(parser)
    add = parser.add_argument
    reading.options(parser)
    reading.split_options(parser)
    add("--out", type=Path, help="the model's folder; the bundle goes to OUT/VERSION (default: models/pins)")
    add(
        "--kind",
        choices=("classifier", "anomaly", "detector"),
        default="classifier",
        help="classifier: tells good from bad parts; anomaly: learns good ones alone; detector: learns boxes "
        "(default: classifier)",
    )
    add("--name", help="the model's name (default: the name of OUT)")
    teaching.choices(parser, several=False)
    teaching.options(parser)
    looking.options(parser)
    boxing.options(parser)
    add(
        "--from",
        dest="parent",
        metavar="BUNDLE",
        help="go on from a bundle, as models/pins@live: its network and look, the last block learns on",
    )
    add(
        "--escapes",
        type=share,
        default=0.005,
        help="the share of bad validation parts that may pass (default: 0.005)",
    )
    add("--precision", nargs="+", choices=[*Precision], default=["f32"], help="what to write besides f32")
    add(
        "--int8-loss",
        type=of_a_hundred,
        default=0.2,
        metavar="POINTS",
        help="AUROC points that int8 may lose (default: 0.2)",
    )
    add(
        "--test", type=Path, metavar="FOLDER", help="a set of the same classes to measure the bundle on at the end"
    )
    train_anomaly.options(parser)
    train_detector.options(parser)
    add("--track", choices=("tensorboard", "wandb"), help="note figures of each epoch; W&B stays offline")
    add("--runs", type=Path, default=Path("runs"), metavar="FOLDER", help="where a tracker writes (default: runs)")


def run(args: argparse.Namespace) -> int:
    """Train and export; Ctrl-C keeps what is finished, and the same command goes on."""
    if args.kind == "anomaly":
        return train_anomaly.run(args)
    if args.kind == "detector":
        return train_detector.run(args)
    written.refuse(args, (*train_anomaly.FLAGS, *train_detector.FLAGS), "--kind classifier")
    task = _from_bundle(args) if args.parent else _from_weights(args)
    outlet.folder(task.out)
    make = _begun(args, task)
    tested = _tested(args, task)
    from bridge.learning.data import split  # noqa: PLC0415 - numpy

    dataset = reading.decoded(task.collection, task.look)
    sides = split.by_group(dataset, reading.shares(args), args.seed, torn=args.allow_leak)
    _tell(dataset, sides)
    _tell_of_memory(task, dataset, sides)
    reading.refuse_leak(args, replace(task.collection, items=dataset.items), sides)
    with outlet.held(task.work):
        started = time.monotonic()
        net, progress = _trained(args, task, (dataset, sides), make)
        seconds = max(progress.seconds, time.monotonic() - started)  # epochs before an interruption count too
        made = _exported(args, task, (dataset, sides), net, progress, seconds)
        _close(task, made, progress)
    if tested is not None:
        _test(args, made[0].bundle, tested, task.look)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is trained."""

    collection: Collection
    look: Look
    settings: Settings
    out: Path
    name: str
    boxes: HeatMapOutput
    """How a heat map becomes boxes."""
    parent: Bundle | None = None

    @property
    def work(self) -> Path:
        """Where an interrupted training leaves what it has."""
        return self.out / ".training"

    @property
    def origin(self) -> str:
        """What tells the first weights from others."""
        from bridge.learning.networks import weights  # noqa: PLC0415 - TensorFlow

        return self.parent.identity if self.parent else weights.digest(self.settings.source)

    def network(self) -> Network:
        """Return the network to begin with."""
        from bridge.learning import training, transfer  # noqa: PLC0415 - as above

        if self.parent:
            return transfer.network(self.parent, self.settings.seed)
        return training.begun(self.settings, self.look.into, self.collection.classes)


def _begun(args: argparse.Namespace, task: _Task) -> Callable[[], Network]:
    """Return what gives the network to begin with.

    It is built now, so that missing weights, as a missing tracker, are told before pictures are read and searched;
    but not for half precision, which a network must be built under.
    """
    from bridge.learning import trackers  # noqa: PLC0415 - TensorFlow

    trackers.check(args.track)
    if task.settings.precision != "float32":
        return task.network
    made = [task.network()]
    return lambda: made.pop() if made else task.network()


def _tested(args: argparse.Namespace, task: _Task) -> Collection | None:
    """Return the set to measure on at the end; what of it cannot be read is told now, not after the training."""
    if args.test is None:
        return None
    from bridge.learning.data import pictures  # noqa: PLC0415 - numpy and OpenCV

    found = reading.read(args, task.collection.classes, args.test)
    pictures.read(found, task.look)
    return found


def _from_weights(args: argparse.Namespace) -> _Task:
    backbone = args.backbone or teaching.BACKBONE
    settings = teaching.settings(args, backbone, args.head or teaching.HEAD, args.augment, args.copies)
    collection = reading.read(args)
    look = looking.look(args, collection, teaching.standard(backbone, args.weights))
    out: Path = args.out or Path("models/pins")
    return _Task(
        collection=collection,
        look=look,
        settings=settings,
        out=out,
        name=outlet.model(out, args.name),
        boxes=boxing.limits(args, None),
    )


def _from_bundle(args: argparse.Namespace) -> _Task:
    """Take network, look and classes from a bundle, and everything else from the command line."""
    from bridge.judging import bundle, shelf  # noqa: PLC0415 - pydantic

    parent = bundle.load(shelf.located(args.parent))
    for flag in ("size", "colour", "look_of", "weights", "backbone", "head", "tta"):
        if getattr(args, flag):
            raise ConfigError(
                f"--{flag.replace('_', '-')}",
                f"is what {parent.identity} has already",
                "leave it out beside --from",
            )
    from bridge.learning import transfer  # noqa: PLC0415 - TensorFlow

    said = transfer.built_as(parent)
    args.look_of = str(parent.folder)
    collection = reading.both_kinds(reading.read(args, parent.manifest.classes))
    transfer.fitting(collection.classes, parent)
    args.weights = "none"
    copies = _COPIES_OF_A_FEW if args.copies is None else args.copies
    settings = teaching.settings(args, said.backbone, said.head, args.augment, copies)
    return _Task(
        collection=collection,
        look=looking.look(args, collection),
        settings=replace(settings, phases=teaching.continued(args)),
        out=args.out or parent.folder.parent,
        name=outlet.model(Path(), args.name or parent.manifest.name),
        boxes=boxing.limits(args, parent.manifest.heat_map),
        parent=parent,
    )


def _tell(dataset: Dataset, sides: Split) -> None:
    groups = len(set(dataset.groups))
    print(f"{len(dataset.labels)} pictures, {len(dataset.classes)} classes, {groups} groups;", end=" ")
    train, validation, held_out = (len(places) for places in sides.sides.values())
    print(f"{train} to train on, {validation} to validate on, {held_out} held out")
    for note in sides.notes:
        print(note)


def _tell_of_memory(task: _Task, dataset: Dataset, sides: Split) -> None:
    """Say how much of what shall validate the bundle before has learnt from: its threshold would be too bold."""
    if task.parent is None:
        return
    from bridge.learning import seen  # noqa: PLC0415 - as above

    learnt = {digits for digits, _ in seen.read(task.parent.folder).train if digits}
    known = sum(seen.short(dataset.hashes[place]) in learnt for place in sides.validation.tolist())
    if known:
        print(
            f"{known} of the {len(sides.validation)} pictures to validate on are what {task.parent.identity} "
            "learnt from: they make figures and threshold too good; give only new ones, or calibrate on new parts"
        )


def _trained(
    args: argparse.Namespace, task: _Task, data: tuple[Dataset, Split], make: Callable[[], Network]
) -> tuple[Network, Progress]:
    from bridge.learning import trackers, training  # noqa: PLC0415 - TensorFlow

    run = f"{task.name}-{task.settings.backbone}-{task.settings.head}-{task.settings.seed}"
    with trackers.opened(args.track, args.runs, run, task.settings) as note, teaching.shown() as shown:

        def told(doing: str, done: int, total: int, epoch: Progress | None) -> None:
            shown(doing, done, total, epoch)
            if epoch is not None:
                note(epoch)

        return training.train(make, *data, task.settings, task.work, told)


def _exported(
    args: argparse.Namespace,
    task: _Task,
    data: tuple[Dataset, Split],
    net: Network,
    progress: Progress,
    seconds: float,
) -> list[Made]:
    from bridge.learning import export, seen, transfer  # noqa: PLC0415 - TensorFlow

    dataset, sides = data
    recipe = transfer.recipe(task.settings, dataset, sides, progress, net, task.origin)
    target = export.Target(
        models=task.out,
        name=task.name,
        look=task.look,
        precisions=tuple(Precision(word) for word in args.precision),
        escapes=args.escapes,
        int8_loss=args.int8_loss,
        parent=task.parent.identity if task.parent else "",
        seen=seen.read(task.parent.folder) if task.parent else seen.Seen(),
        recipe=recipe | {"split": reading.shares_said(args, leak_allowed=_leak_allowed(task.parent))},
        files=transfer.files(net),
        boxes=task.boxes,
        seconds=seconds,
    )
    with teaching.shown() as shown:
        return export.export(
            net, dataset, sides, target, told=lambda doing, done, total: shown(doing, done, total, None)
        )


def _leak_allowed(parent: Bundle | None) -> bool:
    from bridge.learning import unseen  # noqa: PLC0415 - as above

    return bool(parent and unseen.leak_allowed(parent.manifest.recipe))


def _close(task: _Task, found: Sequence[Made], progress: Progress) -> None:
    """Say what was made, and clear away what an interruption would have needed."""
    from bridge.learning import training  # noqa: PLC0415 - TensorFlow

    made = found[0].bundle
    training.finished(task.work)
    print(f"epoch {progress.best} of {progress.epoch} is kept; written: {made.identity} in {made.folder}")
    known = len(made.manifest.golden)
    proof = (
        "it may judge only where it rejects them" if known else "none was rejected clearly enough to prove it by"
    )
    print(f"{known} known bad pictures go with it: {proof}")
    _report("validation", found[0].outcome)
    for one in found[1:]:
        print(f"written: {one.bundle.identity} ({one.bundle.manifest.precision}) in {one.bundle.folder}")
        _report("validation", one.outcome)


def _test(args: argparse.Namespace, made: Bundle, tested: Collection, look: Look) -> None:
    """Measure the bundle on a set that it has never seen, per part and, where groups are known, per group."""
    from bridge.learning import measuring, points  # noqa: PLC0415 - OpenVINO

    dataset = reading.decoded(tested, look)
    scores = measuring.scores(made, dataset.pictures)
    threshold = made.manifest.threshold
    _report("test", points.outcome(*points.fuse(scores, dataset.bad, dataset.parts), threshold))
    if args.groups:
        averaged, bad = points.average(scores, dataset.bad, dataset.groups)
        _report("test, mean per group", points.outcome(averaged, bad, threshold))


def _report(where: str, outcome: Outcome) -> None:
    print(
        f"{where}: {outcome.false_calls} false calls of {outcome.good} good, "
        f"{outcome.escapes} escapes of {outcome.bad} bad, {said_auc(outcome.auc)}"
    )
