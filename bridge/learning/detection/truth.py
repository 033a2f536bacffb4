"""The boxes of a data set in pixels of the model's input, and how such a set is divided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass
from bridge.learning.data import Dataset, Shares, Split, split
from bridge.learning.data.split import Indices
from bridge.learning.detection.assigning import Marks
from bridge.learning.detection.precision import Drawn
from bridge.learning.detection.windows import carried, visible

_SIDES = 3


def marks(dataset: Dataset) -> list[Marks]:
    """Return what is drawn in each picture of a set, whose last class is that of pictures without boxes.

    What lies outside the region that the model looks at is not there; what its edge cuts off by more than half is
    unknown.
    """
    kinds = {one.name: place for place, one in enumerate(dataset.classes)}
    high, wide = dataset.pictures.shape[1:3]
    found = []
    for item, placement in zip(dataset.items, dataset.placements, strict=True):
        rows = [(one.left, one.top, one.right, one.bottom) for one in item.marks or ()]
        edges = carried(np.array(rows, np.float64).reshape(-1, 4), np.linalg.inv(placement))
        drawn = Marks(
            edges=edges,
            kinds=np.array([kinds[one.label] for one in item.marks or ()], np.int64),
            unknown=np.empty((0, 4)),
        )
        found.append(visible(drawn, wide, high))
    return found


def drawn(known: list[Marks], places: Indices) -> list[Drawn]:
    """Return what is to be found in some of the pictures."""
    return [Drawn(edges=known[at].edges, kinds=known[at].kinds) for at in places.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """A set with a row for each class in each picture, as ``split.Labelled``; N pictures, M rows."""

    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    splits: tuple[str, ...]
    classes: tuple[ModelClass, ...]


def divided(dataset: Dataset, shares: Shares, seed: int = 0, *, torn: bool = False) -> Split:
    """Divide a set; no group is on two sides, and each class of boxes is on each side that it has groups for.

    Of good pictures, which a set may lack, no side must have any. A set that has its own split keeps it, whatever
    classes its sides lack; what nothing can be learnt from is refused.

    Args:
        dataset: with boxes.
        shares: how much validates and is held out.
        seed: decides what is drawn.
        torn: as ``split.by_group``.

    Raises:
        ConfigError: as ``split.by_group``; or a class has no box to learn from, or there is none to validate on.
    """
    pictures, labels = _by_class(dataset)
    rows = _Rows(
        labels=labels,
        groups=tuple(dataset.groups[at] for at in pictures),
        splits=tuple(dataset.splits[at] for at in pictures),
        classes=dataset.classes,
    )
    cut = split.by_group(rows, shares, seed, torn=torn)
    of = np.array(pictures, np.intp)
    train, validation, held_out = (np.unique(of[side]) for side in (cut.train, cut.validation, cut.held_out))
    sides = Split(train=train, validation=validation, held_out=held_out, notes=cut.notes)
    _hold(dataset, sides)
    return sides


def _by_class(dataset: Dataset) -> tuple[list[int], NDArray[np.int64]]:
    """Return place and class of every class that is in a picture."""
    kinds = {one.name: place for place, one in enumerate(dataset.classes)}
    nothing = len(dataset.classes) - 1
    rows = [
        (at, kind)
        for at, item in enumerate(dataset.items)
        for kind in sorted({kinds[one.label] for one in item.marks or ()} or {nothing})
    ]
    pictures, labels = [at for at, _ in rows], np.array([kind for _, kind in rows], np.int64)
    good = labels == nothing
    if any(dataset.splits):
        labels[:] = 0
    elif len({dataset.groups[at] for (at, _), one in zip(rows, good, strict=True) if one}) < _SIDES:
        labels[good] = np.bincount(labels[~good]).argmax()
    return pictures, labels


def _hold(dataset: Dataset, sides: Split) -> None:
    learnt = {one.label for at in sides.train.tolist() for one in dataset.items[at].marks or ()}
    missing = [one.name for one in dataset.classes[:-1] if one.name not in learnt]
    if missing:
        found = f"have no box to learn from ({', '.join(missing)})"
        raise ConfigError("classes", found, "draw some in pictures of the training side")
    if not any(dataset.items[at].marks for at in sides.validation.tolist()):
        raise ConfigError("DATA", "holds no box to validate on", "write --split new, or --validation 0.3")
