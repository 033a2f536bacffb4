"""Sets that are the bridge's own data folder: pictures that it kept, labelled in a table or by an operator.

The journal is only ever read. A *part* is one inspection; inspections of the same serial number stay together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from bridge.errors import ConfigError
from bridge.learning.data import tables
from bridge.learning.data.found import Found
from bridge.messages import Decision, ViewDecision
from bridge.store import Images, Reader

FILE: Final = "journal.db"
_IDS: Final = ("id", "inspection id", "inspection_id")
_ID: Final = re.compile("[0-9a-fA-F]{32}")
_PAGE: Final = 1000

Row: TypeAlias = Mapping[str, str]
_Said: TypeAlias = tuple[Decision, Sequence[Row]]
"""An inspection and what the table says of it."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """The rows of a table, by what they name."""

    by_id: Mapping[str, Sequence[Row]]
    by_part: Mapping[str, Sequence[Row]]


def read(folder: Path, table: Path | None) -> tuple[list[Found], tuple[str, ...]]:
    """Return the labelled pictures that are still kept, and what a person should know of the others.

    Args:
        folder: the data folder of a gateway, which may be running.
        table: columns ``id`` (the inspection's) or ``part``, and ``label``; optionally ``view``, ``line`` and any
            that ``--groups`` may name. None: the parts that an operator decided, labelled OK and NG.

    Raises:
        ConfigError: there is no such journal or table, or nothing of it is labelled and kept.
    """
    said = list(_by_table(Reader(folder), table) if table else _by_operator(Reader(folder)))
    if not said:
        found = f"names no part of {folder}" if table else "no part of this journal was decided by an operator"
        where = str(table) if table else str(folder)
        raise ConfigError(
            where, found, "write --labels FILE.csv with columns id or part, label, and view if need be"
        )
    images, gone, whole = Images(folder / "images"), 0, 0
    kept: dict[tuple[Path, str], Found] = {}
    for decision, rows in said:
        whole += len(decision.views) > 1 and not all(row.get("view") for row in rows)
        for view, row in _labelled(decision, rows):
            path = images.path(view.image) if view.image else None
            gone += path is None
            if path is not None:
                kept[path, row["label"]] = _found(path, decision, view, row)
    if not kept:
        raise ConfigError(
            str(folder / "images"), "holds none of the labelled pictures", "label parts of later days"
        )
    return list(kept.values()), _notes(gone, whole)


def _notes(gone: int, whole: int) -> tuple[str, ...]:
    said = (
        (gone, "labelled pictures are not kept any more"),
        (whole, "parts of several views are labelled as a whole: each view takes the part's label"),
    )
    return tuple(f"{count} {what}" for count, what in said if count)


def _by_operator(reader: Reader) -> Iterator[_Said]:
    for decision in _all(reader):
        if decision.operator is not None:
            yield decision, ({"label": str(decision.operator)},)


def _by_table(reader: Reader, table: Path) -> Iterator[_Said]:
    labels = _read(table)
    if not labels.by_part:
        looked = ((reader.decision(id_), rows) for id_, rows in labels.by_id.items())
        yield from ((decision, rows) for decision, rows in looked if decision is not None)
        return
    for decision in _all(reader):
        rows = labels.by_id.get(decision.id) or [
            row for row in labels.by_part.get(decision.part, ()) if row.get("line") in {None, "", decision.line}
        ]
        if rows:
            yield decision, rows


def _read(table: Path) -> _Labels:
    by_id: defaultdict[str, list[Row]] = defaultdict(list)
    by_part: defaultdict[str, list[Row]] = defaultdict(list)
    for number, row in enumerate(tables.rows(table, "label"), 2):
        id_ = next((row[name] for name in _IDS if row.get(name)), "")
        if not row.get("label") or not (id_ or row.get("part")):
            raise ConfigError(f"{table}:{number}", "has no label, or neither id nor part", "write both")
        if id_ and not _ID.fullmatch(id_):
            raise ConfigError(
                f"{table}:{number}", f"{id_!r} is no inspection id", "write its 32 hexadecimal digits"
            )
        if id_:
            by_id[id_.lower()].append(row)
        else:
            by_part[row["part"]].append(row)
    return _Labels(by_id, by_part)


def _all(reader: Reader) -> Iterator[Decision]:
    last = 0
    while page := reader.decisions(after=last, limit=_PAGE):
        yield from page
        last = page[-1].number


def _labelled(decision: Decision, rows: Sequence[Row]) -> Iterator[tuple[ViewDecision, Row]]:
    """Yield the views that are labelled: by a row of their own, else by one that is for the whole part."""
    own = {row["view"]: row for row in rows if row.get("view")}
    whole = next((row for row in rows if not row.get("view")), None)
    for view in decision.views:
        row = own.get(view.name, whole)
        if row is not None:
            yield view, row


def _found(path: Path, decision: Decision, view: ViewDecision, row: Row) -> Found:
    day = datetime.fromtimestamp(decision.event_at, UTC).astimezone().date().isoformat()
    known = {
        "id": decision.id,
        "part": decision.part,
        "line": decision.line,
        "recipe": decision.recipe,
        "day": day,
    }
    return Found(
        path=path,
        label=row["label"],
        part=decision.id,
        view=view.name,
        serial=decision.part,
        group=tables.group(row),
        facts={**row, **known},
    )
