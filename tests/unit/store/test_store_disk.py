"""When the disk refuses: nothing is promised that was not kept, and the journal comes back by itself."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from store_samples import any_second, decision

from bridge.clock import ManualClock
from bridge.errors import ConfigError, Unavailable
from bridge.messages import Decision
from bridge.store import Images, Journal, Reader, open_journal, schema
from bridge.store.group import Groups


async def limit_pages(journal: Journal, pages: int) -> None:
    """Let the database grow no further than so many pages (it never shrinks below what it has)."""
    await journal._writer.submit(
        lambda ledger: ledger.connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    )


async def fill(journal: Journal, acknowledged: list[Decision]) -> None:
    """Commit until the disk refuses."""
    while True:
        acknowledged.append(await journal.commit(decision(part="x" * 500), ["mes"]))


async def drop(journal: Journal) -> None:
    """Have the journal close its file, as after an I/O error; the next job opens it again."""

    def fail(_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error

    with pytest.raises(Unavailable, match="disk I/O error"):
        await journal._writer.submit(fail)


@contextmanager
def file_size_limited(size: int) -> Iterator[None]:
    """Have the system refuse every write beyond this offset of any file, which SQLite sees as an I/O error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_refuses_and_the_journal_recovers(tmp_path: Path) -> None:
    """What was acknowledged stays, what was refused left no trace, and space is enough to go on."""
    acknowledged: list[Decision] = []
    async with open_journal(tmp_path) as journal:
        await limit_pages(journal, 1)
        with pytest.raises(Unavailable, match="full"):
            await fill(journal, acknowledged)
        with pytest.raises(Unavailable):
            await journal.second(any_second(acknowledged[0].id, bundle="x" * 5000))
        assert len(await journal.owed("smt-3", "mes", 0, 10_000)) == len(acknowledged)
        assert await journal.backlog() == {("smt-3", "mes"): (len(acknowledged), 0)}
        await limit_pages(journal, 1 << 30)
        acknowledged.append(await journal.commit(decision(), ["mes"]))
    assert [part.id for part in Reader(tmp_path).decisions(limit=10_000)] == [part.id for part in acknowledged]


async def test_reads_go_on_in_a_group_that_the_disk_refused(tmp_path: Path) -> None:
    """A full disk does not stop what is owed from being delivered."""
    async with open_journal(tmp_path) as journal:
        await limit_pages(journal, 1)
        with pytest.raises(Unavailable):
            await fill(journal, [])
        large = decision(part="x" * 50_000)
        group = asyncio.gather(
            journal.commit(large),
            journal.owed("smt-3", "mes", 0, 1),
            journal.commit(large),
            return_exceptions=True,
        )
        refused, owed, refused_too = await group
        assert isinstance(refused, Unavailable)
        assert isinstance(refused_too, Unavailable)
        assert isinstance(owed, list)
        assert len(owed) == 1


