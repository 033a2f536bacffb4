"""``aoi-bridge label export``: every label of a line as CSV, as it can be imported elsewhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from bridge.cli import labelling
from bridge.config import shadow_of
from bridge.store.labels import labels

COLUMNS = ("number", "id", "part", "verdict", "who", "road", "time", "defect", "note", "blind", "decides")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("line", help="the line")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write it there; else to the terminal")


def run(args: argparse.Namespace) -> int:
    """Write the table."""
    data, _ = shadow_of(args.config, args.line)
    if args.out is None:
        labelling.rows(sys.stdout, COLUMNS, _rows(data, args.line))
        return 0
    with labelling.sheet(args.out) as file:
        number = labelling.rows(file, COLUMNS, _rows(data, args.line))
    print(f"{args.out}: {number} label(s)")
    return 0


def _rows(data: Path, line: str) -> Iterator[tuple[object, ...]]:
    words = {True: "yes", False: "no"}
    for one in labels(data, line):
        id_ = str(UUID(one.id)) if one.id else ""
        said = one.verdict.value, one.who, one.road, labelling.when(one.at), one.defect, one.note
        yield one.number, id_, one.part, *said, words[one.blind], words[one.decides]
