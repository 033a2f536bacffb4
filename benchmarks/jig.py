"""The jig effect: a model that may see the jig learns the jig, and a cut to the part cures it.

    python benchmarks/jig.py --seeds 5
    python benchmarks/jig.py --backbone mobilenet_v2 --weights FILE --head gap --copies 1 --rate 1e-3 --scale 1

Synthetic bolts are held by two jigs. In training nearly all good ones lie in one and nearly all bad ones in the
other; in the test half of either lie in either, as on a line. The same network is trained on whole pictures and on
the cut, at the same scale. Of each: AUC and accuracy on the test, accuracy where the jig is the one that training
showed with that label and where it is the other, and where the peak of the heat map lies. A cell of a pretrained
network's map is 32 pixels of what it is shown, as wide as half a jaw at full scale: smaller, and the peak of a map
that lies along the jig falls beside it. Needs the train extra. Sets lie in build/jig and are made once.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from harness import finish
from numpy.typing import NDArray

from bridge.judging import preprocess
from bridge.judging.bundle import ANY_VIEW
from bridge.judging.softmax import softmax
from bridge.judging.spec import Input
from bridge.learning import cam, points, training
from bridge.learning.augmentation import NAMED
from bridge.learning.backend import keras
from bridge.learning.data import Choice, Dataset, Look, Shares, Split, items, pictures, split
from bridge.learning.heads import Kind
from bridge.learning.localisation import Sight, judged
from bridge.learning.networks import NONE, Backbone, Network
from bridge.learning.settings import Phase, Settings, Share
from bridge.messages import Box
from bridge.simulate.bolt_jig import ROI, Jig, where
from bridge.simulate.bolt_jig_set import members, write_set

OUTPUTS = ("logits", "heat_map")
WHOLE = Box(cx=where().shape[1] / 2, cy=where().shape[0] / 2, w=where().shape[1], h=where().shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one training came to, on the test parts."""

    seed: int
    cut: bool
    auc: float
    accuracy: float
    """At p(OK) = 0.5."""
    usual_jig: float
    """Accuracy where the jig is the one that training showed with the label."""
    other_jig: float
    peak_on_jig: float
    """Share of all parts: where the map of the class that was answered is hottest."""
    peak_on_defect: float
    """Share of bad parts, the map of ng within 3 % of the picture's longer side; chance is 5 to 15 %."""


def look(*, cut: bool, scale: float) -> Look:
    """Return how pictures are cut; the part is as large either way."""
    box = ROI if cut else WHOLE
    into = Input(width=round(box.w * scale), height=round(box.h * scale))
    return Look(into=into, rois={ANY_VIEW: ROI} if cut else {})


def chosen(args: argparse.Namespace, seed: int) -> Settings:
    """Return the settings of one training: everything from nothing, or the head on a pretrained network."""
    learns = Share.HEAD if args.weights else Share.ALL
    phase = Phase(learns=learns, epochs=args.epochs, patience=args.epochs, rate=args.rate)
    return Settings(
        backbone=Backbone(args.backbone),
        source=args.weights or NONE,
        head=Kind(args.head),
        phases=(phase,),
        policy=NAMED[args.augment],
        copies=args.copies,
        seed=seed,
    )


def trained(dataset: Dataset, sides: Split, into: Input, how: Settings, folder: Path) -> Network:
    """Return the network of the best epoch."""
    work = Path(tempfile.mkdtemp(dir=folder))
    try:
        return training.train(partial(training.begun, how, into, dataset.classes), dataset, sides, how, work)[0]
    finally:
        shutil.rmtree(work)


def measured(net: Network, dataset: Dataset, places: NDArray[np.intp], jigs: list[str]) -> dict[str, float]:
    """Return what the network does with these pictures and where it looks."""
    logits, maps = _explained(net, dataset, places)
    labels = dataset.labels[places]
    names = [one.name for one in dataset.classes]
    chance = softmax(logits)[:, names.index("ok")]
    right = (chance >= 0.5) == (labels == names.index("ok"))
    usual = (np.array(jigs) == Jig.SCREWED) == (labels == names.index("ok"))
    answered = maps[np.arange(len(maps)), ..., np.argmax(logits, axis=1)]
    peaks = [_peak(heat, _shown(dataset)) for heat in answered]
    on_defect = [
        _on_defect(dataset, place, _peak(heat[..., names.index("ng")], _shown(dataset)))
        for place, heat, label in zip(places.tolist(), maps, labels.tolist(), strict=True)
        if names[label] == "ng"
    ]
    return {
        "auc": points.auc(chance, labels == names.index("ng")),
        "accuracy": float(right.mean()),
        "usual_jig": float(right[usual].mean()),
        "other_jig": float(right[~usual].mean()),
        "peak_on_jig": float(
            np.mean([peak is not None and where()[int(peak[1]), int(peak[0])] for peak in peaks])
        ),
        "peak_on_defect": float(np.mean(on_defect)),
    }


