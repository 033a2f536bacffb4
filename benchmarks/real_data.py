"""Real parts: heads and phases against a frozen baseline, over seeds and by group, with controls for shortcuts.

    python benchmarks/real_data.py SETS --weights FILE [--sets impeller bsdata magnetic_tile] [--seeds 5]

SETS holds the public sets by these names, each with ``train`` and ``test`` folders and a ``manifest.csv``. FILE is
MobileNetV2's of ImageNet (Keras, without top). A set's own sides hold, but what ``data check`` finds to be a
photograph of the test side leaves the training side. Validation is drawn anew for each seed, by group.

The baseline is MobileNetV2 at 224 x 224, frozen, with scikit-learn's logistic regression on its pooled features:
from the same pictures as the others, and once from the validation pictures as well, which it does not need. A
combination is *chosen* by its mean validation AUC, so that the test decides nothing; each is asked with one look
at a picture and with four (``--tta 4``: mirrored either way, which all of these surfaces may be). Its gain over
the baseline is the mean over seeds; the interval draws groups anew, the same for both (``metrics.auc_gain`` does
so for one seed).

Controls: AUC of brightness alone; of the models where each test picture is made up to 36 grey levels lighter or
darker at random, and where all have the same mean; of one part of the set where its README names a shortcut.

Every finished training lies in --folder: an interrupted run goes on there. Needs the train extra; about an hour.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from harness import finish
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bridge.judging import preprocess
from bridge.judging.bundle import ModelClass
from bridge.judging.softmax import softmax
from bridge.judging.spec import Input
from bridge.learning import metrics, networks, points, training
from bridge.learning.augmentation import NAMED, Policy
from bridge.learning.backend import keras
from bridge.learning.data import (
    Choice,
    Collection,
    Dataset,
    Look,
    Shares,
    copies,
    items,
    pictures,
    remembered,
    split,
)
from bridge.learning.heads import Kind
from bridge.learning.networks import Backbone, Network, looks
from bridge.learning.settings import BLOCK, HEAD, STANDARDISED, Phase, Settings
from bridge.messages import Verdict

Scores: TypeAlias = NDArray[np.float64]
Bytes: TypeAlias = NDArray[np.uint8]

SIDEWAYS = NAMED["fixture"].model_copy(update={"mirror": "both"})
"""A surface that may be mirrored either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A set, and how it is shown; chosen on validation, before the test was looked at."""

    ok: str
    column: str
    """Of the manifest: what must not be torn apart."""
    width: int
    height: int
    policy: Policy
    copies: int
    published: float
    """AUC of the baseline as others measured it."""
    target: float
    """Half its error."""
    only: str = ""
    """Part of the names of those pictures among which a shortcut is closed."""


TASKS = {
    "impeller": Task(
        ok="ok",
        column="source_group",
        width=320,
        height=320,
        policy=NAMED["any-angle"],
        copies=2,
        published=0.977,
        target=0.988,
    ),
    "bsdata": Task(
        ok="no_pitting",
        column="location",
        width=576,
        height=240,
        policy=SIDEWAYS,
        copies=4,
        published=0.993,
        target=0.996,
        only="crop_2",
    ),
    "magnetic_tile": Task(
        ok="free",
        column="view_group",
        width=288,
        height=384,
        policy=SIDEWAYS,
        copies=4,
        published=0.84,
        target=0.92,
    ),
}
SMALL = 224
"""Width and height that the baseline is shown, and the heads on the whole of ``mobilenet_v2``."""
HEADS = (
    (Backbone.MOBILENET_V2, Kind.GAP, STANDARDISED),
    (Backbone.MOBILENET_V2, Kind.SVM, replace(HEAD, rate=1e-2)),
    (Backbone.MOBILENET_V2, Kind.FC, replace(HEAD, epochs=10)),
    (Backbone.MOBILENET_V2_FINE, Kind.GAP, STANDARDISED),
    (Backbone.MOBILENET_V2_FINE, Kind.AVGMAX, STANDARDISED),
    (Backbone.MOBILENET_V2_FINE, Kind.LOCAL, STANDARDISED),
)
"""Backbone, head, and how it learns; the 16 million weights of ``fc`` know a hundred pictures after ten epochs."""
TUNED = (Backbone.MOBILENET_V2_FINE, Kind.AVGMAX)
"""This one learns together with the last block too."""
LAST = replace(BLOCK, epochs=6, patience=3)
COMBINATIONS = [(*how[:2], (how[2],)) for how in HEADS] + [(*TUNED, (STANDARDISED, LAST))]
LOOKS = 4
"""Beside one."""
JITTER_LEVELS = 36
JITTERS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A set that was read, and its test pictures as each control shows them."""

    name: str
    task: Task
    collection: Collection
    dataset: Dataset
    test: NDArray[np.intp]
    shown: dict[str, Bytes]
    """The test pictures: as they are, ``jitter 0`` …, and ``level``."""
    seen: dict[Backbone, dict[str, NDArray[np.float32]]] = field(default_factory=dict)
    """What the part of a network that never learns makes of them, and of ``all`` pictures that are learnt from."""

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Which test pictures are NG."""
        return self.dataset.bad[self.test]

    @property
    def groups(self) -> list[str]:
        """Of the test pictures."""
        return [self.dataset.groups[place] for place in self.test.tolist()]

    def below(self, net: Network) -> dict[str, NDArray[np.float32]]:
        """Return what lies below the last block at every look, each of shape (pictures, looks, …); made once."""

        def look(part: Bytes) -> NDArray[np.float32]:
            rows = looks.at_all(preprocess.normalise(part, net.normalisation), LOOKS)
            made = np.asarray(net.lower.predict_on_batch(rows))  # type: ignore[union-attr]  # it has weights
            return made.reshape(LOOKS, len(part), *made.shape[1:]).swapaxes(0, 1)

        if net.backbone not in self.seen:
            shown = self.shown | {"all": self.dataset.pictures}
            self.seen[net.backbone] = {name: in_parts(look, some) for name, some in shown.items()}
        return self.seen[net.backbone]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What one training came to."""

    scores: dict[str, Scores]
    """p(OK) of the test pictures, under each control."""
    validation: float
    """AUC, with as many looks."""
    loss: float
    """On validation."""
    seconds: float


