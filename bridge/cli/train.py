"""``aoi-bridge train``: from labelled folders to a bundle in ``models/``.

Heavy imports happen in ``run``, so that the help and every other command work without the train extra.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.cli import reading
from bridge.judging.bundle import ANY_VIEW, Precision
from bridge.judging.spec import Input
from bridge.messages import Box

if TYPE_CHECKING:
    from bridge.judging.bundle import Bundle, ModelClass
    from bridge.learning.data import Dataset, Look
    from bridge.learning.points import Outcome
    from bridge.learning.training import Progress as Epoch
    from bridge.learning.training import Settings, Told


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge train`` takes."""
    add = parser.add_argument
    reading.options(parser)
    reading.split_options(parser)
    add("--out", type=Path, default=Path("models/pins"), help="the model's folder; the bundle goes to OUT/VERSION")
    add("--name", help="the model's name (default: the name of OUT)")
    add("--epochs", type=_positive, default=30, help="the most epochs (default: 30)")
    add("--patience", type=_positive, default=8, help="epochs without gain before it stops (default: 8)")
    add("--rate", type=_above_zero, default=3e-3, help="the largest learning rate (default: 0.003)")
    add("--size", type=_size, default=(128, 128), metavar="WxH", help="what the model is shown (default: 128x128)")
    add("--colour", choices=("rgb", "bgr", "gray"), default="rgb")
    add("--roi", type=_roi, metavar="cx,cy,w,h", help="where to look, in pixels of the original picture")
    add("--any-angle", action="store_true", help="the part may lie at any angle")
    add(
        "--escapes",
        type=_share,
        default=0.005,
        help="the share of bad validation parts that may pass (default: 0.005)",
    )
    add(
        "--test", type=Path, metavar="FOLDER", help="a set of the same classes to measure the bundle on at the end"
    )
    add("--backbone", choices=("small", "mobilenet_v2"), default="small")
    add("--weights", type=Path, metavar="FILE", help="the backbone's pretrained weights")
    add("--precision", nargs="+", choices=[*Precision], default=["f32"], help="what to write besides f32")
    add(
        "--int8-loss",
        type=float,
        default=0.2,
        metavar="POINTS",
        help="AUROC points that int8 may lose (default: 0.2)",
    )


def run(args: argparse.Namespace) -> int:
    """Train and export; Ctrl-C keeps the finished epochs, and the same command goes on."""
    from bridge.learning import export, network, training  # noqa: PLC0415 - TensorFlow; one clear line if missing
    from bridge.learning.data import split  # noqa: PLC0415 - numpy

    into = Input(width=args.size[0], height=args.size[1], colour=args.colour)
    dataset = _read(args, args.data, into)
    sides = split.by_group(dataset, reading.shares(args), args.seed)
    print(
        f"{len(dataset.labels)} pictures, {len(dataset.classes)} classes, {len(set(dataset.groups))} groups;",
        end=" ",
    )
    print(
        f"{len(sides.train)} to train on, {len(sides.validation)} to validate on, {len(sides.held_out)} held out"
    )
    for note in sides.notes:
        print(note)
    parts = sides.train, sides.validation
    work = args.out / ".training"
    with _bar() as told:
        net, progress = training.train(dataset, into, parts, _settings(args), work, told)
    target = export.Target(
        models=args.out,
        name=args.name or args.out.name,
        look=_look(args, into),
        precisions=tuple(Precision(word) for word in args.precision),
        escapes=args.escapes,
        int8_loss=args.int8_loss,
    )
    found = export.export(network.Network(whole=net), dataset, sides, target)
    made, outcome = found[0].bundle, found[0].outcome
    shutil.rmtree(work)
    print(f"best epoch {progress.best} of {progress.epoch}; written: {made.identity} in {made.folder}")
    print(f"{len(made.manifest.golden)} known bad pictures go with it: it may judge only where it rejects them")
    _report("validation", outcome)
    for one in found[1:]:
        print(f"written: {one.bundle.identity} ({one.bundle.manifest.precision}) in {one.bundle.folder}")
        _report("validation", one.outcome)
    if args.test:
        _test(args, made, into)
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    from bridge.learning.network import Backbone  # noqa: PLC0415 - TensorFlow
    from bridge.learning.training import Settings  # noqa: PLC0415 - same

    return Settings(
        backbone=Backbone(args.backbone),
        weights=args.weights,
        epochs=args.epochs,
        patience=args.patience,
        rate=args.rate,
        seed=args.seed,
        any_angle=args.any_angle,
    )


def _read(args: argparse.Namespace, folder: Path, into: Input, known: tuple[ModelClass, ...] = ()) -> Dataset:
    from bridge.learning.data import pictures  # noqa: PLC0415 - numpy and OpenCV, which the help does not need

    return pictures.read(reading.read(args, known, folder), _look(args, into))


def _look(args: argparse.Namespace, into: Input) -> Look:
    from bridge.learning.data import Look  # noqa: PLC0415 - as above

    return Look(into=into, rois={ANY_VIEW: args.roi} if args.roi else {})


def _test(args: argparse.Namespace, made: Bundle, into: Input) -> None:
    """Measure the bundle on a set that it has never seen, per part and, where groups are known, per group."""
    from bridge.learning import measuring, points  # noqa: PLC0415 - OpenVINO

    dataset = _read(args, args.test, into, made.manifest.classes)
    scores = measuring.scores(made, dataset.pictures)
    threshold = made.manifest.threshold
    _report("test", points.outcome(*points.fuse(scores, dataset.bad, dataset.parts), threshold))
    if args.groups:
        averaged, bad = points.average(scores, dataset.bad, dataset.groups)
        _report("test, mean per group", points.outcome(averaged, bad, threshold))


def _report(where: str, outcome: Outcome) -> None:
    print(
        f"{where}: {outcome.false_calls} false calls of {outcome.good} good, "
        f"{outcome.escapes} escapes of {outcome.bad} bad, AUC {outcome.auc:.4f}"
    )


@contextmanager
def _bar() -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("epoch 1")

        def told(done: int, total: int, epoch: Epoch | None) -> None:
            progress.update(task, completed=done, total=total)
            if epoch is not None:
                said = (
                    f"epoch {epoch.epoch}: loss {epoch.loss:.4f}, AUC {epoch.auc:.4f}, best {epoch.best_auc:.4f}"
                )
                progress.update(task, description=said)
                if not progress.console.is_terminal:
                    print(said, flush=True)

        yield told


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small; write 1 or more")
    return number


def _above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no rate; write a number above 0 and below 1")
    return number


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share; write a number from 0 to below 1")
    return share


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not found or min(map(int, found.groups())) < 16:  # noqa: PLR2004 - the networks halve it four times
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write width x height of at least 16, as 128x128")
    return int(found[1]), int(found[2])


def _roi(text: str) -> Box:
    try:
        cx, cy, w, h = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no region; write cx,cy,w,h in pixels") from None
    return Box(cx=cx, cy=cy, w=w, h=h)
