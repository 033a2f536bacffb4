from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import any_second, decision, view

from bridge.errors import ConfigError
from bridge.messages import Box, Failure, Goal, HeatMap, Judgement, Spot, Verdict
from bridge.store import Reader, open_journal, schema

VERSION_1 = Path(__file__).with_name("version_1.sql")
NEWEST = len(schema.MIGRATIONS)
ONE_MORE = (
    *schema.MIGRATIONS,
    "ALTER TABLE part ADD COLUMN shift INTEGER; UPDATE part SET shift = number % 3;",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / schema.FILE


@pytest.fixture
def old(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal that the first version wrote."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(VERSION_1.read_text())
        yield connection


def shape(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall()


def test_a_released_migration_is_never_edited(old: sqlite3.Connection, tmp_path: Path) -> None:
    """What the first migration makes today is what the first version made."""
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as new:
        schema.migrate(new, tmp_path, schema.MIGRATIONS[:1])
        assert shape(new) == shape(old)


async def test_a_journal_of_version_1_is_read_and_written_on(old: sqlite3.Connection, path: Path) -> None:
    """An update in the field keeps every decision, every second record and all that is owed."""
    old.close()
    async with open_journal(path.parent) as journal:
        first = await journal.find("smt-3", "k1")
        (owed,) = await journal.owed("smt-3", "mes", 0, 10)
        again = await journal.commit(decision(key="k1"), ["mes"])
        assert (await journal.commit(decision())).number == 3
        assert await journal.backlog() == {("smt-3", "erp"): (0, 1), ("smt-3", "mes"): (1, 0)}
    assert first is not None
    assert again == first
    assert (first.part, first.sequence, first.views[0].judgement.score) == ("SN1", 7, 0.97)
    assert (owed.number, owed.decision.part) == (2, "caf\udce9")
    assert owed.decision.failures == (Failure.DEADLINE, Failure.IMAGE_MISSING)
    reader = Reader(path.parent)
    (second,) = reader.seconds(owed.decision.id)
    assert (second.kind, second.goals) == ("shadow", {Goal(1): Verdict.OK, Goal(2): None})
    assert [(r.reporter, r.outcome, r.said) for r in reader.reports(first.id)] == [
        ("plc", "accepted", "seq 7"),
        ("mes", "accepted", ""),
    ]


async def test_an_older_journal_takes_what_a_judge_looked_at(old: sqlite3.Connection, path: Path) -> None:
    """After the update the same file keeps boxes and heat maps, and what was there before has none."""
    old.close()
    seen = HeatMap(label="dent", rows=1, columns=2, values=b"\0\xff", corners=((0, 0), (9, 0), (9, 5), (0, 5)))
    box = Box(cx=4.5, cy=2.5, w=3, h=2)
    judged = Judgement(verdict=Verdict.NG, score=0.1, boxes=(box,), heat_map=seen)
    told = decision(views=(view("1"), view("2", judgement=judged)))
    async with open_journal(path.parent) as journal:
        await journal.commit(told)
        await journal.second(any_second(told.id, views=told.views))
    reader = Reader(path.parent)
    before, *_, after = reader.decisions()
    assert after.views == told.views
    assert reader.seconds(told.id)[0].views == told.views
    assert before.views[0].judgement is not None
    assert (before.views[0].judgement.boxes, before.views[0].judgement.heat_map) == ((), None)


def written_by_version(version: int, path: Path) -> None:
    """Put a journal as an older version would have written it in the place of today's."""
    today = path.with_suffix(".today")
    path.rename(today)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        schema.migrate(old, path, schema.MIGRATIONS[:version])
        old.execute("ATTACH ? AS today", (str(today),))
        for (table,) in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            if not table.startswith("sqlite_"):
                columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
                old.execute(f"INSERT INTO main.{table} SELECT {columns} FROM today.{table}")


async def test_a_journal_of_version_3_keeps_its_boxes_and_takes_what_is_known_of_them(path: Path) -> None:
    """Boxes from before stay boxes; later ones come with class, score and area."""
    plain, more = Box(cx=4.5, cy=2.5, w=3, h=2), Spot(cx=1, cy=1, w=2, h=2, label="hair", score=0.9, area=2)
    async with open_journal(path.parent) as journal:
        await journal.commit(decision(views=(view("1", judgement=Judgement(verdict=Verdict.NG, boxes=(plain,))),)))
    await asyncio.to_thread(written_by_version, 3, path)
    told = decision(views=(view("1", judgement=Judgement(verdict=Verdict.NG, boxes=(more, plain))),))
    async with open_journal(path.parent) as journal:
        await journal.commit(told)
    before, after = (one.views[0].judgement for one in Reader(path.parent).decisions())
    assert before is not None
    assert after is not None
    assert (before.boxes, after.boxes) == ((plain,), (more, plain))


def test_each_migration_runs_once_and_keeps_what_was_there(old: sqlite3.Connection, path: Path) -> None:
    for _ in range(2):
        schema.migrate(old, path, ONE_MORE)
        assert schema.check(old, path, NEWEST + 1) == NEWEST + 1
    assert old.execute("SELECT number, shift FROM part").fetchall() == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "wrong",
    ["CREATE TABLE part (number);", "ALTER TABLE part ADD x INTEGER; INSERT INTO part (number) VALUES (9);"],
)
def test_a_migration_that_fails_changes_nothing(old: sqlite3.Connection, path: Path, wrong: str) -> None:
    """The older aoi-bridge can still be started on the file."""
    schema.migrate(old, path)
    before = shape(old)
    with pytest.raises(sqlite3.DatabaseError):
        schema.migrate(old, path, (*schema.MIGRATIONS, wrong))
    assert not old.in_transaction
    assert shape(old) == before
    assert schema.check(old, path) == NEWEST


def test_a_newer_journal_is_one_clear_line(old: sqlite3.Connection, path: Path) -> None:
    """Going back a version is said, not tried; nothing in the file is touched, not even its kind of log."""
    schema.migrate(old, path, ONE_MORE)
    old.close()
    before = path.read_bytes()
    said = rf"is a journal of version {NEWEST + 1}, this aoi-bridge knows {NEWEST}; install"
    for opening in (lambda: schema.open_to_write(path), Reader(path.parent).decisions):
        with pytest.raises(ConfigError, match=said):
            opening()
    assert path.read_bytes() == before


@pytest.mark.parametrize("sql", ["PRAGMA application_id = 7", "PRAGMA user_version = 1", "CREATE TABLE t (a)"])
def test_somebody_elses_database_is_never_written(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute(sql)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="is not a journal of aoi-bridge; move it away"):
        schema.open_to_write(path)
    assert path.read_bytes() == before


def test_a_folder_in_its_place_is_one_clear_line(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match=r"cannot be opened \(unable to open database file\); write"):
        schema.open_to_write(path)


def test_every_commit_waits_for_the_disk(path: Path) -> None:
    """The promise of all promises, as SQLite itself reports it."""
    with closing(schema.open_to_write(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_path_with_odd_characters_is_that_path(tmp_path: Path) -> None:
    """It is handed over as a URI, in which ?, # and % mean something."""
    path = tmp_path / "50% #1?mode=memory" / schema.FILE
    path.parent.mkdir()
    with closing(schema.open_to_write(path)):
        assert path.is_file()


def test_an_old_sqlite_is_one_clear_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(ConfigError, match=r"install 3\.37 or newer"):
        schema.open_to_write(path)


def test_a_disk_that_cannot_hold_the_log_is_one_clear_line(path: Path) -> None:
    """As on a network share, SQLite answers with another kind of log than the one that was asked for."""
    with (
        closing(sqlite3.connect(":memory:", isolation_level=None)) as memory,
        pytest.raises(ConfigError, match="is on a disk without shared memory; write a data folder on a local"),
    ):
        schema._prepare(memory, path)