def collected(name: str, sets: Path) -> Collection:
    """Read a set, without training pictures that are copies of test pictures."""
    task = TASKS[name]
    return apart(items.read(sets / name, Choice(ok=(task.ok,), groups=(f"manifest.csv:{task.column}",))))


def case_of(name: str, collection: Collection, width: int, height: int) -> Case:
    """Read the pictures of a set at a size, the test pictures for each control."""
    task = TASKS[name]
    dataset = of_verdicts(pictures.read(collection, Look(into=Input(width=width, height=height))))
    test = np.flatnonzero(np.array(collection.splits) == "test")
    return Case(
        name=name,
        task=task,
        collection=collection,
        dataset=dataset,
        test=test,
        shown=controls(
            dataset.pictures[test], float(dataset.pictures[~np.isin(np.arange(len(dataset.labels)), test)].mean())
        ),
    )


def of_verdicts(dataset: Dataset) -> Dataset:
    """Return the set with kinds of defects as one class, as the baseline learns them."""
    classes = tuple(ModelClass(name=one.lower(), verdict=one) for one in (Verdict.NG, Verdict.OK))
    return replace(dataset, labels=(~dataset.bad).astype(np.int64), classes=classes)


def apart(collection: Collection) -> Collection:
    """Return the set with copies in one group, and no training picture in a group that is tested on."""
    found = remembered.find(collection, lambda _what, _done, _total: None)
    merged = copies.merged(collection, found.pairs)
    tested = {item.group for item in merged.items if item.split == "test"}
    kept = [at for at, item in enumerate(merged.items) if item.split == "test" or item.group not in tested]
    print(f"{collection.where.name}: {len(merged.items) - len(kept)} training pictures are copies of tested ones")
    return merged.take(kept)