async def test_reports_wait_for_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for them, so they are tried again, in their order, until they are written."""
    monkeypatch.setattr("bridge.store.writer.RETRY_SECONDS", 0.01)
    acknowledged: list[Decision] = []
    async with open_journal(tmp_path) as journal:
        await limit_pages(journal, 1)
        with pytest.raises(Unavailable):
            await fill(journal, acknowledged)
        said = [f"{place} {'x' * 9000}" for place in range(3)]
        for words in said:
            journal.reported(acknowledged[0].id, "plc", "refused", 5.0, 3.0, words)
        with pytest.raises(Unavailable):
            await journal.commit(decision(part="x" * 9000))
        await limit_pages(journal, 1 << 30)
        while len(reports := Reader(tmp_path).reports(acknowledged[0].id)) < len(said):  # noqa: ASYNC110 - the file gives no event to wait for
            await asyncio.sleep(0.01)
    assert [report.said for report in reports] == said


async def test_an_io_error_refuses_and_the_journal_recovers(tmp_path: Path) -> None:
    """The file is opened anew, and counts are read anew with it."""
    acknowledged: list[Decision] = []
    async with open_journal(tmp_path) as journal:
        acknowledged.append(await journal.commit(decision(), ["mes"]))
        with file_size_limited(400_000), pytest.raises(Unavailable):
            await fill(journal, acknowledged)
        acknowledged.append(await journal.commit(decision(), ["mes"]))
        assert await journal.backlog() == {("smt-3", "mes"): (len(acknowledged), 0)}
    assert [part.id for part in Reader(tmp_path).decisions(limit=10_000)] == [part.id for part in acknowledged]


async def test_a_journal_that_vanished_is_not_begun_again_elsewhere(tmp_path: Path) -> None:
    """An unmounted disk leaves an empty folder: numbers must not start again there."""
    async with open_journal(tmp_path / "var") as journal:
        await journal.commit(decision())
        await drop(journal)
        (tmp_path / "var").rename(tmp_path / "away")
        with pytest.raises(Unavailable, match="unable to open"):
            await journal.commit(decision())
        (tmp_path / "away").rename(tmp_path / "var")
        assert (await journal.commit(decision())).number == 2


async def test_another_file_in_its_place_is_never_written(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        await drop(journal)
        with closing(sqlite3.connect(tmp_path / schema.FILE)) as stranger:
            stranger.execute("PRAGMA application_id = 7")
            stranger.commit()
        with pytest.raises(Unavailable, match="not a journal"):
            await journal.commit(decision())


async def test_a_journal_that_another_process_writes_is_unavailable(tmp_path: Path) -> None:
    """It is refused after a second, not waited for without end."""
    async with open_journal(tmp_path) as journal:
        with closing(sqlite3.connect(tmp_path / schema.FILE, isolation_level=None)) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            await journal._writer.submit(lambda ledger: ledger.connection.execute("PRAGMA busy_timeout = 1"))
            with pytest.raises(Unavailable, match="locked"):
                await journal.commit(decision())
        assert (await journal.commit(decision())).recorded


async def test_a_file_that_is_not_ours_is_named_when_opening(tmp_path: Path) -> None:
    (tmp_path / schema.FILE).write_bytes(b"a spreadsheet" * 100)
    with pytest.raises(ConfigError, match="is not a journal of aoi-bridge; move it away"):
        async with open_journal(tmp_path):
            pytest.fail("it opened")


async def test_the_log_is_emptied_in_a_quiet_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no commit has to, and the log stays short."""
    monkeypatch.setattr("bridge.store.writer.IDLE_COMMITS", 5)
    tidied = asyncio.Event()
    loop, tidy = asyncio.get_running_loop(), Groups.tidy

    def seen(groups: Groups) -> None:
        tidy(groups)
        loop.call_soon_threadsafe(tidied.set)

    monkeypatch.setattr(Groups, "tidy", seen)
    async with open_journal(tmp_path, ManualClock()) as journal:
        for _ in range(6):
            await journal.commit(decision())
        await tidied.wait()
        with closing(sqlite3.connect(f"file:{tmp_path / schema.FILE}?mode=ro&immutable=1", uri=True)) as database:
            assert database.execute("SELECT count(*) FROM part").fetchone() == (6,)


async def test_an_image_folder_that_refuses_costs_images_only(tmp_path: Path) -> None:
    """It is counted, nobody waits, and images are kept again when the folder is back."""
    (tmp_path / "images").write_text("a file where the folder should be")
    async with Images(tmp_path / "images") as images:
        name = await images.put(b"picture")
        await images.flush()
        assert (images.dropped, images.read(name)) == (1, None)
        (tmp_path / "images").unlink()
        await images.put(b"picture")
        await images.flush()
        assert (images.dropped, images.read(name)) == (1, b"picture")


async def test_a_disk_that_hangs_does_not_hold_up_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway has a few seconds to stop; what was acknowledged is safe in any case."""
    monkeypatch.setattr("bridge.store.writer.GOODBYE_SECONDS", 0.01)
    monkeypatch.setattr("bridge.store.images.GOODBYE_SECONDS", 0.01)
    gate = threading.Event()
    try:
        async with open_journal(tmp_path) as journal, Images(tmp_path / "images") as images:
            await journal.commit(decision())
            journal._writer.submit(lambda _: gate.wait(5))
            images._submit(lambda: gate.wait(5) and None)
        assert journal._writer._thread.is_alive()
    finally:
        gate.set()
        await asyncio.to_thread(journal._writer._thread.join)
    assert len(Reader(tmp_path).decisions()) == 1
