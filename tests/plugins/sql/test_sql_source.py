"""Rows become parts once they are complete, in whatever order the machine's database shows them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sql_kit import COLUMNS, DETAIL_COLUMNS, RESULTS, Place, SqlHost, reading, until

from bridge.plugin import ConfigError, Verdict, counted
from bridge_sql import open_source
from bridge_sql.database import database
from bridge_sql.position import Extent, Position

TABLE = "TB_AOIResult"
JPEG = b"\xff\xd8picture\xff\xd9"


async def test_a_row_becomes_a_part(plant: Place, home: Path) -> None:
    """What stands in the configured columns, by the configured words."""
    host = SqlHost()
    async with reading(host, plant.source(home)):
        await plant.insert(1, "P1", "OK")
        await host.until("P1")
        await plant.do(
            'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Model", "Result", "NgCount") '
            "VALUES (2, 'P2  ', 'M10', 'fail', 3)"
        )
        await host.until("P2")
    first, second = host.parts
    assert (first.legacy, first.backlog, first.key) == (Verdict.OK, False, "TB_AOIResult:1:1")
    assert (second.legacy, second.recipe, second.ng_views) == (Verdict.NG, "M10", 3)


async def test_an_incomplete_row_waits_and_holds_up_nobody(plant: Place, home: Path) -> None:
    """A row without a verdict is looked at again; the one behind it is handed in meanwhile."""
    host = SqlHost()
    async with reading(host, plant.source(home)):
        await plant.insert(1, "P1", None)
        await plant.insert(2, "P2", "OK")
        await host.until("P2")
        assert host.names == ["P2"]
        await plant.complete(1, "NG")
        await host.until("P1")
    assert host.parts[1].legacy is Verdict.NG
    assert not host.parts[1].backlog
    assert (host.parts[1].event or 0) < (host.parts[0].event or 0) + 1


async def test_a_row_that_never_becomes_complete_has_no_verdict(plant: Place, home: Path) -> None:
    """It is handed in as it is after its time, for its part was inspected; it can never be OK."""
    host, before = SqlHost(), counted("never_complete")
    columns = {"complete": "filled", "complete_column": "Model", "complete_timeout_seconds": 0.05}
    async with reading(host, plant.source(home, **columns)):
        await plant.insert(1, "P1", "OK")
        await host.until("P1")
    assert (host.parts[0].legacy, host.parts[0].legacy_understood) == (None, True)
    assert counted("never_complete") == before + 1


async def test_a_row_that_is_deleted_before_it_is_complete_has_no_verdict(plant: Place, home: Path) -> None:
    host, before = SqlHost(), counted("never_complete")
    async with reading(host, plant.source(home, complete_timeout_seconds=0.3)):
        await plant.insert(1, "P1", None)
        await plant.insert(2, "P2", "OK")
        await host.until("P2")
        await plant.do('DELETE FROM "TB_AOIResult" WHERE "ResultID" = 1')
        await host.until("P1")
    assert host.parts[1].legacy is None
    assert counted("never_complete") == before + 1


async def test_rows_that_are_deleted_afterwards_are_missed_by_nobody(plant: Place, home: Path) -> None:
    """A machine that clears its table goes on counting."""
    host = SqlHost()
    async with reading(host, plant.source(home)):
        await plant.insert(1, "P1", "OK")
        await host.until("P1")
        await plant.do('DELETE FROM "TB_AOIResult"')
        await plant.insert(2, "P2", "OK")
        await host.until("P2")
    assert host.names == ["P1", "P2"]


@pytest.mark.parametrize(("start", "names"), [("end", ["P3"]), ("beginning", ["P1", "P2", "P3"])])
async def test_the_first_start_begins_where_it_is_told(
    plant: Place, home: Path, start: str, names: list[str]
) -> None:
    """What lay there already is left alone, or is backlog; what comes then is live."""
    await plant.insert(1, "P1", "OK")
    await plant.insert(2, "P2", "OK")
    host = SqlHost()
    async with reading(host, plant.source(home, start=start)):
        await host.until(*names[:-1])
        await plant.insert(3, "P3", "OK")
        await host.until("P3")
    assert sorted(host.names) == names
    assert {part.part: part.backlog for part in host.parts} == {name: name != "P3" for name in names}


@pytest.mark.parametrize("start", ["end", "beginning"])
async def test_an_empty_table_is_read_from_its_first_row(plant: Place, home: Path, start: str) -> None:
    host = SqlHost()
    async with reading(host, plant.source(home, start=start)):
        await plant.insert(7, "P7", "OK")
        await host.until("P7")
    assert not host.parts[0].backlog


async def test_what_came_while_we_were_away_is_backlog(plant: Place, home: Path) -> None:
    """Nothing is lost over a restart, nothing is handed in twice, and a row that waited still waits."""
    host = SqlHost()
    async with reading(host, plant.source(home)):
        await plant.insert(1, "P1", None)
        await plant.insert(2, "P2", "OK")
        await host.until("P2")
    await plant.insert(3, "P3", "NG")
    async with reading(host, plant.source(home)):
        await host.until("P3")
        await plant.complete(1, "OK")
        await host.until("P1")
        await plant.insert(4, "P4", "OK")
        await host.until("P4")
    assert sorted(host.names) == ["P1", "P2", "P3", "P4"]
    assert {part.part: part.backlog for part in host.parts} == {"P1": True, "P2": False, "P3": True, "P4": False}


async def test_a_crash_offers_rows_again_under_the_same_key(plant: Place, home: Path) -> None:
    """The position of a moment ago is as good as the last one: every part has one decision in the end."""
    host = SqlHost()
    async with reading(host, plant.source(home)):
        await plant.insert(1, "P1", "OK")
        await host.until("P1")
        kept = (home / "position.json").read_bytes()
        await plant.insert(2, "P2", "OK")
        await plant.insert(3, "P3", "OK")
        await host.until("P2", "P3")
    (home / "position.json").write_bytes(kept)
    decided = dict(host.decisions)
    async with reading(host, plant.source(home)):
        await until(lambda: len(host.parts) > len(set(host.names)))
        await host.until("P1", "P2", "P3")
    assert host.decisions == decided


async def test_a_part_that_is_not_recorded_is_offered_again(
    plant: Place, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its decision is committed it is not ours; a restart finds it too."""
    monkeypatch.setattr("bridge_sql.lanes.AGAIN_SECONDS", 0.01)
    host = SqlHost(recorded=lambda part: part.backlog)
    async with reading(host, plant.source(home)):
        await plant.insert(1, "P1", "OK")
        await host.until("P1")
    assert [(part.key, part.backlog) for part in host.parts] == [
        ("TB_AOIResult:1:1", False),
        ("TB_AOIResult:1:1", True),
    ]
    host = SqlHost(recorded=lambda _: False)
    async with reading(host, plant.source(home)):
        await plant.insert(2, "P2", "OK")
        await until(lambda: "P2" in host.names)
    host = SqlHost()
    async with reading(host, plant.source(home)):
        await host.until("P2")
    assert host.names == ["P2"]