def controls(seen: Bytes, mean: float) -> dict[str, Bytes]:
    """Return pictures as they are, randomly lighter or darker, and all as bright as ``mean``."""
    rng = np.random.default_rng(0)
    jitters = {
        f"jitter {number}": lighter(seen, rng.uniform(-JITTER_LEVELS, JITTER_LEVELS, len(seen)))
        for number in range(JITTERS)
    }
    return {"plain": seen, **jitters, "level": lighter(seen, mean - grey(seen))}


def grey(seen: Bytes) -> Scores:
    """Return the mean grey level of each picture."""
    return np.asarray(seen.mean(axis=(1, 2, 3)), np.float64)


def lighter(seen: Bytes, levels: Scores) -> Bytes:
    """Return pictures that are each so many levels lighter."""
    out = np.empty_like(seen)
    for at, (one, level) in enumerate(zip(seen, levels.tolist(), strict=True)):
        out[at] = np.clip(one.astype(np.float32) + level, 0, 255)
    return out


def baseline(case: Case, weights: Path, seeds: int) -> list[dict[str, Scores]]:
    """Return what the frozen baseline makes of the test pictures, under each control.

    First that from all that is not tested on, then, for each seed, that from what the other networks learn from.
    """
    shape = (SMALL, SMALL, 3)
    model = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=shape, pooling="avg")
    model.load_weights(str(weights))
    dataset = case.dataset
    every = np.flatnonzero(~np.isin(np.arange(len(dataset.labels)), case.test))
    sides = [every, *(split.by_group(case.collection, Shares(), seed).train for seed in range(seeds))]

    def seen(some: Bytes) -> NDArray[np.float32]:
        return in_parts(lambda part: model.predict_on_batch(preprocess.normalise(part, networks.SYMMETRIC)), some)

    features, shown = seen(dataset.pictures), {name: seen(some) for name, some in case.shown.items()}
    found = []
    for learnt in sides:
        regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced"))
        regression.fit(features[learnt], dataset.bad[learnt])
        found.append({name: regression.predict_proba(some)[:, 0] for name, some in shown.items()})
    return found


def in_parts(answer: Callable[[Bytes], NDArray[np.float32]], seen: Bytes) -> NDArray[np.float32]:
    """Return what is answered to many pictures, 32 at a time."""
    return np.concatenate([np.asarray(answer(seen[at : at + 32])) for at in range(0, len(seen), 32)])


def trained(case: Case, settings: Settings, seed: int, folder: Path) -> dict[int, Trained]:
    """Train once, and look at the test pictures once and several times."""
    dataset = case.dataset
    into = Input(width=dataset.pictures.shape[2], height=dataset.pictures.shape[1])
    sides = split.by_group(case.collection, Shares(), seed)
    work = Path(tempfile.mkdtemp(dir=folder))
    make = partial(training.begun, settings, into, dataset.classes)
    try:
        net, progress = training.train(make, dataset, sides, settings, work, kept=folder / "features")
    finally:
        shutil.rmtree(work)
    good = [place for place, one in enumerate(dataset.classes) if one.verdict == "OK"]

    def chances(seen: NDArray[np.float32]) -> Scores:
        """Return the chances of the classes after one look and after all, shape (2, pictures, classes)."""
        rows = seen.reshape(-1, *seen.shape[2:])
        logits = in_parts(net.tail.predict_on_batch, rows).astype(np.float64).reshape(len(seen), LOOKS, -1)
        return np.stack([softmax(one) for one in (logits[:, 0], logits.mean(axis=1))])

    below = case.below(net)
    checked, labels = chances(below["all"][sides.validation]), dataset.labels[sides.validation]
    shown = {name: chances(below[name])[:, :, good].sum(axis=2) for name in case.shown}
    return {
        number: Trained(
            scores={name: scores[often] for name, scores in shown.items()},
            validation=points.auc(checked[often][:, good].sum(axis=1), dataset.bad[sides.validation]),
            loss=float(-np.log(np.maximum(checked[often][np.arange(len(labels)), labels], 1e-12)).mean()),
            seconds=progress.seconds,
        )
        for often, number in enumerate((1, LOOKS))
    }


