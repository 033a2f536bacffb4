"""``aoi-bridge data check``: whether a set of labelled pictures, and the way it is split, can be trusted."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bridge.cli import outlet, reading
from bridge.durable import replace_text
from bridge.errors import ConfigError


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge data check`` takes."""
    reading.options(parser)
    reading.split_options(parser)
    add = parser.add_argument
    add("--out", type=Path, default=Path("check"), metavar="FOLDER", help="where the report goes (check)")
    add("--no-copies", action="store_true", help="do not look for copies, which takes a minute per 1,000 pictures")


def run(args: argparse.Namespace) -> int:
    """Write page and JSON; exit status 1 if the split cannot be trusted."""
    from bridge.learning.data import check, page, split  # noqa: PLC0415 - numpy, OpenCV, Matplotlib

    outlet.folder(args.out)
    collection = reading.read(args)
    sides = split.by_group(collection, reading.shares(args), args.seed, torn=True)
    with reading.told() as told:
        report = check.check(collection, sides, told, look_for_copies=not args.no_copies)
    _write(args.out, page.written(report), report.as_dict())
    for line in page.findings(report):
        print(line)
    print(f"written: {args.out / 'data.html'}, {args.out / 'data.json'}")
    if report.leaking and not args.allow_leak:
        found = f"{len(report.leaking)} pairs of copies lie on two sides of the split"
        raise ConfigError(str(args.data), found, "write --groups copies, or --allow-leak if it must be so")
    return 1 if report.unreadable or report.contradicting else 0


def _write(folder: Path, page: str, facts: dict[str, object]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(folder / "data.html", page)
        replace_text(folder / "data.json", json.dumps(facts, indent=2) + "\n")
    except OSError as exc:
        raise ConfigError(f"--out {folder}", f"cannot be written ({exc.strerror})") from exc
