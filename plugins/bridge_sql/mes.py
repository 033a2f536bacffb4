"""The other side of the reporter: an MES that owns the table, and can refuse rows or lock the table."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa

from bridge.plugin import ConfigError, Habits, Mood, together, with_habits
from bridge_sql.clerk import Clerk
from bridge_sql.database import database
from bridge_sql.ddl import table_of
from bridge_sql.habits import DOCUMENTS_BETWEEN, MES_HABITS
from bridge_sql.options import SqlReporterOptions

__all__ = ["TableMes", "open_mes"]

LOOK_SECONDS = 0.005
READ_AT_ONCE = 200


@dataclass(kw_only=True)
class TableMes:
    """What stands in an MES's table, and how its database behaves.

    The database itself acknowledges, by its commit; so no acknowledgement can be lost on the way here, a row that
    comes again leaves no trace, and whoever kills the connection is the test that started the server.
    """

    options: SqlReporterOptions
    reader: Clerk
    locker: Clerk
    mood: Mood
    documents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What was accepted, by inspection id, in the order in which it was seen."""
    told_at: dict[str, float] = field(default_factory=dict)
    """When each was seen first, in monotonic seconds: up to ``LOOK_SECONDS`` after its commit."""
    resent: int = 0
    """Always 0: a row that comes again is not inserted."""
    _orders: asyncio.Queue[Callable[[], Awaitable[None]]] = field(default_factory=asyncio.Queue)
    _going: asyncio.Event = field(default_factory=asyncio.Event)

    def refuse_all(self, reason: str) -> None:
        """Refuse whatever comes from now on, with this reason."""
        self._orders.put_nowait(partial(self._refuse, reason))

    def accept_all(self) -> None:
        """Accept whatever comes from now on."""
        self._orders.put_nowait(self._accept)

    def stall(self) -> None:
        """Lock the table, so that whoever writes must wait."""
        self._orders.put_nowait(self._lock)

    def resume(self) -> None:
        """Unlock the table."""
        self._orders.put_nowait(self._unlock)

    def half_close(self) -> None:
        """Do nothing: a database has no such half."""

    def lose(self, acknowledgements: int) -> None:
        """Do nothing: a commit is its own acknowledgement."""

    def die(self) -> None:
        """Be of no use to anybody: here, as ``stall``."""
        self.stall()

    async def start(self) -> None:
        """Come back after ``die``; alive, go on."""
        self.resume()
        await self.settled()

    async def settled(self) -> None:
        """Wait until the database does as it was last told."""
        await self._orders.join()

    async def obey(self) -> None:
        """Carry out what was ordered, in order, until cancelled."""
        while True:
            order = await self._orders.get()
            await order()
            self._orders.task_done()

    async def look(self) -> None:
        """Read what is new in the table, until cancelled."""
        table = table_of(self.options)
        while True:
            await self._going.wait()
            new = await self.reader.do(partial(self._read, table=table))
            self.documents.update(new)
            for name in new:
                self.told_at[name] = time.monotonic()
                self._behave()
            await asyncio.sleep(LOOK_SECONDS)

    def _behave(self) -> None:
        if self.mood.strikes("lock", DOCUMENTS_BETWEEN):
            self.stall()
            asyncio.get_running_loop().call_later(self.mood.habits["lock"], self.resume)

    def _read(self, connection: sa.Connection, table: sa.Table) -> dict[str, Mapping[str, Any]]:
        column = table.c[self.options.id_column]
        if connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == len(self.documents):
            return {}
        known = set(self.documents)
        new = [one for one in connection.execute(sa.select(column).order_by(column)).scalars() if one not in known]
        found = sa.select(table).where(column.in_(new[:READ_AT_ONCE])).order_by(column)
        rows = connection.execute(found).mappings().all()
        return {str(row[column.name]): self._document(dict(row)) for row in rows}

    def _document(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a row says as the decision's document, as far as it stands in the columns."""
        fields = {named: row[column] for column, named in self.options.columns.items()}
        whole = fields.pop("json", None)
        if whole is not None:
            document: Mapping[str, Any] = json.loads(whole) if isinstance(whole, str) else whole
            return document
        words = {self.options.ok_word: "OK", self.options.ng_word: "NG"}
        verdicts = {"verdict", "legacy", "model", "operator"}
        return {name: words.get(said, said) if name in verdicts else said for name, said in fields.items()}

    async def _lock(self) -> None:
        self._going.clear()
        await self.reader.do(lambda _: None)  # whatever it was reading
        await self.locker.do(self._take_lock)

    def _take_lock(self, connection: sa.Connection) -> None:
        if connection.in_transaction():
            return
        connection.begin()
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            name = connection.dialect.identifier_preparer.format_table(table_of(self.options))
            connection.exec_driver_sql(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")

    async def _unlock(self) -> None:
        await self.locker.do(lambda connection: connection.rollback())
        self._going.set()

    async def _refuse(self, reason: str) -> None:
        await self.locker.do(partial(_refusing, table=table_of(self.options), reason=reason))

    async def _accept(self) -> None:
        await self.locker.do(partial(_refusing, table=table_of(self.options), reason=None))


def _refusing(connection: sa.Connection, table: sa.Table, reason: str | None) -> None:
    """Make a trigger that refuses every row, or take it away."""
    name = connection.dialect.identifier_preparer.format_table(table)
    said = str(reason).replace("'", "''")
    sqlite = [
        "DROP TRIGGER IF EXISTS refuse_all",
        f"CREATE TRIGGER refuse_all BEFORE INSERT ON {name} BEGIN SELECT RAISE(ABORT, '{said}'); END",
    ]
    body = f"BEGIN RAISE EXCEPTION USING MESSAGE = '{said}', ERRCODE = 'check_violation'; END"
    function = f"CREATE OR REPLACE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    trigger = f"CREATE TRIGGER refuse_all BEFORE INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION refuse_all()"
    postgresql = [f"DROP TRIGGER IF EXISTS refuse_all ON {name}", f"{function}; {trigger}"]
    known = {"sqlite": sqlite, "postgresql": postgresql}
    if connection.dialect.name not in known:
        raise ConfigError("url", f"the simulated MES cannot make {connection.dialect.name} refuse rows")
    with connection.begin():
        for statement in known[connection.dialect.name][: 1 if reason is None else 2]:
            connection.exec_driver_sql(statement)


@with_habits(MES_HABITS)
@asynccontextmanager
async def open_mes(options: SqlReporterOptions, habits: Habits) -> AsyncIterator[TableMes]:
    """Be the MES whose table a reporter's options describe; it is made where it is not there.

    Raises:
        Unavailable: the database is away.
    """
    table = table_of(options)

    def make(connection: sa.Connection) -> None:
        with connection.begin():
            table.create(connection, checkfirst=True)

    async with database(options, "own") as locker:
        await locker.do(make)
        async with database(options, "read") as reader, together() as tasks:
            mes = TableMes(options=options, reader=reader, locker=locker, mood=Mood(habits))
            mes.resume()
            running = [tasks.create_task(work(), name="sql mes") for work in (mes.obey, mes.look)]
            try:
                await mes.settled()
                yield mes
            finally:
                for task in running:
                    task.cancel()
