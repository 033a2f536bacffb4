"""Rows ↔ messages: what a row of a result table says, and what a decision is in an MES table. Pure.

A verdict is OK only where the configuration lists the very word as meaning OK, be it ``1`` or ``0``.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeAlias

import sqlalchemy as sa
from pydantic import ValidationError

from bridge.plugin import (
    Decision,
    Inspection,
    PartDocument,
    Unreadable,
    Verdict,
    ViewDocument,
    Words,
    first_mistake,
    read_part,
    whole_number,
)

Row: TypeAlias = Mapping[str, object]
"""A row: the facts by the names that the options give them."""
_DIGITS = 40
"""No database counts further; a number of more digits is left as it is."""
LISTED = "listed"
"""The fact of a detail row that has no verdict of its own: a table of defects lists nothing that is good."""


def text(value: object) -> str:
    """Return a value as the words that stand for it, without the blanks that fixed widths are filled with."""
    if value is None:
        return ""
    if isinstance(value, bool | float | Decimal):
        return _numeral(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _decoded(bytes(value))
    return value.isoformat() if isinstance(value, date | time) else str(value).strip()


def _numeral(value: bool | float | Decimal) -> str:  # noqa: FBT001 - a value, not a switch
    """Return a number without the digits that say nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    whole = value.is_finite() and value.adjusted() < _DIGITS and value == value.to_integral_value()
    return str(int(value)) if whole else str(value)


def _decoded(data: bytes) -> str:
    """Return bytes as the text that they are, or in hexadecimal."""
    try:
        return data.decode().rstrip("\0").strip()
    except ValueError:
        return data.hex()


def word(value: object, words: Words) -> str:
    """Return a value as a verdict's word; a bit is true and false to one database and 1 and 0 to the next."""
    said = text(value)
    if isinstance(value, bool) and not words.understood(said):
        return "1" if value else "0"
    return said


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are understood."""

    words: Words
    views: Sequence[str]
    """The views whose picture's path stands in the row itself, under ``view `` and their name."""

    def __call__(self, row: Row, details: Sequence[Row], *, complete: bool) -> Inspection:
        """Return the part that a row tells of; one that is not complete has no verdict.

        Raises:
            Unreadable: it tells of no part.
        """
        try:
            said = PartDocument(
                part=text(row.get("part")),
                verdict=word(row.get("verdict"), self.words) if complete else None,
                recipe=text(row.get("recipe")),
                defect=text(row.get("defect")),
                key=text(row.get("key")) or None,
                ng_views=whole_number("ng_views", text(row.get("ng_views"))),
                lot=text(row.get("lot")),
                counter=whole_number("counter", text(row.get("counter"))),
                views=[*self._pictures(row), *self._details(details, complete=complete)],
            )
        except ValidationError as exc:
            raise Unreadable(first_mistake(exc)) from exc
        return read_part(said, self.words)

    def _pictures(self, row: Row) -> list[ViewDocument]:
        return [ViewDocument(name=view, image=text(row.get(f"view {view}"))) for view in self.views]

    def _details(self, details: Sequence[Row], *, complete: bool) -> list[ViewDocument]:
        """Return a view for each detail row; of several with one name the later ones are numbered."""
        met: Counter[str] = Counter()
        views = []
        for number, row in enumerate(details, start=1):
            name = text(row.get("view")) or str(number)
            met[name] += 1
            views.append(
                ViewDocument(
                    name=name if met[name] == 1 else f"{name} {met[name]}",
                    verdict=self._said(row) if complete else None,
                    defect=text(row.get("defect")),
                    image=text(row.get("image")),
                )
            )
        return views

    def _said(self, row: Row) -> str:
        return self.words.word(Verdict.NG) if row.get(LISTED) else word(row.get("verdict"), self.words)


def sample(row: Row, details: Sequence[Row]) -> bytes:
    """Return a row as it is kept in the quarantine."""
    said = {"row": dict(row), "details": [dict(one) for one in details[:100]]}
    return json.dumps(said, default=text, ensure_ascii=False).encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Writing:
    """How a decision becomes a row."""

    columns: Mapping[str, str]
    """Column → field."""
    constants: Mapping[str, str | int]
    verdicts: Mapping[Verdict, str]

    def __call__(self, decision: Decision, types: Mapping[str, sa.types.TypeEngine[object]]) -> dict[str, object]:
        """Return column → value, as the types of the table's columns want them."""
        document = decision.document()
        fields = {name: self._value(name, value) for name, value in document.items()}
        fields["json"] = document
        chosen = {column: fields[field] for column, field in self.columns.items()}
        return {column: fitting(value, types[column]) for column, value in {**chosen, **self.constants}.items()}

    def _value(self, name: str, value: object) -> object:
        if isinstance(value, Verdict):
            return self.verdicts[value]
        if name == "failures" and isinstance(value, list):
            return ", ".join(value)
        return value


def fitting(value: object, kind: sa.types.TypeEngine[object]) -> object:
    """Return a value as a column of this type takes it; what does not fit is left for the database to refuse."""
    if value is None or isinstance(kind, sa.JSON):
        return value
    if isinstance(value, list | Mapping):
        value = json.dumps(value)
    if isinstance(kind, sa.String):
        return text(value)
    if isinstance(kind, sa.Uuid) and isinstance(value, str):
        return uuid.UUID(value)
    if isinstance(kind, sa.DateTime) and isinstance(value, float):
        moment = datetime.fromtimestamp(value, UTC)
        return moment if kind.timezone else moment.replace(tzinfo=None)
    return _number(value, kind) if isinstance(value, bool | int | float) else value


def _number(value: float, kind: sa.types.TypeEngine[object]) -> object:
    if isinstance(kind, sa.Boolean):
        return bool(value)
    return round(value) if isinstance(kind, sa.Integer) else value
