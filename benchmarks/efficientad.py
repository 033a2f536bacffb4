"""EfficientAD on real parts: transposed against bilinear decoding in one run, over seeds, by picture and by pixel.

    aoi-bridge teacher distil --images FOLDER --backbone resnet152 --weights resnet152.h5 --steps 4000
    python benchmarks/efficientad.py SETS --teacher teacher.npz [--sets bsdata impeller] [--steps 9000] [--rounded]

SETS is as for ``anomaly.py``, and parts are divided as there: learnt from are good pictures of the training side
alone. A picture is as strange as its strangest place, as in the paper. Told of each set and decoding: image AUROC
of validation and test, AUROC by pixel and PRO to 30 % false alarms where defects are drawn, mean and deviation
over seeds; and the difference of the two decodings, seed by seed. With --rounded the first of them is exported,
and told is what its bundles in bf16 and int8 lose of the test's image AUROC, whatever is lost.

The teacher is what ``teacher distil`` made of the pictures that were at hand, not the paper's of ImageNet, and
fewer steps than its 70,000 are the rule: figures are below the paper's for both reasons. Every finished training
lies in --folder, so that an interrupted run goes on there. Needs the train extra; a GPU, or many hours.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from anomaly import BAR, TARGET, by_pixel, spread
from harness import finish
from numpy.typing import NDArray
from real_data import TASKS, collected

from bridge.judging import preprocess
from bridge.judging.bundle import Precision
from bridge.judging.spec import Input
from bridge.learning import measuring, points
from bridge.learning.anomaly import dividing, efficientad, export, teachers
from bridge.learning.anomaly.autoencoder import Decoder
from bridge.learning.anomaly.efficientad import Material, Settings
from bridge.learning.anomaly.network import AnomalyNetwork
from bridge.learning.data import Dataset, Look, Shares, Split, pictures
from bridge.learning.target import Target

LOOK = Look(into=Input(width=256, height=256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training."""

    name: str
    """Of the set."""
    decoder: Decoder
    seed: int

    @property
    def file(self) -> str:
        """Where its outcome lies."""
        return f"{self.name}-{self.decoder}-{self.seed}.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one."""

    validation: float
    """Image AUROC."""
    test: float
    scores: NDArray[np.float64]
    """Anomalies of test pictures, in the order of the set."""
    maps: NDArray[np.float32]
    """Of the same."""
    seconds: float


