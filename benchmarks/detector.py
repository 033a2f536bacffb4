"""What a detector that trained here finds on bare boards (DeepPCB), and what it is worth on a line.

    python benchmarks/detector.py DATA [--steps N] [--out FOLDER]

DATA is as for ``template.py``. Learnt from and validated on are the pairs of ``trainval``, tested pictures with
their boxes and templates as good ones, divided by board (``aoi-bridge train --kind detector --groups
boards.csv:board``); the figures are of ``test``, where four boards are new.

Boxes: average precision of each class, and boxes found and false ones from some scores on, as
``template.py`` counts them, beside the template judge and the plain difference of threshold 128 and an opening.

Verdicts: every tested picture is NG. Good are the templates, and healed pictures: tested ones with all that is
boxed taken from the template, so that they differ from it as good boards do, at edges and in what nobody boxed.
The rule machine is the plain difference. Under goal 1 it calls NG what has any blob, and the model may turn that
into OK; under goal 2 it calls NG what has a blob of so many pixels as one good picture of ``trainval`` in ten
has (--machine), and the model may turn the rest into NG.

Needs the train extra. Give --out to keep the model, and --bundle to measure one that is there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import template
from numpy.typing import NDArray
from template import TYPES, Pair, Tally

from bridge.cli.main import main as command
from bridge.judging import bundle
from bridge.judging.bundle import Bundle
from bridge.learning import scoring
from bridge.learning.data import Choice, Collection, Item, items
from bridge.learning.detection import evaluation

Picture: TypeAlias = NDArray[np.uint8]

OVERLAPS = (0.33, 0.5)
SURE = (0.2, 0.3, 0.5)
"""Scores from which boxes are counted, beside the one that the bundle's threshold leaves."""
GROWN = 4
"""Pixels around a box that are taken from the template too."""


@dataclass(frozen=True)
class View:
    """A picture on the line."""

    picture: Picture
    blobs: list[int]
    """What the plain difference finds, in pixels."""
    bad: bool


def grey(path: Path) -> Picture:
    """Return a picture in grey."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)


def healed(pair: Pair) -> Picture:
    """Return the tested picture with all that is boxed as in the template."""
    picture, golden = grey(pair.tested), grey(pair.template)
    for left, top, right, bottom in pair.edges.round().astype(int).tolist():
        box = slice(max(top - GROWN, 0), bottom + GROWN), slice(max(left - GROWN, 0), right + GROWN)
        picture[box] = golden[box]
    return picture


def blobs(picture: Picture, golden: Picture) -> list[int]:
    """Return the areas of what the plain difference finds."""
    mask = (cv2.absdiff(picture, golden) > 128).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    areas: list[int] = cv2.connectedComponentsWithStats(mask, connectivity=8)[2][1:, cv2.CC_STAT_AREA].tolist()
    return areas


def written(source: Path, folder: Path) -> Path:
    """Write one part of the set as YOLO keeps it, with the board of each picture."""
    folder.mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(TYPES) + "\n", encoding="utf-8")
    boards = ["file,board"]
    groups = dict(line.split(",") for line in source.with_suffix(".csv").read_text().split()[1:])
    for pair in template.pairs(source):
        golden = grey(pair.template)
        high, wide = golden.shape
        for name, picture in ((f"{pair.name}_temp", golden), (f"{pair.name}_test", grey(pair.tested))):
            cv2.imwrite(str(folder / f"{name}.png"), picture)
            boards.append(f"{name}.png,{groups[pair.name]}")
        rows = [
            f"{kind} {(x0 + x1) / 2 / wide} {(y0 + y1) / 2 / high} {(x1 - x0) / wide} {(y1 - y0) / high}"
            for kind, (x0, y0, x1, y1) in zip(pair.kinds.tolist(), pair.edges.tolist(), strict=True)
        ]
        (folder / f"{pair.name}_temp.txt").write_text("", encoding="utf-8")
        (folder / f"{pair.name}_test.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "boards.csv").write_text("\n".join(boards) + "\n", encoding="utf-8")
    return folder


def trained(where: Path, out: Path, more: Sequence[str]) -> tuple[Bundle, float]:
    """Return the bundle that the command writes, and how many seconds that took."""
    words = ["train", str(where), "--kind", "detector", "--groups", "boards.csv:board", "--hold-out", "0"]
    started = time.perf_counter()
    if command([*words, "--colour", "gray", "--out", str(out), *more]):
        raise SystemExit(1)
    return bundle.load(out / "live"), time.perf_counter() - started


def boxes(model: Bundle, where: Path, found: Sequence[Pair]) -> dict[str, Any]:
    """Return what is said of boxes."""
    collection = items.read(where, Choice(classes=model.manifest.classes))
    collection = collection.take(at for at, one in enumerate(collection.items) if one.path.stem.endswith("_test"))
    scored = scoring.score(model, collection)
    threshold, names = model.manifest.threshold, [one.name for one in model.manifest.classes[:-1]]
    figures = evaluation.evaluated(model, scored, threshold, OVERLAPS)
    by_name = {pair.name: pair for pair in found}
    at = {f"boxes over {least:.2f}": (least, Tally()) for least in (*SURE, 1 - threshold)}
    for item, one in zip(scored.items, evaluation.said(model, scored.items, names), strict=True):
        for least, tally in at.values():
            tally.add(by_name[item.path.stem.removesuffix("_test")], one.edges[one.scores > least])
    for line in evaluation.lines(figures):
        print(line)
    each = {one.name: [round(value, 3) for value in one.average_precision] for one in figures.classes}
    return {
        "AP at 0.33 and 0.5": each,
        "mAP at 0.33 and 0.5": [round(value, 3) for value in figures.means],
        "mAP over 0.5 to 0.95": round(figures.mean, 3),
        "threshold": f"NG if any box scores over {1 - threshold:.2f}",
        **{what: template.rates(tally) for what, (_, tally) in at.items()},
    }


def views(found: Sequence[Pair]) -> list[View]:
    """Return tested, healed and template pictures of a part of the set."""
    made = []
    for pair in found:
        golden = grey(pair.template)
        for picture, bad in ((grey(pair.tested), True), (healed(pair), False), (golden, False)):
            made.append(View(picture, blobs(picture, golden), bad))
    return made


def passing(model: Bundle, paths: Sequence[Path]) -> NDArray[np.bool_]:
    """Return which pictures the model calls OK, through the worker's own code."""
    name = model.manifest.classes[-1].name
    known = [Item(path=one, label=name, part=one.stem, view="1", group=one.stem) for one in paths]
    collection = Collection(where=paths[0].parent, items=tuple(known), classes=model.manifest.classes)
    return np.asarray(scoring.score(model, collection).scores >= model.manifest.threshold)


