from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from store_samples import any_second, decision, fresh_id, kept, view

from bridge.clock import ManualClock
from bridge.errors import ConfigError, Unavailable
from bridge.health import counted
from bridge.messages import Failure, Origin, Verdict
from bridge.store import Journal, Owed, Reader, Reported, open_journal


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with open_journal(tmp_path, ManualClock()) as opened:
        yield opened


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@asynccontextmanager
async def writer_held(journal: Journal) -> AsyncIterator[None]:
    """Keep the thread busy, so that what is queued inside becomes one group."""
    loop, busy, gate = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def hold(_: object) -> None:
        loop.call_soon_threadsafe(busy.set)
        gate.wait(5)

    journal._writer.submit(hold)
    await busy.wait()
    try:
        yield
    finally:
        gate.set()


async def numbers(journal: Journal, line: str = "smt-3", reporter: str = "mes") -> list[int]:
    return [owed.number for owed in await journal.owed(line, reporter, 0, 100)]


async def test_a_committed_decision_is_recorded_and_numbered(journal: Journal, reader: Reader) -> None:
    first, second = decision(), decision()
    one, two = await journal.commit(first), await journal.commit(second)
    assert one == replace(first, recorded=True, number=1)
    assert (two.number, two.expires) == (2, second.expires)
    assert reader.decision(first.id) == kept(first, 1)


async def test_a_repeated_key_gets_the_stored_decision(journal: Journal, reader: Reader) -> None:
    """A part that its source delivers again is answered as it was, and owed to nobody twice."""
    first = await journal.commit(decision(key="k1", final=Verdict.NG), ["mes"])
    again = await journal.commit(decision(key="k1", final=Verdict.OK), ["mes"])
    assert again == kept(first, first.number)
    assert await journal.find("smt-3", "k1") == again
    assert len(reader.decisions()) == len(await numbers(journal)) == 1


async def test_a_key_is_of_its_line_and_no_key_is_always_new(journal: Journal) -> None:
    parts = [decision(key="k"), decision("other", key="k"), decision(), decision()]
    assert [(await journal.commit(part)).number for part in parts] == [1, 2, 3, 4]
    assert await journal.find("smt-3", "nobody's") is None
    assert await journal.find("no such line", "k") is None


async def test_two_deliveries_of_one_part_in_one_group_get_one_decision(journal: Journal) -> None:
    async with writer_held(journal):
        both = asyncio.gather(*(journal.commit(decision(key="k"), ["mes"]) for _ in range(2)))
        await asyncio.sleep(0)
    one, two = await both
    assert one.id == two.id
    assert await numbers(journal) == [one.number]


async def test_what_waits_is_committed_together(journal: Journal) -> None:
    """The disk is asked once for all that arrived while it was busy."""
    await journal.backlog()
    async with writer_held(journal):
        all_of_them = asyncio.gather(*(journal.commit(decision()) for _ in range(20)))
        await asyncio.sleep(0)
        before = journal._writer._groups.commits
    await all_of_them
    assert journal._writer._groups.commits == before + 2  # the one that held the thread, and the group


async def test_one_bad_job_fails_alone(journal: Journal, reader: Reader) -> None:
    """An id used twice is a bug that is heard; its neighbours are committed all the same."""
    known = await journal.commit(decision())
    parts = [decision(), decision(id=known.id), decision(id="no id"), decision()]
    async with writer_held(journal):
        group = asyncio.gather(*(journal.commit(part, ["mes"]) for part in parts), return_exceptions=True)
        await asyncio.sleep(0)
    good, twice, wrong, last = await group
    assert isinstance(twice, sqlite3.IntegrityError)
    assert isinstance(wrong, ValueError)
    assert [reader.decision(part.id) for part in (good, last)] == [
        kept(parts[0], good.number),
        kept(parts[3], last.number),
    ]
    assert await numbers(journal) == [good.number, last.number]
    assert (await journal.backlog())["smt-3", "mes"] == (2, 0)


async def test_cancelling_the_wait_does_not_cancel_the_write(journal: Journal, reader: Reader) -> None:
    part = decision()
    async with writer_held(journal):
        waiting = asyncio.create_task(journal.commit(part))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await journal.backlog()
    assert reader.decision(part.id) == kept(part, 1)


