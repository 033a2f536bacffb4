"""``aoi-bridge data augment``: what a policy does, on a sheet; or a policy as a table to start from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import looking, outlet, reading
from bridge.cli.numbers import count, seed
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.learning.data import Collection

SAMPLES = 4


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge data augment`` takes."""
    reading.options(parser, needed=False)
    looking.options(parser)
    add = parser.add_argument
    add(
        "--augment",
        default="aoi",
        metavar="POLICY",
        help="none, bolt, aoi, fixture, any-angle, or a TOML file (aoi)",
    )
    add(
        "--print",
        dest="printed",
        metavar="POLICY",
        help="print a policy as TOML, to start from, and do nothing else",
    )
    add("--samples", type=count, default=SAMPLES, help=f"how many pictures to show ({SAMPLES})")
    add("--seed", type=seed, default=0, help="decides what happens to each copy (0)")
    add("--out", type=Path, default=Path("augment.png"), metavar="PICTURE", help="the sheet (augment.png)")


def run(args: argparse.Namespace) -> int:
    """Write the sheet, or print the table."""
    from bridge.learning import augmentation, sheets  # noqa: PLC0415 - numpy and OpenCV, which the help does not need
    from bridge.learning.augmentation import showing  # noqa: PLC0415 - same

    if args.printed:
        print(augmentation.printed(args.printed, augmentation.policy(args.printed)), end="")
        return 0
    policy = augmentation.policy(args.augment)
    if args.data is None:
        raise ConfigError("aoi-bridge data augment", "names no pictures", "write a folder, or --print POLICY")
    out = sheets.named(outlet.file(args.out))
    collection = _samples(reading.read(args), args.samples)
    look = looking.look(args, collection)
    dataset = reading.decoded(collection, look)
    names = [f"{item.label}\n{item.path.name}" for item in dataset.items]
    sheet = showing.sheet(
        list(dataset.pictures), names, policy, Path(args.augment).stem, args.seed, look.into.colour
    )
    print(f"written: {sheets.save(sheet, out)}")
    return 0


def _samples(collection: Collection, most: int) -> Collection:
    """Return some pictures, the classes by turns, from the middle of each."""
    by_class: dict[str, list[int]] = {one.name: [] for one in collection.classes}
    for place, item in enumerate(collection.items):
        by_class[item.label].append(place)
    chosen: list[int] = []
    turn = 0
    while len(chosen) < min(most, len(collection.items)):
        for places in by_class.values():
            if turn < len(places) and len(chosen) < most:
                chosen.append(places[(len(places) // 2 + turn) % len(places)])
        turn += 1
    return collection.take(sorted(chosen))
