"""``aoi-bridge train --kind anomaly``: from pictures of good parts alone to a bundle in ``models/``."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentTypeError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.cli import boxing, looking, outlet, reading, teaching, written
from bridge.cli.numbers import count, said_auc, share, size
from bridge.errors import ConfigError
from bridge.judging.bundle import Precision
from bridge.judging.spec import Input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridge.learning.anomaly.network import AnomalyNetwork
    from bridge.learning.anomaly.patchcore import Told
    from bridge.learning.anomaly.teachers import Teacher
    from bridge.learning.anomaly.tiling import Tiling
    from bridge.learning.data import Collection, Dataset, Look, Split
    from bridge.learning.export import Made

METHODS = ("patchcore", "efficientad")
DEPTHS = ("fine", "middle", "deep")
DECODERS = ("transposed", "bilinear")
FLAGS = (
    "--method",
    "--false-calls",
    "--teacher",
    "--decoder",
    "--steps",
    "--other",
    "--depth",
    "--metric",
    "--memory",
    "--strangest",
    "--tile",
    "--overlap",
)
"""What means nothing to other kinds."""
FOR_CLASSIFIERS = (
    "--head",
    "--augment",
    "--copies",
    "--epochs",
    "--patience",
    "--rate",
    "--fine-epochs",
    "--fine-rate",
    "--momentum",
    "--batch",
    "--class-weights",
    "--mixed-precision",
    "--any-angle",
    "--tta",
    "--from",
    "--escapes",
    "--test",
    "--track",
    "--runs",
)
"""What means nothing to this kind."""
_FOR_PATCHCORE = ("--backbone", "--weights", "--depth", "--metric", "--memory", "--strangest")
_FOR_EFFICIENTAD = ("--teacher", "--decoder", "--steps", "--other")
METRICS = ("euclidean", "cosine")
_SIZE = Input(width=256, height=256)
_PLACES = "mobilenet_v2"
_STRANGEST = (
    "patchcore: a part is as strange as the mean of this share of its places; 0: as the strangest (default: 0)"
)
_METRIC = "patchcore: how places are compared; cosine where light and contrast vary (default: euclidean)"


def options(parser: argparse.ArgumentParser) -> None:
    """Add what only this kind takes."""
    add = parser.add_argument_group("with --kind anomaly: from good parts alone").add_argument
    add("--method", choices=METHODS, default=METHODS[0], help=f"how good parts are learnt (default: {METHODS[0]})")
    add(
        "--false-calls",
        type=_some,
        default=0.01,
        metavar="SHARE",
        help="the share of good parts that may be called NG (default: 0.01)",
    )
    add("--teacher", type=Path, metavar="FILE", help="efficientad: what aoi-bridge teacher made")
    add("--decoder", choices=DECODERS, default=DECODERS[0], help=f"efficientad (default: {DECODERS[0]})")
    add(
        "--steps",
        type=count,
        help="efficientad: steps of learning (default: 1000; on a GPU 70000, as in the paper); detector: same "
        "(default: 1500; on a GPU 6000)",
    )
    add(
        "--other",
        type=Path,
        metavar="FOLDER",
        help="efficientad: pictures of anything but such parts, for its penalty",
    )
    add(
        "--depth",
        choices=DEPTHS,
        default="middle",
        help="patchcore: the layers that describe a place (default: middle)",
    )
    add("--metric", choices=METRICS, default=METRICS[0], help=_METRIC)
    add("--memory", type=count, default=4000, help="patchcore: places that are remembered (default: 4000)")
    add("--strangest", type=share, default=0.0, metavar="SHARE", help=_STRANGEST)
    add(
        "--tile",
        type=size,
        metavar="WxH",
        help="judge a picture of --size in tiles of this, all in one model (default: as a whole)",
    )
    add(
        "--overlap", type=count, metavar="PIXELS", help="with --tile: that neighbours share at least (default: 32)"
    )


def run(args: argparse.Namespace) -> int:
    """Train on the good parts of one side, and set the limit on those of another."""
    task = _task(args)
    outlet.folder(task.out)
    from bridge.learning.anomaly import dividing  # noqa: PLC0415 - numpy

    dataset = reading.decoded(task.collection, task.look)
    sides = dividing.divided(dataset, reading.shares(args), args.seed, torn=args.allow_leak)
    _tell(dataset, sides)
    reading.refuse_leak(args, replace(task.collection, items=dataset.items), sides)
    with outlet.held(task.work):
        network = _trained(args, task, dataset, sides)
        made = _exported(args, task, dataset, sides, network)
        _close(task, made)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is trained."""

    collection: Collection
    look: Look
    out: Path
    name: str
    backbone: str
    teacher: Teacher | None = None
    tiling: Tiling | None = None
    other: NDArray[np.uint8] | None = None
    """Pictures of anything else."""

    @property
    def work(self) -> Path:
        """Where an interrupted training leaves what it has."""
        return self.out / ".training"


