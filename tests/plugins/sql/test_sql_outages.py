"""A database that is locked, frozen, killed under load: nothing lost, nothing twice, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sql_kit import DETAIL_COLUMNS, DETAILS, PATIENCE_SECONDS, RESULTS, Place, SqlHost, decision_of, reading, until
from sql_server import Server

from bridge.plugin import Inspection, Unavailable, Verdict
from bridge_sql import SqlReporterOptions, SqlSourceOptions, open_reporter, open_source

PARTS = 60


async def keep_reading(host: SqlHost, options: SqlSourceOptions) -> None:
    """Open the source again whenever it fails, as the host does."""
    while True:
        with contextlib.suppress(Unavailable):
            async with open_source(options) as source:
                await source(host)  # type: ignore[arg-type]
        await asyncio.sleep(0.02)


@asynccontextmanager
async def kept(host: SqlHost, options: SqlSourceOptions) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_reading(host, options))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def write(plant: Place, parts: int) -> None:
    """Insert rows first and complete them after, as a machine that does not give up."""
    for number in range(parts):
        for work in (plant.insert(number, f"P{number}", None), plant.complete(number, "NG")):
            await insist(work, plant, number)


async def insist(work: Any, plant: Place, number: int) -> None:
    """Do a step, again if the database was killed in it."""
    try:
        await work
    except Exception:  # noqa: BLE001 - whatever a driver says of a server that died
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(Exception):
                    await plant.do(
                        f'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode") VALUES ({number}, \'P{number}\') '
                        "ON CONFLICT DO NOTHING"
                    )
                    return
                await asyncio.sleep(0.02)


async def test_a_source_survives_a_server_that_is_killed_under_load(
    server: Server, postgresql: Place, home: Path
) -> None:
    """Every row comes to one decision, however often the plug is pulled."""
    postgresql._do([RESULTS])
    host = SqlHost()
    async with kept(host, postgresql.source(home, start="beginning")):
        writing = asyncio.create_task(write(postgresql, PARTS))
        for share in (1, 2):
            await until(lambda done=share * PARTS // 3: len(host.decisions) >= done or writing.done())  # type: ignore[misc]
            await asyncio.to_thread(server.restart)
        await writing
        await postgresql.do('UPDATE "TB_AOIResult" SET "Result" = \'NG\' WHERE "Result" IS NULL')
        await host.until(*[f"P{number}" for number in range(PARTS)])
    assert len(host.decisions) == PARTS
    assert {decision.part for decision in host.decisions.values()} == {f"P{number}" for number in range(PARTS)}
    assert all(part.legacy is Verdict.NG for part in host.parts)


async def test_a_reporter_survives_a_server_that_is_killed_under_load(server: Server, postgresql: Place) -> None:
    """What was accepted stands in the table, once; what was not is told again."""
    options = postgresql.reporter()
    accepted = 0

    async def tell() -> None:
        nonlocal accepted
        while accepted < PARTS:
            with contextlib.suppress(Unavailable):
                async with open_reporter(options) as report:
                    while accepted < PARTS:
                        part = Inspection(part=f"P{accepted}", legacy=Verdict.OK)
                        await report(decision_of(part, accepted + 1))
                        accepted += 1
            await asyncio.sleep(0.02)

    telling = asyncio.create_task(tell())
    for share in (1, 2):
        await until(lambda done=share * PARTS // 3: accepted >= done)  # type: ignore[misc]
        await asyncio.to_thread(server.restart)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await telling
    rows = await postgresql.do("SELECT part FROM decisions ORDER BY inspection_id")
    assert [row[0] for row in rows] == [f"P{number}" for number in range(PARTS)]


LOCKS = {
    "sqlite": ["BEGIN EXCLUSIVE"],
    "postgresql": ["BEGIN", 'LOCK TABLE "TB_AOIResult" IN ACCESS EXCLUSIVE MODE'],
}


@asynccontextmanager
async def locked(plant: Place, statements: list[str]) -> AsyncIterator[None]:
    """Hold the table so that nobody else can even read it."""

    def lock() -> Any:
        driver = plant.engine.raw_connection()
        if plant.kind == "sqlite":
            driver.isolation_level = None
        for statement in statements:
            driver.cursor().execute(statement)
        return driver

    held = await asyncio.to_thread(lock)
    try:
        yield
    finally:
        await asyncio.to_thread(held.rollback)
        await asyncio.to_thread(held.close)


async def test_a_locked_table_is_unavailable_and_then_read(plant: Place, home: Path) -> None:
    """A statement waits for so long and no longer; what came meanwhile is backlog."""
    host = SqlHost()
    options = plant.source(home, query_timeout_seconds=0.3)
    async with reading(host, options) as task:
        await plant.insert(1, "P1", "OK")
        await host.until("P1")
        async with locked(plant, LOCKS[plant.kind]):
            with pytest.raises(Unavailable, match=r"(?i)lock|timeout"):
                await asyncio.wait_for(task, PATIENCE_SECONDS)
            with pytest.raises(Unavailable):
                async with open_source(options):
                    pass
    await plant.insert(2, "P2", "OK")
    async with reading(host, options):
        await host.until("P2")
    assert [(part.part, part.backlog) for part in host.parts] == [("P1", False), ("P2", True)]


async def test_nothing_of_the_machines_stays_locked(postgresql: Place, home: Path) -> None:
    """Between two looks no transaction is open, so that whoever keeps the machine can do what he likes."""
    postgresql._do([RESULTS, DETAILS])
    host = SqlHost()
    async with reading(host, postgresql.source(home, details=DETAIL_COLUMNS)):
        await postgresql.insert(1, "P1", None)
        await postgresql.insert(2, "P2", "OK")
        await host.until("P2")
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(20):
                await postgresql.do('LOCK TABLE "TB_AOIResult", "TB_AOIDefect" IN ACCESS EXCLUSIVE MODE')
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aoi-bridge'"
        held = await postgresql.do(f"{ours} AND starts_with(state, 'idle in')")
    assert held[0][0] == 0


async def test_a_locked_mes_table_is_tried_again(plant: Place) -> None:
    plant_options = plant.reporter(query_timeout_seconds=0.3)
    decision = decision_of(Inspection(part="P1", legacy=Verdict.OK))
    async with open_reporter(plant_options) as report:
        lock = [line.replace("TB_AOIResult", "decisions") for line in LOCKS[plant.kind]]
        async with locked(plant, lock):
            with pytest.raises(Unavailable, match=r"(?i)lock|timeout"):
                await report(decision)
    async with open_reporter(plant_options) as report:
        await report(decision)
    assert len(await plant.do("SELECT part FROM decisions")) == 1


async def test_a_frozen_server_holds_up_nobody(
    server: Server, postgresql: Place, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers nothing, not even that it is too late: looking, telling, opening and closing end all the same."""
    monkeypatch.setattr("bridge_sql.clerk.GRACE_SECONDS", 0.2)
    monkeypatch.setattr("bridge_sql.clerk.GOODBYE_SECONDS", 0.2)
    postgresql._do([RESULTS])
    loop = asyncio.get_running_loop()
    quick: dict[str, Any] = {"query_timeout_seconds": 0.3, "connect_timeout_seconds": 2}
    source, reporter = postgresql.source(home, **quick), postgresql.reporter(**quick)
    host = SqlHost()
    async with reading(host, source) as task, open_reporter(reporter) as report:
        await asyncio.to_thread(server.freeze, frozen=True)
        try:
            with pytest.raises(Unavailable, match="does not answer"):
                await asyncio.wait_for(task, PATIENCE_SECONDS)
            with pytest.raises(Unavailable, match="does not answer"):
                await report(decision_of(Inspection(part="P1", legacy=Verdict.OK)))
            with pytest.raises(Unavailable):
                async with open_source(source):
                    pass
            closing = loop.time()
        finally:
            if loop.time() - closing > 5:
                await asyncio.to_thread(server.freeze, frozen=False)
    took = loop.time() - closing
    await asyncio.to_thread(server.freeze, frozen=False)
    assert took < 5
    await postgresql.insert(1, "P1", "OK")
    async with reading(host, source), open_reporter(reporter) as report:
        await host.until("P1")
        await report(decision_of(Inspection(part="P1", legacy=Verdict.OK)))


async def test_a_source_that_is_stopped_in_a_look_is_gone_at_once(plant: Place, home: Path) -> None:
    """Whatever the database makes it wait for, and however long it may take."""
    host, loop = SqlHost(), asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as lock:
        async with reading(host, plant.source(home, query_timeout_seconds=60)):
            await plant.insert(1, "P1", "OK")
            await host.until("P1")
            await lock.enter_async_context(locked(plant, LOCKS[plant.kind]))
            await asyncio.sleep(0.05)
            stopping = loop.time()
        assert loop.time() - stopping < 10


async def test_a_reporter_of_no_decision_opens_no_file(tmp_path: Path) -> None:
    """A file that is not there is no empty MES."""
    options = SqlReporterOptions(name="mes", url=f"sqlite:///{tmp_path}/none.db", table="t")
    with pytest.raises(Unavailable, match=r"none.db: .*unable to open"):
        async with open_reporter(options):
            pass