async def test_the_deadline_counts_from_when_the_row_was_not_there_yet(plant: Place, home: Path) -> None:
    """No later than the row itself, whatever the machine's own clock says."""
    host, loop = SqlHost(), asyncio.get_running_loop()
    async with reading(host, plant.source(home)):
        await plant.insert(1, "P1", None)
        appeared = loop.time()
        await plant.insert(2, "P2", "OK")
        await host.until("P2")
        await plant.complete(1, "OK")
        await host.until("P1")
    second, first = host.parts
    assert (first.event or 0) < appeared
    assert (first.event or 0) <= (second.event or 0) < loop.time()


async def test_the_deadline_may_count_from_completion(plant: Place, home: Path) -> None:
    """For machines whose rows appear when a board comes in, and say how it ended seconds later."""
    host = SqlHost()
    async with reading(host, plant.source(home, event="complete")):
        await plant.insert(1, "P1", None)
        for row in (2, 3):
            await plant.insert(row, f"P{row}", "OK")
            await host.until(f"P{row}")
        await plant.complete(1, "OK")
        await host.until("P1")
    events = {part.part: part.event or 0 for part in host.parts}
    assert events["P2"] < events["P3"] <= events["P1"]


@pytest.mark.parametrize(
    "options",
    [
        {"complete": "word", "complete_column": "Model", "complete_words": ["done"]},
        {"complete": "counted", "complete_column": "NgCount", "details": DETAIL_COLUMNS},
        {"complete": "filled", "complete_column": "ImagePath"},
    ],
    ids=lambda options: str(options["complete"]),
)
async def test_what_counts_as_complete_is_configured(plant: Place, home: Path, options: dict[str, Any]) -> None:
    host = SqlHost()
    async with reading(host, plant.source(home, **options)):
        await plant.do(
            'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Model", "Result", "NgCount") '
            "VALUES (1, 'P1', 'begun', 'OK', 2)",
            "INSERT INTO \"TB_AOIDefect\" VALUES (1, 'R1', 'OK', '', '')",
        )
        await plant.do(
            "INSERT INTO \"TB_AOIResult\" VALUES (2, 'P2', 'Done', 'OK', 'x', 0)",
        )
        await host.until("P2")
        assert host.names == ["P2"]
        await plant.do(
            "INSERT INTO \"TB_AOIDefect\" VALUES (1, 'R2', 'OK', '', '')",
            'UPDATE "TB_AOIResult" SET "Model" = \'done\', "ImagePath" = \'x\' WHERE "ResultID" = 1',
        )
        await host.until("P1")
    assert host.parts[1].legacy is Verdict.OK


