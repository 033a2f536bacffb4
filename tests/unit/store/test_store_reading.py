from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import any_second, decision, fresh_id, kept

from bridge.errors import ConfigError, Unavailable
from bridge.messages import Decision, Origin, Verdict
from bridge.store import Journal, Reader, Tally, open_journal, schema


async def some_parts(journal: Journal) -> list[Decision]:
    parts = [
        decision("b", final=Verdict.OK),
        decision("a", final=Verdict.NG, origin=Origin.FALLBACK, degraded=True),
        decision("a", final=None, origin=Origin.LEGACY),
        decision("a", final=Verdict.OK, origin=Origin.MODEL),
    ]
    return [await journal.commit(part, ["mes"]) for part in parts]


async def test_lines_are_counted_by_what_was_answered(tmp_path: Path) -> None:
    """A commit that landed too late does not count as the answer that was never given."""
    async with open_journal(tmp_path) as journal:
        *_, last = await some_parts(journal)
        await journal.second(any_second(last.id))
        await journal.second(any_second(last.id, kind="answered", final=Verdict.NG, origin=Origin.FALLBACK))
        await journal.second(any_second(fresh_id(), kind="late"))  # of a part that was never recorded
        assert Reader(tmp_path).lines() == [
            Tally(
                line="a",
                parts=3,
                ng=2,
                degraded=2,
                origins={Origin.FALLBACK: 2, Origin.LEGACY: 1},
                seconds=2,
            ),
            Tally(line="b", parts=1, ok=1, origins={Origin.MODEL: 1}),
        ]


async def test_decisions_come_in_order_page_by_page(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        parts = [kept(part, part.number) for part in await some_parts(journal)]
        reader = Reader(tmp_path)
        assert reader.decisions(limit=3) == parts[:3]
        assert reader.decisions(after=3) == parts[3:]
        assert reader.decisions("a", after=2, limit=1) == [parts[2]]
        assert reader.decisions("nobody") == []
        assert reader.decision(fresh_id()) is None
        assert reader.seconds(parts[0].id) == reader.reports(parts[0].id) == []


async def test_a_reader_holds_nothing_between_its_looks(tmp_path: Path) -> None:
    """A snapshot held open would keep the gateway's log from being emptied."""
    async with open_journal(tmp_path) as journal:
        await some_parts(journal)
        reader = Reader(tmp_path)
        assert len(reader.decisions()) == 4
        with closing(sqlite3.connect(tmp_path / schema.FILE)) as gateway:
            assert gateway.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


async def test_a_stopped_gateways_journal_is_readable_and_left_alone(tmp_path: Path) -> None:
    """Reading never writes: not the log, not the file."""
    async with open_journal(tmp_path) as journal:
        await some_parts(journal)
    before = (tmp_path / schema.FILE).stat()
    assert len(Reader(tmp_path).decisions()) == 4
    after = (tmp_path / schema.FILE).stat()
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)


def test_a_missing_journal_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"journal\.db: is not there; name the data folder"):
        Reader(tmp_path).lines()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - reading made no file


@pytest.mark.parametrize(("content", "error"), [(b"", ConfigError), (b"no database" * 99, Unavailable)])
def test_what_is_no_journal_is_said(tmp_path: Path, content: bytes, error: type[Exception]) -> None:
    (tmp_path / schema.FILE).write_bytes(content)
    with pytest.raises(error, match=r"journal\.db: "):
        Reader(tmp_path).lines()
