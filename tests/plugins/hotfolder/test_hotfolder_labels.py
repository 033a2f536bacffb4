"""The label road of the hot folder: each row once, a word that is not understood never."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.plugin import Label, Unavailable, Verdict
from bridge_hotfolder.labels import open_labels
from bridge_hotfolder.options import HotfolderLabelOptions

FAST: dict[str, object] = {"name": "repair", "poll_seconds": 0.01, "stable_seconds": 0.03}
HEADER = "Barcode;Result;Operator;Time\n"
COLUMNS = {"part": "Barcode", "verdict": "Result", "who": "Operator", "time": "Time"}


class Book:
    """Takes labels, or refuses them as a full disk does."""

    def __init__(self) -> None:
        self.labels: list[Label] = []
        self.refusing = False

    async def __call__(self, labels: Sequence[Label]) -> None:
        if self.refusing:
            self.refusing = False
            raise Unavailable("the disk is full")
        self.labels += labels

    async def until(self, count: int) -> list[Label]:
        async with asyncio.timeout(20):
            while len(self.labels) < count:  # noqa: ASYNC110 - the road has no event for it
                await asyncio.sleep(0.005)
        return self.labels


@asynccontextmanager
async def at_work(folder: Path, book: Book, **more: object) -> AsyncIterator[None]:
    """Keep a label road over folder/in at work."""
    (folder / "in").mkdir(exist_ok=True)
    chosen = {"path": folder / "in", "home": folder / "home", "columns": COLUMNS, **FAST, **more}
    async with open_labels(HotfolderLabelOptions.model_validate(chosen)) as road:
        task = asyncio.ensure_future(road(book))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


def drop(folder: Path, text: str, name: str = "day.csv") -> None:
    draft = folder / "in" / f"{name}.tmp"
    draft.write_text(text, encoding="utf-8")
    draft.rename(folder / "in" / name)


def reasons(folder: Path) -> list[str]:
    found = []
    for path in sorted((folder / "home/quarantine").glob("*.json")):
        with suppress(ValueError):  # it is being written
            found.append(json.loads(path.read_text())["reason"])
    return found


async def quarantined(folder: Path, count: int) -> None:
    """Wait for so many entries."""
    async with asyncio.timeout(20):
        while len(await asyncio.to_thread(reasons, folder)) < count:  # noqa: ASYNC110 - a thread writes them
            await asyncio.sleep(0.005)


async def test_a_file_of_the_station_becomes_labels(tmp_path: Path) -> None:
    """Each row one, with its person and its time; told again after a restart, it has the same key."""
    book = Book()
    async with at_work(tmp_path, book):
        drop(tmp_path, HEADER + "B-1;False call;Kim;2026-11-20T10:00:00Z\nB-2;NG;Lee;2026-11-20T10:01:00Z\n")
        said = await book.until(2)
        drop(tmp_path, HEADER + "B-3;OK;Kim;\n", "next.csv")
        await book.until(3)
    assert [(one.part, one.verdict, one.who) for one in said[:2]] == [
        ("B-1", Verdict.OK, "Kim"),
        ("B-2", Verdict.NG, "Lee"),
    ]
    written_at = (tmp_path / "in" / "next.csv").stat().st_mtime
    assert book.labels[2].at == pytest.approx(written_at)
    async with at_work(tmp_path, book):
        drop(tmp_path, HEADER + "B-4;OK;Kim;\n", "after.csv")
        async with asyncio.timeout(20):
            while len({one.key for one in book.labels}) < 4:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)
    assert len({(one.key, one.part) for one in book.labels}) == 4


async def test_a_file_that_is_written_anew_has_its_old_rows_under_their_keys(tmp_path: Path) -> None:
    """A station that exports the whole day every hour counts each label once."""
    book = Book()
    one, two = "B-1;OK;Kim;2026-11-20T10:00:00Z\n", "B-2;NG;Kim;2026-11-20T11:00:00Z\n"
    async with at_work(tmp_path, book):
        drop(tmp_path, HEADER + one)
        await book.until(1)
        drop(tmp_path, HEADER + one + two)
        await book.until(3)
    assert book.labels[0].key == book.labels[1].key != book.labels[2].key


async def test_words_that_are_not_understood_go_into_quarantine_with_their_rows(tmp_path: Path) -> None:
    """The other rows count."""
    book = Book()
    async with at_work(tmp_path, book):
        drop(tmp_path, HEADER + "B-1;RETEST;Kim;\nB-2;NG;Kim;\n;OK;Kim;\n")
        (label,) = await book.until(1)
        await quarantined(tmp_path, 1)
    assert label.part == "B-2"
    (why,) = reasons(tmp_path)
    assert why.startswith("row 1: the verdict 'RETEST' is in neither ok_words nor ng_words; ")
    assert why.endswith("row 3: names neither a part nor an inspection")


async def test_garbage_goes_into_quarantine_whole(tmp_path: Path) -> None:
    """And costs no file after it."""
    book = Book()
    async with at_work(tmp_path, book):
        (tmp_path / "in" / "a.csv").write_bytes(os.urandom(4096))
        drop(tmp_path, "no;columns;of;ours\n1;2;3;4\n", "b.csv")
        drop(tmp_path, HEADER + "B-1;OK;Kim;\n", "c.csv")
        await book.until(1)
        await quarantined(tmp_path, 2)
    assert [one.part for one in book.labels] == ["B-1"]


async def test_a_file_whose_labels_were_not_written_down_is_told_again(tmp_path: Path) -> None:
    """It counts as seen only behind the commit."""
    book = Book()
    book.refusing = True
    async with at_work(tmp_path, book):
        drop(tmp_path, HEADER + "B-1;OK;Kim;\n")
        await book.until(1)
    assert not book.refusing


async def test_a_file_that_grows_is_read_line_by_line(tmp_path: Path) -> None:
    """As a repair station's log does; a line that is not understood is put aside alone."""
    book = Book()
    (tmp_path / "in").mkdir()
    log = tmp_path / "in" / "log.csv"
    await asyncio.to_thread(log.write_text, HEADER + "B-1;OK;Kim;\n")
    async with at_work(tmp_path, book, complete="appended"):
        await book.until(1)
        with log.open("a") as file:
            file.write("B-2;hm;Kim;\nB-3;NG;Kim;\n")
        await book.until(2)
    assert [one.part for one in book.labels] == ["B-1", "B-3"]
    assert len({one.key for one in book.labels}) == 2
    (why,) = reasons(tmp_path)
    assert "'hm' is in neither" in why


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"complete": "manifest"}, "'stable', 'renamed'"),
        ({"complete": "footer"}, "needs a footer"),
        ({"format": "xml", "rows": "a b"}, "is not a path"),
        ({"timezone": "Mars"}, "is no time zone"),
    ],
)
def test_a_mistake_in_the_options_says_what_to_write(chosen: dict[str, object], said: str) -> None:
    """Before any folder is touched."""
    with pytest.raises(ValidationError, match=said):
        HotfolderLabelOptions.model_validate({"name": "r", "path": "/in", **chosen})