def kept(
    case: Case, how: tuple[Backbone, Kind, tuple[Phase, ...]], seed: int, args: argparse.Namespace
) -> dict[int, Trained]:
    """Return a training that lies in the folder, or train and leave it there."""
    backbone, head, phases = how
    settings = Settings(
        backbone=backbone,
        source=args.weights,
        head=head,
        phases=phases,
        policy=case.task.policy,
        copies=case.task.copies,
        seed=seed,
    )
    place = args.folder / case.name / f"{backbone}-{head}-{len(settings.phases)}-{seed}.npz"
    if not place.exists():
        found = trained(case, settings, seed, args.folder / case.name)
        arrays = {f"{number} {name}": one.scores[name] for number, one in found.items() for name in one.scores}
        facts = {f"{number} facts": [one.validation, one.loss, one.seconds] for number, one in found.items()}
        draft = place.with_suffix(".new.npz")
        np.savez(draft, **arrays, **facts)  # type: ignore[arg-type]  # the keywords are arrays
        draft.replace(place)
        said = [
            f"{number} x: validation {one.validation:.3f} test {points.auc(one.scores['plain'], case.bad):.3f}"
            for number, one in found.items()
        ]
        print(f"{place.stem:32s} {', '.join(said)} in {found[1].seconds:.0f} s", flush=True)
    with np.load(place) as file:
        return {number: _read(file, f"{number} ") for number in (1, LOOKS)}


def _read(file: Mapping[str, Scores], start: str) -> Trained:
    validation, loss, seconds = file[f"{start}facts"].tolist()
    scores = {name.removeprefix(start): file[name] for name in file if name.startswith(start)}
    del scores["facts"]
    return Trained(scores=scores, validation=validation, loss=loss, seconds=seconds)


def gain(case: Case, runs: Sequence[Trained], plain: Sequence[dict[str, Scores]]) -> metrics.Estimate:
    """Return the gain in AUC over the same seed's baseline, mean over seeds, groups drawn together."""

    def statistic(weights: metrics.Weights) -> Scores:
        ours, theirs = (
            [metrics.weighed_auc(scores["plain"], case.bad, weights) for scores in side]
            for side in ([one.scores for one in runs], plain)
        )
        return np.asarray(np.mean(ours, axis=0) - np.mean(theirs, axis=0))

    return metrics.bootstrapped(float(statistic(np.ones((1, len(case.bad))))[0]), statistic, case.groups)


def aucs(case: Case, scores: dict[str, Scores]) -> dict[str, float]:
    """Return the AUC under each control, and over groups instead of pictures."""
    jitters = [points.auc(scores[f"jitter {number}"], case.bad) for number in range(JITTERS)]
    found = {
        "auc": points.auc(scores["plain"], case.bad),
        "by_group": points.auc(*points.average(scores["plain"], case.bad, case.groups)),
        "jitter": float(np.mean(jitters)),
        "level": points.auc(scores["level"], case.bad),
    }
    if case.task.only:
        there = np.array([case.task.only in case.dataset.items[place].path.name for place in case.test.tolist()])
        found[case.task.only] = points.auc(scores["plain"][there], case.bad[there])
    return found


def by_group(case: Case, runs: Sequence[Trained]) -> dict[str, dict[str, float]]:
    """Return for each test group what lies in it, and its wrong verdicts at p(OK) = 0.5, mean over seeds."""
    wrong = np.mean([(one.scores["plain"] < 0.5) != case.bad for one in runs], axis=0)
    member = np.array(case.groups)
    return {
        group: {
            "pictures": int((member == group).sum()),
            "ng": int(case.bad[member == group].sum()),
            "wrong": round(float(wrong[member == group].sum()), 1),
        }
        for group in sorted(set(case.groups))
    }


