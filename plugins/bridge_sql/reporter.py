"""The reporter: one row for each decision, committed before it counts as accepted, and never twice.

The column of the inspection id is unique, so a decision that is sent again finds its row there and is accepted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from bridge.plugin import ConfigError, Decision, Refused, Report, Verdict, count
from bridge_sql.codec import Writing
from bridge_sql.database import database
from bridge_sql.ddl import make
from bridge_sql.options import SqlReporterOptions, split
from bridge_sql.schema import columns_of, explained, unfilled, unique
from bridge_sql.troubles import of_the_row, said

__all__ = ["SqlReporterOptions", "open_reporter"]


@asynccontextmanager
async def open_reporter(options: SqlReporterOptions) -> AsyncIterator[Report]:
    """Connect and check the table; yield a report that returns once the row is committed.

    Raises:
        ConfigError: user, password, database, the table or one of its columns are wrong.
        Unavailable: the database is away.
    """
    async with database(options, "write") as clerk:
        types = await clerk.do(partial(_checked, options=options))
        desk = _Desk(options, types)

        async def report(decision: Decision) -> None:
            await clerk.do(partial(desk.write, decision=decision))

        yield report


def _checked(connection: sa.Connection, options: SqlReporterOptions) -> Mapping[str, sa.types.TypeEngine[Any]]:
    """Return the types of the table's columns; in the clerk's thread."""
    table, used = options.table, [*options.columns, *options.constants]
    with connection.begin():
        if options.create == "missing":
            make(connection, options)
        types = columns_of(connection, table)
        explained(connection, table, used)
        if not unique(connection, table, options.id_column):
            found = (
                f"the column {options.id_column} of {table} is not unique: a resent decision would be there twice"
            )
            raise ConfigError("columns", found, "give it a unique index, or write the column that has one")
        if missing := unfilled(connection, table, used):
            found = f"the column {missing[0]} of {table} must hold something, and nothing is written to it"
            raise ConfigError("columns", found, "write it into columns or constants, or give it a default")
    return types


class _Desk:
    """Writes decisions; in the clerk's thread."""

    def __init__(self, options: SqlReporterOptions, types: Mapping[str, sa.types.TypeEngine[Any]]) -> None:
        schema, name = split(options.table)
        used = [*options.columns, *options.constants]
        self._types = types
        self._table = sa.table(name, *(sa.column(column, types[column]) for column in used), schema=schema)
        self._id = self._table.c[options.id_column]
        verdicts = {Verdict.OK: options.ok_word, Verdict.NG: options.ng_word}
        self._writing = Writing(options.columns, options.constants, verdicts)

    def write(self, connection: sa.Connection, decision: Decision) -> None:
        """Write one row and commit it.

        Raises:
            Refused: the database takes no such row.
            SQLAlchemyError: it could not be written now.
        """
        try:
            row = self._writing(decision, self._types)
            with connection.begin():
                connection.execute(self._table.insert(), row)
        except IntegrityError as exc:
            if not self._there(connection, row):
                raise Refused(said(exc)) from exc
            count("resent")
        except SQLAlchemyError as exc:
            if of_the_row(exc):
                raise Refused(said(exc)) from exc
            raise
        except (OverflowError, TypeError, ValueError) as exc:  # a value that no driver brings to such a column
            raise Refused(f"cannot be written: {exc}") from exc

    def _there(self, connection: sa.Connection, row: Mapping[str, object]) -> bool:
        with connection.begin():
            found = sa.select(sa.literal(1)).select_from(self._table).where(self._id == row[self._id.name])
            return connection.execute(found).first() is not None