def _explained(
    net: Network, dataset: Dataset, places: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    model = cam.explained(net, dataset.classes)
    seen = preprocess.normalise(dataset.pictures[places], net.normalisation)
    out = [model.predict_on_batch(seen[at : at + 32]) for at in range(0, len(seen), 32)]
    logits, maps = (np.concatenate([keras.ops.convert_to_numpy(one[name]) for one in out]) for name in OUTPUTS)
    return logits.astype(np.float64), maps


def _peak(heat: NDArray[np.float32], shown: Box) -> tuple[float, float] | None:
    """Return the hottest point in pixels of the whole picture; None where nothing is hot."""
    large = cv2.resize(heat, (round(shown.w), round(shown.h)), interpolation=cv2.INTER_LINEAR)
    if large.max() <= 0:
        return None
    row, column = np.unravel_index(int(large.argmax()), large.shape)
    return float(column + shown.cx - shown.w / 2), float(row + shown.cy - shown.h / 2)


def _on_defect(dataset: Dataset, place: int, peak: tuple[float, float] | None) -> bool:
    mask = cv2.imread(str(dataset.items[place].mask), cv2.IMREAD_GRAYSCALE) > 0
    hit = judged(mask, Sight(shown=_shown(dataset), peak=peak, boxes=()))
    return hit is not None and hit.peak


def _shown(dataset: Dataset) -> Box:
    """Return what the model was shown, by the shape of the pictures."""
    height, width = dataset.pictures.shape[1:3]
    return min((WHOLE, ROI), key=lambda box: abs(box.w / box.h - width / height))


def run(args: argparse.Namespace, seed: int) -> list[Seen]:
    """Train both ways on one set."""
    folder = args.folder / f"{args.parts}-{args.test_parts}-{args.together:g}-{seed}"
    if not (folder / "manifest.csv").exists():
        write_set(folder, members(args.parts, args.test_parts, args.together, seed))
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        jig_of = {row["file"]: row["jig"] for row in csv.DictReader(file)}
    collection = items.read(folder, Choice(ok=("ok",)))
    sides = split.by_group(collection, Shares(validation=0.2), seed)
    jigs = [
        jig_of[collection.items[place].path.relative_to(folder).as_posix()] for place in sides.held_out.tolist()
    ]
    how = chosen(args, seed)
    found: list[Seen] = []
    for cut in (False, True):
        seen = look(cut=cut, scale=args.scale)
        dataset = pictures.read(collection, seen)
        net = trained(dataset, sides, seen.into, how, args.folder)
        found.append(Seen(seed=seed, cut=cut, **measured(net, dataset, sides.held_out, jigs)))
        print(found[-1], flush=True)
    return found


def table(seen: list[Seen]) -> None:
    """Print mean and spread over the seeds, in per cent."""
    print("| shown | AUC | accuracy | usual jig | other jig | peak on jig | peak on defect |")
    print("|---|---|---|---|---|---|---|")
    for cut in (False, True):
        rows = [one for one in seen if one.cut is cut]
        cells = []
        for name in ("auc", "accuracy", "usual_jig", "other_jig", "peak_on_jig", "peak_on_defect"):
            values = np.array([getattr(one, name) for one in rows]) * 100
            cells.append(f"{values.mean():.1f} ± {values.std(ddof=min(1, len(values) - 1)):.1f}")
        print(f"| {'the cut' if cut else 'all'} | {' | '.join(cells)} |")


def main() -> None:
    """Run every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--parts", type=int, default=400, help="to train on (400)")
    add("--test-parts", type=int, default=200)
    add("--together", type=float, default=0.95, help="the share of training parts in their label's jig (0.95)")
    add("--seeds", type=int, default=3)
    add("--epochs", type=int, default=15)
    add("--rate", type=float, default=3e-3)
    add("--backbone", default="small", choices=[one.value for one in Backbone])
    add("--weights", type=Path, help="of ImageNet: only the head learns")
    add("--head", default="avgmax", choices=[one.value for one in Kind])
    add("--copies", type=int, default=0, help="fixed copies of each picture; 0 varies every epoch anew (0)")
    add("--scale", type=float, default=0.5, help="of what the model is shown against the picture (0.5)")
    add("--augment", default="fixture", choices=sorted(NAMED))
    add("--folder", type=Path, default=Path("build/jig"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    seen = [one for seed in range(args.seeds) for one in run(args, seed)]
    table(seen)
    finish({"runs": [asdict(one) for one in seen]})


if __name__ == "__main__":
    main()