async def test_components_come_from_a_second_table(plant: Place, home: Path, tmp_path: Path) -> None:
    """Each with its verdict, its defect code and its picture on the share; names are kept apart."""
    (tmp_path / "share" / "lot7").mkdir(parents=True)
    (tmp_path / "share" / "lot7" / "r1.jpg").write_bytes(JPEG)
    host = SqlHost()
    share = {"images": tmp_path / "share", "image_prefix": "D:\\AOI"}
    async with reading(host, plant.source(home, details=DETAIL_COLUMNS, **share)):
        await plant.do(
            'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Result") VALUES (1, \'P1\', \'NG\')',
            "INSERT INTO \"TB_AOIDefect\" VALUES (1, 'R2', 'NG', 'bridge', 'D:\\AOI\\lot7\\r1.jpg')",
            "INSERT INTO \"TB_AOIDefect\" VALUES (1, 'R1', 'OK', NULL, 'D:\\AOI\\lot7\\r1.jpg')",
            "INSERT INTO \"TB_AOIDefect\" VALUES (1, 'R2', '???', 'tilt', 'D:\\AOI\\lot7\\r1.jpg')",
            "INSERT INTO \"TB_AOIDefect\" VALUES (2, 'R9', 'NG', 'of another part', '')",
        )
        await host.until("P1")
    [part] = host.parts
    views = {view.name: (view.legacy, view.defect) for view in part.views}
    assert set(views) == {"R1", "R2", "R2 2"}
    assert views["R1"] == (Verdict.OK, "")
    assert {views["R2"], views["R2 2"]} == {(None, "tilt"), (Verdict.NG, "bridge")}
    assert not part.legacy_understood
    assert set(host.images.values()) == {JPEG}


async def test_a_table_of_defects_lists_nothing_that_is_good(plant: Place, home: Path) -> None:
    """Without a column for it, each row is NG."""
    details = {name: column for name, column in DETAIL_COLUMNS.items() if name != "verdict"}
    host = SqlHost()
    async with reading(host, plant.source(home, details=details)):
        await plant.do(
            "INSERT INTO \"TB_AOIDefect\" VALUES (1, 'R1', 'OK', '', '')",
            'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Result") VALUES (1, \'P1\', \'NG\')',
        )
        await host.until("P1")
    assert [view.legacy for view in host.parts[0].views] == [Verdict.NG]