def _task(args: argparse.Namespace) -> _Task:
    _refuse(args)
    backbone = args.backbone or _PLACES
    teacher = _teacher(args)
    collection = reading.read(args, good_only=True)
    out: Path = args.out or Path("models/pins")
    look = looking.look(args, collection, _SIZE if teacher else _standard(backbone))
    tiling = _tiling(args, look.into)
    return _Task(
        collection=collection,
        look=look,
        tiling=tiling,
        other=_suited(args, backbone, look.into, tiling),
        out=out,
        name=outlet.model(out, args.name),
        backbone=backbone,
        teacher=teacher,
    )


def _tiling(args: argparse.Namespace, into: Input) -> Tiling | None:
    if args.tile is None:
        if args.overlap is not None:
            raise ConfigError("--overlap", "means nothing without --tile", "write --tile WxH too")
        return None
    from bridge.learning.anomaly import tiling  # noqa: PLC0415 - TensorFlow

    width, height = args.tile
    overlap = tiling.OVERLAP if args.overlap is None else args.overlap
    if args.method == "efficientad" and overlap < tiling.OVERLAP:
        said = f"{overlap} leave places between tiles that none describes"
        raise ConfigError("--overlap", said, f"write {tiling.OVERLAP} or more")
    planned = tiling.planned((into.height, into.width), (height, width), overlap)
    print(f"each picture is judged in {len(planned.places)} tiles of {width}x{height}")
    return planned


def _suited(
    args: argparse.Namespace, backbone: str, into: Input, tiling: Tiling | None
) -> NDArray[np.uint8] | None:
    """Try what can be tried before the set is read; return the other pictures, where there are any."""
    if tiling:
        into = replace(into, height=tiling.tile_height, width=tiling.tile_width)
    if args.method == "patchcore":
        from bridge.learning.anomaly import patchcore  # noqa: PLC0415 - TensorFlow
        from bridge.learning.networks import IMAGENET, weights  # noqa: PLC0415 - same

        patchcore.describer(backbone, into, weights.given(args.weights or IMAGENET))
        return None
    from bridge.learning.anomaly import anything, efficientad  # noqa: PLC0415 - TensorFlow

    efficientad.suits(into, tiling)
    return None if args.other is None else anything.pictures(args.other, into, "--other")


def _refuse(args: argparse.Namespace) -> None:
    """Refuse flags that would change nothing.

    Raises:
        ConfigError: there is one.
    """
    written.refuse(args, (*FOR_CLASSIFIERS, "--window"), "--kind anomaly")
    others = _FOR_PATCHCORE if args.method == "efficientad" else _FOR_EFFICIENTAD
    written.refuse(args, others, f"--method {args.method}")


def _teacher(args: argparse.Namespace) -> Teacher | None:
    """Return whom efficientad learns from, read before any picture is."""
    if args.method != "efficientad":
        return None
    from bridge.learning.anomaly import teachers  # noqa: PLC0415 - TensorFlow

    if args.teacher is None:
        raise ConfigError(
            "--teacher", "is missing: efficientad learns from one", "aoi-bridge teacher distil makes one"
        )
    return teachers.read(args.teacher)


def _standard(backbone: str) -> Input:
    from bridge.learning.networks import IMAGENET, Backbone, colour  # noqa: PLC0415 - TensorFlow

    return Input(width=_SIZE.width, height=_SIZE.height, colour=colour(Backbone(backbone), IMAGENET))


def _tell(dataset: Dataset, sides: Split) -> None:
    good, bad = ~dataset.bad, dataset.bad
    validated, held = int(good[sides.validation].sum()), int(good[sides.held_out].sum())
    learnt = len(sides.train)
    print(f"good pictures: {learnt} to learn from, {validated} to validate on, {held} held out")
    if bad.any():
        print(
            f"bad pictures, none is learnt from: {int(bad[sides.validation].sum())} to look at "
            f"while validating, {int(bad[sides.held_out].sum())} held out"
        )
    for note in sides.notes:
        print(note)


def _trained(args: argparse.Namespace, task: _Task, dataset: Dataset, sides: Split) -> AnomalyNetwork:
    make = _remembering if args.method == "patchcore" else _learning
    with teaching.shown() as shown:
        return make(args, task, dataset, sides, lambda doing, done, total: shown(doing, done, total, None))


def _remembering(
    args: argparse.Namespace, task: _Task, dataset: Dataset, sides: Split, told: Told
) -> AnomalyNetwork:
    from bridge.learning.anomaly import patchcore  # noqa: PLC0415 - TensorFlow
    from bridge.learning.networks import IMAGENET, weights  # noqa: PLC0415 - same

    settings = patchcore.Settings(
        backbone=task.backbone,
        source=weights.given(args.weights or IMAGENET),
        depth=patchcore.Depth(args.depth),
        metric=patchcore.Metric(args.metric),
        memory=args.memory,
        share=args.strangest,
        seed=args.seed,
        tiling=task.tiling,
    )
    return patchcore.train(settings, task.look.into, dataset.pictures[sides.train], told)


