"""Write synthetic bolts as a labelled image set, laid out as a user's own: what the demo's bundle learns from.

    python -m bridge.simulate.bolt_set FOLDER --parts 2400

The demo's own bundle, ``demo_bundle/``, is rebuilt from it by ``make demo-bundle``.

One JPEG per view in ``ok/`` or ``ng/`` — a view is NG where the defect shows in it — and ``manifest.csv`` with the
columns ``file, label, part, view, defect``. Only seeds from ``TRAINING_SEEDS`` on are used.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import cv2

from bridge.simulate.bolts import TRAINING_SEEDS, VIEWS, Bolt, Defect, Relit, bolt

_DEFECTS = tuple(Defect)
_GOOD_EVERY = 5
"""Two of five parts are good; the others take the defects in turn."""

Row: TypeAlias = tuple[str, str, str, str, str]


def member(number: int, relit: Relit | None = None) -> Bolt:
    """Return the training set's bolt of this number, 0 or more; relit: as another line's station shows it."""
    defect = None if number % _GOOD_EVERY < 2 else _DEFECTS[number // _GOOD_EVERY % len(_DEFECTS)]  # noqa: PLR2004 - as said above
    return bolt(TRAINING_SEEDS + number, defect, relit=relit)


def labelled(part: Bolt) -> Iterator[tuple[str, str]]:
    """Yield view and label; a view in which the defect barely shows is left out: people would not agree."""
    for view in VIEWS:
        if part.shows(view):
            yield view, "ng"
        elif not part.masks[view].any():
            yield view, "ok"


def write(folder: Path, number: int, relit: Relit | None = None) -> list[Row]:
    """Write one part's pictures, relit as ``member`` does it; return its lines of the manifest."""
    cv2.setNumThreads(1)  # one process per core is faster than threads in each
    part = member(number, relit)
    rows: list[Row] = []
    for view, label in labelled(part):
        name = f"{label}/{number:06d}-{view}.jpg"
        (folder / name).write_bytes(part.encode(view))
        rows.append((name, label, f"{number:06d}", view, part.defect or ""))
    return rows


def main() -> int:
    """Write the set that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bridge.simulate.bolt_set", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", type=int, default=2400)
    args = parser.parse_args()
    for label in ("ok", "ng"):
        (args.folder / label).mkdir(parents=True, exist_ok=True)
    with (
        ProcessPoolExecutor(mp_context=get_context("spawn")) as pool,
        (args.folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(("file", "label", "part", "view", "defect"))
        for rows in pool.map(write, itertools.repeat(args.folder), range(args.parts), chunksize=8):
            table.writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