async def test_details_may_refer_to_another_column(plant: Place, home: Path) -> None:
    """Some machines join by barcode."""
    host = SqlHost()
    details = {**DETAIL_COLUMNS, "joined_by": "DefectCode", "joined_to": "Barcode"}
    async with reading(host, plant.source(home, details=details)):
        await plant.do(
            "INSERT INTO \"TB_AOIDefect\" VALUES (99, 'R1', 'NG', 'P1', '')",
            'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Result") VALUES (1, \'P1\', \'NG\')',
        )
        await host.until("P1")
    assert [view.name for view in host.parts[0].views] == ["R1"]


async def test_pictures_may_be_named_in_the_row_itself(plant: Place, home: Path, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "a.jpg").write_bytes(JPEG)
    host = SqlHost()
    async with reading(host, plant.source(home, views={"top": "ImagePath"}, images=tmp_path / "share")):
        await plant.do("INSERT INTO \"TB_AOIResult\" VALUES (1, 'P1', 'M', 'NG', 'a.jpg', 1)")
        await host.until("P1")
    assert host.images == {"top": JPEG}


async def test_only_rows_that_meet_the_condition_are_read(plant: Place, home: Path) -> None:
    """The others are holes in the count of ids, and stay so; a sign of percent or a colon is no trouble."""
    host = SqlHost()
    async with reading(host, plant.source(home, where="\"Model\" LIKE 'M%' AND \"Model\" <> 'a :b'")):
        for row in range(1, 30):
            model = "M10" if row % 10 == 0 else "X"
            await plant.do(
                f'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Model", "Result") '
                f"VALUES ({row}, 'P{row}', '{model}', 'OK')"
            )
        await host.until("P10", "P20")
    assert host.names == ["P10", "P20"]


async def test_numbers_may_be_verdicts(plant: Place, home: Path) -> None:
    """Zero is OK for many machines: only because the configuration says so."""
    host = SqlHost()
    columns = {**COLUMNS, "verdict": "NgCount"}
    async with reading(host, plant.source(home, columns=columns, ok_words=["0"], ng_words=["1", "2"])):
        for row, said in enumerate([0, 1, 7], start=1):
            await plant.do(f"INSERT INTO \"TB_AOIResult\" VALUES ({row}, 'P{row}', 'M', 'x', '', {said})")
            await host.until(f"P{row}")
    assert [part.legacy for part in host.parts] == [Verdict.OK, Verdict.NG, None]
    assert [part.legacy_understood for part in host.parts] == [True, True, False]


async def test_the_machine_may_name_a_presentation_itself(plant: Place, home: Path) -> None:
    host = SqlHost()
    async with reading(host, plant.source(home, columns={**COLUMNS, "key": "ImagePath"})):
        await plant.do("INSERT INTO \"TB_AOIResult\" VALUES (1, 'P1', 'M', 'OK', 'run-7', 1)")
        await host.until("P1")
    assert host.parts[0].key == "run-7"


async def test_a_row_that_tells_of_no_part_is_quarantined_and_the_next_one_lives(plant: Place, home: Path) -> None:
    host, before = SqlHost(), counted("unreadable")
    async with reading(host, plant.source(home)):
        await plant.do("INSERT INTO \"TB_AOIResult\" VALUES (1, 'P\n1', 'M', 'OK', '', 1)")
        await plant.insert(2, "P2", "OK")
        await host.until("P2")
        await until(lambda: any((home / "quarantine").glob("*.json")))
    [reason] = (home / "quarantine").glob("*.json")
    assert "part" in json.loads(reason.read_text())["reason"]
    assert json.loads(reason.with_suffix(".bin").read_bytes())["row"]["part"] == "P\n1"
    assert counted("unreadable") == before + 1
    host = SqlHost()
    async with reading(host, plant.source(home)):
        await plant.insert(3, "P3", "OK")
        await host.until("P3")
    assert host.names == ["P3"]