def main() -> None:
    """Read the arguments, train what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="SETS")
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--decoders", nargs="+", type=Decoder, default=list(Decoder))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=efficientad.CPU_RATE, help="the paper's is 1e-4")
    parser.add_argument("--hard", type=float, default=efficientad.CPU_HARD, help="the paper's is 0.001")
    parser.add_argument("--window", type=int, default=efficientad.CPU_WINDOW, help="pixels; 0: whole pictures")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--folder", type=Path, default=Path("efficientad-kept"))
    parser.add_argument("--rounded", action="store_true", help="what other precisions lose")
    parser.add_argument("--only-train", action="store_true", help="tell nothing: another machine will")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    wanted = [
        Run(name=name, decoder=decoder, seed=seed)
        for name, seed, decoder in product(args.sets, range(args.seeds), args.decoders)
    ]
    missing = [run for run in wanted if not (args.folder / run.file).is_file()]
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=spawned, max_tasks_per_child=1) as pool:
        for said in pool.map(partial(train, args=args), missing):
            print(said, flush=True)
    if not args.only_train:
        finish({name: of_set(name, args) for name in args.sets})


def train(run: Run, args: argparse.Namespace) -> str:
    """Train one, keep its outcome, say how it went."""
    dataset, sides = divided(run, args)
    said: list[str] = []
    started = time.monotonic()
    net = trained(run, dataset, sides, args, said.append)
    seconds = time.monotonic() - started
    (seen, _), (tested, maps) = (asked(net, dataset.pictures[some]) for some in (sides.validation, sides.held_out))
    area = points.auc(-seen, dataset.bad[sides.validation])
    tested_area = points.auc(-tested, dataset.bad[sides.held_out])
    np.savez(args.folder / run.file, validation=area, test=tested_area, scores=tested, maps=maps, seconds=seconds)
    return f"{run.name} {run.decoder} {run.seed}: validation {area:.3f}, test {tested_area:.3f}, {said[-1]}"


def divided(run: Run, args: argparse.Namespace) -> tuple[Dataset, Split]:
    """Return a set and what is learnt from."""
    dataset = pictures.read(collected(run.name, args.data), LOOK)
    return dataset, dividing.divided(dataset, Shares(validation=0.25, held_out=0.25), run.seed, torn=True)


def trained(
    run: Run, dataset: Dataset, sides: Split, args: argparse.Namespace, say: Callable[[str], None]
) -> AnomalyNetwork:
    """Return its network; one that was trained before is not trained again."""
    settings = Settings(
        decoder=run.decoder,
        steps=args.steps,
        rate=args.rate,
        hard=args.hard,
        seed=run.seed,
        window=args.window or None,
    )
    material = Material(
        good=dataset.pictures[sides.train],
        validation=dataset.pictures[sides.validation],
        bad=dataset.bad[sides.validation],
    )
    work = args.folder / run.file.removesuffix(".npz")
    return efficientad.train(
        settings, LOOK.into, teachers.read(args.teacher), material, work, lambda *_: None, say
    )


def rounded(run: Run, args: argparse.Namespace) -> dict[str, float]:
    """Return the test's image AUROC in float32, and the points that each other precision loses."""
    dataset, sides = divided(run, args)
    net = trained(run, dataset, sides, args, print)
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as models:
        precisions = (Precision.F32, Precision.BF16, Precision.INT8)
        target = Target(models=Path(models), name=run.name, look=LOOK, precisions=precisions, int8_loss=100.0)
        for made in export.export(net, dataset, sides, target, 0.01, print):
            found = made.bundle
            wired = replace(measuring.wiring(found), limit=0.0)
            precision = found.manifest.precision
            rows = measuring.probabilities(found.model, wired, precision, dataset.pictures[sides.held_out])
            anomalies = np.log(rows[:, 1]) - np.log(rows[:, 0])
            area = points.auc(-anomalies.astype(np.float64), dataset.bad[sides.held_out])
            told[str(precision)] = round(100 * (told["f32"] - area), 3) if told else area
    return told


def asked(net: AnomalyNetwork, shown: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return anomalies and maps of pictures."""
    found = [net.whole.predict_on_batch(preprocess.normalise(one[None], net.normalisation)) for one in shown]
    scores, maps = (np.concatenate([np.asarray(one[part])[..., 0] for one in found]) for part in (0, 1))
    return scores.astype(np.float64), maps.astype(np.float32)


def of_set(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return what all of one set came to."""
    collection = collected(name, args.data)
    dataset = pictures.read(collection, LOOK)
    facts: dict[str, Any] = {"bar": BAR[name], "target": TARGET[name]}
    print(f"| {name} | validation | test |\n|---|---|---|")
    for decoder in args.decoders:
        kept = [
            outcome(args.folder / Run(name=name, decoder=decoder, seed=seed).file) for seed in range(args.seeds)
        ]
        validation, test = [one.validation for one in kept], [one.test for one in kept]
        print(f"| {decoder} | {spread(validation)} | {spread(test)} |")
        drawn = by_pixel(collection, LOOK, dataset, [(one.scores, one.maps) for one in kept], args.data / name)
        facts[decoder] = {"validation": validation, "test": test, **drawn}
        facts[decoder]["seconds"] = [round(one.seconds) for one in kept]
    if len(args.decoders) > 1:
        one, other = (np.array(facts[decoder]["test"]) for decoder in args.decoders[:2])
        facts["difference"] = spread((one - other).tolist())
    if args.rounded:
        facts["points lost"] = rounded(Run(name=name, decoder=args.decoders[0], seed=0), args)
    print(f"{name}: {facts}\n", flush=True)
    return facts


def outcome(path: Path) -> Outcome:
    """Read what was kept of one."""
    with np.load(path, allow_pickle=False) as file:
        return Outcome(
            validation=float(file["validation"]),
            test=float(file["test"]),
            scores=file["scores"],
            maps=file["maps"],
            seconds=float(file["seconds"]),
        )


if __name__ == "__main__":
    main()
