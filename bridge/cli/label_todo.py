"""``aoi-bridge label todo``: which parts are to be labelled, without anybody's verdict on them."""

from __future__ import annotations

import argparse
import csv
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from bridge.cli import labelling
from bridge.cli.numbers import count
from bridge.config import shadow_of
from bridge.errors import ConfigError
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
    _spare(args.out)
    work = todo.work(data, args.line, shadow.reinspected_within_hours, shadow.seeded)
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


def _spare(path: Path | None) -> None:
    """Refuse to write over what somebody has filled in; nobody else has it.

    Raises:
        ConfigError: the file is such a list.
    """
    if path is None or not path.is_file():
        return
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file, suppress(csv.Error):
        if any((row.get("verdict") or "").strip() for row in csv.DictReader(file)):
            write = "import it if that is not done yet, and write another file"
            raise ConfigError(f"--out {path}", "is a list with verdicts filled in", write)


def _row(one: Drawn, pictures: list[Path]) -> tuple[object, ...]:
    shown = " ".join(str(path) for path in pictures)
    return str(UUID(bytes=one.id)), restored(one.part), labelling.when(one.at), shown, "", "", "", "yes"