async def test_a_text_in_an_old_code_page_holds_up_nobody(sqlite: Place, home: Path) -> None:
    """SQLite keeps whatever bytes a machine writes as text: a name is told in hexadecimal, and is no word."""
    sqlite._do([RESULTS])
    host = SqlHost()
    async with reading(host, sqlite.source(home)):
        for row, part, verdict in ((1, "c4e3", "4f4b"), (2, "4f4b", "c4e3"), (3, "4131", "4f4b")):
            said = f"CAST(x'{part}' AS TEXT), CAST(x'{verdict}' AS TEXT)"
            await sqlite.do(f'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Result") VALUES ({row}, {said})')
        await host.until("c4e3", "OK", "A1")
    legacies = {part.part: (part.legacy, part.legacy_understood) for part in host.parts}
    assert legacies == {"c4e3": (Verdict.OK, True), "OK": (None, False), "A1": (Verdict.OK, True)}


async def test_a_moment_that_python_cannot_hold_holds_up_nobody(postgresql: Place, home: Path) -> None:
    """PostgreSQL has an infinity and a 24 o'clock."""
    await postgresql.do(
        'CREATE TABLE "TB_AOIResult" ("ResultID" INTEGER, "Barcode" TEXT, "Done" TIMESTAMP, "At" TIME)'
    )
    columns = {"id": "ResultID", "part": "Barcode", "verdict": "", "recipe": "At"}
    options = postgresql.source(home, columns=columns, complete_column="Done")
    host = SqlHost()
    async with reading(host, options):
        for row, moment in ((1, "infinity"), (2, "0044-03-15 BC"), (3, "2026-01-02")):
            await postgresql.do(f"INSERT INTO \"TB_AOIResult\" VALUES ({row}, 'P{row}', '{moment}', '24:00')")
        await host.until("P1", "P2", "P3")
    assert {part.recipe for part in host.parts} == {"24:00:00"}


async def test_more_details_than_a_part_can_have_are_quarantined(plant: Place, home: Path) -> None:
    """What is read of one part is bounded before it fills the memory."""
    host = SqlHost()
    async with reading(host, plant.source(home, details=DETAIL_COLUMNS, details_max=3)):
        await plant.do(
            *[f"INSERT INTO \"TB_AOIDefect\" VALUES (1, 'R{n}', 'NG', '', '')" for n in range(4)],
            'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Result") VALUES (1, \'P1\', \'NG\')',
        )
        await plant.insert(2, "P2", "OK")
        await host.until("P2")
        await until(lambda: any((home / "quarantine").glob("*.json")))
    assert host.names == ["P2"]


async def count_anew(plant: Place, part: str) -> None:
    """Empty the table and begin at 1, in one transaction."""
    insert = 'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Result") VALUES '
    await plant.do('DELETE FROM "TB_AOIResult"', f"{insert} (1, '{part}', 'OK')")


@pytest.fixture
def extents(monkeypatch: pytest.MonkeyPatch) -> list[Extent]:
    """What the source has seen of the table's extent, which it looks at all the time."""
    seen: list[Extent] = []
    anew = Position.anew

    def noted(position: Position, extent: Extent) -> bool:
        seen.append(extent)
        return anew(position, extent)

    monkeypatch.setattr(Position, "anew", noted)
    monkeypatch.setattr("bridge_sql.watching.EXTENT_SECONDS", 0.01)
    return seen


