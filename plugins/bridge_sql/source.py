"""The source: looks at the machine's result table again and again, and hands in each row once it is complete.

A row counts as done only after its decision is recorded; until then it is offered again under the same key. When
the database goes away ``Unavailable`` ends the source: parts under way are answered first, the host opens it anew,
and what is found then is backlog.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from bridge.plugin import Inspect, Rejects, Source, Unavailable, count, logger, rejecting
from bridge_sql.clerk import Clerk
from bridge_sql.database import database
from bridge_sql.keeping import Keeper
from bridge_sql.lanes import Lanes
from bridge_sql.looking import Table
from bridge_sql.options import SqlSourceOptions
from bridge_sql.position import Position
from bridge_sql.presenting import Presenter
from bridge_sql.watching import Watch

__all__ = ["SqlSourceOptions", "open_source"]


@asynccontextmanager
async def open_source(options: SqlSourceOptions) -> AsyncIterator[Source]:
    """Connect, check that tables and columns are there, and find where to go on.

    Raises:
        ConfigError: user, password, database, a table or a column are wrong.
        Unavailable: the database is away.
    """
    async with options.share() as fetch, open_table(options) as watch:

        async def run(inspect: Inspect) -> None:
            def present(position: Position, rejects: Rejects, tasks: asyncio.TaskGroup) -> Lanes:
                return Presenter(options, position, inspect, fetch, rejects, tasks)

            await watch(present)

        yield run


Taking: TypeAlias = Callable[[Position, Rejects, asyncio.TaskGroup], Lanes]
"""Makes what takes the rows."""


@asynccontextmanager
async def open_table(options: SqlSourceOptions) -> AsyncIterator[Callable[[Taking], Awaitable[None]]]:
    """Open a table, whatever its rows tell of; raises as ``open_source`` does.

    What it yields watches the table until that fails, or until it is cancelled.
    """
    table = Table(options)
    keeper = Keeper(options.home / "position.json", f"{options.place}/{options.table}.{options.columns.id}")
    async with database(options, "read") as clerk:
        await clerk.do(table.probe)
        await _begin(options, clerk, table, keeper)

        async def watch(taking: Taking) -> None:
            async with rejecting(options.home) as rejects, asyncio.TaskGroup() as tasks:
                lanes = taking(keeper.position, rejects, tasks)
                keeping = tasks.create_task(keeper.keep(), name="sql position")
                away = await Watch(options, clerk, table, keeper.position, lanes).run()
                lanes.end()
                keeping.cancel()
            raise away

        try:
            yield watch
        finally:
            await keeper.try_to_save()


async def _begin(options: SqlSourceOptions, clerk: Clerk, table: Table, keeper: Keeper) -> None:
    """Find where to go on, and keep it: a crash at once must not make a later start the first one."""
    known = await asyncio.to_thread(keeper.load, options.settle_seconds)
    position, now = keeper.position, asyncio.get_running_loop().time()
    extent = await clerk.do(table.extent)
    if known and position.anew(extent):
        count("counted_anew")
        logger().error("the machine has begun to count its rows anew while we were away", table=options.table)
    if known or options.start == "beginning":
        position.begin(extent.highest)
    else:
        position.begin_at_end(await clerk.do(table.recent), now)
    position.lowest = position.lowest or extent.lowest
    try:
        await keeper.save()
    except OSError as exc:
        raise Unavailable(f"the position cannot be written: {exc.strerror}") from exc
