"""How a graph judges pictures that are in memory: through the engine of the line, with the numbers of the line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.judging import preprocess
from bridge.judging.bundle import Bundle, ModelClass, Precision
from bridge.judging.engine import Engine
from bridge.judging.frames import Load
from bridge.judging.preprocess import MAX_PIXELS
from bridge.judging.softmax import softmax
from bridge.judging.spec import Input, Normalisation
from bridge.learning.points import Scores

Rows: TypeAlias = NDArray[np.float64]
"""Probabilities, shape (pictures, classes)."""
Told: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is to do."""

_SMALLEST = 1e-300
"""So that a probability that has vanished still has a logarithm."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a model is shown, and what its outputs are called."""

    into: Input
    normalisation: Normalisation
    classes: Sequence[ModelClass]
    limit: float | None = None
    """As in a manifest."""

    @property
    def good(self) -> tuple[int, ...]:
        """The outputs that add up to p(OK)."""
        return tuple(index for index, one in enumerate(self.classes) if one.verdict == "OK")


def wiring(found: Bundle) -> Wiring:
    """Return what a bundle says of its model."""
    one = found.manifest
    return Wiring(into=one.input, normalisation=one.normalisation, classes=one.classes, limit=one.limit)


def probabilities(
    model: Path, wired: Wiring, precision: Precision, pictures: NDArray[np.uint8], told: Told = silent
) -> Rows:
    """Return the softmax of a model's logits on pictures that are already cut and sized.

    Raises:
        Unfit: it cannot run here at this precision.
    """
    load = Load(
        model=str(model),
        input=wired.into,
        normalisation=wired.normalisation,
        precision=str(precision),
        logits=True,
        classes=len(wired.classes),
        ok_outputs=wired.good,
        limit=wired.limit,
        threads=len(os.sched_getaffinity(0)),
        max_pixels=MAX_PIXELS,
    )
    engine, rows = Engine(load), []
    batch = engine.batch
    for at in range(0, len(pictures), batch):
        told(f"judging in {precision}", at, len(pictures))
        rows.append(engine.infer(list(preprocess.normalise(pictures[at : at + batch], wired.normalisation))))
    told(f"judging in {precision}", len(pictures), len(pictures))
    return np.concatenate(rows) if rows else np.empty((0, len(wired.classes)))


def tempered(rows: Rows, temperature: float) -> Rows:
    """Return the softmax of the logits divided by a temperature, from the softmax of the logits themselves."""
    return softmax(np.log(np.maximum(rows, _SMALLEST)) / temperature)


def ok(rows: Rows, wired: Wiring) -> Scores:
    """Return p(OK) of each picture."""
    return np.asarray(rows[:, list(wired.good)].sum(axis=1), np.float64)


def scores(found: Bundle, pictures: NDArray[np.uint8], told: Told = silent) -> Scores:
    """Return p(OK) of pictures that are already cut and sized, as the line would hear it from this bundle.

    Raises:
        Unfit: it cannot run here.
    """
    one, ends = found.manifest, wiring(found)
    rows = probabilities(found.model, ends, one.precision, pictures, told)
    return ok(tempered(rows, one.temperature), ends)
