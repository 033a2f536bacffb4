"""Telling PLC and MES: order, retries and restarts on a real journal; nothing late on the realtime lane."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from core_kit import NO_EXCEPTION, FakeReporter, a_decision, a_name, lend, until

from bridge import delivery, health
from bridge.clock import ManualClock, SystemClock
from bridge.delivery import Guaranteed, Realtime
from bridge.errors import Refused, Unavailable
from bridge.messages import Decision, Origin, Verdict
from bridge.plugin.api import Report
from bridge.store import Choice, Journal, Reader, Second, open_journal
from bridge.supervise import Slot
from bridge.watched import State, Watched


class Lane:
    """A guaranteed lane, its reporter, and a way to commit parts to it as a line does."""

    def __init__(self, journal: Journal, window: int = 1, line: str = "") -> None:
        self.line = line or a_name("line")
        self.journal = journal
        self.slot: Slot[Report] = Slot(Watched(self.line, "mes"))
        self.guaranteed = Guaranteed(self.slot, journal, window)
        self.mes = FakeReporter()
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(self, *, up: bool = True) -> AsyncIterator[Lane]:
        self._tasks = [asyncio.create_task(self.guaranteed.run())]
        if up:
            self.come_up()
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def come_up(self) -> None:
        self._tasks.append(asyncio.create_task(lend(self.slot, self._verb)))

    def _verb(self) -> Report:
        async def report(decision: Decision) -> None:
            await self.mes(decision)

        return report

    async def commit(self, number: int) -> Decision:
        decision = a_decision(self.line, number)
        self.guaranteed.expect(decision.id)
        stored = await self.journal.commit(decision, ["mes"])
        self.guaranteed.add(stored)
        return stored

    async def commit_all(self, numbers: range) -> None:
        for number in numbers:
            await self.commit(number)


def parts(numbers: range | list[int]) -> list[str]:
    return [f"p{number}" for number in numbers]


async def backlog_is(journal: Journal, line: str, queued_and_parked: tuple[int, int]) -> None:
    async with asyncio.timeout(10):
        while (await journal.backlog()).get((line, "mes"), (0, 0)) != queued_and_parked:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.001)


class TestGuaranteed:
    async def test_everything_is_told_once_and_in_order(self, journal: Journal) -> None:
        async with Lane(journal).running() as lane:
            await lane.commit_all(range(20))
            await until(lambda: len(lane.mes.told) == 20)
            assert lane.mes.parts == parts(range(20))
            await backlog_is(journal, lane.line, (0, 0))

    async def test_a_peer_that_is_away_is_told_later_and_in_order(self, journal: Journal) -> None:
        async with Lane(journal).running(up=False) as lane:
            await lane.commit_all(range(5))
            lane.come_up()
            await lane.commit_all(range(5, 8))
            await until(lambda: len(lane.mes.told) == 8)
            assert lane.mes.parts == parts(range(8))

    async def test_unavailable_is_retried_before_what_follows(self, journal: Journal) -> None:
        lane = Lane(journal)
        lane.mes.answers["p1"] = [Unavailable("gone"), Unavailable("still gone")]
        async with lane.running():
            await lane.commit_all(range(4))
            await until(lambda: len(lane.mes.told) == 4)
        assert lane.mes.parts == parts(range(4))
        assert lane.mes.begun == parts([0, 1, 1, 1, 2, 3])
        assert lane.slot.watched.opened >= 3

    @pytest.mark.parametrize("raised", [ZeroDivisionError("a bug"), *NO_EXCEPTION], ids=repr)
    async def test_a_bug_of_the_reporter_costs_no_part(self, journal: Journal, raised: BaseException) -> None:
        lane = Lane(journal)
        lane.mes.answers["p0"] = [raised]
        async with lane.running():
            await lane.commit_all(range(2))
            await until(lambda: len(lane.mes.told) == 2)
        assert lane.mes.parts == parts(range(2))

    async def test_refused_is_parked_with_its_reason_and_the_rest_goes_on(self, journal: Journal) -> None:
        lane = Lane(journal)
        lane.mes.answers["p1"] = [Refused("no such order")]
        async with lane.running():
            await lane.commit_all(range(3))
            await until(lambda: lane.mes.parts == parts([0, 2]))
            await backlog_is(journal, lane.line, (0, 1))

    async def test_no_more_than_the_window_is_under_way_started_in_order(self, journal: Journal) -> None:
        lane = Lane(journal, window=3)
        lane.mes.hold = asyncio.Event()
        async with lane.running():
            await lane.commit_all(range(6))
            await until(lambda: len(lane.mes.begun) == 3)
            for _ in range(20):
                await asyncio.sleep(0)
            assert lane.mes.begun == parts(range(3))
            lane.mes.hold.set()
            await until(lambda: len(lane.mes.told) == 6)
        assert lane.mes.begun == parts(range(6))

    async def test_a_window_under_way_on_a_lost_connection_starts_again_in_order(self, journal: Journal) -> None:
        lane = Lane(journal, window=3)
        lane.mes.hold = asyncio.Event()
        lane.mes.answers = {f"p{n}": [Unavailable("gone")] for n in range(3)}
        async with lane.running():
            await lane.commit_all(range(5))
            await until(lambda: len(lane.mes.begun) == 3)
            lane.mes.hold.set()
            await until(lambda: len(lane.mes.told) == 5)
        assert lane.mes.begun == parts([0, 1, 2, 0, 1, 2, 3, 4])
        assert lane.mes.parts == parts(range(5))

    async def test_a_report_that_hangs_is_given_up_and_tried_anew(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 0.03)
        lane = Lane(journal)
        lane.mes.hold = asyncio.Event()
        async with lane.running():
            await lane.commit(0)
            await until(lambda: len(lane.mes.begun) == 2)
            lane.mes.hold.set()
            await until(lambda: bool(lane.mes.told))

    async def test_what_was_not_told_is_owed_after_a_restart_word_for_word(self, tmp_path: Path) -> None:
        """The same id and the identical document, whoever reads it and whenever it is sent."""
        async with open_journal(tmp_path) as journal:
            lane = Lane(journal)
            lane.mes.answers["p2"] = [Unavailable("gone")] * 1000
            async with lane.running():
                stored = [await lane.commit(n) for n in range(5)]
                await until(lambda: lane.mes.parts == parts(range(2)))
        async with open_journal(tmp_path) as journal:
            async with Lane(journal, line=lane.line).running() as again:
                await until(lambda: len(again.mes.told) == 3)
            assert again.mes.parts == parts(range(2, 5))
        before = [json.dumps(decision.document()) for decision in stored[2:]]
        assert [json.dumps(decision.document()) for decision in again.mes.told] == before
        assert [decision.id for decision in again.mes.told] == [decision.id for decision in stored[2:]]

    async def test_parts_that_come_during_a_restart_wait_for_the_older_ones(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More is owed than is read at once: what is new must not overtake it."""
        monkeypatch.setattr(delivery, "READ_AT_ONCE", 4)
        async with open_journal(tmp_path) as journal:
            lane = Lane(journal)
            async with lane.running(up=False):
                await lane.commit_all(range(10))
        async with open_journal(tmp_path) as journal, Lane(journal, line=lane.line).running(up=False) as again:
            await again.commit_all(range(10, 12))
            again.come_up()
            await again.commit_all(range(12, 30))
            await until(lambda: len(again.mes.told) == 30)
            assert again.mes.parts == parts(range(30))

    async def test_what_memory_does_not_hold_is_read_back_in_order(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery, "IN_MEMORY", 3)
        monkeypatch.setattr(delivery, "READ_AT_ONCE", 4)
        lane = Lane(journal)
        lane.mes.hold = asyncio.Event()
        async with lane.running():
            await lane.commit_all(range(20))
            assert health.registry.get_sample_value(
                "aoi_bridge_outbox_waiting", {"line": lane.line, "reporter": "mes"}
            ) == pytest.approx(3, abs=1)
            lane.mes.hold.set()
            for number in range(20, 60):
                await lane.commit(number)
            await until(lambda: len(lane.mes.told) == 60)
            assert lane.mes.parts == parts(range(60))

    async def test_a_decision_that_is_not_settled_holds_back_those_after_it(self, journal: Journal) -> None:
        """A slow commit's own second record comes first; meanwhile nobody overtakes it."""
        async with Lane(journal).running() as lane:
            await lane.commit(0)
            first, second = a_decision(lane.line, 1), a_decision(lane.line, 2)
            for decision in (first, second):
                lane.guaranteed.expect(decision.id)
            stored = [await journal.commit(decision, ["mes"]) for decision in (first, second)]
            lane.guaranteed.add(stored[1])
            await until(lambda: lane.mes.parts == parts([0]))
            for _ in range(20):
                await asyncio.sleep(0)
            assert lane.mes.parts == parts([0])
            lane.guaranteed.add(stored[0])
            await until(lambda: len(lane.mes.told) == 3)
            assert lane.mes.parts == parts(range(3))

    async def test_what_is_not_settled_is_not_read_from_the_journal_either(self, tmp_path: Path) -> None:
        async with open_journal(tmp_path) as journal:
            lane = Lane(journal)
            decision = a_decision(lane.line, 1)
            lane.guaranteed.expect(decision.id)
            stored = await journal.commit(decision, ["mes"])
            async with lane.running():
                await asyncio.sleep(0.03)
                assert lane.mes.told == []
                lane.guaranteed.add(stored)
                await until(lambda: lane.mes.parts == parts([1]))

    async def test_a_forgotten_decision_holds_nobody_back(self, journal: Journal) -> None:
        async with Lane(journal).running() as lane:
            gone = a_decision(lane.line, 1)
            lane.guaranteed.expect(gone.id)
            await lane.commit(2)
            lane.guaranteed.forget(gone.id)
            await until(lambda: lane.mes.parts == parts([2]))

    async def test_what_was_answered_is_told_after_a_restart_too(self, tmp_path: Path) -> None:
        """The commit came too late and another verdict was given: that one is told, then and ever after."""
        async with open_journal(tmp_path) as journal:
            lane = Lane(journal)
            decision = a_decision(lane.line, 1)
            await journal.commit(decision, ["mes"])
            answered = Second(
                id=decision.id,
                kind="answered",
                at=1.0,
                model=None,
                goals={},
                final=Verdict.NG,
                origin=Origin.FALLBACK,
            )
            await journal.second(answered)
            async with lane.running():
                await until(lambda: bool(lane.mes.told))
        told = lane.mes.told[0]
        assert (told.final, told.origin, told.degraded) == (Verdict.NG, Origin.FALLBACK, True)

    async def test_what_was_parked_and_comes_back_is_told_in_its_order(self, journal: Journal) -> None:
        """Under the same id and with the same body, before what is younger, and nothing under way twice."""
        lane = Lane(journal)
        lane.mes.answers["p1"] = [Refused("unknown serial")]
        async with lane.running():
            await lane.commit_all(range(4))
            await until(lambda: len(lane.mes.told) == 3)
            await backlog_is(journal, lane.line, (0, 1))
            lane.mes.hold = asyncio.Event()
            await lane.commit_all(range(4, 7))
            await until(lambda: lane.mes.begun[-1] == "p4")
            assert await journal.retry((lane.line, "mes"), Choice()) == 1
            lane.guaranteed.rewind()
            lane.mes.hold.set()
            await until(lambda: len(lane.mes.told) == 7)
            await backlog_is(journal, lane.line, (0, 0))
        assert lane.mes.parts == ["p0", "p2", "p3", "p4", "p1", "p5", "p6"]

    async def test_what_comes_back_while_nothing_else_is_owed_is_told_at_once(self, journal: Journal) -> None:
        lane = Lane(journal, window=4)
        lane.mes.answers = {f"p{number}": [Refused("closed")] for number in range(20)}
        async with lane.running():
            await lane.commit_all(range(20))
            await backlog_is(journal, lane.line, (0, 20))
            assert await journal.retry((lane.line, "mes"), Choice()) == 20
            lane.guaranteed.rewind()
            await until(lambda: len(lane.mes.told) == 20)
        assert lane.mes.parts == parts(range(20))

    async def test_a_peer_that_refuses_everything_does_not_flood_the_log(
        self, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lane = Lane(journal)
        lane.mes.answers = {f"p{number}": [Refused(f"order {number} is closed")] for number in range(50)}
        async with lane.running():
            await lane.commit_all(range(50))
            await backlog_is(journal, lane.line, (0, 50))
        assert capsys.readouterr().err.count("delivery parked") < 5


class TestRealtime:
    @asynccontextmanager
    async def plc(self, journal: Journal, *, up: bool = True) -> AsyncIterator[tuple[Realtime, FakeReporter]]:
        slot: Slot[Report] = Slot(Watched(a_name("line"), "plc"))
        fake = FakeReporter()
        tasks = [asyncio.create_task(lend(slot, lambda: fake))] if up else []
        await asyncio.sleep(0)
        self.slot = slot
        try:
            yield Realtime(slot, journal, SystemClock()), fake
        finally:
            for task in tasks:
                task.cancel()

    async def outcomes(self, journal: Journal, folder: Path, decision: Decision) -> list[tuple[str, str]]:
        await journal.backlog()  # behind everything that was written before
        found = await asyncio.to_thread(Reader(folder).reports, decision.id)
        return [(report.outcome, report.said) for report in found]

    async def test_a_report_is_told_and_its_outcome_recorded(self, journal: Journal, tmp_path: Path) -> None:
        async with self.plc(journal) as (realtime, fake):
            decision = await journal.commit(a_decision("l", expires=time.monotonic() + 30))
            assert await realtime.tell(decision) == "accepted"
            assert fake.parts == [decision.part]
            assert await self.outcomes(journal, tmp_path, decision) == [("accepted", "")]

    async def test_what_the_peer_calls_the_part_is_recorded(self, journal: Journal, tmp_path: Path) -> None:
        """The PLC's own sequence number leads from its log to our journal, and back."""
        async with self.plc(journal) as (realtime, fake):
            fake.note = "CMD_SEQ 4711"
            decision = await journal.commit(a_decision("l", expires=time.monotonic() + 30))
            await realtime.tell(decision)
            assert await self.outcomes(journal, tmp_path, decision) == [("accepted", "CMD_SEQ 4711")]

    @pytest.mark.parametrize("raised", NO_EXCEPTION, ids=repr)
    async def test_what_is_no_exception_costs_one_report_and_is_recorded(
        self, journal: Journal, tmp_path: Path, raised: BaseException
    ) -> None:
        async with self.plc(journal) as (realtime, fake):
            decision = await journal.commit(a_decision("l", expires=time.monotonic() + 30))
            fake.answers[decision.part] = [raised]
            assert await realtime.tell(decision) == "unavailable"
            ((outcome, said),) = await self.outcomes(journal, tmp_path, decision)
            assert outcome == "unavailable"
            assert "the plugin" in said

    async def test_what_has_expired_is_never_sent_and_recorded_as_late(
        self, journal: Journal, tmp_path: Path
    ) -> None:
        async with self.plc(journal) as (realtime, fake):
            decision = await journal.commit(a_decision("l", expires=time.monotonic()))
            assert await realtime.tell(decision) == "late"
            assert fake.begun == []
            assert [o for o, _ in await self.outcomes(journal, tmp_path, decision)] == ["late"]

    async def test_a_report_under_way_is_cancelled_at_the_deadline(self, journal: Journal) -> None:
        async with self.plc(journal) as (realtime, fake):
            fake.hold = asyncio.Event()
            assert await realtime.tell(a_decision("l", expires=time.monotonic() + 0.03)) == "late"
            assert fake.told == []
            assert self.slot.watched.state is State.DEGRADED
            fake.hold = None
            assert await realtime.tell(a_decision("l", expires=time.monotonic() + 30)) == "accepted"
            assert self.slot.watched.state is State.UP

    async def test_a_timeout_of_the_plugins_own_is_not_our_deadline(self, journal: Journal) -> None:
        async with self.plc(journal) as (realtime, fake):
            fake.answers["p0"] = [TimeoutError("of the library")]
            assert await realtime.tell(a_decision("l", expires=time.monotonic() + 30)) == "unavailable"
            await until(lambda: self.slot.watched.opened == 2)

    async def test_a_plc_that_is_away_is_not_waited_for(self, journal: Journal, tmp_path: Path) -> None:
        async with self.plc(journal, up=False) as (realtime, _):
            self.slot.watched.become(State.DOWN, "connection refused")
            decision = await journal.commit(a_decision("l", expires=time.monotonic() + 30))
            assert await realtime.tell(decision) == "unavailable"
            told = await self.outcomes(journal, tmp_path, decision)
            assert told == [("unavailable", "connection refused")]

    async def test_a_refusal_is_recorded_and_keeps_the_connection(self, journal: Journal, tmp_path: Path) -> None:
        async with self.plc(journal) as (realtime, fake):
            fake.answers["p0"] = [Refused("another part stands there")]
            decision = await journal.commit(a_decision("l", expires=time.monotonic() + 30))
            assert await realtime.tell(decision) == "refused"
            assert self.slot.verb is fake
            said = await self.outcomes(journal, tmp_path, decision)
            assert said == [("refused", "another part stands there")]

    async def test_nothing_is_sent_again_after_an_error(self, journal: Journal) -> None:
        async with self.plc(journal) as (realtime, fake):
            fake.answers["p0"] = [Unavailable("gone")]
            assert await realtime.tell(a_decision("l", expires=time.monotonic() + 30)) == "unavailable"
            await until(lambda: self.slot.watched.opened == 2)
            assert fake.begun == ["p0"]

    async def test_what_a_reporter_counts_is_counted_under_its_name(self, journal: Journal) -> None:
        slot: Slot[Report] = Slot(Watched(a_name("line"), "plc"))

        async def report(_: Decision) -> None:
            health.count("garbage")

        offering = asyncio.create_task(slot.offer(report))
        await slot.get()
        with health.instance("elsewhere", "source"):
            await Realtime(slot, journal, ManualClock(now=0)).tell(a_decision("l"))
        assert health.counted("garbage", slot.watched.line, "plc") == 1
        offering.cancel()