async def test_what_is_queued_at_closing_time_is_written(tmp_path: Path) -> None:
    """A clean stop loses nothing, not even what nobody waits for."""
    async with open_journal(tmp_path) as journal:
        part = await journal.commit(decision(), ["mes"])
        async with writer_held(journal):
            late = asyncio.create_task(journal.commit(decision(), ["mes"]))
            await asyncio.sleep(0)
        journal.reported(part.id, "plc", "accepted", 5.0, 3.0)
        journal.done("smt-3", "mes", [part.number])
    reader = Reader(tmp_path)
    assert [report.reporter for report in reader.reports(part.id)] == ["plc", "mes"]
    assert reader.outbox() == {("smt-3", "mes"): (1, 0)}
    assert (await late).recorded
    with pytest.raises(RuntimeError, match="closed"):
        await journal.commit(decision())


async def test_a_number_is_never_used_twice(tmp_path: Path) -> None:
    """A PLC may hold a RESULT_ID for longer than retention holds its part."""
    async with open_journal(tmp_path) as journal:
        last = await journal.commit(decision(views=()))
        await journal._writer.submit(lambda ledger: ledger.connection.execute("DELETE FROM part"), 1)
    async with open_journal(tmp_path) as journal:
        assert (await journal.commit(decision())).number > last.number


async def test_deliveries_are_owed_in_order_until_done_or_parked(journal: Journal, reader: Reader) -> None:
    parts = [await journal.commit(decision(), ["mes", "erp"]) for _ in range(5)]
    journal.done("smt-3", "mes", [1, 3])
    await journal.park("smt-3", "mes", 4, "no such order")
    assert await journal.owed("smt-3", "mes", 0, 10) == [Owed(n, kept(parts[n - 1], n)) for n in (2, 5)]
    assert [owed.number for owed in await journal.owed("smt-3", "erp", 2, 2)] == [3, 4]
    assert await journal.backlog() == {("smt-3", "erp"): (5, 0), ("smt-3", "mes"): (2, 1)}
    assert reader.outbox() == await journal.backlog()


async def test_done_twice_or_never_owed_changes_nothing(journal: Journal, reader: Reader) -> None:
    """A reporter that restarts may accept the same delivery again."""
    part = await journal.commit(decision(), ["mes"])
    for _ in range(2):
        journal.done("smt-3", "mes", [part.number, 99])
    await journal.park("smt-3", "mes", part.number, "too late to park")
    assert await journal.backlog() == {("smt-3", "mes"): (0, 0)}
    assert len(reader.reports(part.id)) == 1


async def test_the_time_of_every_report_is_kept(tmp_path: Path) -> None:
    clock = ManualClock(unix=1_700_000_010.25)
    async with open_journal(tmp_path, clock) as journal:
        part = await journal.commit(decision(), ["mes"])
        journal.reported(part.id, "plc", "late", 1_700_000_000.5, 250.0, said="deadline 200 ms")
        journal.done("smt-3", "mes", [part.number])
        await journal.backlog()
    assert Reader(tmp_path).reports(part.id) == [
        Reported("plc", "late", 1_700_000_000.5, 250.0, "deadline 200 ms"),
        Reported("mes", "accepted", 1_700_000_010.25, 10_000.0, ""),
    ]


async def test_a_report_is_written_soon_without_a_commit(journal: Journal, reader: Reader) -> None:
    """Nobody waits for it, and the last part of a shift gets its report too."""
    part = await journal.commit(decision())
    journal.reported(part.id, "plc", "accepted", 5.0, 3.0)
    while not reader.reports(part.id):  # noqa: ASYNC110 - the file gives no event to wait for
        await asyncio.sleep(0.01)


async def test_a_bad_report_is_heard_though_nobody_waits(journal: Journal) -> None:
    heard: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: heard.append(facts["exception"]))
    journal.reported("no id", "plc", "accepted", 5.0, 3.0)
    await journal.commit(decision())
    assert [type(error) for error in heard] == [ValueError]


async def test_deliveries_of_a_removed_reporter_are_parked(journal: Journal) -> None:
    for line in ("a", "a", "b"):
        await journal.commit(decision(line), ["mes", "old"])
    assert await journal.park_orphans({("a", "mes"), ("b", "mes"), ("b", "old")}) == 2
    assert await journal.park_orphans({("a", "mes"), ("b", "mes"), ("b", "old")}) == 0
    assert await numbers(journal, "a", "old") == []
    assert (await journal.backlog())["a", "old"] == (0, 2)
    assert await numbers(journal, "b", "old") == [3]


