"""What a comparison with a golden picture finds on bare boards (DeepPCB): its boxes, its false ones, its verdicts.

    python benchmarks/template.py DATA [--part test]

DATA is a folder of ``trainval`` and ``test`` with ``ID_temp.jpg``, ``ID_test.jpg`` and ``ID.txt`` (left, top,
right, bottom, class) as the authors give them. Each tested picture is judged as the line would, through the
worker's own code, beside the plain difference (threshold 128, opening), which knows nothing of light, place or
edges. By how much a box is told larger than what differs was chosen on ``trainval``, whose boxes are 18 pixels
wider and higher; the plain difference is also counted with its boxes grown alike.

A box of the truth is found at "touch" if any box shares a pixel with it, and at an IoU if one of its own shares so
much (one to one, the best first). A false blob touches no box of the truth. Every tested picture is NG; the good
pictures are the templates themselves as another camera's shot of them: up to 2 pixels beside their place, another
gain and offset, noise, and JPEG again. They are drawn: false calls here say what the method bears, not what a line
has.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.judging.bench import Bench, Shown
from bridge.judging.detections import overlaps
from bridge.judging.engine import Unfit
from bridge.judging.frames import Load, Opinion, Reference
from bridge.judging.inbox import Inbox
from bridge.judging.spec import Comparison, Input, Normalisation, Registration
from bridge.messages import Box, Spot

Edges: TypeAlias = NDArray[np.float64]
"""Left, top, right and bottom of N boxes, shape (N, 4)."""
TYPES = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
LEVELS = {"touch": 0.0, "IoU 0.33": 0.33, "IoU 0.5": 0.5}
DEFAULT = Comparison(margin_pixels=9)
MARGIN = 8
"""Pixels at each edge that are not compared: a part may lie a little beside its place."""


@dataclass(frozen=True)
class Pair:
    """A tested board, how it should look, and what is wrong with it."""

    name: str
    template: Path
    tested: Path
    edges: Edges
    kinds: NDArray[np.int64]


@dataclass
class Tally:
    """What was found, over all pictures."""

    found: dict[str, NDArray[np.int64]] = field(default_factory=lambda: {one: np.zeros(6, int) for one in LEVELS})
    boxes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(6, int))
    false: int = 0
    pictures: int = 0

    def add(self, pair: Pair, told: Edges) -> None:
        """Count one picture."""
        self.pictures += 1
        np.add.at(self.boxes, pair.kinds, 1)
        shares = np.array([overlaps(one, told) for one in pair.edges]).reshape(len(pair.edges), len(told))
        self.false += int((shares.max(axis=0, initial=0) == 0).sum()) if len(told) else 0
        for level, least in LEVELS.items():
            hits = shares.max(axis=1, initial=0) > 0 if not least else matched(shares, least)
            np.add.at(self.found[level], pair.kinds[hits], 1)


def matched(shares: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
    """Return which boxes of the truth have one of their own that shares more than this."""
    hits, left = np.zeros(len(shares), bool), shares.copy()
    while left.size and left.max() > least:
        row, column = np.unravel_index(left.argmax(), left.shape)
        hits[row] = True
        left[row], left[:, column] = 0, 0
    return hits


def pairs(folder: Path) -> list[Pair]:
    """Return what is in one part of the set."""
    found = []
    for path in sorted(folder.glob("*.txt")):
        rows = np.loadtxt(path, ndmin=2)
        one, other = (folder / f"{path.stem}_{what}.jpg" for what in ("temp", "test"))
        found.append(Pair(path.stem, one, other, rows[:, :4], rows[:, 4].astype(int) - 1))
    return found


def bench(template: Path, how: Comparison, motion: str) -> Bench:
    """Return the bench of a worker that compares with this picture."""
    high, wide = cv2.imread(str(template), cv2.IMREAD_GRAYSCALE).shape
    region = Box(cx=wide / 2, cy=high / 2, w=wide - 2 * MARGIN, h=high - 2 * MARGIN)
    registration = Registration(golden=str(template), motion=motion)  # type: ignore[arg-type]  # one of the words
    load = Load(
        model="",
        input=Input(width=wide - 2 * MARGIN, height=high - 2 * MARGIN, colour="gray"),
        normalisation=Normalisation(),
        precision="f32",
        logits=False,
        classes=2,
        ok_outputs=(1,),
        threads=1,
        max_pixels=10_000_000,
        references=(Reference(registration, region),),
        comparison=how,
        names=("different", "ok"),
    )
    return Bench(load, cast("Inbox", None))


def judged(at: Bench, data: bytes) -> Opinion:
    """Return what is said of a picture."""
    load = at._load  # noqa: SLF001 - a benchmark looks where the worker does
    return at.judge([Shown(data, load.references[0].roi, 0)])[0]


def edges(boxes: Sequence[Box]) -> Edges:
    """Return boxes by their edges."""
    rows = [(b.cx - b.w / 2, b.cy - b.h / 2, b.cx + b.w / 2, b.cy + b.h / 2) for b in boxes]
    return np.array(rows, np.float64).reshape(-1, 4)


def plain(pair: Pair) -> Edges:
    """Return the boxes of the plain difference."""
    one, other = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in (pair.template, pair.tested))
    mask = (cv2.absdiff(one, other) > 128).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    stats = cv2.connectedComponentsWithStats(mask, connectivity=8)[2][1:, :4].astype(np.float64)
    return np.concatenate([stats[:, :2], stats[:, :2] + stats[:, 2:]], axis=1)


def shot(template: Path, seed: int) -> bytes:
    """Return another shot of a template: moved by up to 2 pixels, another light, noise, JPEG again."""
    rng = np.random.default_rng(seed)
    picture = cv2.imread(str(template), cv2.IMREAD_GRAYSCALE)
    x, y = rng.uniform(-2, 2, 2)
    moved = cv2.warpAffine(
        picture,
        np.array([[1, 0, x], [0, 1, y]]),
        picture.shape[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    lit = moved * rng.uniform(0.75, 1.0) + rng.uniform(0, 30) + rng.normal(0, 4, picture.shape)
    return cv2.imencode(".jpg", np.clip(lit, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def rates(tally: Tally) -> dict[str, object]:
    """Return what is printed."""
    recall = {level: f"{hits.sum()}/{tally.boxes.sum()}" for level, hits in tally.found.items()}
    at = tally.found["IoU 0.33"] / np.maximum(tally.boxes, 1)
    kinds = {name: round(100 * share) for name, share in zip(TYPES, at.tolist(), strict=True)}
    return {**recall, "false blobs a picture": round(tally.false / tally.pictures, 2), "found at 0.33, %": kinds}


def plain_calls_of(pair: Pair, again: bytes) -> bool:
    """Return whether the plain difference calls another shot of the template NG."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "again.jpg"
        path.write_bytes(again)
        return bool(len(plain(replace(pair, tested=path))))


