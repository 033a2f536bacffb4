"""Training a detector: steps on windows, looks at whole validation pictures, and the best of these kept.

What a step learns from follows from the seed and its number, and all that the next one needs is kept every few
steps: the same command with the same data and settings goes on from there and ends as it would have; with others
it starts again. A step's windows are made while the one before is learnt from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bridge.errors import ConfigError
from bridge.judging import detections, preprocess
from bridge.judging.detections import Find
from bridge.judging.spec import Detection, Input
from bridge.learning.backend import keras, on_gpu
from bridge.learning.data import Dataset, Indices, Split
from bridge.learning.detection import grids, learner, network, precision, truth
from bridge.learning.detection.assigning import Grids, Marks
from bridge.learning.detection.learner import Settings
from bridge.learning.detection.network import DetectorNetwork
from bridge.learning.detection.precision import Told as Boxes
from bridge.learning.detection.progress import Course, Kept, fingerprint
from bridge.learning.detection.windows import Batch, Windows

HOW: Final = Detection(layout="yolov8", output="boxes", largest_overlap=0.5)
"""How the boxes of what is trained here are read."""
GPU_STEPS: Final = 6_000
_LOOKS: Final = 10
"""So often validation is looked at."""
_LOOKED_AT: Final = 32
"""Pictures with boxes, and a quarter as many without."""
_KEPT_EVERY: Final = {"cpu": 50, "gpu": 500}
"""Steps; an interruption costs half a minute."""

Told = Callable[[str, int, int], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is learnt from and looked at."""

    dataset: Dataset
    """All pictures; its last class is that of pictures without boxes."""
    sides: Split


def usual(steps: int | None, batch: int | None, window: int | None) -> tuple[int, int, int]:
    """Return steps, batch and window where perhaps nothing is said: on a processor few and small."""
    if on_gpu():
        return steps or GPU_STEPS, batch or 16, window or 320
    plain = Settings()
    return steps or plain.steps, batch or plain.batch, window or plain.window


def suits(settings: Settings, into: Input) -> None:
    """Refuse what the grids do not fit, or what is larger than the pictures.

    Raises:
        ConfigError: size or window.
    """
    network.suits(into)
    if settings.window % grids.STEP or settings.window > max(into.width, into.height):
        most = max(into.width, into.height)
        found = f"{settings.window} is no multiple of {grids.STEP} up to {most}"
        raise ConfigError("--window", found, f"write one, as {min(most, Settings().window)}")


def train(
    settings: Settings, into: Input, material: Material, work: Path, told: Told, say: Say
) -> tuple[DetectorNetwork, Course]:
    """Return the network of the best look, and how it went; blocks for minutes to hours.

    Args:
        settings: how.
        into: what it is shown.
        material: pictures with boxes.
        work: a folder of its own for what an interruption leaves, which is taken up again.
        told: hears of every step.
        say: hears a line at each look.

    Raises:
        ConfigError: as ``suits``.
        KeyboardInterrupt: passed through.
    """
    suits(settings, into)
    keras.utils.set_random_seed(settings.seed)
    dataset, sides = material.dataset, material.sides
    classes, marks = len(dataset.classes) - 1, truth.marks(dataset)
    net = network.build(into, classes)
    model = learner.learner(net, settings, classes, into.channels)
    run = fingerprint(settings, into, dataset, marks, sides, classes)
    kept = Kept(work / "detector.npz", net.core, model.optimizer, run)
    if (course := kept.restore()).step:
        say(f"goes on after step {course.step:,}")
    looked = _Looks(net, dataset, marks, sides.validation, into)
    losses: list[float] = []
    started = time.monotonic()
    every, keeps = max(1, settings.steps // _LOOKS), _KEPT_EVERY["gpu" if on_gpu() else "cpu"]
    for step, batch in enumerate(_batches(settings, net, dataset, marks, sides, course.step), course.step + 1):
        losses.append(float(model.train_on_batch(batch)))
        told("learning", step, settings.steps)
        course = replace(course, step=step)
        if look := (step % every == 0 or step == settings.steps):
            half, figure = looked()
            course = replace(course, figure=figure)
            if figure >= course.best_figure:
                kept.better()
                course = replace(course, best=step, best_figure=figure)
            took = time.monotonic() - started
            said = f"loss {np.mean(losses):.3f}, validation mAP {half:.3f} at 0.5, {figure:.3f} over 0.5 to 0.95"
            say(f"step {step:,}, {took:.0f} s: {said}; kept is step {course.best:,}")
            losses.clear()
        if look or step % keeps == 0:
            kept.write(course)
    kept.best()
    return net, course


def _batches(
    settings: Settings, net: DetectorNetwork, dataset: Dataset, marks: Sequence[Marks], sides: Split, begun: int
) -> Iterator[Batch]:
    """Yield what each step is shown, the next one in the making."""
    places = sides.train.tolist()
    windows = Windows(
        pictures=[dataset.pictures[at] for at in places],
        marks=[marks[at] for at in places],
        policy=settings.policy,
        side=settings.window,
        normalisation=net.normalisation,
        seed=settings.seed,
    )
    places_of = Grids(settings.window, settings.window)
    with ThreadPoolExecutor(1, "windows") as pool:
        coming = pool.submit(windows.batch, places_of, begun, settings.batch)
        for step in range(begun, settings.steps):
            shown = coming.result()
            if step + 1 < settings.steps:
                coming = pool.submit(windows.batch, places_of, step + 1, settings.batch)
            yield shown


class _Looks:
    """Validation, looked at as the line would: whole pictures, boxes read and thinned out by its own code."""

    def __init__(
        self, net: DetectorNetwork, dataset: Dataset, marks: list[Marks], validated: Indices, into: Input
    ) -> None:
        boxed = np.array([len(marks[at].edges) > 0 for at in validated.tolist()])
        chosen = np.concatenate([validated[boxed][:_LOOKED_AT], validated[~boxed][: _LOOKED_AT // 4]])
        self._net, self._chosen, self._into = net, chosen, into
        self._pictures, self._classes = dataset.pictures, len(dataset.classes) - 1
        self._drawn = truth.drawn(marks, self._chosen)

    def __call__(self) -> tuple[float, float]:
        """Return the mean average precision at 0.5, and over 0.5 to 0.95."""
        size = (self._into.width, self._into.height)
        said = []
        for at in self._chosen.tolist():
            shown = preprocess.normalise(self._pictures[at : at + 1], self._net.normalisation)
            raw = np.asarray(self._net.whole.predict_on_batch(shown))[0]
            said.append(boxes(detections.found(raw, HOW, self._classes, range(self._classes), size)))
        kinds = range(self._classes)
        half = precision.mean_precision(self._drawn, said, kinds, (0.5,))
        return float(np.nan_to_num(half)), float(np.nan_to_num(precision.mean_precision(self._drawn, said, kinds)))


def boxes(finds: Sequence[Find]) -> Boxes:
    """Return what was found as numbers."""
    rows = [(one.left, one.top, one.right, one.bottom) for one in finds]
    return Boxes(
        edges=np.array(rows, np.float64).reshape(-1, 4),
        kinds=np.array([one.output for one in finds], np.int64),
        scores=np.array([one.score or 0.0 for one in finds], np.float64),
    )


def recipe(settings: Settings, course: Course) -> dict[str, object]:
    """Return how it was trained, in JSON values."""
    said = asdict(settings) | {"policy": settings.policy.model_dump()}
    return {**said, "strides": list(grids.STRIDES), "best_step": course.best}
