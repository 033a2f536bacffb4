"""``aoi-bridge adapt``: fit a judge to a new line with pictures that nobody has labelled.

Heavy imports happen in ``run``, so that the help and every other command work without the train extra.
"""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.cli import looking, measured, outlet, reading
from bridge.cli.numbers import count, rate, seed, share
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.judging.bundle import Bundle
    from bridge.learning.adaptation import Adapted, AdaptSettings, Sight, Told
    from bridge.learning.data import Dataset, Look
    from bridge.learning.data.unlabelled import Unlabelled
    from bridge.learning.networks import Network
    from bridge.learning.points import Outcome


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge adapt`` takes."""
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="the old line's: a folder, or a model's with a version, models/pins@live")
    add("new", type=Path, metavar="NEW", help="a folder of pictures of the new line; they need no labels")
    add("--old", type=Path, required=True, metavar="DATA", help="the labelled pictures that BUNDLE was trained on")
    add("--check", type=Path, metavar="DATA", help="labelled pictures of the new line, to see whether it helped")
    add("--out", type=Path, required=True, help="the model's folder; the bundle goes to OUT/VERSION")
    add("--name", help="the model's name (default: the name of OUT)")
    add("--ng-share", type=_part, metavar="SHARE", help="NG among NEW, about (default: as among the old pictures)")
    add("--epochs", type=count, default=20, help="at most so many (default: 20)")
    add("--patience", type=count, default=6, help="epochs without gain before it stops (default: 6)")
    add("--rate", type=rate, default=1e-4, help="the learning rate of the last block (default: 0.0001)")
    add("--batch", type=count, default=32, help="pictures of each line in one step (default: 32)")
    add("--seed", type=seed, default=0, help="decides what is drawn (default: 0)")
    add("--keep", action="store_true", help="write a bundle even where --check says that it got worse")
    reading.naming(parser)
    looking.options(parser)


def run(args: argparse.Namespace) -> int:
    """Adapt and write; Ctrl-C keeps what is finished, and the same command goes on."""
    for flag in ("size", "colour", "look_of"):
        if getattr(args, flag):
            raise ConfigError(f"--{flag.replace('_', '-')}", "is what the bundle has already", "leave it out")
    outlet.model(outlet.folder(args.out), args.name)
    from bridge.learning import transfer  # noqa: PLC0415 - TensorFlow; one clear line if missing

    task = _task(args)
    network = transfer.network(task.parent, args.seed)
    with outlet.held(task.work):
        return _tried(args, task, network)


def _tried(args: argparse.Namespace, task: _Task, network: Network) -> int:
    before = _measured(task.parent, task)
    went = _adapted(args, task, network)
    _told_how(went)
    if not went.best:
        print("nothing that can be seen without labels got better: no bundle is written, the old one stays")
        return 1
    after = _measured(network, task)
    worse = before is not None and after is not None and after.auc < before.auc
    if before is not None and after is not None:
        print(_said("before", before), _said("after", after), sep="\n")
    if worse and not args.keep:
        print("it made things worse on the labelled pictures: no bundle is written; --keep writes it all the same")
        return 1
    _written(args, task, network, went)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is adapted, and to what."""

    parent: Bundle
    old: Dataset
    new: Unlabelled
    check: Dataset | None
    look: Look
    """How pictures of the new line are cut."""
    work: Path


def _task(args: argparse.Namespace) -> _Task:
    from bridge.judging import bundle, shelf  # noqa: PLC0415 - pydantic
    from bridge.learning import roi  # noqa: PLC0415 - numpy and OpenCV
    from bridge.learning.data import unlabelled  # noqa: PLC0415 - same

    parent = bundle.load(shelf.located(args.bundle))
    known = parent.manifest.classes
    wanted = reading.both_kinds(reading.read(args, known, args.check)) if args.check else None
    there = roi.look_of(parent)
    args.look_of = str(parent.folder)
    found = unlabelled.found_in(args.new, known, args.views)
    here = looking.look(args, found)
    with measured.bar("reading the new line") as told:
        new = unlabelled.read(found, here, told)
    with measured.bar("reading the old line") as told:
        old = _known(reading.decoded(reading.read(args, known, args.old), there, told), parent)
    check = reading.decoded(wanted, here) if wanted else None
    unread = f", {new.unreadable} more could not be read" if new.unreadable else ""
    print(f"{len(old.labels)} labelled pictures of the old line, {len(new.hashes)} of the new one{unread}")
    return _Task(parent=parent, old=old, new=new, check=check, look=here, work=args.out / ".adapting")