def run(
    found: Sequence[Pair], how: Comparison, motion: str, told: Callable[[str], None] = print
) -> dict[str, object]:
    """Judge every tested picture, and another shot of every template."""
    ours, base, grown, took = Tally(), Tally(), Tally(), []
    more = np.array([-1, -1, 1, 1]) * how.margin_pixels
    escapes, false_calls, unread, plain_calls = 0, 0, 0, 0
    for number, pair in enumerate(found):
        again = shot(pair.template, number)
        base.add(pair, plain(pair))
        grown.add(pair, plain(pair) + more)
        plain_calls += plain_calls_of(pair, again)
        try:
            at = bench(pair.template, how, motion)
        except Unfit as exc:
            told(f"{pair.name}: {exc}")
            ours.add(pair, edges([]))
            unread += 2
            continue
        at.warm_up()
        started = time.perf_counter()
        said = judged(at, pair.tested.read_bytes())
        took.append((time.perf_counter() - started) * 1000)
        ours.add(pair, edges([one for one in said.boxes if isinstance(one, Spot)]))
        good = judged(at, again)
        unread += (said.score is None) + (good.score is None)
        escapes += said.score is not None and said.score >= 0.5
        false_calls += good.score is not None and good.score < 0.5
    return {
        "template judge": rates(ours),
        "plain difference": rates(base),
        "plain difference, grown alike": rates(grown),
        "views": {
            "escapes of NG": f"{escapes}/{len(found)}",
            "false calls of shot again": f"{false_calls}/{len(found)}",
            "not judged": unread,
            "plain difference, false calls": f"{plain_calls}/{len(found)}",
        },
        "ms a view, median": round(float(np.median(took)), 1),
    }


def main(told: Callable[[str], None] = print) -> None:
    """Print what comes of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", choices=("trainval", "test"), default="test")
    parser.add_argument("--motion", default="shift")
    for name in Comparison.__slots__:
        default = getattr(DEFAULT, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    args = parser.parse_args()
    how = Comparison(**{name: getattr(args, name) for name in Comparison.__slots__})
    told(json.dumps(run(pairs(args.data / args.part), how, args.motion), indent=2))


if __name__ == "__main__":
    main()
