"""The label road over SQL: each row once, however late its verdict comes, and nothing guessed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from bridge.plugin import ConfigError, Label, Unavailable, Verdict
from bridge_sql.labels import open_labels
from bridge_sql.options import SqlLabelOptions

MADE = "CREATE TABLE repair (id INTEGER PRIMARY KEY, sn TEXT, result, op TEXT, at TEXT)"
COLUMNS = {"part": "sn", "verdict": "result", "who": "op", "time": "at"}


class Book:
    """Takes labels, or refuses them as a full disk does."""

    def __init__(self) -> None:
        self.labels: list[Label] = []
        self.refusing = 0

    async def __call__(self, labels: Sequence[Label]) -> None:
        if self.refusing:
            self.refusing -= 1
            raise Unavailable("the disk is full")
        self.labels += labels

    async def until(self, count: int) -> list[Label]:
        async with asyncio.timeout(20):
            while len(self.labels) < count:  # noqa: ASYNC110 - the road has no event for it
                await asyncio.sleep(0.005)
        return self.labels


def station(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "repair.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@asynccontextmanager
async def at_work(folder: Path, book: Book, **more: Any) -> AsyncIterator[None]:
    chosen = {
        "name": "repair",
        "url": f"sqlite:///{folder}/repair.db",
        "table": "repair",
        "columns": COLUMNS,
        "start": "beginning",
        "poll_ms": 5,
        "home": folder / "home",
        **more,
    }
    await asyncio.to_thread((folder / "home").mkdir, exist_ok=True)
    async with open_labels(SqlLabelOptions.model_validate(chosen)) as road:
        task = asyncio.ensure_future(road(book))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


async def reasons(folder: Path, count: int) -> list[str]:
    def found() -> list[str]:
        paths = sorted((folder / "home" / "quarantine").glob("*.json"))
        texts = [path.read_text() for path in paths]
        return [json.loads(text)["reason"] for text in texts if text.endswith("\n")]

    async with asyncio.timeout(20):
        while len(said := await asyncio.to_thread(found)) < count:  # noqa: ASYNC110 - a thread writes
            await asyncio.sleep(0.005)
    return said


async def test_a_row_is_a_label_when_somebody_has_decided(tmp_path: Path) -> None:
    """However long that takes, and whoever decides first; after a restart what is told twice has its key."""
    book = Book()
    station(tmp_path, MADE, "INSERT INTO repair VALUES (1, 'B-1', NULL, 'Kim', '2026-11-20T10:00:00Z')")
    async with at_work(tmp_path, book):
        station(tmp_path, "INSERT INTO repair VALUES (2, 'B-2', 'NG', 'Lee', NULL)")
        await book.until(1)
        station(tmp_path, "UPDATE repair SET result = 'False Call' WHERE id = 1")
        await book.until(2)
    assert [(one.part, one.verdict, one.who) for one in book.labels] == [
        ("B-2", Verdict.NG, "Lee"),
        ("B-1", Verdict.OK, "Kim"),
    ]
    assert book.labels[1].at == 1_795_168_800.0
    async with at_work(tmp_path, book):
        station(tmp_path, "INSERT INTO repair VALUES (3, 'B-3', 'OK', 'Lee', NULL)")
        async with asyncio.timeout(20):
            while len({one.key for one in book.labels}) < 3:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)
    assert {one.key for one in book.labels} == {"repair:1:1", "repair:1:2", "repair:1:3"}


async def test_what_means_nothing_is_put_aside(tmp_path: Path) -> None:
    """A number that is no listed word, a row without a part, one on which nobody ever decided."""
    book = Book()
    station(
        tmp_path,
        MADE,
        "INSERT INTO repair VALUES (1, 'B-1', 1, 'Kim', NULL), (2, NULL, 'OK', 'Kim', NULL)",
        "INSERT INTO repair VALUES (3, 'B-3', NULL, 'Kim', NULL), (4, 'B-4', 'OK', NULL, NULL)",
    )
    async with at_work(tmp_path, book, pending_hours=0.0001):
        (label,) = await book.until(1)
        said = await reasons(tmp_path, 3)
    assert (label.part, label.who) == ("B-4", "station")
    assert sorted(said) == [
        "names neither a part nor an inspection",
        "nobody decided within 0.0001 hours",
        "the verdict '1' is in neither ok_words nor ng_words",
    ]


async def test_a_label_that_was_not_written_down_is_told_again(tmp_path: Path) -> None:
    """Under its key, and the others do not wait for it."""
    book = Book()
    book.refusing = 1
    station(tmp_path, MADE, "INSERT INTO repair VALUES (1, 'B-1', 'OK', 'Kim', NULL)")
    async with at_work(tmp_path, book):
        await book.until(1)
    assert (book.refusing, book.labels[0].key) == (0, "repair:1:1")


async def test_a_station_that_is_away_or_has_no_such_table_is_named(tmp_path: Path) -> None:
    """The host waits for the one, a person mends the other."""
    with pytest.raises(Unavailable):
        async with at_work(tmp_path, Book()):
            pass
    station(tmp_path, "CREATE TABLE other (id INTEGER)")
    with pytest.raises(ConfigError, match="repair"):
        async with at_work(tmp_path, Book()):
            pass
