"""``aoi-bridge compare``: several networks, heads and augmentations on the same pictures, and the table.

With ``--bundles`` it compares what is finished, of any kind; see ``compare_bundles``.

Heavy imports happen in ``run``, so that the help works at once and without any extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bridge.cli import compare_bundles, looking, outlet, reading, teaching, written
from bridge.cli.numbers import count
from bridge.durable import replace_text

if TYPE_CHECKING:
    from bridge.judging.spec import Input
    from bridge.learning.comparison import Comparison, Cost, Trial, Way
    from bridge.learning.data import Collection, Dataset, Look
    from bridge.learning.settings import Settings
    from bridge.learning.trials import Desk


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge compare`` takes."""
    written.noted(parser)
    add = parser.add_argument
    reading.options(parser)
    reading.split_options(parser)
    teaching.choices(parser, several=True)
    add(
        "--seeds",
        type=count,
        default=5,
        metavar="N",
        help="trainings of each, each with its own split (default: 5)",
    )
    teaching.options(parser)
    looking.options(parser)
    add(
        "--out",
        type=Path,
        default=Path("comparison"),
        metavar="FOLDER",
        help="keeps each finished training, and the table as comparison.html and .json (default: comparison)",
    )
    compare_bundles.options(parser)


def run(args: argparse.Namespace) -> int:
    """Train each, print the table and write it; Ctrl-C keeps what is finished, and the same command goes on."""
    if args.bundles:
        return compare_bundles.run(args)
    written.refuse(args, compare_bundles.FLAGS, "trainings that are compared")
    outlet.folder(args.out)
    collection = reading.read(args)
    _refuse_leak(args, collection)
    with outlet.held(args.out / "work"):
        return _tried(args, collection)


def _refuse_leak(args: argparse.Namespace, collection: Collection) -> None:
    from bridge.learning.data import split  # noqa: PLC0415 - numpy

    shares, seeds = reading.shares(args), range(args.seed, args.seed + args.seeds)
    splits = (split.by_group(collection, shares, seed, torn=args.allow_leak) for seed in seeds)
    reading.refuse_leak(args, collection, *splits)


def _tried(args: argparse.Namespace, collection: Collection) -> int:
    from bridge.learning import comparison, comparison_page, trials  # noqa: PLC0415 - TensorFlow; one line if missing

    tasks = list(_tasks(args))
    desks = _desks(args, collection, [way for way, _ in tasks])
    done: list[Trial] = []
    costs: dict[tuple[str, str], Cost] = {}
    for number, (way, settings) in enumerate(tasks, 1):
        desk, look = desks[way.backbone]
        with teaching.shown(f"{number}/{len(tasks)} {way.name} seed {settings.seed}: ") as told:
            done.append(desk.trial(way, settings, look.into, told))
        if way.rival not in costs:
            costs[way.rival] = trials.priced(settings, look.into, desk.dataset.classes)
    dataset = desk.dataset
    good = [place for place, one in enumerate(dataset.classes) if one.verdict == "OK"]
    table = comparison.compared(done, [one.name for one in dataset.classes], good, costs)
    _print(table)
    provenance = _provenance(args, dataset, done)
    page = args.out / "comparison.html"
    replace_text(page, comparison_page.page_of(table, provenance))
    told_as = comparison.plain(table) | {"provenance": {name: str(one) for name, one in provenance}}
    replace_text(page.with_suffix(".json"), json.dumps(told_as, indent=1) + "\n")
    desk.close()
    print(f"written: {page} and {page.with_suffix('.json')}")
    return 0


def _tasks(args: argparse.Namespace) -> Iterator[tuple[Way, Settings]]:
    """Yield ways and settings, those that share features after one another; each way once."""
    from dataclasses import replace  # noqa: PLC0415 - as above

    from bridge.learning.comparison import Way  # noqa: PLC0415 - as above

    seen: set[Way] = set()
    for backbone, augment, copies, head in product(args.backbone, args.augment, args.copies, args.head):
        settings = teaching.settings(args, backbone, head, augment, copies)
        way = Way(backbone=backbone, head=head, augment=augment, copies=_distinct(augment, settings.copies))
        if way not in seen:
            seen.add(way)
            settings = replace(settings, copies=way.copies)
            yield from ((way, replace(settings, seed=args.seed + step)) for step in range(args.seeds))


def _distinct(augment: str, copies: int) -> int:
    """Return how many copies differ: without augmentation all are the picture itself."""
    return min(copies, 1) if augment == "none" else copies


def _desks(args: argparse.Namespace, collection: Collection, ways: Sequence[Way]) -> dict[str, tuple[Desk, Look]]:
    """Return the pictures as each backbone is shown them; read once for all that are shown the same.

    What one of them cannot register is left out for all, so that every trial is asked about the same pictures.
    """
    from dataclasses import replace  # noqa: PLC0415 - as above

    from bridge.learning.trials import Desk  # noqa: PLC0415 - as above

    standards = {way.backbone: teaching.standard(way.backbone, args.weights) for way in ways}
    read: dict[Input, tuple[Dataset, Look]] = {}
    for standard in dict.fromkeys(standards.values()):
        look = looking.look(args, collection, standard)
        read[standard] = reading.decoded(collection, look), look
    there = set.intersection(*(set(dataset.items) for dataset, _ in read.values()))
    if len(there) < len(collection.items):
        _refuse_leak(args, replace(collection, items=tuple(item for item in collection.items if item in there)))
    desks = {}
    for standard, (dataset, look) in read.items():
        both = [place for place, item in enumerate(dataset.items) if item in there]
        shown = dataset if len(both) == len(dataset.items) else dataset.take(both)
        desk = Desk(dataset=shown, shares=reading.shares(args), folder=args.out, torn=args.allow_leak)
        desks[standard] = desk, look
    return {backbone: desks[standard] for backbone, standard in standards.items()}


def _print(table: Comparison) -> None:
    from bridge.learning import comparison_page  # noqa: PLC0415 - as above

    console = Console(width=None if sys.stdout.isatty() else 160)
    shown = Table(*comparison_page.HEADERS)
    for row in table.rows:
        shown.add_row(*comparison_page.cells(row))
    console.print(shown)
    classes = Table("way", "class", "precision", "recall", "F1")
    for row in table.rows:
        for name, figures in row.classes.items():
            classes.add_row(comparison_page.title(row), name, *(comparison_page.spread(one, 3) for one in figures))
    console.print(classes)
    if table.differences:
        gains = Table("network", "from", "to", "accuracy", "AUC", "seeds")
        for two in table.differences:
            gains.add_row(*comparison_page.difference_cells(two))
        console.print(gains)


def _provenance(args: argparse.Namespace, dataset: Dataset, done: list[Trial]) -> list[tuple[str, object]]:
    from bridge.learning.backend import keras  # noqa: PLC0415 - as above

    held_out = {one.seed: len(one.truth) for one in done}
    return [
        ("pictures", f"{len(dataset.labels)} in {args.data}, {len(set(dataset.groups))} groups"),
        ("data", dataset.digest),
        ("held out", ", ".join(f"seed {seed}: {number}" for seed, number in sorted(held_out.items()))),
        ("weights", args.weights or "imagenet; small: none"),
        ("looks", f"{args.tta or 1} at each picture"),
        ("phases", f"{args.epochs} and {args.fine_epochs} epochs at most"),
        ("tools", f"aoi-bridge {version('aoi-bridge')}, keras {keras.__version__}"),
    ]
