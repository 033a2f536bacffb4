"""The other side of the label road: a station that writes a row for each part, and its verdict a moment later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count

import sqlalchemy as sa

from bridge.plugin import Label, Say
from bridge_sql.database import database
from bridge_sql.options import SqlLabelOptions, split


class StationTable:
    """The station's table, as a road's options describe it; every method blocks."""

    def __init__(self, options: SqlLabelOptions) -> None:
        self._options = options
        said = options.columns
        schema, name = split(options.table)
        others = {said.part, said.id, said.verdict, said.who, said.defect, said.note, said.time} - {""}
        metadata = sa.MetaData()
        number = sa.Column(said.number, sa.BigInteger, primary_key=True, autoincrement=False)
        columns = (sa.Column(column, sa.String(256)) for column in sorted(others))
        self.rows = sa.Table(name, metadata, number, *columns, schema=schema)
        self._metadata = metadata

    def make(self, connection: sa.Connection) -> int:
        """Make the table where it is not there; return the highest number there is."""
        with connection.begin():
            self._metadata.create_all(connection)
            number = self.rows.c[self._options.columns.number]
            return int(connection.execute(sa.select(sa.func.max(number))).scalar() or 0)

    def say(self, connection: sa.Connection, number: int, label: Label) -> None:
        """Insert a row, and say its verdict a moment later."""
        said = self._options.columns
        values = {
            said.part: label.part,
            said.id: label.id,
            said.who: label.who,
            said.defect: label.defect,
            said.note: label.note,
            said.time: datetime.fromtimestamp(label.at, UTC).isoformat(),
        }
        verdict = {said.verdict: self._options.words().word(label.verdict)}
        known = {column: value for column, value in values.items() if column}
        if self._options.complete == "at_once":
            known |= verdict
        with connection.begin():
            connection.execute(self.rows.insert(), {**known, said.number: number})
        with connection.begin():
            connection.execute(self.rows.update().where(self.rows.c[said.number] == number), verdict)


@asynccontextmanager
async def open_station(options: SqlLabelOptions) -> AsyncIterator[Say]:
    """Be the station that a road's options tell of; its table is made where it is not there."""
    table = StationTable(options)
    async with database(options, "own") as clerk:
        numbers = count(await clerk.do(table.make) + 1)

        async def say(label: Label) -> None:
            await clerk.do(partial(table.say, number=next(numbers), label=label))

        yield say
