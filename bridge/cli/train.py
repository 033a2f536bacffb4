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

from bridge.judging.bundle import Precision
from bridge.judging.spec import Input
from bridge.messages import Box

if TYPE_CHECKING:
    from bridge.judging.bundle import Bundle
    from bridge.learning.data import Dataset
    from bridge.learning.points import Outcome
    from bridge.learning.training import Progress as Epoch
    from bridge.learning.training import Settings, Told


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge train`` takes."""
    add = parser.add_argument
    add("data", type=Path, help="a folder that holds one folder of pictures per class")
    add("--ok", nargs="+", required=True, metavar="NAME", help="the classes that are OK; all others are NG")
    add("--out", type=Path, default=Path("models/pins"), help="the model's folder; the bundle goes to OUT/VERSION")
    add("--name", help="the model's name (default: the name of OUT)")
    add("--epochs", type=_positive, default=30, help="the most epochs (default: 30)")
    add("--patience", type=_positive, default=8, help="epochs without gain before it stops (default: 8)")
    add("--rate", type=_above_zero, default=3e-3, help="the largest learning rate (default: 0.003)")
    add("--size", type=_size, default=(128, 128), metavar="WxH", help="what the model is shown (default: 128x128)")
    add("--colour", choices=("rgb", "bgr", "gray"), default="rgb")
    add("--roi", type=_roi, metavar="cx,cy,w,h", help="where to look, in pixels of the original picture")
    add("--groups", metavar="FILE.csv:COLUMN", help="what must not be torn apart, or a pattern with (?P<group>…)")
    add(
        "--parts",
        metavar="FILE.csv:COLUMN",
        help="which pictures show one part; implies --groups where that is absent",
    )
    add("--any-angle", action="store_true", help="the part may lie at any angle")
    add(
        "--escapes",
        type=_share,
        default=0.005,
        help="the share of bad validation parts that may pass (default: 0.005)",
    )
    add("--validation", type=_share, default=0.2, help="the share of groups to validate on (default: 0.2)")
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
    add("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Train and export; Ctrl-C keeps the finished epochs, and the same command goes on."""
    from bridge.learning import data, export, network, training  # noqa: PLC0415 - TensorFlow; one clear line if missing

    known = data.classes(args.data, args.ok)
    into = Input(width=args.size[0], height=args.size[1], colour=args.colour)
    dataset = _read(args, args.data, into)
    parts = data.split(dataset.labels, dataset.groups, args.validation, args.seed)
    print(f"{len(dataset.labels)} pictures, {len(known)} classes, {len(set(dataset.groups))} groups;", end=" ")
    print(f"{len(parts[0])} to train on, {len(parts[1])} to validate on")
    work = args.out / ".training"
    with _bar() as told:
        net, progress = training.train(dataset, into, parts, _settings(args), work, told)
    target = export.Target(
        models=args.out,
        name=args.name or args.out.name,
        look=export.Look(into=into, rois={} if args.roi is None else {"*": args.roi}),
        precisions=tuple(Precision(word) for word in args.precision),
        escapes=args.escapes,
        int8_loss=args.int8_loss,
    )
    found = export.export(network.Network(whole=net), dataset, export.Sides(*parts), target)
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


def _read(args: argparse.Namespace, folder: Path, into: Input) -> Dataset:
    from bridge.learning import data  # noqa: PLC0415 - numpy and OpenCV, which the help does not need

    part = data.grouping(args.parts, args.data) if args.parts else str
    together = data.grouping(args.groups, args.data) if args.groups else part
    known = data.classes(args.data, args.ok)
    return data.read(folder, known, into, roi=args.roi, group=together, part=part)


def _test(args: argparse.Namespace, made: Bundle, into: Input) -> None:
    """Measure the bundle on a set that it has never seen, per part and, where groups are known, per group."""
    import numpy as np  # noqa: PLC0415 - as above

    from bridge.learning import export, points  # noqa: PLC0415 - TensorFlow

    dataset = _read(args, args.test, into)
    shown = made.manifest
    everything = np.arange(len(dataset.labels))
    scores = export.scores(made.model, into, shown.normalisation, shown.precision, dataset, everything)
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
