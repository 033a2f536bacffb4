"""What a set is like before anything is trained on it: counts, shortcuts, what cannot be read, copies.

A *shortcut* is a number that has nothing to do with the part and yet tells OK from NG: brightness, the size of the
picture or of its file. A network finds it before it finds the defect.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.judging import headers, preprocess
from bridge.judging.headers import Unreadable
from bridge.learning.data import remembered
from bridge.learning.data.copies import Copies, Pair, Told, merged
from bridge.learning.data.found import named
from bridge.learning.data.items import Collection
from bridge.learning.data.split import Split
from bridge.learning.points import auc

SHORTCUT: Final = 0.7
"""From this AUC on, a number that has nothing to do with the part is worth a warning."""
MEASURES: Final = ("width", "height", "file size", "brightness", "contrast", "sharpness")
UNITS: Final[Mapping[str, str]] = {"width": "px", "height": "px", "file size": "kB"}
_INCIDENTAL: Final = ("width", "height", "file size", "brightness")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found."""

    collection: Collection
    split: Split
    measured: NDArray[np.float64]
    """Shape (N, 6): ``MEASURES`` of each item; NaN where it cannot be read."""
    unreadable: Mapping[Path, str]
    identical: tuple[tuple[int, int], ...]
    """Places of files that are byte for byte an earlier one, of the same group or of another."""
    copies: Copies
    """Of different groups only."""
    looked: bool
    """Whether copies were looked for at all."""

    @property
    def leaking(self) -> tuple[Pair, ...]:
        """The copies that lie on two sides of the split."""
        return self.copies.across(self.split)

    @property
    def contradicting(self) -> frozenset[tuple[int, int]]:
        """The places of copies, and of identical files, whose labels differ."""
        labels = [item.label for item in self.collection.items]
        alike = {*self.identical, *((pair.one, pair.other) for pair in self.copies.pairs)}
        return frozenset((one, other) for one, other in alike if labels[one] != labels[other])

    @property
    def parts_less(self) -> int:
        """How many groups fewer there are once groups that hold copies are taken as one."""
        return len(set(self.collection.groups)) - len(set(merged(self.collection, self.copies.pairs).groups))

    @property
    def shortcuts(self) -> dict[str, float]:
        """AUC of each incidental number alone, 0.5 to 1: how well it tells OK from NG."""
        bad, found = self.collection.bad, {}
        for name in _INCIDENTAL:
            numbers = self.measured[:, MEASURES.index(name)]
            there = ~np.isnan(numbers)
            ranked = auc(numbers[there], bad[there])
            found[name] = 0.5 if math.isnan(ranked) else max(ranked, 1 - ranked)
        return found

    @property
    def clean(self) -> bool:
        """Whether the split can be trusted."""
        return not (self.unreadable or self.leaking or self.contradicting)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many pictures of each class lie on each side."""
        labels = [item.label for item in self.collection.items]
        found = {side: Counter(labels[place] for place in places) for side, places in self.split.sides.items()}
        return {one.name: {side: found[side][one.name] for side in found} for one in self.collection.classes}

    def groups(self) -> dict[str, dict[str, int]]:
        """Return how many groups of each class lie on each side."""
        items = self.collection.items
        return {
            one.name: {
                side: len({items[place].group for place in places if items[place].label == one.name})
                for side, places in self.split.sides.items()
            }
            for one in self.collection.classes
        }

    def as_dict(self) -> dict[str, object]:
        """Return the report for JSON."""
        items = self.collection.items
        return {
            "where": str(self.collection.where),
            "pictures": len(self.collection.items),
            "clean": self.clean,
            "pictures_by_class_and_side": self.counts(),
            "groups_by_class_and_side": self.groups(),
            "views": dict(sorted(Counter(item.view for item in self.collection.items).items())),
            "median_by_class": self.medians(),
            "shortcut_auc": {name: round(value, 4) for name, value in self.shortcuts.items()},
            "unreadable": {self._named(path): why for path, why in self.unreadable.items()},
            "identical_files": [[self._named(items[place].path) for place in pair] for pair in self.identical],
            "copies_looked_for": self.looked,
            "too_plain_to_compare": len(self.copies.plain),
            "copies": [self._told(pair) for pair in self.copies.pairs],
            "leaking": len(self.leaking),
            "contradicting": [
                [self._named(items[place].path) for place in pair] for pair in sorted(self.contradicting)
            ],
            "groups_less_without_copies": self.parts_less,
        }

    def medians(self) -> dict[str, dict[str, float]]:
        """Return the median of each measure for each class; NaN where nothing could be read."""
        labels = np.array([item.label for item in self.collection.items])
        return {one.name: _medians(self.measured[labels == one.name]) for one in self.collection.classes}

    def _told(self, pair: Pair) -> dict[str, object]:
        one, other = self.collection.items[pair.one], self.collection.items[pair.other]
        return {
            "one": self._named(one.path),
            "other": self._named(other.path),
            "labels": [one.label, other.label],
            "groups": [one.group, other.group],
            "identical": pair.identical,
            "correlation": round(pair.likeness.correlation, 3),
            "how": str(pair.likeness),
        }

    def _named(self, path: Path) -> str:
        return named(path, self.collection.where)


def check(collection: Collection, split: Split, told: Told, *, look_for_copies: bool = True) -> Report:
    """Measure every picture and look for copies; blocks."""
    unreadable: dict[Path, str] = {}
    rows: list[tuple[float, ...]] = []
    first: dict[str, int] = {}
    identical: list[tuple[int, int]] = []
    for at, item in enumerate(collection.items):
        try:
            data = item.path.read_bytes()
            rows.append(measures(data))
            before = first.setdefault(hashlib.sha256(data).hexdigest(), at)
            identical += [(before, at)] if before != at else []
        except OSError as exc:
            unreadable[item.path] = f"cannot be read ({exc.strerror})"
        except Unreadable as exc:
            unreadable[item.path] = str(exc)
        if item.path in unreadable:
            rows.append((math.nan,) * len(MEASURES))
        told("measuring", at + 1, len(collection.items))
    nothing = Copies(pairs=(), plain=(), unreadable=())
    return Report(
        collection=collection,
        split=split,
        measured=np.array(rows, np.float64),
        unreadable=unreadable,
        identical=tuple(identical),
        copies=remembered.find(collection, told) if look_for_copies else nothing,
        looked=look_for_copies,
    )


def measures(data: bytes) -> tuple[float, ...]:
    """Return ``MEASURES`` of an encoded picture: pixels, pixels, kB, grey levels twice, and sharpness.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000).

    Raises:
        Unreadable: as ``preprocess.decode``.
    """
    header = headers.read(data)
    if header.width * header.height > preprocess.MAX_PIXELS:
        raise Unreadable(f"has {header.width} x {header.height} pixels, more than {preprocess.MAX_PIXELS}")
    gray = preprocess.decode(data, header, gray=True)
    sharp = float(cv2.Laplacian(gray, cv2.CV_64F).var())
    return header.width, header.height, len(data) / 1000, float(gray.mean()), float(gray.std()), sharp


def _medians(rows: NDArray[np.float64]) -> dict[str, float]:
    there: Sequence[NDArray[np.float64]] = [column[~np.isnan(column)] for column in rows.T]
    return {
        name: round(float(np.median(column)), 2) if column.size else math.nan
        for name, column in zip(MEASURES, there, strict=True)
    }
