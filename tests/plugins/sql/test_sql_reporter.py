"""A decision is accepted once its row is committed, and however often it is told there is one row."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sql_kit import Place, decision_of

import bridge_sql
from bridge.plugin import Failure, Inspection, Refused, Verdict, ViewDecision, counted
from bridge_sql import SqlReporterOptions, open_reporter
from bridge_sql.ddl import statement

PART = Inspection(part="P1", legacy=Verdict.NG)
FULL = replace(
    decision_of(PART),
    failures=(Failure.DEADLINE, Failure.IMAGE_MISSING),
    degraded=True,
    views=(ViewDecision(name="top", legacy=Verdict.NG, final=Verdict.NG),),
)


async def test_the_row_is_there_when_the_report_returns(place: Place) -> None:
    """With all that the default columns hold; the whole document is in one of them."""
    async with open_reporter(place.reporter()) as report:
        await report(FULL)
        [row] = await place.do(
            "SELECT inspection_id, line, part, verdict, legacy, degraded, document FROM decisions"
        )
    assert [*row[:5], bool(row[5])] == [FULL.id, "L", "P1", "NG", "NG", True]
    assert json.loads(row[6]) == json.loads(json.dumps(FULL.document()))


async def test_a_decision_that_is_told_again_is_accepted_and_stands_once(place: Place) -> None:
    """Its acknowledgement was lost, or we died before we noted it."""
    before = counted("resent")
    for _ in range(2):
        async with open_reporter(place.reporter()) as report:
            await report(FULL)
            await report(FULL)
    assert await place.do("SELECT count(*) FROM decisions") == [(1,)]
    assert counted("resent") == before + 3


async def test_columns_get_what_their_types_want(place: Place) -> None:
    """Times, numbers, bits and texts, whatever the MES has made of a column."""
    moment = "TIMESTAMP" if place.kind == "sqlite" else "TIMESTAMPTZ"
    await place.do(
        f"CREATE TABLE decisions (id CHAR(32) PRIMARY KEY, at {moment}, at_number DOUBLE PRECISION, "
        "at_day TIMESTAMP, nr BIGINT, nr_text VARCHAR(9), bad INTEGER, bad_bit BOOLEAN, bad_text VARCHAR(9), "
        "ok INTEGER, why VARCHAR(99), views TEXT, station VARCHAR(9), line_nr INTEGER)"
    )
    columns = {
        "id": "id",
        "at": "event_at",
        "at_number": "event_at",
        "at_day": "event_at",
        "nr": "number",
        "nr_text": "number",
        "bad": "degraded",
        "bad_bit": "degraded",
        "bad_text": "degraded",
        "ok": "verdict",
        "why": "failures",
        "views": "views",
    }
    constants = {"station": "AOI-3", "line_nr": 7}
    options = place.reporter(create="never", columns=columns, constants=constants, ok_word="1", ng_word="2")
    async with open_reporter(options) as report:
        await report(FULL)
        [row] = await place.do(f"SELECT {', '.join([*columns, *constants])} FROM decisions")
    moment_told = datetime.fromtimestamp(FULL.event_at, UTC)
    if place.kind == "postgresql":
        assert (row[1], row[3]) == (moment_told, moment_told.replace(tzinfo=None))
    else:
        assert row[1] == row[3] == "2023-11-14 22:13:20.250000"
    assert row[2] == FULL.event_at
    assert list(row[4:6]) == [1, "1"]
    assert [bool(row[6]), bool(row[7]), row[8]] == [True, True, "true"]
    assert list(row[9:11]) == [2, "deadline, image missing"]
    assert [view["name"] for view in json.loads(row[11])] == ["top"]
    assert list(row[12:]) == ["AOI-3", 7]


async def test_postgresql_has_types_of_its_own(postgresql: Place) -> None:
    await postgresql.do(
        "CREATE SCHEMA mes", "CREATE TABLE mes.decisions (id UUID PRIMARY KEY, doc JSONB, at NUMERIC)"
    )
    columns = {"id": "id", "doc": "json", "at": "event_at"}
    async with open_reporter(
        postgresql.reporter(table="mes.decisions", create="never", columns=columns)
    ) as report:
        await report(FULL)
        await report(FULL)
    [row] = await postgresql.do("SELECT id, doc, at FROM mes.decisions")
    assert (row[0].hex, row[1]["part"], row[2]) == (FULL.id, "P1", Decimal("1700000000.25"))


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("verdict VARCHAR(9) CHECK (verdict <> 'NG')", "(?i)check"),
        ("verdict VARCHAR(9) NOT NULL UNIQUE", "(?i)unique|duplicate"),
    ],
)
async def test_a_row_that_the_database_never_takes_is_refused(place: Place, column: str, why: str) -> None:
    """It is parked with the database's own reason, and the next one lives."""
    await place.do(f"CREATE TABLE decisions (id VARCHAR(32) PRIMARY KEY, {column})")
    await place.do("INSERT INTO decisions VALUES ('another', 'OK')")
    options = place.reporter(create="never", columns={"id": "id", "verdict": "verdict"})
    decision = replace(FULL, final=Verdict.NG if "CHECK" in column else Verdict.OK)
    async with open_reporter(options) as report:
        with pytest.raises(Refused, match=why):
            await report(decision)
        if "UNIQUE" in column:
            await report(replace(FULL, id="b" * 32, final=Verdict.NG))
        assert len(await place.do("SELECT id FROM decisions")) == 1 + ("UNIQUE" in column)


