"""Of two transactions the one with the lower id may commit last: its row is read all the same."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sql_kit import Place, SqlHost, reading, until
from sql_server import Server

from bridge.plugin import counted

TABLE = (
    'CREATE TABLE "TB_AOIResult" ("ResultID" BIGSERIAL PRIMARY KEY, "Barcode" TEXT, "Model" TEXT, "Result" TEXT)'
)
INSERT = 'INSERT INTO "TB_AOIResult" ("Barcode", "Result") VALUES (%s, %s)'
OPTIONS = {"columns": {"id": "ResultID", "part": "Barcode", "verdict": "Result"}}


@pytest.fixture
def machine(postgresql: Place) -> Place:
    """A table whose ids the database gives out."""
    postgresql._do([TABLE])
    return postgresql


async def slow(server: Server, machine: Place, part: str) -> psycopg.AsyncConnection:
    """Begin a transaction that has its id and is not committed."""
    database = machine.url.rpartition("/")[2]
    where = f"host=127.0.0.1 port={server.port} user=aoi dbname={database}"
    connection = await psycopg.AsyncConnection.connect(where)
    await connection.execute(INSERT, (part, "NG"))
    return connection


async def insert(machine: Place, part: str) -> None:
    await machine.do(f'INSERT INTO "TB_AOIResult" ("Barcode", "Result") VALUES (\'{part}\', \'OK\')')


async def test_a_lower_id_that_commits_later_is_read(server: Server, machine: Place, home: Path) -> None:
    """It is live: the running poll saw that it was not there, and then that it was."""
    host = SqlHost()
    async with reading(host, machine.source(home, **OPTIONS)):
        await insert(machine, "P1")
        await host.until("P1")
        late = await slow(server, machine, "P2")
        for part in ("P3", "P4"):
            await insert(machine, part)
            await host.until(part)
        async with late:
            await late.commit()
        await host.until("P2")
    assert host.names == ["P1", "P3", "P4", "P2"]
    assert [part.key for part in host.parts] == [f"TB_AOIResult:1:{number}" for number in (1, 3, 4, 2)]
    assert not any(part.backlog for part in host.parts)
    assert (host.parts[3].event or 0) > (host.parts[2].event or 0)


async def test_a_restart_in_between_loses_nothing(server: Server, machine: Place, home: Path) -> None:
    """What was missing when we stopped is looked for when we are back, committed meanwhile or later."""
    host = SqlHost()
    async with reading(host, machine.source(home, **OPTIONS)):
        first, second = await slow(server, machine, "P1"), await slow(server, machine, "P2")
        await insert(machine, "P3")
        await host.until("P3")
    async with first:
        await first.commit()
    async with reading(host, machine.source(home, **OPTIONS)):
        await host.until("P1")
        async with second:
            await second.commit()
        await host.until("P2")
    assert sorted(host.names) == ["P1", "P2", "P3"]


async def test_the_first_start_looks_out_for_what_is_on_its_way(
    server: Server, machine: Place, home: Path
) -> None:
    """A row that was not committed when we came is a new one, though its id is not."""
    await insert(machine, "P1")
    late = await slow(server, machine, "P2")
    await insert(machine, "P3")
    host = SqlHost()
    async with reading(host, machine.source(home, **OPTIONS)):
        async with late:
            await late.commit()
        await host.until("P2")
    assert host.names == ["P2"]


async def test_a_rolled_back_id_costs_nothing(server: Server, machine: Place, home: Path) -> None:
    """It is looked for until the settling time is over, and then forgotten."""
    host = SqlHost()
    async with reading(host, machine.source(home, **OPTIONS, settle_seconds=0.05)):
        await insert(machine, "P1")
        await host.until("P1")
        gone = await slow(server, machine, "P2")
        async with gone:
            await gone.rollback()
        await insert(machine, "P3")
        await host.until("P3")
        await until(lambda: '"owed": []' in (home / "position.json").read_text())
    assert host.names == ["P1", "P3"]


async def test_late_rows_among_many(server: Server, machine: Place, home: Path) -> None:
    """Several writers, each committing when it likes: every row once."""
    host, before = SqlHost(), counted("full")
    async with reading(host, machine.source(home, **OPTIONS)):
        writers = [await slow(server, machine, f"L{number}") for number in range(12)]
        for number in range(40):
            await insert(machine, f"P{number}")
            if number % 4 == 0 and writers:
                async with writers.pop(number % len(writers)) as late:
                    await late.commit()
        for late in writers:
            async with late:
                await late.commit()
        await host.until(*[f"P{number}" for number in range(40)], *[f"L{number}" for number in range(12)])
    assert len(host.parts) == 52
    assert counted("full") == before
