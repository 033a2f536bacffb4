"""The flags of every command that reads labelled pictures, and what they mean.

Heavy imports happen in ``read``, so that the help works at once and without any extra.
"""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress, TaskID

from bridge.cli.numbers import seed, share
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.judging.bundle import ModelClass
    from bridge.learning.data import Collection, Dataset, Look, Shares, Split
    from bridge.learning.data.copies import Told
    from bridge.learning.data.pictures import Told as Counted

_DATA = (
    "a folder with one folder of pictures per class (train/ and test/ around them if need be), a CSV file with \
columns file and label, boxes as COCO or YOLO keep them, or the bridge's own data folder"
)


def options(parser: argparse.ArgumentParser, *, needed: bool = True) -> None:
    """Add what says which pictures are meant, what is OK and what belongs together."""
    parser.add_argument("data", nargs=None if needed else "?", type=Path, metavar="DATA", help=_DATA)
    naming(parser)


def naming(parser: argparse.ArgumentParser) -> None:
    """Add what is OK and what belongs together, for a command that has words of its own for where pictures lie."""
    add = parser.add_argument
    add("--ok", nargs="+", default=[], metavar="NAME", help="the classes that are OK; all others are NG")
    add(
        "--groups",
        nargs="+",
        default=[],
        metavar="FILE.csv:COLUMN",
        help="what must not be torn apart (part, lot, day, serial …): a table's column, a column of DATA itself, \
a pattern with (?P<group>…), or the word copies; several are joined",
    )
    add(
        "--parts",
        default="",
        metavar="FILE.csv:COLUMN",
        help="which pictures show one part; written as --groups, and never torn apart either",
    )
    add("--views", default="", metavar="FILE.csv:COLUMN", help="which view a picture is; written as --groups")
    add("--labels", type=Path, metavar="FILE.csv", help="labels of a journal: columns id or part, label, view")
    add("--split", choices=("own", "new"), default="own", help="whether DATA's own split counts (default: own)")


def split_options(parser: argparse.ArgumentParser) -> None:
    """Add how a set is divided."""
    add = parser.add_argument
    add("--validation", type=_some, default=0.2, help="the share of groups to validate on (default: 0.2)")
    add(
        "--hold-out",
        type=_below_one,
        default=0.25,
        help="the share of groups kept for calibrate and evaluate (default: 0.25)",
    )
    add("--seed", type=seed, default=0, help="decides what is drawn (default: 0)")
    add("--allow-leak", action="store_true", help="go on although copies of one photograph lie on two sides")


def read(
    args: argparse.Namespace,
    known: tuple[ModelClass, ...] = (),
    where: Path | None = None,
    *,
    good_only: bool = False,
) -> Collection:
    """Find the pictures that the command line means; print what a person should know of how they were read.

    Args:
        args: with what ``options`` adds.
        known: the classes of the bundle that the set is read for.
        where: another set than ``args.data``, read in the same way.
        good_only: whether it may lack bad pictures.

    Raises:
        ConfigError: as ``items.read``.
    """
    from bridge.learning.data import Choice, items  # noqa: PLC0415 - numpy and OpenCV, which the help does not need

    choice = Choice(
        ok=tuple(args.ok),
        groups=tuple(args.groups),
        parts=args.parts,
        views=args.views,
        labels=args.labels,
        classes=known,
        good_only=good_only,
        own_split=args.split == "own",
    )
    collection = items.read(where or args.data, choice)
    for note in collection.notes:
        print(note)
    return _by_copies(collection) if items.COPIES in args.groups else collection


def _by_copies(collection: Collection) -> Collection:
    from bridge.learning.data import copies, remembered  # noqa: PLC0415 - as above

    with told() as tell:
        found = remembered.find(collection, tell)
    merged = copies.merged(collection, found.pairs)
    print(
        f"{len(found.pairs)} pairs of copies: "
        f"{len(set(merged.groups))} groups instead of {len(set(collection.groups))}"
    )
    return merged


def decoded(collection: Collection, look: Look, told: Counted | None = None) -> Dataset:
    """Read the pictures of a set; print what a person should know of how they were read.

    Raises:
        ConfigError: as ``pictures.read``.
    """
    from bridge.learning.data import pictures  # noqa: PLC0415 - as above

    dataset = pictures.read(collection, look, told or pictures.silent)
    for note in dataset.notes:
        print(note)
    return dataset


def both_kinds(collection: Collection) -> Collection:
    """Return a set that holds good and bad pictures: read for a bundle, it may lack a kind that the bundle knows.

    Raises:
        ConfigError: it holds only one kind, so that no threshold can be set on it.
    """
    if collection.bad.all() or not collection.bad.any():
        kind, other = ("bad", "good") if collection.bad.all() else ("good", "bad")
        raise ConfigError(str(collection.where), f"holds only {kind} pictures", f"add {other} ones")
    return collection


def refuse_leak(args: argparse.Namespace, collection: Collection, *splits: Split) -> None:
    """Look for copies on two sides of any of these splits, a minute for a thousand pictures the first time.

    Raises:
        ConfigError: there are some, and ``--allow-leak`` was not written.
    """
    from bridge.learning.data import remembered  # noqa: PLC0415 - as above
    from bridge.learning.data.found import named  # noqa: PLC0415 - as above

    if args.allow_leak:
        return
    with told() as tell:
        copies = remembered.find(collection, tell)
    leaking = max((copies.across(sides) for sides in splits), key=len)
    if leaking:
        one, other = (
            named(collection.items[place].path, collection.where) for place in (leaking[0].one, leaking[0].other)
        )
        found = f"{len(leaking)} pairs of copies lie on two sides of the split, as {one} and {other}"
        write = "write --groups copies; aoi-bridge data check shows them, --allow-leak goes on all the same"
        raise ConfigError(str(args.data), found, write)


@contextmanager
def told() -> Iterator[Told]:
    """Yield what shows a bar for each thing that is being done."""
    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        yield tell


def shares(args: argparse.Namespace) -> Shares:
    """Return how the set is divided, from what ``split_options`` adds."""
    from bridge.learning.data import Shares  # noqa: PLC0415 - as above

    return Shares(validation=args.validation, held_out=args.hold_out)


def shares_said(args: argparse.Namespace, *, leak_allowed: bool = False) -> dict[str, Any]:
    """Return in JSON values how the set was read and divided, for a bundle's recipe."""
    return {
        "ok": list(args.ok),
        "labels": str(args.labels or ""),
        "seed": args.seed,
        "validation": args.validation,
        "held_out": args.hold_out,
        "own": args.split == "own",
        "groups": list(args.groups),
        "parts": args.parts,
        "views": args.views,
        "leak_allowed": args.allow_leak or leak_allowed,
    }


def _some(text: str) -> float:
    number = _below_one(text)
    if not number:
        raise ArgumentTypeError("0 leaves nothing to validate on; write a number above 0, as 0.2")
    return number


def _below_one(text: str) -> float:
    number = share(text)
    if number == 1:
        raise ArgumentTypeError("1 leaves nothing to train on; write a number below 1")
    return number
