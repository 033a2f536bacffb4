"""``aoi-bridge label todo``: which parts are to be labelled, without anybody's verdict on them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from bridge.cli import labelling
from bridge.cli.numbers import count
from bridge.config import shadow_of
from bridge.store.words import restored

if TYPE_CHECKING:
    from bridge.store.reading import Drawn

COLUMNS = ("id", "part", "inspected", "pictures", "verdict", "defect", "note", "blind")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("line", help="the line")
    add(
        "--who",
        type=labelling.person,
        help="whose list it is: what this person has labelled is left out",
    )
    add(
        "--out", type=Path, metavar="CSV", help="write it there, to fill in and import again; else to the terminal"
    )
    add("--most", type=count, help="at most so many parts")
    labelling.second(parser)


def run(args: argparse.Namespace) -> int:
    """Write the list."""
    from bridge.shadow import todo  # noqa: PLC0415 - numpy, which the help does not need

    data, shadow = shadow_of(args.config, args.line)
    work = todo.work(data, args.line, shadow.reinspected_within_hours)
    chosen = todo.todo(work, args.who or "", args.second)[: args.most]
    table = map(_row, chosen, todo.pictures(data, chosen))
    if args.out is None:
        labelling.rows(sys.stdout, COLUMNS, table)
        return 0
    with labelling.sheet(args.out) as file:
        number = labelling.rows(file, COLUMNS, table)
    if not number:
        print(f"{args.out}: nothing to label")
        return 0
    print(f"{args.out}: {number} part(s) to label; write OK or NG under verdict, and import it again with")
    print(f"  aoi-bridge label import {args.out} --line {args.line} --who {args.who or 'NAME'}")
    return 0


def _row(one: Drawn, pictures: list[Path]) -> tuple[object, ...]:
    shown = " ".join(str(path) for path in pictures)
    return str(UUID(bytes=one.id)), restored(one.part), labelling.when(one.at), shown, "", "", "", "yes"