async def test_large_panels_are_owed_whole(journal: Journal) -> None:
    """A thousand-component panel comes back with every view in its place, however many are asked for."""
    panels = [
        await journal.commit(decision(views=tuple(view(f"C{place}") for place in range(1200))), ["mes"])
        for _ in range(4)
    ]
    owed = await journal.owed("smt-3", "mes", 0, 3)
    assert [one.decision.views for one in owed] == [panel.views for panel in panels[:3]]


@pytest.mark.parametrize("error", [True, False])
async def test_what_was_answered_is_final(journal: Journal, reader: Reader, *, error: bool) -> None:
    """The commit landed too late and the fallback had been given: that is what everybody is told."""
    part = decision(key="k", final=Verdict.OK, origin=Origin.MODEL, error=not error, bypassed=True)
    answered = any_second(part.id, kind="answered", final=Verdict.NG, origin=Origin.FALLBACK, error=error)
    await journal.second(answered)  # it may come before the commit does
    recorded = await journal.commit(part, ["mes"])
    final = {"final": Verdict.NG, "origin": Origin.FALLBACK, "degraded": True, "error": error}
    told = replace(kept(part, recorded.number), **final)
    assert (await journal.owed("smt-3", "mes", 0, 1))[0].decision == told
    assert await journal.find("smt-3", "k") == reader.decision(part.id) == told
    assert await journal.commit(replace(part, id=fresh_id())) == told


async def test_a_judgement_that_came_later_changes_no_answer(journal: Journal, reader: Reader) -> None:
    part = await journal.commit(decision(final=Verdict.NG, origin=Origin.FALLBACK))
    late = any_second(part.id, kind="late", failures=(Failure.DEADLINE,))
    await journal.second(late)
    assert reader.seconds(part.id) == [late]
    assert reader.decision(part.id) == kept(part, 1)


async def test_a_full_queue_says_so_at_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs costs a bounded memory, and nobody waits for it."""
    monkeypatch.setattr("bridge.store.writer.QUEUE_ROWS", 10)
    async with writer_held(journal):
        waiting = asyncio.gather(*(journal.commit(decision()) for _ in range(5)))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="10 rows behind"):
            await journal.commit(decision())
    await waiting
    await journal.commit(decision())


async def test_reports_beyond_the_bound_are_dropped_and_counted(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.writer.LAZY_JOBS", 3)
    before = counted("journal reports dropped")
    part = await journal.commit(decision(), ["mes"])
    async with writer_held(journal):
        for _ in range(5):
            journal.reported(part.id, "plc", "accepted", 5.0, 3.0)
        journal.done("smt-3", "mes", [part.number])  # never dropped
    assert await numbers(journal) == []
    assert counted("journal reports dropped") == before + 2


async def test_what_became_of_shadow_parts_is_written_in_time_and_dropped_beyond_a_bound_of_its_own(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are larger than reports, and must not fill the memory while the disk refuses."""
    monkeypatch.setattr("bridge.store.journal.SHADOW_WAITING", 3)
    before, ids = counted("journal reports dropped"), [fresh_id() for _ in range(5)]
    async with writer_held(journal):
        for one in ids:
            journal.shadow(any_second(one))
    await journal.alive()
    found = [len(await asyncio.to_thread(Reader(tmp_path).seconds, one)) for one in ids]
    assert found == [1, 1, 1, 0, 0]
    assert counted("journal reports dropped") == before + 2


async def test_a_folder_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigError, match=r"cannot be made .*; write a data folder"):
        async with open_journal(tmp_path / "file" / "var"):
            pytest.fail("it opened")


async def test_a_bug_of_the_thread_itself_fails_everybody_loudly(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No commit ever waits for a thread that is gone."""
    crashes: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda crash: crashes.append(crash.exc_value))
    monkeypatch.setattr(journal._writer._groups, "perform", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await journal.commit(decision())
    with pytest.raises(RuntimeError, match="died"):
        await journal.commit(decision())
    await asyncio.wait_for(asyncio.shield(journal._writer._ended), 20)
    assert [type(crash) for crash in crashes] == [ZeroDivisionError]