def measure(name: str, args: argparse.Namespace) -> dict[str, object]:
    """Run every combination of a set, and print its table."""
    collection, task = collected(name, args.data), TASKS[name]
    small = case_of(name, collection, SMALL, SMALL)
    case = case_of(name, collection, task.width, task.height)
    whole, *plain = baseline(small, args.weights, args.seeds)
    dark = grey(case.shown["plain"])
    alone = points.auc(dark, case.bad)
    first, seeded = aucs(case, whole), [aucs(case, scores) for scores in plain]
    names = list(first)
    print(f"\n{case.name}: {len(case.test)} test pictures in {len(set(case.groups))} groups; ", end="")
    print(f"brightness alone {max(alone, 1 - alone):.3f}; baseline published as {case.task.published}")
    print(f"| {case.name} | validation | {' | '.join(names)} | gain (95 %) |")
    print("|" + "---|" * (len(names) + 3))
    print(
        f"| frozen baseline, validation learnt too |  | {' | '.join(f'{first[name]:.3f}' for name in names)} |  |"
    )
    cells = [spread(np.array([one[name] for one in seeded])) for name in names]
    print(f"| frozen baseline |  | {' | '.join(cells)} |  |", flush=True)
    rows: dict[str, dict[str, object]] = {}
    for how in COMBINATIONS:
        here = small if how[0] is Backbone.MOBILENET_V2 else case
        often = [kept(here, how, seed, args) for seed in range(args.seeds)]
        for number in (1, LOOKS):
            last = ", last block" if len(how[2]) > 1 else ""
            told = f"{how[0]} {how[1]}{last}, looks {number}"
            rows[told] = row(case, told, [one[number] for one in often], plain)
    chosen = max(rows, key=lambda name: (rows[name]["validation"], -rows[name]["loss"]))  # type: ignore[operator]
    print(f"chosen on validation: {chosen}; target {case.task.target}")
    told_worst(rows[chosen]["groups"])  # type: ignore[arg-type]
    return {
        "baseline": seeded,
        "baseline of all": first,
        "brightness": max(alone, 1 - alone),
        "chosen": chosen,
        "rows": rows,
    }


def row(case: Case, told: str, runs: Sequence[Trained], plain: Sequence[dict[str, Scores]]) -> dict[str, object]:
    """Print a row of the table, and return it."""
    names = list(aucs(case, plain[0]))
    found = {name: np.array([aucs(case, one.scores)[name] for one in runs]) for name in names}
    above = gain(case, runs, plain)
    validation = np.array([one.validation for one in runs])
    interval = f"{above.value:+.3f} ({above.low:+.3f} to {above.high:+.3f})"
    cells = [spread(found[name]) for name in names]
    print(f"| {told} | {spread(validation)} | {' | '.join(cells)} | {interval} |", flush=True)
    return {
        "validation": float(validation.mean()),
        "loss": float(np.mean([one.loss for one in runs])),
        **{name: [round(float(one), 4) for one in values] for name, values in found.items()},
        "gain": [above.value, above.low, above.high],
        "seconds": float(np.mean([one.seconds for one in runs])),
        "groups": by_group(case, runs),
    }


def told_worst(groups: dict[str, dict[str, float]]) -> None:
    """Print the groups in which a verdict was wrong, the worst first."""
    worst = sorted(groups, key=lambda name: -groups[name]["wrong"])
    said = [
        f"{name} {one['wrong']:g} of {one['pictures']}" for name in worst if (one := groups[name])["wrong"] > 0
    ]
    print(f"wrong at p(OK) = 0.5, mean over seeds, {len(groups) - len(said)} groups without: {', '.join(said)}")


def spread(values: NDArray[np.float64]) -> str:
    """Return mean and spread."""
    return f"{values.mean():.3f} ± {values.std(ddof=min(1, len(values) - 1)):.3f}"


def main() -> None:
    """Measure the sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="SETS")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--sets", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("build/real_data"))
    args = parser.parse_args()
    figures: dict[str, object] = {"seeds": args.seeds}
    for name in args.sets:
        (args.folder / name).mkdir(parents=True, exist_ok=True)
        figures[name] = measure(name, args)
        shutil.rmtree(args.folder / name / "features", ignore_errors=True)
    finish(figures)


if __name__ == "__main__":
    main()