async def test_a_machine_that_counts_anew_is_noticed(plant: Place, home: Path, extents: list[Extent]) -> None:
    """Its ids come again, its parts are others: all of them are read, under keys of their own."""
    host, before = SqlHost(), counted("counted_anew")
    await plant.insert(1, "P1", "OK")
    async with reading(host, plant.source(home, start="beginning")):
        await plant.insert(2, "P2", None)
        await host.until("P1")
        await until(lambda: bool(extents) and extents[-1].highest == 2)
        await count_anew(plant, "Q1")
        await host.until("Q1", "P2")
        await plant.insert(2, "Q2", "NG")
        await host.until("Q2")
    keys = {part.part: part.key for part in host.parts}
    assert keys == {"P1": f"{TABLE}:1:1", "P2": f"{TABLE}:1:2", "Q1": f"{TABLE}:2:1", "Q2": f"{TABLE}:2:2"}
    assert counted("counted_anew") == before + 1
    await count_anew(plant, "R1")
    async with reading(host, plant.source(home)):
        await host.until("R1")
    assert (host.parts[-1].key, host.parts[-1].backlog) == ("TB_AOIResult:3:1", True)


async def test_ids_of_deleted_rows_that_are_given_out_again_are_read(
    plant: Place, home: Path, extents: list[Extent]
) -> None:
    """Some databases count on from the highest row that is left; the rows before it are not handed in again."""
    host = SqlHost()
    async with reading(host, plant.source(home)):
        for row in (1, 2, 3, 4):
            await plant.insert(row, f"P{row}", "OK")
        await host.until("P1", "P2", "P3", "P4")
        await until(lambda: extents[-1].highest == 4)
        await plant.do('DELETE FROM "TB_AOIResult" WHERE "ResultID" > 2')
        await until(lambda: extents[-1].highest == 2)
        await plant.insert(3, "Q3", "OK")
        await host.until("Q3")
    assert [part.key for part in host.parts[4:]] == ["TB_AOIResult:2:3"]


async def test_a_position_in_another_table_is_not_believed(plant: Place, home: Path) -> None:
    """Another machine's ids mean nothing here, and its keys must not answer for ours."""
    await plant.insert(500, "P500", "OK")
    async with reading(SqlHost(), plant.source(home)):
        pass
    kept = json.loads((home / "position.json").read_text())
    (home / "position.json").write_text(json.dumps({**kept, "table": "another", "top": 3}))
    host = SqlHost()
    async with reading(host, plant.source(home)):
        await plant.insert(501, "P501", "OK")
        await host.until("P501")
    assert [(part.part, part.key) for part in host.parts] == [("P501", "TB_AOIResult:2:501")]


async def test_a_position_that_cannot_be_read_is_a_mistake_to_mend(plant: Place, home: Path) -> None:
    home.mkdir()  # noqa: ASYNC240 - a test's own files
    (home / "position.json").write_text("{")
    with pytest.raises(ConfigError, match=r"position.json: does not tell how far .* move it away"):
        async with open_source(plant.source(home)):
            pass


async def test_a_live_part_does_not_stand_behind_the_backlog(plant: Place, home: Path) -> None:
    """However many rows came while we were away."""
    rows = [f"({row}, 'B{row}', 'OK')" for row in range(1, 400)]
    await plant.do(f'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Result") VALUES {",".join(rows)}')
    gate = asyncio.Event()

    async def hold(part: Any) -> None:
        if part.backlog:
            await gate.wait()

    host = SqlHost(hold=hold)
    async with reading(host, plant.source(home, start="beginning")):
        await until(lambda: bool(host.parts))
        await plant.insert(1000, "LIVE", "OK")
        await host.until("LIVE")
        gate.set()
        await host.until("LIVE", *[f"B{row}" for row in range(1, 400)])
    assert len(host.parts) == 400
    assert not next(part for part in host.parts if part.part == "LIVE").backlog


async def test_the_machines_database_cannot_be_written(plant: Place, home: Path) -> None:
    """Not even by a mistake of ours, or by a condition that somebody wrote."""
    async with database(plant.source(home), "read") as clerk:
        for statement in ('DELETE FROM "TB_AOIResult"', "CREATE TABLE x (y INTEGER)"):
            with pytest.raises(Exception, match=r"(?i)read-?only"):
                await clerk.do(lambda connection, text=statement: connection.exec_driver_sql(text))
