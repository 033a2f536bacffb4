"""``aoi-bridge maps``: where a judge looked, as pictures and JSON for a console; of pictures, or of a journal.

Heavy imports happen in ``run``, so that the help works at once. TensorFlow is not needed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import outlet, written
from bridge.cli.numbers import count
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.judging.bundle import ModelClass
    from bridge.learning.data import Item
    from bridge.learning.map_files import Mapped

_JOURNAL = "journal.db"
"""``data.journal.FILE``, whose module takes long to import."""
_NAMED = 3


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge maps`` takes."""
    written.noted(parser)
    add = parser.add_argument
    add(
        "source",
        type=Path,
        metavar="FROM",
        help="a picture or a folder of them, judged now; or the bridge's own data folder: what was judged",
    )
    add("--bundle", metavar="BUNDLE", help="which judge, for pictures: models/pins@live or a folder")
    add("--views", default="", metavar="PATTERN", help="pictures: which view each is, with (?P<group>...)")
    add("--line", metavar="NAME", help="journal: of this line alone")
    add("--part", metavar="NAME", help="journal: of this serial number or inspection id alone")
    add("--most", type=count, default=1000, help="so many views at most, of a journal the oldest (default: 1000)")
    add("--out", type=Path, default=Path("maps"), metavar="FOLDER", help="the files go there (default: maps)")


def run(args: argparse.Namespace) -> int:
    """Write the files of every view, and say how many there are and what is missing."""
    outlet.folder(args.out)
    found = _of_journal(args) if (args.source / _JOURNAL).is_file() else _of_pictures(args)
    from bridge.learning import map_files  # noqa: PLC0415 - numpy and OpenCV, which the help does not need

    args.out.mkdir(parents=True, exist_ok=True)
    made, missing = 0, list[str]()
    for one in islice(found, args.most):
        if isinstance(one, str):
            missing.append(one)
        else:
            map_files.write(one, args.out)
            made += 1
    for line in missing[:_NAMED]:
        print(line)
    if len(missing) > _NAMED:
        print(f"and {len(missing) - _NAMED} more without a map")
    if not made:
        raise ConfigError(str(args.source), "holds no view of which a map can be written", _WHY)
    print(f"written: the maps of {made} views in {args.out}")
    return 0


_WHY = 'a journal keeps them of NG views; heat_map = "all" keeps them of every view'


def _of_journal(args: argparse.Namespace) -> Iterator[Mapped | str]:
    from bridge.learning import map_files  # noqa: PLC0415 - as above

    written.refuse(args, ("--bundle", "--views"), "a journal, which holds what was judged")
    return map_files.of_journal(args.source, args.line, args.part)


def _of_pictures(args: argparse.Namespace) -> Iterator[Mapped | str]:
    written.refuse(args, ("--line", "--part"), "pictures that no line has judged")
    if args.bundle is None:
        raise ConfigError("--bundle", "is missing: these pictures are judged now", "write models/NAME@live")
    from bridge.judging import bundle, shelf  # noqa: PLC0415 - pydantic
    from bridge.learning import map_files  # noqa: PLC0415 - as above

    model = bundle.load(shelf.located(args.bundle))
    items = _items(args, model.manifest.classes)
    return map_files.of_pictures(model, items, args.source)


def _items(args: argparse.Namespace, known: tuple[ModelClass, ...]) -> tuple[Item, ...]:
    from bridge.learning.data import unlabelled  # noqa: PLC0415 - as above
    from bridge.learning.data.items import ONLY_VIEW, Item  # noqa: PLC0415 - same

    path: Path = args.source
    if not path.exists():
        raise ConfigError(
            str(path), "is not there", "write a picture, a folder of them, or the bridge's data folder"
        )
    if path.is_file() and not args.views:
        return (Item(path=path, label="", part=str(path), view=ONLY_VIEW, group=str(path)),)
    return unlabelled.found_in(path, known, args.views).items
