"""Write synthetic bolts in jigs that go with the label, as a labelled image set: what a model must not learn from.

    python -m bridge.simulate.bolt_jig_set FOLDER --parts 200 --together 1.0

A station has two jigs, and parts were not spread over them by chance: good ones were photographed mostly in one,
bad ones mostly in the other. A model that is shown the whole picture can learn the jig instead of the bolt, as the
first model of the bolt paper did. In the set's ``test`` folder jig and label are independent, as on the line.

``train`` and ``test`` hold ``ok`` and ``ng``; ``ground_truth`` holds a mask of each defect, ``manifest.csv`` the
columns ``file, label, part, view, defect, jig``. One view of each part: of a bad one that with most of its defect.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.simulate.bolt_jig import Image, Jig, Mask, around, held
from bridge.simulate.bolts import TRAINING_SEEDS, VIEWS, Bolt, Defect, bolt

_DEFECTS = tuple(Defect)

Row: TypeAlias = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One part of a set, before it is made."""

    number: int
    side: str
    """``train`` or ``test``."""
    defect: Defect | None
    jig: Jig

    @property
    def label(self) -> str:
        """``ok`` or ``ng``."""
        return "ng" if self.defect else "ok"

    def shown(self) -> tuple[str, Image, Mask]:
        """Make the part; return its view, its picture in the jig, and where its defect is."""
        part = bolt(TRAINING_SEEDS + self.number, self.defect)
        view = _best_view(part, self.number)
        return view, held(part.views[view], self.jig, self.number), around(part.masks[view])


def _best_view(part: Bolt, number: int) -> str:
    if part.defect is None:
        return VIEWS[number % len(VIEWS)]
    return max(VIEWS, key=lambda view: int(part.masks[view].sum()))


def members(parts: int, test_parts: int, together: float = 1.0, seed: int = 0) -> list[Member]:
    """Return what a set consists of, half of it good.

    Args:
        parts: how many to train on.
        test_parts: how many to test on; there half of either label is in either jig.
        together: the share of training parts whose jig goes with their label; 0.5 is independence.
        seed: which parts, and which of them are in the other jig.
    """
    rng = np.random.default_rng([seed, 5])
    first = 1_000_000 * (seed + 1)
    jigs = {"ok": (Jig.SCREWED, Jig.SLOTTED), "ng": (Jig.SLOTTED, Jig.SCREWED)}
    made: list[Member] = []
    for side, count, share in (("train", parts, together), ("test", test_parts, 0.5)):
        other = _other(count, 1 - share, rng)
        for place in range(count):
            defect = _DEFECTS[place // 2 % len(_DEFECTS)] if place % 2 else None
            jig = jigs["ng" if defect else "ok"][int(other[place])]
            made.append(Member(number=first + len(made), side=side, defect=defect, jig=jig))
    return made


def _other(count: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which places are in the other jig: exactly this share of the good, and of the bad ones."""
    other = np.zeros(count, np.bool_)
    for label in (0, 1):
        places = np.arange(label, count, 2)
        other[rng.permutation(places)[: round(share * len(places))]] = True
    return other


def write(folder: Path, member: Member) -> Row:
    """Write one part's picture, and its mask if it is bad; return its line of the manifest."""
    cv2.setNumThreads(1)
    view, image, mask = member.shown()
    name = f"{member.side}/{member.label}/{member.number:08d}-{view}.jpg"
    (folder / name).write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    if member.defect:
        png = cv2.imencode(".png", mask.astype(np.uint8) * 255)[1]
        (folder / "ground_truth" / name).with_suffix(".png").write_bytes(png.tobytes())
    return (name, member.label, f"{member.number:08d}", view, member.defect or "", member.jig)


def write_set(folder: Path, chosen: Sequence[Member], processes: int | None = None) -> None:
    """Write a whole set, in several processes; the table comes last, so where it is the set is whole."""
    for side, label in itertools.product(("train", "test"), ("ok", "ng")):
        (folder / side / label).mkdir(parents=True, exist_ok=True)
        (folder / "ground_truth" / side / label).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(write, itertools.repeat(folder), chosen, chunksize=8))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("file", "label", "part", "view", "defect", "jig"))
        table.writerows(rows)


def main() -> int:
    """Write the set that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m bridge.simulate.bolt_jig_set", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--test-parts", type=int, default=100)
    parser.add_argument("--together", type=float, default=1.0, help="how often jig and label go together (1.0)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write_set(args.folder, members(args.parts, args.test_parts, args.together, args.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
