"""What ``evaluate`` and ``calibrate`` share: a bundle, a set, what of it the bundle has never seen, and a bar."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.cli import reading

if TYPE_CHECKING:
    from bridge.judging.bundle import Bundle
    from bridge.learning.data import Collection
    from bridge.learning.seen import Seen
    from bridge.learning.unseen import Division

Told = Callable[[int, int], None]
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A bundle and a set that it is measured on."""

    model: Bundle
    collection: Collection
    past: Seen
    """What the bundle has seen."""
    divided: Division


def options(parser: argparse.ArgumentParser) -> None:
    """Add which bundle and which pictures."""
    parser.add_argument(
        "bundle", metavar="BUNDLE", help="a bundle's folder, or a model's with a version: models/pins@live"
    )
    reading.options(parser)
    parser.add_argument(
        "--other-names",
        action="store_true",
        help="groups of DATA that are called like groups of the training data are other ones",
    )


def meeting(args: argparse.Namespace) -> Meeting:
    """Load the bundle, find the pictures, and hold them to what the bundle has seen; say what was left out.

    Raises:
        ConfigError: there is no such bundle or set.
    """
    from bridge.judging import bundle, shelf  # noqa: PLC0415 - the help needs none of these
    from bridge.learning import seen, unseen  # noqa: PLC0415 - numpy and OpenCV, same

    model = bundle.load(shelf.located(args.bundle))
    collection = reading.read(args, model.manifest.classes)
    past = seen.read(model.folder)
    with bar("reading") as told:
        divided = unseen.divide(collection, past, told, same_names=not args.other_names)
    if not past.groups:
        print(f"{model.identity} does not say what it was trained on: make sure that it was not these pictures")
        divided = unseen.by_its_own_split(collection, divided)
    if unseen.leak_allowed(model.manifest.recipe):
        print(f"{model.identity} was trained with --allow-leak: what it never saw may be copies of what it has")
    _tell_of_copies(model, collection.take(divided.fresh), past)
    return Meeting(model=model, collection=collection, past=past, divided=divided)


def _tell_of_copies(model: Bundle, fresh: Collection, past: Seen) -> None:
    """Say which pictures that the bundle has never seen look like copies of what it learnt from."""
    from bridge.learning import resemblance, roi  # noqa: PLC0415 - numpy and OpenCV
    from bridge.learning.data.found import named  # noqa: PLC0415 - same

    if not past.prints:
        return
    with bar("looking for copies") as told:
        bits = resemblance.read(fresh.items, roi.look_of(model), told)
    found = resemblance.copies(bits, past.prints)
    if found:
        paths = [fresh.items[one.place].path for one in found[:_NAMED]]
        pairs = (f"{named(path, fresh.where)} of {one.group}" for path, one in zip(paths, found, strict=False))
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        print(
            f"{len(found):,} of {len(fresh.items):,} pictures that {model.identity} has not seen look like copies "
            f"of what it was trained on, {', '.join(pairs)}{more}: if they are, they flatter it"
        )


def left_out(divided: Division) -> str:
    """Return in words what of a set the bundle has seen; empty where that is nothing."""
    kinds = {
        "trained on": divided.train,
        "validated on": divided.validation,
        "calibrated on": divided.calibration,
        "of groups that it has seen": divided.neighbours,
    }
    return ", ".join(f"{len(places):,} {kind}" for kind, places in kinds.items() if len(places))


@contextmanager
def bar(what: str) -> Iterator[Told]:
    """Show on standard error how far a job is and how long it will take; nothing where that is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield told