def verdicts(model: Bundle, found: Sequence[Pair], learnt: Sequence[Pair], share: float) -> dict[str, Any]:
    """Return what a rule machine does, and what the model makes of it under both goals."""
    largest = [max(one.blobs, default=0) for one in views(learnt) if not one.bad]
    least = int(np.quantile(largest, 1 - share)) + 1
    line = views(found)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for at, one in enumerate(line):
            paths.append(Path(folder) / f"{at}.png")
            cv2.imwrite(str(paths[-1]), one.picture)
        passes = passing(model, paths)
    bad = np.array([one.bad for one in line])
    strict = np.array([bool(one.blobs) for one in line])
    lenient = np.array([max(one.blobs, default=0) >= least for one in line])
    good = int((~bad).sum())
    return {
        "good views": good,
        "bad views": int(bad.sum()),
        "model alone": {"false calls": int((~passes & ~bad).sum()), "escapes": int((passes & bad).sum())},
        "goal 1": {
            "the machine's false calls": int((strict & ~bad).sum()),
            "of these removed": int((strict & ~bad & passes).sum()),
            "the machine's escapes": int((~strict & bad).sum()),
            "escapes introduced": int((strict & bad & passes).sum()),
        },
        "goal 2": {
            "the machine calls NG from": f"{least} pixels",
            "the machine's escapes": int((~lenient & bad).sum()),
            "of these caught": int((~lenient & bad & ~passes).sum()),
            "the machine's false calls": int((lenient & ~bad).sum()),
            "false calls introduced": int((~lenient & ~bad & ~passes).sum()),
        },
    }


def main(told: Callable[[str], None] = print) -> None:
    """Train, measure, and print what comes of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--bundle", type=Path, help="measure this one, and train none")
    parser.add_argument("--out", type=Path, help="where the model goes (default: nowhere)")
    parser.add_argument("--machine", type=float, default=0.1, help="goal 2: the share of good views it calls NG")
    args, more = parser.parse_known_args()
    test, learnt = template.pairs(args.data / "test"), template.pairs(args.data / "trainval")
    with tempfile.TemporaryDirectory() as scratch:
        sets = Path(scratch)
        judged = written(args.data / "test", sets / "test")
        result: dict[str, Any] = {}
        if args.bundle:
            model = bundle.load(args.bundle)
        else:
            where = written(args.data / "trainval", sets / "trainval")
            model, seconds = trained(where, args.out or sets / "models" / "boards", more)
            result["seconds to train and export"] = round(seconds)
        result |= {
            "steps": model.manifest.recipe.get("steps"),
            "detector": boxes(model, judged, test),
            "views": verdicts(model, test, learnt, args.machine),
        }
    others = template.run(test, template.DEFAULT, "shift")
    result |= {name: others[name] for name in ("template judge", "plain difference")}
    told(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
