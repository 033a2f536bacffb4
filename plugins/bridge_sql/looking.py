"""Looking at a result table: every statement that is sent to the machine's database, and all only read.

SQLAlchemy quotes the names of tables and columns; ``where`` alone goes to the database as the engineer wrote it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bridge.plugin import ConfigError
from bridge_sql.codec import LISTED, Row, text
from bridge_sql.options import Details, SqlSourceOptions, split
from bridge_sql.position import RECENT, Extent, Hole, Range, spread
from bridge_sql.schema import explained
from bridge_sql.troubles import forbidden, of_the_statement, said

NEW_AT_ONCE = 256
PAGE = 64
"""How many rows of backlog are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one look is to find out."""

    after: int
    """Rows with higher ids are new."""
    incomplete: Collection[int] = ()
    """Rows to look at again."""
    overdue: Collection[int] = ()
    """Those of them that are handed in as they are."""
    holes: Sequence[Hole] = ()
    page: Range | None = None
    """Backlog to read a page of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One row as it is now."""

    id: int
    row: Row
    complete: bool
    details: Sequence[Row] = ()
    """Only of a row that is complete or overdue."""
    excess: bool = False
    """There are more details than one part may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look has found; ids grow in each list."""

    new: Sequence[Found]
    again: Sequence[Found] = ()
    """Incomplete rows, and rows that stood in a hole."""
    page: Sequence[Found] = ()
    cut: bool = field(default=False)
    """There are more new rows than were read."""


class Table:
    """The statements for one machine's tables; every method blocks, and is called in the clerk's thread."""

    def __init__(self, options: SqlSourceOptions) -> None:
        self._options = options
        facts = {name: column for name, column in options.columns if column}
        facts |= {f"view {view}": column for view, column in options.views.items()}
        if options.complete != "at_once":
            facts["complete"] = options.completed_by
        details = options.details
        if details is not None and details.joined_to:
            facts["joined_to"] = details.joined_to
        self._facts = facts
        schema, name = split(options.table)
        self._columns: Mapping[str, sa.ColumnClause[Any]] = {each: sa.column(each) for each in facts.values()}
        self._table = sa.table(name, *self._columns.values(), schema=schema)
        self._id: sa.ColumnElement[Any] = self._columns[options.columns.id]
        self._highest = sa.select(sa.func.max(self._id)).select_from(self._table)
        self._all = self._rows = sa.select(*self._columns.values()).order_by(self._id)
        if options.where:
            self._rows = self._all.where(sa.literal_column(f"({options.where}\n)"))
        self._details = _Details(details, options.details_max) if details else None

    def probe(self, connection: sa.Connection) -> None:
        """Ask for no row, so that a missing column shows at once.

        Raises:
            ConfigError: table or columns are not there or may not be read, or the condition is wrong.
        """
        nothing = self._rows.where(self._id > _big(0), _NEVER)
        self._try(connection, nothing, self._options.table, self._columns)
        if self._details is not None:
            self._try(connection, self._details.none, self._details.table, self._details.columns)

    def _try(self, connection: sa.Connection, query: sa.Select[Any], table: str, columns: Collection[str]) -> None:
        try:
            connection.execute(query).all()
        except DBAPIError as exc:
            if not of_the_statement(exc):
                raise
            connection.rollback()
            if forbidden(exc):
                found = f"the table {table} may not be read ({said(exc)})"
                raise ConfigError("user", found, "write one who may, or grant SELECT to this one") from exc
            explained(connection, table, columns)
            place = "where" if self._options.where else "columns"
            found = f"the database does not understand the question ({said(exc)})"
            raise ConfigError(place, found, "write what it understands") from exc
        connection.rollback()

    def extent(self, connection: sa.Connection) -> Extent:
        """Return from where to where the table reaches, rows that do not meet the condition included."""
        highest = self._number(connection.execute(self._highest).scalar())
        rows = self._read(connection, self._all, 1)
        connection.rollback()
        if not rows or highest is None:
            return Extent(None, highest)
        marks = "\0".join(text(rows[0].get(fact)) for fact in ("part", "recipe"))
        return Extent((self._number(rows[0]["id"]) or 0, hashlib.sha256(marks.encode()).hexdigest()[:16]), highest)

    def recent(self, connection: sa.Connection) -> list[int]:
        """Return the highest ids there are, in growing order."""
        ids = sa.select(self._id).select_from(self._table).order_by(self._id.desc()).limit(RECENT)
        found = [self._number(value) for value in connection.execute(ids).scalars()]
        return sorted(one for one in found if one is not None)

    def look(self, connection: sa.Connection, request: Request) -> Look:
        """Find out what is asked."""
        rows = self._read(connection, self._rows.where(self._id > _ID), NEW_AT_ONCE, after=request.after)
        new = self._found(connection, rows, ())
        again = self._found(connection, self._again(connection, request), request.overdue)
        page = self._found(connection, self._page(connection, request.page), ())
        connection.rollback()
        return Look(new=new, again=again, page=page, cut=len(rows) == NEW_AT_ONCE)

    def _page(self, connection: sa.Connection, page: Range | None) -> list[Row]:
        if page is None:
            return []
        query = self._rows.where(self._id > _ID, self._id <= _LAST)
        return self._read(connection, query, PAGE, after=page.first - 1, last=page.last)

    def _again(self, connection: sa.Connection, request: Request) -> list[Row]:
        singles, wide = spread(request.holes)
        ids = [*request.incomplete, *singles]
        if not ids and not wide:
            return []
        either = [self._id.between(_big(low), _big(high)) for low, high in wide]
        if ids:
            either.append(self._id.in_(_IDS))
        return self._read(connection, self._rows.where(sa.or_(*either)), None, **({"ids": ids} if ids else {}))

    def _read(
        self, connection: sa.Connection, query: sa.Select[Any], most: int | None, **values: Any
    ) -> list[Row]:
        rows = connection.execute(query.limit(most) if most else query, values).all()
        place = {column: number for number, column in enumerate(self._columns)}
        return [{fact: row[place[column]] for fact, column in self._facts.items()} for row in rows]

    def _found(self, connection: sa.Connection, rows: Sequence[Row], overdue: Collection[int]) -> list[Found]:
        return [self._one(connection, row, overdue) for row in rows]

    def _one(self, connection: sa.Connection, row: Row, overdue: Collection[int]) -> Found:
        number = self._number(row["id"])
        if number is None:
            raise ConfigError("columns.id", "holds nothing in some rows", "write the column of the row's number")
        complete = self._complete(connection, row)
        if self._details is None or not (complete or number in overdue):
            return Found(id=number, row=row, complete=complete)
        details = self._details.read(connection, self._reference(row))
        excess = len(details) > self._options.details_max
        return Found(id=number, row=row, complete=complete, details=details, excess=excess)

    def _complete(self, connection: sa.Connection, row: Row) -> bool:
        said = row.get("complete")
        match self._options.complete:
            case "at_once":
                return True
            case "filled":
                return said is not None
            case "word":
                return text(said).casefold() in {one.casefold() for one in self._options.complete_words}
            case "counted":
                counted = self._details.count(connection, self._reference(row)) if self._details else 0
                return text(said) == str(counted)

    def _reference(self, row: Row) -> object:
        return row["joined_to"] if "joined_to" in row else row["id"]

    def _number(self, value: object) -> int | None:
        if value is None:
            return None
        said = text(value)
        if isinstance(value, bool) or not said.removeprefix("-").isdecimal():
            found = f"the column {self._options.columns.id} holds {said[:40]!r}, which is no whole number"
            raise ConfigError("columns.id", found, "write the column of the row's number")
        return int(said)


class _Details:
    """The statements for the table of components or defects."""

    def __init__(self, details: Details, most: int) -> None:
        self.table = details.table
        facts = {name: getattr(details, name) for name in ("view", "verdict", "defect", "image")}
        self._facts = {name: column for name, column in facts.items() if column}
        schema, name = split(details.table)
        named = (details.joined_by, *self._facts.values())
        columns: Mapping[str, sa.ColumnClause[Any]] = {each: sa.column(each) for each in named}
        self.columns = columns
        self._place = {column: number for number, column in enumerate(columns)}
        table = sa.table(name, *columns.values(), schema=schema)
        joined = columns[details.joined_by] == sa.bindparam("joined")
        rows = sa.select(*columns.values())
        self.none = rows.where(_NEVER)
        self._rows = rows.where(joined).limit(most + 1)
        if details.view:
            self._rows = self._rows.order_by(columns[details.view])
        self._count = sa.select(sa.func.count()).select_from(table).where(joined)

    def read(self, connection: sa.Connection, joined: object) -> list[Row]:
        rows = connection.execute(self._rows, {"joined": joined}).all()
        listed: Row = {} if "verdict" in self._facts else {LISTED: True}
        return [
            {**listed, **{fact: row[self._place[column]] for fact, column in self._facts.items()}} for row in rows
        ]

    def count(self, connection: sa.Connection, joined: object) -> int:
        return int(connection.execute(self._count, {"joined": joined}).scalar_one())


_NEVER = sa.literal_column("1") == sa.literal_column("0")
"""SQLAlchemy leaves out what stands beside its own ``false()``, and the database would not see it."""
_ID = sa.bindparam("after", type_=sa.BigInteger)
_LAST = sa.bindparam("last", type_=sa.BigInteger)
_IDS = sa.bindparam("ids", type_=sa.BigInteger, expanding=True)


def _big(number: int) -> sa.BindParameter[int]:
    return sa.bindparam(None, number, type_=sa.BigInteger)