async def test_a_value_that_is_too_long_is_refused(postgresql: Place) -> None:
    """SQLite would take it: it knows no lengths."""
    await postgresql.do("CREATE TABLE decisions (id VARCHAR(32) PRIMARY KEY, part VARCHAR(4), nr SMALLINT)")
    columns = {"id": "id", "part": "part", "nr": "number"}
    async with open_reporter(postgresql.reporter(create="never", columns=columns)) as report:
        for decision in (replace(FULL, part="too long"), replace(FULL, number=70_000), replace(FULL, part="\0")):
            with pytest.raises(Refused):
                await report(decision)
        await report(FULL)
    assert await postgresql.do("SELECT part FROM decisions") == [("P1",)]


async def test_a_trigger_may_refuse(place: Place) -> None:
    """An MES that checks the serial number in its database says no in its own words."""
    await place.do("CREATE TABLE decisions (id VARCHAR(32) PRIMARY KEY, part VARCHAR(40))")
    if place.kind == "sqlite":
        await place.do(
            "CREATE TRIGGER known BEFORE INSERT ON decisions WHEN NEW.part <> 'P1' "
            "BEGIN SELECT RAISE(ABORT, 'unknown serial'); END"
        )
    else:
        await place.do(
            "CREATE FUNCTION known() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.part <> 'P1' THEN RAISE EXCEPTION 'unknown serial'; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER known BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION known()",
        )
    async with open_reporter(place.reporter(create="never", columns={"id": "id", "part": "part"})) as report:
        with pytest.raises(Refused, match="unknown serial"):
            await report(replace(FULL, part="P2"))
        await report(FULL)


async def test_a_number_that_no_database_holds_is_refused(place: Place) -> None:
    await place.do("CREATE TABLE decisions (id VARCHAR(32) PRIMARY KEY, nr BIGINT)")
    async with open_reporter(place.reporter(create="never", columns={"id": "id", "nr": "number"})) as report:
        with pytest.raises(Refused):
            await report(replace(FULL, number=2**70))
        await report(FULL)


@pytest.mark.parametrize("kind", ["TIMESTAMP", "DATE", "BOOLEAN", "UUID", "NUMERIC", "bytes"])
async def test_a_value_that_no_driver_brings_to_its_column_is_refused(place: Place, kind: str) -> None:
    """It is parked: told again for ever, it would hold up all that is owed to the MES behind it."""
    column = {"sqlite": "BLOB", "postgresql": "BYTEA"}[place.kind] if kind == "bytes" else kind
    await place.do(f"CREATE TABLE decisions (id VARCHAR(32) PRIMARY KEY, part {column})")
    async with open_reporter(place.reporter(create="never", columns={"id": "id", "part": "part"})) as report:
        with pytest.raises(Refused, match=r"^[^(]"):
            await report(replace(FULL, part="no such thing"))
    assert await place.do("SELECT count(*) FROM decisions") == [(0,)]


async def test_a_table_of_ours_is_made_once(place: Place) -> None:
    """Only where it is wanted and only where it is missing."""
    for _ in range(2):
        async with open_reporter(place.reporter()) as report:
            await report(FULL)
    assert await place.do("SELECT count(*) FROM decisions") == [(1,)]


def test_the_readme_shows_the_table_that_would_be_made() -> None:
    """For whoever makes it by hand."""
    options = SqlReporterOptions(name="mes", url="postgresql+psycopg://db/plant", table="mes.aoi_decision")
    readme = (Path(bridge_sql.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert f"```sql\n{statement(options)}```" in readme


@pytest.mark.parametrize(
    "name", ['a"; DROP TABLE decisions; --', "select", "with blank", "Ümlaut", "per%cent", "co:lon"]
)
async def test_names_are_quoted(place: Place, name: str) -> None:
    """A name is a name, whatever stands in it."""
    columns: dict[str, Any] = {"id": "id", name: "part"}
    for table in ("decisions", f"t {name}"):
        async with open_reporter(
            place.reporter(table=table, columns=columns, constants={f"{name} 2": "x"})
        ) as report:
            await report(FULL)
            await report(FULL)
    assert await place.do("SELECT count(*) FROM decisions") == [(1,)]
