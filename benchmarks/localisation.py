"""How often heat maps find real defects: heads, layers and input sizes, through the code of the line.

    python benchmarks/localisation.py DATA --kind magnetic_tile|bsdata --weights FILE [--heads ...] [--layers ...]

DATA holds ``train`` and ``test`` folders of classes and a ``manifest.csv``; magnetic_tile has masks, bsdata
labelme polygons. FILE is MobileNetV2's (Keras, without top). Its features stay as they are; a head is trained on
``train``, on four mirrored and varied copies of each picture, exported, and run by the line's own worker on
``test``. Groups are apart: views of one tile, or places of one spindle, lie on one side only; what ``data check``
finds to be a photograph of the test side leaves the training side.

Every figure stands beside what chance would hit; see ``bridge/learning/localisation.py`` for the rules.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from harness import finish
from numpy.typing import NDArray
from real_data import apart

from bridge.judging import preprocess
from bridge.judging.bundle import Bundle
from bridge.judging.spec import Input
from bridge.learning import augmentation, export, heads, localisation, masks, networks, points, seeing
from bridge.learning.backend import keras
from bridge.learning.data import Choice, Collection, Dataset, Look, items, pictures
from bridge.learning.heads import Head, Kind
from bridge.learning.localisation import Localisation
from bridge.learning.masks import Mask

OK = {"magnetic_tile": "free", "bsdata": "no_pitting"}
GROUP = {"magnetic_tile": "view_group", "bsdata": "location"}
SIZES = {"magnetic_tile": ["224x224", "288x384"], "bsdata": ["576x240", "1120x448"]}
LAYERS = ["block_13_expand_relu", "out_relu"]
"""A sixteenth and a thirty-second of the picture's size."""
COPIES = 4
EPOCHS = 30
MOST_WEIGHTS = 25_000_000
"""A head with more is left out: so many cannot be learnt from a hundred pictures, nor soon."""


@dataclass(frozen=True, slots=True)
class Task:
    """A set, read for one input size."""

    kind: str
    look: Look
    train: Dataset
    test: Collection
    masks: list[Mask | None]


def main() -> None:
    """Measure every combination, print a table, then all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--kind", choices=OK, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+")
    parser.add_argument("--layers", nargs="+", default=LAYERS)
    parser.add_argument("--heads", nargs="+", type=Kind, default=list(Kind))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the bundles there")
    args = parser.parse_args()
    figures: dict[str, object] = {"kind": args.kind, "copies": COPIES, "epochs": EPOCHS}
    with tempfile.TemporaryDirectory() as scratch:
        home = args.keep or Path(scratch)
        for size in args.sizes or SIZES[args.kind]:
            task = read(args.data, args.kind, size)
            for layer in args.layers:
                trunk, features, labels = featured(task, args.weights, layer)
                for head in args.heads:
                    for seed in range(args.seeds):
                        name = f"{size} {layer} {head} {seed}"
                        found = measured(
                            task, (trunk, features, labels), head, seed, home / re.sub(r"\W+", "-", name)
                        )
                        if found is not None:
                            figures[name] = found
    finish(figures)


def read(where: Path, kind: str, size: str) -> Task:
    """Read the set's own sides, each with its groups."""
    width, height = map(int, size.split("x"))
    choice = Choice(ok=(OK[kind],), groups=(f"manifest.csv:{GROUP[kind]}",))
    whole = apart(items.read(where, choice))
    sides = {side: [at for at, one in enumerate(whole.splits) if one == side] for side in ("train", "test")}
    assert not {whole.items[at].group for at in sides["train"]} & {whole.items[at].group for at in sides["test"]}
    look = Look(into=Input(width=width, height=height))
    test = whole.take(sides["test"])
    label = where / "label" if kind == "bsdata" else None
    drawn = [masks.drawn(item, label) if bad else None for item, bad in zip(test.items, test.bad, strict=True)]
    return Task(kind, look, pictures.read(whole.take(sides["train"]), look), test, drawn)


def featured(task: Task, weights: Path, layer: str) -> tuple[Any, NDArray[np.float16], NDArray[np.int64]]:
    """Return the trunk up to a layer, and what it gives for every copy of the training pictures, with labels."""
    into = task.look.into
    whole = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(into.height, into.width, 3)
    )
    whole.load_weights(str(weights))
    trunk = keras.Model(whole.input, whole.get_layer(layer).output)
    trunk.trainable = False
    rng = np.random.default_rng(0)
    rows = []
    for copy in range(COPIES):
        seen = task.train.pictures[:, :: -1 if copy & 1 else 1, :: -1 if copy & 2 else 1]
        varied = augmentation.NAMED["fixture"].vary(np.ascontiguousarray(seen), rng) if copy else seen
        for at in range(0, len(varied), 16):
            shown = preprocess.normalise(np.ascontiguousarray(varied[at : at + 16]), networks.SYMMETRIC)
            rows.append(np.asarray(trunk.predict_on_batch(shown), np.float16))
    return trunk, np.concatenate(rows), np.tile(task.train.labels, COPIES)


