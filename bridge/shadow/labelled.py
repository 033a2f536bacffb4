"""What people said of the parts of a line: the journal knows the parts, the book of labels what was said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.shadow.truth import (
    LabelColumns,
    PartColumns,
    Truth,
    distinct_parts,
    label_columns,
    serials,
    truth_of,
)
from bridge.store import Reader
from bridge.store.labels import Columns, columns

PAGE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The labels of one line and the parts that they tell of."""

    said: Columns
    labels: LabelColumns
    parts: PartColumns
    truth: Truth


def labels_of(folder: Path, line: str) -> tuple[Columns, LabelColumns]:
    """Return the labels of a line, with the journal's numbers of the inspections that they name; blocks.

    Raises:
        ConfigError: there is no journal, or a file is not what it should be.
        Unavailable: the disk refuses.
    """
    said = columns(folder, line)
    numbers = Reader(folder).numbers({id_ for id_ in said.id if id_})
    return said, label_columns(said, numbers)


def read(folder: Path, line: str, within_hours: float) -> Labelled:
    """Read labels and parts of a line and join them; blocks, and raises as ``labels_of`` does."""
    said, labels = labels_of(folder, line)
    pages = [*_pages(folder, line)]
    number, serial, at = (np.concatenate(column) for column in zip(*pages, strict=True))
    parts = PartColumns(number=number, serial=serial, at=at, distinct=distinct_parts(serial, at, within_hours))
    return Labelled(said=said, labels=labels, parts=parts, truth=truth_of(labels, parts, within_hours))


def _pages(folder: Path, line: str) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    reader, after = Reader(folder), 0
    while True:
        page = reader.presentations(line, after, PAGE)
        numbers, texts, times = zip(*page, strict=True) if page else ((), (), ())
        yield np.array(numbers, np.int64), serials(texts), np.array(times, np.float64)
        if len(page) < PAGE:
            return
        after = page[-1][0]
