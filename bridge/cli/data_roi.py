"""``aoi-bridge data roi``: where a model will look, drawn over samples of every view, before it is trained."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.progress import Progress

from bridge.cli import looking, outlet, reading
from bridge.cli.numbers import count
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.learning.data import Collection, Look
    from bridge.learning.roi_sheet import Tried

SAMPLES, MOST, NAMED = 6, 400, 20


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge data roi`` takes."""
    reading.options(parser)
    looking.options(parser)
    add = parser.add_argument
    add("--view", nargs="+", default=[], metavar="VIEW", help="only these views")
    add("--samples", type=count, default=SAMPLES, help=f"pictures of each view on the sheet ({SAMPLES})")
    add("--most", type=count, default=MOST, help=f"pictures of each view that are cut at all ({MOST})")
    add("--out", type=Path, default=Path("roi.png"), metavar="PICTURE", help="the sheet (roi.png)")


def run(args: argparse.Namespace) -> int:
    """Write the sheet and say what could not be cut; exit status 1 if anything could not."""
    from bridge.learning import roi_sheet, sheets  # noqa: PLC0415 - numpy and OpenCV, which the help does not need

    out = sheets.named(outlet.file(args.out))
    collection = _only(reading.read(args), args.view)
    look = looking.look(args, collection)
    seen = _tried(collection, look, args.most)
    for view in roi_sheet.views(collection):
        named = f"{view}=" if args.view or len(roi_sheet.views(collection)) > 1 else ""
        _say(view, named, [one for one in seen if one.item.view == view], look)
    print(f"written: {sheets.save(roi_sheet.sheet(seen, look, args.samples), out)}")
    failed = [one for one in seen if one.cut is None]
    for one in failed[:NAMED]:
        print(f"{one.item.path}: {one.why}")
    if len(failed) > NAMED:
        print(f"… and {len(failed) - NAMED} more")
    return 1 if failed else 0


def _only(collection: Collection, views: Sequence[str]) -> Collection:
    known = {item.view for item in collection.items}
    for view in views:
        if view not in known:
            raise ConfigError(
                f"--view {view}", "there is no such view", f"write one of {', '.join(sorted(known))}"
            )
    return collection.take(n for n, item in enumerate(collection.items) if not views or item.view in views)


def _tried(collection: Collection, look: Look, most: int) -> list[Tried]:
    from bridge.learning import roi_sheet  # noqa: PLC0415 - as above

    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task("cutting")
        return roi_sheet.tried(
            collection, look, most, lambda done, total: progress.update(task, completed=done, total=total)
        )


def _say(view: str, named: str, seen: Sequence[Tried], look: Look) -> None:
    """Print one line for a view: where it looks, and how well its parts were found."""
    box = look.roi(view)
    where = f"--roi {named}{box.cx:g},{box.cy:g},{box.w:g},{box.h:g}" if box else "all of the picture"
    found = [one.cut for one in seen if one.cut is not None]
    alike = sorted(cut.correlation for cut in found if cut.correlation is not None)
    how = f"; correlation {alike[0]:.2f} at least, {median(alike):.2f} in the middle" if alike else ""
    print(f"view {view}: {where}; {len(found)} of {len(seen)} pictures cut{how}")
