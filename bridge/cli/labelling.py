"""What the commands of ``aoi-bridge label`` have in common: who speaks, times, CSV that a spreadsheet may open."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from bridge.cli import outlet
from bridge.cli.numbers import share
from bridge.durable import drafted

SHARE = 0.1
"""Of the parts that one person has labelled, how many a second one is given where nobody says otherwise."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


ODD = "backslashreplace"
"""What becomes of a machine's bytes that are no Unicode, where they are to be shown."""


def person(text: str) -> str:
    """Return who speaks; a flag's type.

    Raises:
        argparse.ArgumentTypeError: it is nobody.
    """
    name = " ".join(text.split())
    if not name or not name.isprintable():
        raise argparse.ArgumentTypeError("is nobody; write a name or a number")
    return name


def second(parser: argparse.ArgumentParser) -> None:
    """Declare the flag for an independent second person."""
    said = f"instead, of the parts that one person has labelled, this share for an independent second ({SHARE})"
    parser.add_argument("--second", nargs="?", const=SHARE, type=share, default=0.0, metavar="SHARE", help=said)


def when(at: float) -> str:
    """Return a time as ISO 8601, in the zone of this computer."""
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


@contextmanager
def sheet(path: Path, flag: str = "--out") -> Iterator[TextIO]:
    """Open a CSV file to be written, as spreadsheets open it (UTF-8 with a mark); an old one stays until then.

    Raises:
        ConfigError: it cannot be written.
    """
    outlet.made(outlet.file(path, flag).parent, flag)
    with drafted(path) as draft, draft.open("w", encoding="utf-8-sig", errors=ODD, newline="") as file:
        yield file


def rows(file: TextIO, columns: Sequence[str], table: Iterable[Sequence[object]]) -> int:
    """Write a table and return how many rows it has; what a spreadsheet would take for a formula stays text."""
    writer = csv.writer(file)
    writer.writerow(columns)
    number = 0
    for number, row in enumerate(table, start=1):  # noqa: B007 - how many there were
        writer.writerow([_safe(cell) for cell in row])
    return number


def _safe(cell: object) -> object:
    """Return a machine's or a person's text so that a spreadsheet does not obey it (OWASP, CSV injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