def _learning(args: argparse.Namespace, task: _Task, dataset: Dataset, sides: Split, told: Told) -> AnomalyNetwork:
    from bridge.learning.anomaly import efficientad  # noqa: PLC0415 - TensorFlow
    from bridge.learning.anomaly.autoencoder import Decoder  # noqa: PLC0415 - same

    assert task.teacher is not None  # noqa: S101 - seen to by _task
    settings = replace(
        efficientad.usual(args.steps), decoder=Decoder(args.decoder), seed=args.seed, tiling=task.tiling
    )
    if args.other is None:
        print("no --other pictures: the student is not kept from following its teacher on what is no such part")
    if settings.steps < efficientad.FULL_STEPS:
        few = f"{settings.steps:,} steps of the paper's {efficientad.FULL_STEPS:,}"
        print(f"{few}: figures will be below the paper's")
    material = efficientad.Material(
        good=dataset.pictures[sides.train],
        validation=dataset.pictures[sides.validation],
        bad=dataset.bad[sides.validation],
        other=task.other,
    )
    work = task.out / ".training"
    return efficientad.train(settings, task.look.into, task.teacher, material, work, told, print)


def _exported(
    args: argparse.Namespace, task: _Task, dataset: Dataset, sides: Split, network: AnomalyNetwork
) -> list[Made]:
    from bridge.learning.anomaly import export  # noqa: PLC0415 - TensorFlow
    from bridge.learning.target import Target  # noqa: PLC0415 - same

    target = Target(
        models=task.out,
        name=task.name,
        look=task.look,
        precisions=tuple(Precision(word) for word in args.precision),
        int8_loss=args.int8_loss,
        recipe=_recipe(args, task, dataset, sides),
        boxes=boxing.limits(args, None),
        seconds=network.seconds,
    )
    with teaching.shown() as shown:
        return export.export(
            network,
            dataset,
            sides,
            target,
            args.false_calls,
            lambda line: print(line, file=sys.stderr),
            lambda doing, done, total: shown(doing, done, total, None),
        )


def _recipe(args: argparse.Namespace, task: _Task, dataset: Dataset, sides: Split) -> dict[str, Any]:
    return {
        "method": args.method,
        **({"tiles": task.tiling.facts} if task.tiling else {}),
        **(_taught(args, task.teacher) if task.teacher else _remembered(args, task)),
        "data": {
            "digest": dataset.digest,
            "groups": len(set(dataset.groups)),
            **{side: len(places) for side, places in sides.sides.items()},
        },
        "seed": args.seed,
        "split": reading.shares_said(args),
    }


def _remembered(args: argparse.Namespace, task: _Task) -> dict[str, Any]:
    from bridge.learning.networks import IMAGENET, weights  # noqa: PLC0415 - TensorFlow

    source = weights.given(args.weights or IMAGENET)
    return {
        "network": {
            "backbone": task.backbone,
            "depth": args.depth,
            "metric": args.metric,
            "memory": args.memory,
            "strangest": args.strangest,
        },
        "weights": {"source": str(source), "sha256": weights.digest(source)},
    }


def _taught(args: argparse.Namespace, teacher: Teacher) -> dict[str, Any]:
    from bridge.learning.anomaly import efficientad  # noqa: PLC0415 - TensorFlow

    usual = efficientad.usual(args.steps)
    return {
        "network": {"size": str(teacher.size), "decoder": args.decoder},
        "teacher": {"sha256": teacher.digest, **teacher.about},
        **{name: getattr(usual, name) for name in ("steps", "window", "rate", "hard")},
        "other": str(args.other or ""),
    }


def _close(task: _Task, made: list[Made]) -> None:
    """Say what was made, and clear away what an interruption would have needed."""
    from bridge.learning import training  # noqa: PLC0415 - TensorFlow
    from bridge.learning.anomaly import export  # noqa: PLC0415 - same

    training.finished(task.work)
    for one in made:
        found, manifest, outcome = one.bundle, one.bundle.manifest, one.outcome
        print(f"written: {found.identity} ({manifest.precision}) in {found.folder}")
        assert manifest.operating_point is not None  # noqa: S101 - every one of these has one
        print(export.said([manifest.operating_point]))
        if outcome.bad:
            print(f"validation: {outcome.escapes} escapes of {outcome.bad} bad, {said_auc(outcome.auc)}")
    print("calibrate it on labelled parts before it counts, or let it run in shadow")


def _some(text: str) -> float:
    number = share(text)
    if not 0 < number < 1:
        raise ArgumentTypeError(f"{text} is no share of good parts; write a number above 0 and below 1, as 0.01")
    return number