def _known(old: Dataset, parent: Bundle) -> Dataset:
    """Return what the bundle was made from: what it held out stays evidence. All, where it has seen none of it."""
    from bridge.learning import seen  # noqa: PLC0415 - as above

    past = seen.read(parent.folder)
    taken = [at for at, sha in enumerate(old.hashes) if seen.short(sha) in past.hashes]
    if not taken:
        print(f"{parent.identity} was made from none of these old pictures; all are used")
        return old
    return old.take(taken)


def _settings(args: argparse.Namespace) -> AdaptSettings:
    from bridge.learning.adaptation import AdaptSettings  # noqa: PLC0415 - TensorFlow

    return AdaptSettings(
        epochs=args.epochs,
        patience=args.patience,
        rate=args.rate,
        batch=args.batch,
        ng_share=args.ng_share,
        seed=args.seed,
    )


def _adapted(args: argparse.Namespace, task: _Task, network: Network) -> Adapted:
    from bridge.learning import adaptation  # noqa: PLC0415 - as above

    kept = task.work / "features"
    with measured.bar("features of the old line") as told:
        old = adaptation.Old(entries=adaptation.entries(network, task.old.pictures, kept, told), bad=task.old.bad)
    with measured.bar("features of the new line") as told:
        new = adaptation.entries(network, task.new.pictures, kept, told)
    with _shown() as shown:
        known = task.parent.manifest.classes
        return adaptation.adapt(network, known, old, new, _settings(args), task.work / "epochs", shown)


def _measured(model: Bundle | Network, task: _Task) -> Outcome | None:
    from bridge.learning import adapted  # noqa: PLC0415 - as above

    return adapted.measured(model, task.parent, task.check) if task.check is not None else None


def _told_how(went: Adapted) -> None:
    first, best = went.sights[0], went.sights[went.best]
    print(f"taken: epoch {went.best} of {len(went.sights) - 1}")
    print(f"the lines' features lie {first.distance:.2f} apart before, {best.distance:.2f} after (deviations)")
    print(f"scores differ by {first.histogram:.2f} before, {best.histogram:.2f} after (0: alike, 1: not at all)")
    print(f"called NG on the new line: {first.ng_share:.1%} before, {best.ng_share:.1%} after", end=", ")
    print(f"expected {went.expected:.1%}")


def _said(when: str, one: Outcome) -> str:
    return (
        f"on the labelled pictures {when}: {one.false_calls} false calls of {one.good} good, "
        f"{one.escapes} escapes of {one.bad} bad, AUC {one.auc:.4f}"
    )


def _written(args: argparse.Namespace, task: _Task, network: Network, went: Adapted) -> None:
    import shutil  # noqa: PLC0415 - beside what is removed

    from bridge.learning import adapted, seen  # noqa: PLC0415 - as above

    place = adapted.Place(
        models=args.out,
        name=outlet.model(args.out, args.name),
        look=task.look,
        parent=task.parent,
        past=seen.read(task.parent.folder),
        used=adapted.used(task.new),
        recipe=adapted.recipe(task.parent, _settings(args), went, task.old, task.new),
    )
    checked = task.check is not None
    made = (
        adapted.write_checked(network, task.check, place)
        if task.check
        else adapted.write(network, task.new, place)
    )
    shutil.rmtree(task.work, ignore_errors=True)
    print(f"written: {made.identity} in {made.folder}")
    if checked:
        print("threshold and known bad pictures are from --check")
    else:
        print(
            f"its threshold {made.manifest.threshold:.4g} is the old line's and promises nothing here; it has no "
            "known bad picture of this line either: label some parts and run aoi-bridge calibrate"
        )
    called = adapted.called_ng(made, task.new)
    if adapted.unexpected(called, went.expected):
        print(
            f"warning: at that threshold it calls {called.value:.1%} of the new line's {called.trials} pictures "
            f"NG, where {went.expected:.1%} are expected: let it decide nothing before aoi-bridge calibrate"
        )


@contextmanager
def _shown() -> Iterator[Told]:
    """Show how far it is; where nobody watches, a line for each epoch."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("adapting")

        def told(done: int, total: int, sight: Sight | None) -> None:
            bar.update(task, completed=done, total=total)
            if sight is not None:
                said = (
                    f"adapting, epoch {sight.epoch}: distance {sight.distance:.2f}, scores {sight.histogram:.2f}, "
                    f"NG {sight.ng_share:.1%}"
                )
                bar.update(task, description=said)
                if bar.disable:
                    print(said, flush=True)

        yield told


def _part(text: str) -> float:
    number = share(text)
    if not 0 < number < 1:
        raise ArgumentTypeError(f"{text} leaves only one kind; write a share above 0 and below 1")
    return number