def measured(
    task: Task, taught: tuple[Any, NDArray[np.float16], NDArray[np.int64]], kind: Kind, seed: int, home: Path
) -> dict[str, object] | None:
    """Train one head, export it, and hold what the line's worker sees against the masks."""
    trunk, features, labels = taught
    classes = task.train.classes
    shape = features.shape[1:]
    if kind in {Kind.FC, Kind.SVM}:
        per_feature = heads.UNITS if kind is Kind.FC else len(classes)
        if np.prod(shape) * per_feature > MOST_WEIGHTS:
            return None
    keras.utils.set_random_seed(seed)
    ok = [place for place, one in enumerate(classes) if one.verdict == "OK"]
    head = heads.build(kind, shape, len(classes), ok=ok)
    began = time.perf_counter()
    teach(head, features, labels, seed)
    seconds = time.perf_counter() - began
    made = exported(task, trunk, head, home)
    seen = seeing.seen(made, task.test.items)
    found = seeing.hits(list(zip(seen, task.masks, strict=True)))
    hits, groups = [hit for _, hit in found], [item.group for item, _ in found]
    whole = localisation.summed("all", hits, groups)
    by_class = localisation.by([item.label for item, _ in found], hits, groups)
    auc = points.auc(np.array([one.score for one in seen]), task.test.bad)
    print(f"{home.name:44s} AUC {auc:.3f}  " + said(whole), flush=True)
    return {
        "auc": round(auc, 4),
        "train_seconds": round(seconds, 1),
        **{one.name: told(one) for one in (whole, *by_class)},
    }


def teach(head: Head, features: NDArray[np.float16], labels: NDArray[np.int64], seed: int) -> None:
    """Train a head on features that stay as they are; each class weighs the same."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(labels)
    weights = (len(labels) / (len(counts) * counts)).astype(np.float32)
    batches = -(-len(labels) // 32)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, batches * EPOCHS)
    head.model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), head.loss())
    for _ in range(EPOCHS):
        order = rng.permutation(len(labels))
        for at in range(0, len(order), 32):
            some = np.sort(order[at : at + 32])
            seen = features[some].astype(np.float32)
            head.model.train_on_batch(seen, labels[some], sample_weight=weights[labels[some]])


def exported(task: Task, trunk: Any, head: Head, home: Path) -> Bundle:
    """Return the bundle of a trunk and a head, as ``aoi-bridge train`` writes it."""
    nothing = keras.Input(trunk.output.shape[1:])
    block = keras.Model(nothing, keras.layers.Identity()(nothing))
    seen = keras.Input(trunk.input.shape[1:])
    once = keras.Model(seen, head.model(block(trunk(seen, training=False))))
    net = networks.Network(
        backbone=networks.Backbone.MOBILENET_V2,
        lower=trunk,
        block=block,
        head=head,
        tail=keras.Model(nothing, head.model(block(nothing))),
        whole=once,
        once=once,
        colour="rgb",
        normalisation=networks.SYMMETRIC,
    )
    everything = np.arange(len(task.train.labels))
    target = export.Target(models=home, name="localisation", look=task.look)
    return export.export(net, task.train, export.Sides(everything, everything), target)[0].bundle


def told(one: Localisation) -> dict[str, Any]:
    """Return a row of figures as percentages."""
    return {
        "pictures": one.pictures,
        "groups": one.groups,
        "peak": [round(100 * value) for value in (one.peak.value, one.peak.low, one.peak.high)],
        "peak_by_chance": round(100 * one.peak_by_chance),
        "middle": round(100 * one.middle),
        "boxes": [round(100 * value) for value in (one.boxes.value, one.boxes.low, one.boxes.high)],
        "boxes_by_chance": round(100 * one.boxes_by_chance),
        "fits": round(100 * one.fits.value),
        "in_boxes": round(100 * one.covered, 1),
    }


def said(one: Localisation) -> str:
    """Return the same as a line to read."""
    f = told(one)
    peak, boxes = ("{:3d} % ({}-{})".format(*f[key]) for key in ("peak", "boxes"))
    chance = f"by chance {f['peak_by_chance']}, middle {f['middle']}"
    area = f"by chance {f['boxes_by_chance']}, over {f['in_boxes']} % of the area"
    return f"peak {peak}, {chance}; boxes {boxes}, {area}; fits {f['fits']} %"


if __name__ == "__main__":
    main()
