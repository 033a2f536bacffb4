"""What a detector's training keeps of itself, so that the same command goes on where it was interrupted.

One file holds it all: what has been learnt, the optimizer's numbers, and the best so far, so that none of them can
be of another step than the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.durable import replace_bytes
from bridge.errors import ConfigError
from bridge.judging.spec import Input
from bridge.learning.data import Dataset, Split
from bridge.learning.detection.assigning import Marks
from bridge.learning.detection.learner import Settings
from bridge.learning.networks import stored
from bridge.learning.networks.trunk import Model

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far it is."""

    step: int = 0
    best: int = 0
    """The step whose weights are kept; 0: none yet."""
    best_figure: float = -1.0
    """Their mean average precision on validation, over overlaps from 0.5 to 0.95."""
    figure: float = -1.0
    """That of the last look."""


def fingerprint(
    settings: Settings, into: Input, dataset: Dataset, marks: Sequence[Marks], sides: Split, classes: int
) -> str:
    """Return a hash over all that a training follows from."""
    told = hashlib.sha256(repr((asdict(settings), asdict(into), classes, asdict(Course()))).encode())
    arrays: list[NDArray[Any]] = [dataset.pictures, sides.train, sides.validation]
    for one in marks:
        arrays += [one.edges.round(2), one.kinds, one.unknown.round(2)]
    for array in arrays:
        told.update(repr(array.shape).encode())
        told.update(np.ascontiguousarray(array).data)
    return told.hexdigest()


class Kept:
    """The file of a training."""

    def __init__(self, path: Path, core: Model, optimizer: Any, run: str) -> None:
        self._path, self._core, self._optimizer, self._run = path, core, optimizer, run
        self.course, self._best = Course(), dict[str, NDArray[Any]]()

    def restore(self) -> Course:
        """Fill network and optimizer with what was kept of the same run, if any; return how far that is."""
        try:
            found = stored.read(self._path)
            if str(found.pop("run")) != self._run:
                return self.course
            course = {name: found.pop(name).item() for name in Course.__slots__}
        except (ConfigError, KeyError):
            return self.course
        self._best = {name: one for name, one in found.items() if name.startswith("best.")}
        fill(self._core, found, "now.")
        for at, one in enumerate(self._optimizer.variables):
            one.assign(found[f"optimizer.{at:03d}"])
        self.course = Course(**course)
        return self.course

    def better(self) -> None:
        """Remember what has been learnt as the best so far."""
        self._best = weights(self._core, "best.")

    def best(self) -> None:
        """Fill the network with the best."""
        fill(self._core, self._best, "best.")

    def write(self, course: Course) -> None:
        """Keep all as it is now."""
        self.course = course
        steps = {f"optimizer.{at:03d}": stored.array(one) for at, one in enumerate(self._optimizer.variables)}
        facts = {name: np.array(value) for name, value in asdict(course).items()} | {"run": np.array(self._run)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(self._path, stored.encoded(weights(self._core, "now.") | self._best | steps | facts))


def weights(model: Model, prefix: str = "") -> Weights:
    """Return all that a model has learnt, and what its normalisation has seen."""
    return {f"{prefix}{at:03d}": stored.array(one) for at, one in enumerate(model.weights)}


def fill(model: Model, found: Weights, prefix: str = "") -> None:
    """Give a model such weights."""
    for at, one in enumerate(model.weights):
        one.assign(found[f"{prefix}{at:03d}"])
