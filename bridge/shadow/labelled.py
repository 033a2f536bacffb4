"""What people said of the parts of a line: the journal knows the parts, the book of labels what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridge.shadow import columns
from bridge.shadow.columns import Array, Columns, Key, Scaled, Table, Texts
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
from bridge.store.labels import Columns as Said
from bridge.store.labels import columns as columns_of

_COLUMNS: Final = (Key("number"), Scaled("event_at", 1_000_000), Texts("part"))
_KINDS: Final = {"number": "i8", "at": "f8", "serial": "i8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The labels of one line and the parts that they tell of."""

    said: Said
    labels: LabelColumns
    parts: PartColumns
    truth: Truth


def labels_of(folder: Path, line: str) -> tuple[Said, LabelColumns]:
    """Return the labels of a line, with the journal's numbers of the inspections that they name; blocks.

    Raises:
        ConfigError: there is no journal, or a file is not what it should be.
        Unavailable: the disk refuses.
    """
    said = columns_of(folder, line)
    numbers = Reader(folder).numbers({id_ for id_ in said.id if id_})
    return said, label_columns(said, numbers)


def read(folder: Path, line: str, within_hours: float) -> Labelled:
    """Read labels and parts of a line and join them; blocks, and raises as ``labels_of`` does."""
    said, labels = labels_of(folder, line)
    shown = _presented(folder, line)
    distinct = distinct_parts(shown["serial"], shown["at"], within_hours)
    parts = PartColumns(number=shown["number"], serial=shown["serial"], at=shown["at"], distinct=distinct)
    return Labelled(said=said, labels=labels, parts=parts, truth=truth_of(labels, parts, within_hours))


def _presented(folder: Path, line: str) -> Columns:
    """Return every presentation on a line, in order of the journal's numbers; none where nobody knows the line."""

    def take(block: list[Any]) -> Sequence[Array]:
        number, at, texts = block
        return number, at, serials(texts)

    with columns.open_journal(folder) as journal:
        word = journal.rows("SELECT number FROM word WHERE text = ?", (line,))
        numbers = range(1, journal.last("part") + 1)
    where = Table("part", "number", "line = :line", {"line": word[0][0] if word else 0})
    return columns.filled(folder, where, _COLUMNS, numbers, take, _KINDS)
