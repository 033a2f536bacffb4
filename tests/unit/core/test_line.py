"""One line on a real journal: always answered, nothing lost, nothing told twice, shadow untouched."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from core_kit import NG, NO_EXCEPTION, OK, Stand, a_name, a_part, picture, until

from bridge import afterwards, line
from bridge.clock import SystemClock
from bridge.errors import Refused, Unavailable
from bridge.judging.hearing import Heard
from bridge.messages import Decision, Failure, Goal, Inspection, Judgement, Origin, Stage, Verdict, View
from bridge.shadow.sampling import drawn
from bridge.store import Journal, Reported, Retention, Second, Stratum

SHORT: dict[str, Any] = {"deadline_ms": 80, "reserve_ms": 40}
"""The judge has 40 ms, the commit 20 more."""
TIGHT: dict[str, Any] = {"deadline_ms": 4000, "reserve_ms": 3970}
"""The judge has 30 ms, and everything after it all the time that a busy machine may need."""
GENEROUS = 10.0
"""Seconds; far more than any of these answers takes, far less than a hang."""


class JumpingClock(SystemClock):
    """The machine's clock, which can be set ahead: what a machine that stalls feels like."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class SlowJournal:
    """The real journal, whose commits can be held up or refused."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuse: Exception | None = None
        self.after: Callable[[], None] = lambda: None

    async def commit(self, decision: Decision, owed_to: Sequence[str] = ()) -> Decision:
        await self.gate.wait()
        if self.refuse:
            raise self.refuse
        stored = await self._journal.commit(decision, owed_to)
        self.after()
        return stored

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


async def answered(the_line: line.Line, part: Inspection, fetch: Any = None) -> Decision:
    async with asyncio.timeout(GENEROUS):
        return await the_line.inspect(part, fetch)


async def seconds(stand: Stand, decision: Decision, count: int = 1) -> list[Second]:
    async with asyncio.timeout(GENEROUS):
        while len(found := await stand.look(lambda reader: reader.seconds(decision.id))) < count:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)
    return found


async def reported(stand: Stand, decision: Decision, count: int = 2) -> list[Reported]:
    async with asyncio.timeout(GENEROUS):
        while len(found := await stand.look(lambda reader: reader.reports(decision.id))) < count:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)
    return found


async def open_judge(the_line: line.Line) -> None:
    """Let the plugins of a new line open."""
    del the_line
    for _ in range(3):
        await asyncio.sleep(0)


class TestAnswers:
    async def test_a_false_call_is_cleared_recorded_and_told_to_both(self, stand: Stand) -> None:
        the_line = stand.line()
        await open_judge(the_line)
        part = a_part(NG, NG, OK, recipe="M10", sequence=7)
        decision = await answered(the_line, part)
        assert (decision.final, decision.origin, decision.recorded) == (OK, Origin.MODEL, True)
        assert (decision.legacy, decision.model, decision.sequence) == (NG, OK, 7)
        assert [len(view.image) for view in decision.views] == [64, 64]
        await until(lambda: stand.plc.told == [decision] and len(stand.mes.told) == 1)
        stored = await stand.look(lambda reader: reader.decision(decision.id))
        assert stored is not None
        assert stored.document() == decision.document() == stand.mes.told[0].document()
        assert [view.name for view in stand.judge.heard[0]] == ["0"]

    async def test_the_journal_has_all_by_which_a_decision_can_be_defended(self, stand: Stand) -> None:
        """Pictures, verdicts, score and operating point, model and file, recipe, the PLC's sequence, the times."""
        the_line = stand.line()
        await open_judge(the_line)
        part = a_part(NG, NG, OK, name="defended", recipe="M10", sequence=7)
        made = await answered(the_line, part)
        kept = await stand.look(lambda reader: reader.decision(made.id))
        assert kept is not None
        pictures = [hashlib.sha256(picture(("defended", place))).hexdigest() for place in (0, 1)]
        assert [view.image for view in kept.views] == pictures
        assert (kept.legacy, kept.model, kept.operator, kept.final) == (NG, OK, None, OK)
        said = kept.views[0].judgement
        assert said is not None
        assert (said.verdict, said.score, said.threshold, said.bundle) == (OK, 0.9, 0.5, "fake 1")
        assert (kept.bundle, kept.config, kept.goal, kept.stage) == ("fake 1", "hash", Goal(1), Stage.LIVE)
        assert (kept.recipe, kept.sequence, kept.bypassed) == ("M10", 7, False)
        assert kept.latency_ms >= kept.judge_ms > 0
        told = await reported(stand, made)
        assert {one.reporter: one.latency_ms > 0 for one in told} == {"plc": True, "mes": True}

    async def test_the_journal_has_what_the_inspector_said_of_the_part_as_a_whole(self, stand: Stand) -> None:
        """Else nobody could tell afterwards why it was not cleared: its code may be one no picture disproves."""
        the_line = stand.line()
        told = replace(a_part(None, NG, OK), defect="SHORT", ng_views=2, lot="L7", counter=90210)
        made = await answered(the_line, told)
        kept = await stand.look(lambda reader: reader.decision(made.id))
        assert kept is not None
        assert (kept.legacy, kept.said, kept.defect, kept.ng_views) == (NG, None, "SHORT", 2)
        assert (kept.lot, kept.counter) == ("L7", 90210)

    async def test_a_bypass_is_recorded_with_the_part(self, stand: Stand) -> None:
        the_line = stand.line(bypass={"minutes": 1, "because": "a test"})
        the_line.standing.bypassed.ask("ann", wanted=True, because="a test")
        made = await answered(the_line, a_part(NG))
        kept = await stand.look(lambda reader: reader.decision(made.id))
        assert kept is not None
        assert (kept.bypassed, kept.origin, kept.final) == (True, Origin.LEGACY, NG)

    async def test_pictures_are_kept_under_their_hash(self, stand: Stand) -> None:
        the_line = stand.line()
        decision = await answered(the_line, a_part(OK, OK, name="kept"))
        await stand.images.flush()
        assert await asyncio.to_thread(stand.images.read, decision.views[0].image) == picture(("kept", 0))

    async def test_a_part_that_needs_no_second_opinion_does_not_wait_for_one(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line()
        decision = await answered(the_line, a_part(OK))
        assert (decision.final, decision.origin, decision.rechecked) == (OK, Origin.LEGACY, False)
        assert stand.judge.heard == []

    @pytest.mark.parametrize(("goal", "legacy", "final"), [(1, NG, NG), (2, OK, NG), (3, OK, NG)])
    @pytest.mark.parametrize(
        ("says", "failure"),
        [
            (RuntimeError("a crash"), Failure.JUDGE_DOWN),
            (Unavailable("gone"), Failure.JUDGE_DOWN),
            (Refused("no"), Failure.JUDGE_DOWN),
            ([], Failure.JUDGE_DOWN),
            (None, Failure.JUDGE_DOWN),
            ("OK", Failure.JUDGE_DOWN),
            (["OK"], Failure.JUDGE_DOWN),
            ([Judgement()], Failure.JUDGE_DOWN),
            ([Judgement(verdict="OK")], Failure.JUDGE_DOWN),  # type: ignore[arg-type]
            ([Judgement(verdict=OK, failure=Failure.DEADLINE)], Failure.JUDGE_DOWN),
            ([Judgement(failure=Failure.IMAGE_UNREADABLE)], Failure.IMAGE_UNREADABLE),
        ],
    )
    async def test_a_judge_that_breaks_or_babbles_gives_the_goals_row(
        self, stand: Stand, goal: int, legacy: Verdict, final: Verdict, says: object, failure: Failure
    ) -> None:
        stand.judge.says = says
        the_line = stand.line(goal=goal)
        await open_judge(the_line)
        decision = await answered(the_line, a_part(legacy))
        assert (decision.final, decision.degraded, decision.recorded) == (final, True, True)
        assert decision.failures == (failure,)

    async def test_a_judge_that_crashed_is_there_again_for_the_next_part(self, stand: Stand) -> None:
        stand.judge.says = RuntimeError("a crash")
        the_line = stand.line()
        await open_judge(the_line)
        assert (await answered(the_line, a_part(NG))).degraded
        stand.judge.says = OK
        await open_judge(the_line)
        assert (await answered(the_line, a_part(NG))).final is OK

    @pytest.mark.parametrize("raised", NO_EXCEPTION, ids=repr)
    async def test_a_judge_that_raises_no_exception_is_a_judge_down(
        self, stand: Stand, raised: BaseException
    ) -> None:
        """A cancelled call, a panic, an exit: the part is answered all the same, and so is the next."""
        stand.judge.says = raised
        the_line = stand.line(deadline_ms=60_000)
        await open_judge(the_line)
        decision = await answered(the_line, a_part(NG))
        assert (decision.final, decision.failures) == (NG, (Failure.JUDGE_DOWN,))
        stand.judge.says = OK
        await open_judge(the_line)
        assert (await answered(the_line, a_part(NG))).final is OK

    async def test_a_judge_that_is_not_open_costs_no_time(self, stand: Stand) -> None:
        the_line = stand.line(judge_up=False, deadline_ms=60_000)
        decision = await answered(the_line, a_part(NG))
        assert (decision.final, decision.failures) == (NG, (Failure.JUDGE_DOWN,))

    async def test_a_hanging_judge_is_not_waited_for(self, stand: Stand) -> None:
        """Answered with the legacy verdict; what the judge says in the end becomes a second record."""
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(**TIGHT)
        await open_judge(the_line)
        part = a_part(NG, NG, OK)
        decision = await answered(the_line, part)
        assert (decision.final, decision.failures, decision.degraded) == (NG, (Failure.DEADLINE,), True)
        await until(lambda: len(stand.plc.told) == 1)
        stand.judge.hold.set()
        (late,) = await seconds(stand, decision)
        assert (late.kind, late.model, dict(late.goals)) == ("late", OK, {Goal.CUT_FALSE_CALLS: OK})
        assert [told.final for told in stand.plc.told] == [NG]

    async def test_parts_behind_a_hanging_judge_are_answered_too(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(**TIGHT)
        await open_judge(the_line)
        decisions = await asyncio.gather(*(answered(the_line, a_part(NG)) for _ in range(5)))
        assert {decision.failures for decision in decisions} == {(Failure.DEADLINE,)}
        assert len(stand.judge.heard) == 1

    async def test_a_part_whose_own_deadline_is_within_the_reserve_is_recorded(self, stand: Stand) -> None:
        """It hardly gets a second opinion, but a decision that may be acknowledged."""
        the_line = stand.line(deadline_ms=60_000, reserve_ms=50_000)
        await open_judge(the_line)
        part = a_part(NG, deadline_ms=20_000, key="k")
        decision = await answered(the_line, part)
        assert decision.recorded
        assert (await answered(the_line, part)).id == decision.id

    async def test_the_turn_goes_on_when_nobody_waits_for_a_hanging_judge_any_more(
        self, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(afterwards, "PATIENCE_SECONDS", 0.02)
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(**TIGHT)
        await open_judge(the_line)
        assert (await answered(the_line, a_part(NG))).degraded
        stand.judge.hold = None
        await until(lambda: not the_line._tasks)
        assert (await answered(the_line, a_part(NG))).final is OK

    async def test_the_parts_own_deadline_counts_if_it_is_shorter(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(deadline_ms=600_000, reserve_ms=3970)
        await open_judge(the_line)
        decision = await answered(the_line, a_part(NG, deadline_ms=4000))
        assert decision.failures == (Failure.DEADLINE,)
        assert decision.expires - time.monotonic() < 4

    async def test_the_deadline_counts_from_the_parts_own_event(self, stand: Stand) -> None:
        the_line = stand.line(deadline_ms=60_000)
        event = time.monotonic() - 30
        decision = await answered(the_line, a_part(OK, event=event))
        assert decision.expires == pytest.approx(event + 60)
        assert decision.latency_ms >= 30_000
        assert not decision.backlog

    async def test_regions_and_thresholds_come_from_line_and_recipe(self, stand: Stand) -> None:
        box = {"cx": 1, "cy": 2, "w": 3, "h": 4}
        the_line = stand.line(
            threshold=0.5,
            roi={"*": box},
            recipe={"a": {}, "b": {"threshold": 0.9, "roi": {"0": {**box, "w": 9}}}},
        )
        await open_judge(the_line)
        await answered(the_line, a_part(NG, recipe="a"))
        await answered(the_line, a_part(NG, recipe="b"))
        (first,), (second,) = stand.judge.heard
        assert (first.threshold, first.roi and first.roi.w) == (0.5, 3)
        assert (second.threshold, second.roi and second.roi.w) == (0.9, 9)

    async def test_an_unknown_recipe_is_a_failure_row(self, stand: Stand) -> None:
        the_line = stand.line(goal=2, recipe={"a": {}})
        await open_judge(the_line)
        decision = await answered(the_line, a_part(OK, recipe="zzz"))
        assert (decision.final, decision.failures) == (NG, (Failure.RECIPE_UNKNOWN,))
        assert stand.judge.heard == []

    async def test_our_own_bug_is_answered_safely(self, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even ``decide`` may be broken: the answer is the goal's safe one, and it is recorded and told."""

        def broken(*_: object) -> None:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(line, "decide", broken)
        cut, catch = stand.line(goal=1), stand.line(goal=2)
        await open_judge(cut)
        for the_line, legacy in ((cut, NG), (catch, OK)):
            decision = await answered(the_line, a_part(legacy))
            assert (decision.final, decision.degraded, decision.recorded) == (NG, True, True)
        await until(lambda: len(stand.plc.told) == 2)

    async def test_a_judge_that_is_away_is_not_spoken_of_at_every_part(
        self, stand: Stand, capsys: pytest.CaptureFixture[str]
    ) -> None:
        the_line = stand.line(judge_up=False, deadline_ms=60_000)
        for _ in range(5):
            assert (await answered(the_line, a_part(NG))).failures == (Failure.JUDGE_DOWN,)
        assert capsys.readouterr().err.count("judge away") == 1

    async def test_a_bug_around_the_judge_is_answered_safely(
        self, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_: object, **__: object) -> Heard:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(line, "hear", broken)
        decision = await answered(stand.line(), a_part(NG))
        assert (decision.final, decision.failures, decision.recorded) == (NG, (Failure.JUDGE_DOWN,), True)


class TestPictures:
    async def test_a_picture_still_on_its_way_is_fetched(self, stand: Stand) -> None:
        the_line = stand.line()
        await open_judge(the_line)
        asked: list[str] = []

        async def fetch(view: View) -> bytes:
            asked.append(view.name)
            return picture(view.name)

        views = (View(name="a", legacy=NG, reference="a.png"), View(name="b", legacy=OK, reference="b.png"))
        decision = await answered(the_line, Inspection(part="p", legacy=NG, views=views), fetch)
        assert (decision.final, asked) == (OK, ["a"])
        assert [bool(view.image) for view in decision.views] == [True, False]

    async def test_a_hanging_fetch_is_a_missing_picture(self, stand: Stand) -> None:
        the_line = stand.line(**TIGHT)
        await open_judge(the_line)

        async def fetch(_: View) -> bytes:
            await asyncio.Event().wait()
            return b""

        decision = await answered(the_line, Inspection(part="p", legacy=NG, views=(View(legacy=NG),)), fetch)
        assert (decision.final, decision.failures) == (NG, (Failure.IMAGE_MISSING,))

    async def test_a_fetch_that_does_not_heed_cancellation_holds_nobody(self, stand: Stand) -> None:
        the_line = stand.line(**TIGHT)
        await open_judge(the_line)
        enough = asyncio.Event()

        async def fetch(_: View) -> bytes:
            while not enough.is_set():
                try:
                    await enough.wait()
                except asyncio.CancelledError:
                    continue
            return b""

        decision = await answered(the_line, Inspection(part="p", legacy=NG, views=(View(legacy=NG),)), fetch)
        assert decision.failures == (Failure.IMAGE_MISSING,)
        enough.set()

    @pytest.mark.parametrize(
        "error", [OSError("share away"), Unavailable("gone"), KeyError("a bug"), *NO_EXCEPTION], ids=repr
    )
    async def test_a_fetch_that_fails_is_a_missing_picture(self, stand: Stand, error: BaseException) -> None:
        the_line = stand.line()
        await open_judge(the_line)

        async def fetch(_: View) -> bytes:
            raise error

        decision = await answered(the_line, Inspection(part="p", legacy=NG, views=(View(legacy=NG),)), fetch)
        assert (decision.final, decision.failures) == (NG, (Failure.IMAGE_MISSING,))

    async def test_a_picture_that_nobody_can_bring_is_missing(self, stand: Stand) -> None:
        the_line = stand.line(goal=2)
        await open_judge(the_line)
        seen = (View(name="a", image=b"x"), View(name="b"))
        decision = await answered(the_line, Inspection(part="p", legacy=OK, views=seen))
        assert (decision.final, decision.failures) == (NG, (Failure.IMAGE_MISSING,))

    async def test_the_previous_parts_picture_again_is_a_missing_view(self, stand: Stand) -> None:
        the_line = stand.line()
        await open_judge(the_line)
        view = View(legacy=NG, image=b"the same")
        first = await answered(the_line, Inspection(part="1", legacy=NG, views=(view,)))
        second = await answered(the_line, Inspection(part="2", legacy=NG, views=(view,)))
        assert first.final is OK
        assert (second.final, second.failures) == (NG, (Failure.IMAGE_REPEATED,))

    async def test_a_fetched_picture_is_compared_with_the_previous_parts_too(self, stand: Stand) -> None:
        """The two parts overlap: the first one's picture arrives after the second part was begun."""
        the_line = stand.line()
        await open_judge(the_line)
        come = asyncio.Event()

        async def fetch(_: View) -> bytes:
            await come.wait()
            return b"the same"

        part = Inspection(part="1", legacy=NG, views=(View(legacy=NG),))
        first = asyncio.create_task(answered(the_line, part, fetch))
        second = asyncio.create_task(answered(the_line, replace(part, part="2"), fetch))
        await asyncio.sleep(0.01)
        come.set()
        assert (await first).final is OK
        assert (await second).failures == (Failure.IMAGE_REPEATED,)

    async def test_large_pictures_are_hashed_beside_the_loop(self, stand: Stand) -> None:
        the_line = stand.line()
        await open_judge(the_line)
        big = (View(legacy=NG, image=bytes(1 << 20)),)
        decision = await answered(the_line, Inspection(part="p", legacy=NG, views=big))
        assert (decision.final, len(decision.views[0].image)) == (OK, 64)


class TestSlowDisk:
    async def test_a_slow_commit_is_not_waited_for_and_set_right_before_the_mes_is_told(
        self, stand: Stand, journal: Journal
    ) -> None:
        slow = SlowJournal(journal)
        the_line = stand.line(slow, **SHORT)
        await open_judge(the_line)
        slow.gate.clear()
        decision = await answered(the_line, a_part(NG, key="k"))
        assert (decision.final, decision.recorded, decision.degraded) == (NG, False, True)
        assert Failure.NOT_RECORDED in decision.failures
        slow.gate.set()
        await until(lambda: bool(stand.mes.told))
        (told,) = stand.mes.told
        assert (told.id, told.final, told.origin, told.degraded) == (decision.id, NG, Origin.FALLBACK, True)
        (second,) = await seconds(stand, decision)
        assert (second.kind, second.final, second.origin) == ("answered", NG, Origin.FALLBACK)
        stored = await stand.look(lambda reader: reader.decision(decision.id))
        assert stored is not None
        assert stored.document() == told.document()

    async def test_the_error_of_an_unrecorded_answer_is_told_and_recalled(
        self, stand: Stand, journal: Journal
    ) -> None:
        """A part that the disk did not take in time raises Error, for the PLC, the MES and for ever."""
        slow = SlowJournal(journal)
        the_line = stand.line(slow, fallbacks_in_a_row=1, **SHORT)
        await open_judge(the_line)
        slow.gate.clear()
        decision = await answered(the_line, a_part(NG, key="k"))
        slow.gate.set()
        await until(lambda: bool(stand.mes.told))
        stored = await stand.look(lambda reader: reader.decision(decision.id))
        assert stored is not None
        flags = [(one.error, one.degraded, one.bypassed) for one in (decision, stand.mes.told[0], stored)]
        assert flags == [(True, True, False)] * 3

    async def test_the_mes_hears_of_a_slow_part_before_those_after_it(
        self, stand: Stand, journal: Journal
    ) -> None:
        slow = SlowJournal(journal)
        the_line = stand.line(slow, **SHORT)
        slow.gate.clear()
        first = await answered(the_line, a_part(OK, name="first"))
        assert not first.recorded
        behind = asyncio.create_task(answered(the_line, a_part(OK, name="second")))
        await asyncio.sleep(0)
        slow.gate.set()
        await behind
        await until(lambda: len(stand.mes.told) == 2)
        assert stand.mes.parts == ["first", "second"]

    @pytest.mark.parametrize("error", [Unavailable("disk full"), RuntimeError("a bug of the store")])
    async def test_a_refused_commit_is_answered_at_once(
        self, stand: Stand, journal: Journal, error: Exception
    ) -> None:
        refusing = SlowJournal(journal)
        refusing.refuse = error
        the_line = stand.line(refusing, deadline_ms=60_000)
        await open_judge(the_line)
        decision = await answered(the_line, a_part(NG))
        assert (decision.final, decision.recorded, decision.number) == (NG, False, 0)
        await until(lambda: len(stand.plc.told) == 1)
        assert stand.mes.told == []

    async def test_a_full_disk_does_not_speak_of_every_part(
        self, stand: Stand, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What comes with every part is said now and then, with a count."""
        refusing = SlowJournal(journal)
        refusing.refuse = Unavailable("disk full")
        the_line = stand.line(refusing)
        await open_judge(the_line)
        for _ in range(5):
            assert not (await answered(the_line, a_part(NG))).recorded
        assert capsys.readouterr().err.count("not recorded") == 1

    async def test_what_was_answered_unrecorded_is_what_its_redelivery_records(
        self, stand: Stand, journal: Journal
    ) -> None:
        """It is not judged anew, and no PLC hears of it a second time: another part stands there by now."""
        refusing = SlowJournal(journal)
        refusing.refuse = Unavailable("disk full")
        the_line = stand.line(refusing)
        await open_judge(the_line)
        part = a_part(NG, key="k")
        first = await answered(the_line, part)
        assert (first.final, first.recorded) == (NG, False)
        again = await answered(the_line, part)
        assert (again.final, again.recorded) == (NG, False)
        refusing.refuse = None
        second = await answered(the_line, part)
        assert (second.final, second.recorded, second.degraded) == (NG, True, True)
        third = await answered(the_line, part)
        assert (third.id, third.final) == (second.id, NG)
        await until(lambda: len(stand.mes.told) == 1)
        assert len(stand.plc.told) == len(stand.judge.heard) == 1

    async def test_a_redelivery_after_a_slow_commit_gets_what_was_answered(
        self, stand: Stand, journal: Journal
    ) -> None:
        slow = SlowJournal(journal)
        the_line = stand.line(slow, **SHORT)
        slow.gate.clear()
        part = a_part(NG, key="k")
        first = await answered(the_line, part)
        slow.gate.set()
        await until(lambda: bool(stand.mes.told))
        second = await answered(the_line, part)
        assert (second.id, second.final, second.recorded) == (first.id, NG, True)
        assert len(stand.mes.told) == 1

    async def test_five_unrecorded_parts_in_a_row_raise_error(self, stand: Stand, journal: Journal) -> None:
        refusing = SlowJournal(journal)
        refusing.refuse = Unavailable("disk full")
        the_line = stand.line(refusing)
        assert [(await answered(the_line, a_part(OK))).error for _ in range(5)] == [False] * 4 + [True]
        assert the_line.standing.error
        refusing.refuse = None
        assert not (await answered(the_line, a_part(OK))).error
        assert not the_line.standing.error

    async def test_a_slow_disk_and_a_slow_judge_at_once(self, stand: Stand, journal: Journal) -> None:
        """Both second records are written, and the judge is free again."""
        slow = SlowJournal(journal)
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(slow, **SHORT)
        await open_judge(the_line)
        slow.gate.clear()
        decision = await answered(the_line, a_part(NG))
        assert set(decision.failures) == {Failure.DEADLINE, Failure.NOT_RECORDED}
        stand.judge.hold.set()
        slow.gate.set()
        found = await seconds(stand, decision, 2)
        assert {second.kind for second in found} == {"answered", "late"}


class TestRepeats:
    async def test_two_at_once_are_one_part(self, stand: Stand) -> None:
        the_line = stand.line()
        await open_judge(the_line)
        part = a_part(NG, key="k")
        first, second = await asyncio.gather(answered(the_line, part), answered(the_line, part))
        assert first == second
        await until(lambda: len(stand.mes.told) == 1)
        assert len(stand.judge.heard) == len(stand.plc.told) == 1

    async def test_a_repeat_gets_the_stored_decision_and_tells_nobody(self, stand: Stand) -> None:
        the_line = stand.line()
        await open_judge(the_line)
        part = a_part(NG, key="k")
        first = await answered(the_line, part)
        second = await answered(the_line, part)
        assert second.document() == first.document()
        await until(lambda: len(stand.mes.told) == 1)
        assert len(stand.judge.heard) == len(stand.plc.told) == 1
        assert the_line.figures()["parts"] == 1

    async def test_a_repeat_after_a_restart_gets_the_stored_decision_and_tells_nobody(self, stand: Stand) -> None:
        part = a_part(NG, key="k")
        the_line = stand.line()
        await open_judge(the_line)
        first = await answered(the_line, part)
        await until(lambda: len(stand.mes.told) == 1)
        await stand.stop()
        stand.judge.says = NG
        restarted = stand.line()
        await open_judge(restarted)
        second = await answered(restarted, part)
        assert second.document() == first.document()
        await answered(restarted, a_part(NG, name="after"))
        await until(lambda: stand.mes.parts[1:] == ["after"])
        assert stand.plc.parts[1:] == ["after"]
        tally = await stand.look(lambda reader: reader.lines()[0])
        assert (tally.parts, tally.seconds) == (2, 0)

    async def test_without_a_key_every_arrival_is_new(self, stand: Stand) -> None:
        the_line = stand.line()
        part = a_part(OK)
        assert (await answered(the_line, part)).id != (await answered(the_line, part)).id

    async def test_a_cancelled_wait_does_not_cancel_the_part(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(deadline_ms=60_000)
        await open_judge(the_line)
        waiting = asyncio.create_task(the_line.inspect(a_part(NG, name="dropped")))
        await until(lambda: bool(stand.judge.heard))
        waiting.cancel()
        await asyncio.wait({waiting})
        stand.judge.hold.set()
        await until(lambda: stand.mes.parts == ["dropped"] and stand.plc.parts == ["dropped"])


class TestBacklog:
    @pytest.mark.parametrize("old", ["said by the source", "older than its deadline"])
    async def test_backlog_is_judged_recorded_told_to_the_mes_and_never_to_the_plc(
        self, stand: Stand, old: str
    ) -> None:
        the_line = stand.line()
        await open_judge(the_line)
        late = {"backlog": True} if old == "said by the source" else {"event": time.monotonic() - 100}
        decision = await answered(the_line, a_part(NG, name="old", **late))
        assert (decision.final, decision.backlog, decision.recorded) == (OK, True, True)
        await answered(the_line, a_part(NG, name="new"))
        await until(lambda: stand.mes.parts == ["old", "new"] and stand.plc.parts == ["new"])

    async def test_backlog_takes_no_room_from_live_parts(self, stand: Stand) -> None:
        """Twenty old parts wait for a judge that is away; a live one is answered at once."""
        the_line = stand.line(judge_up=False, in_flight=1, deadline_ms=60_000)
        old = [asyncio.create_task(the_line.inspect(a_part(NG, backlog=True))) for _ in range(20)]
        await asyncio.sleep(0)
        decision = await answered(the_line, a_part(NG))
        assert (decision.backlog, decision.failures) == (False, (Failure.JUDGE_DOWN,))
        assert not any(task.done() for task in old)

    async def test_fallbacks_of_backlog_raise_no_error(self, stand: Stand) -> None:
        the_line = stand.line(recipe={"a": {}})
        for _ in range(6):
            assert (await answered(the_line, a_part(NG, recipe="zzz", backlog=True))).degraded
        assert not the_line.standing.error


class TestWhoIsTold:
    """Topology, stage, and what the old machine goes on reporting by itself."""

    @pytest.mark.parametrize(
        ("goal", "legacy", "topology", "told"),
        [
            (1, NG, "tap", ["first"]),
            (1, OK, "tap", []),
            (2, OK, "tap", ["first"]),
            (2, NG, "tap", []),
            (3, OK, "tap", ["first"]),
            (3, NG, "tap", ["first"]),
            (1, None, "tap", ["first"]),
            (1, NG, "inline", ["first"]),
            (1, OK, "inline", ["first"]),
            (2, NG, "inline", ["first"]),
        ],
    )
    async def test_beside_a_tap_only_what_is_left_to_us_is_ours_to_tell(
        self, stand: Stand, goal: int, legacy: Verdict | None, topology: str, told: list[str]
    ) -> None:
        the_line = stand.line(goal=goal, topology=topology)
        await open_judge(the_line)
        await answered(the_line, a_part(legacy, OK, name="first"))
        await until(lambda: not the_line._tasks)
        assert stand.plc.parts == told
        await until(lambda: stand.mes.parts == told)

    async def test_what_a_stalled_machine_answers_too_late_is_not_told_and_that_is_recorded(
        self, stand: Stand, journal: Journal
    ) -> None:
        clock = JumpingClock()
        jumping = SlowJournal(journal)
        the_line = stand.line(jumping, clock)
        await open_judge(the_line)
        jumping.after = lambda: setattr(clock, "ahead", 100.0)
        decision = await answered(the_line, a_part(OK))
        await until(lambda: not the_line._tasks)
        await stand.journal.backlog()
        assert stand.plc.begun == []
        (report,) = await stand.look(lambda reader: reader.reports(decision.id)[:1])
        assert (report.reporter, report.outcome) == ("plc", "late")

    async def test_a_reporter_in_trouble_delays_no_answer(self, stand: Stand) -> None:
        stand.plc.hold = stand.mes.hold = asyncio.Event()
        the_line = stand.line(deadline_ms=60_000)
        await open_judge(the_line)
        assert (await answered(the_line, a_part(NG))).final is OK


class TestShadow:
    @pytest.mark.parametrize("legacy", [OK, NG, None])
    @pytest.mark.parametrize("goal", [1, 2, 3])
    async def test_the_legacy_verdict_passes_untouched_and_every_goal_is_scored_after_it(
        self, stand: Stand, goal: int, legacy: Verdict | None
    ) -> None:
        stand.judge.says = NG if legacy is OK else OK
        the_line = stand.line(goal=goal, stage="shadow")
        await open_judge(the_line)
        decision = await answered(the_line, a_part(legacy, legacy, legacy))
        assert (decision.final, decision.origin, decision.stage) == (legacy, Origin.LEGACY, Stage.SHADOW)
        assert decision.recorded
        (second,) = await seconds(stand, decision)
        assert (second.kind, second.model) == ("shadow", stand.judge.says)
        scored = {
            OK: {Goal.CUT_FALSE_CALLS: OK, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: NG},
            NG: {Goal.CUT_FALSE_CALLS: OK, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: OK},
            None: {Goal.CUT_FALSE_CALLS: NG, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: OK},
        }
        assert dict(second.goals) == scored[legacy]
        assert len(second.views) == 2
        without = {Goal.CUT_FALSE_CALLS: legacy or NG, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: NG}
        assert (dict(second.fallbacks), second.in_time) == (without, True)
        stratum = Stratum.AGREED_OK if legacy is None else Stratum.DISAGREED
        assert (second.stratum, second.chance == 1.0) == (stratum, legacy is not None)
        assert second.drawn == drawn(second.id, second.chance or 0)

    async def test_the_answer_does_not_wait_for_the_judge(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(stage="shadow", deadline_ms=60_000)
        await open_judge(the_line)
        decisions = [await answered(the_line, a_part(NG)) for _ in range(3)]
        await until(lambda: len(stand.plc.told) == 3)
        stand.judge.hold.set()
        for decision in decisions:
            assert len(await seconds(stand, decision)) == 1

    async def test_a_full_judge_queue_skips_and_counts(
        self, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(afterwards, "WAITING_PARTS", 2)
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(stage="shadow")
        await open_judge(the_line)
        for _ in range(6):
            assert (await answered(the_line, a_part(NG))).final is NG
        assert skipped(stand) >= 3

    async def test_a_part_that_is_passed_over_has_its_record_and_its_chance(
        self, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is missing from the month; and where such a part is drawn, its pictures are there for people."""
        monkeypatch.setattr(afterwards, "WAITING_PARTS", 0)
        the_line = stand.line(stage="shadow", shadow={"labels_per_day": 20, "parts_per_day": 10})
        stand.images.adopt(Retention(sample=0))
        decision = await answered(the_line, a_part(OK, OK, OK))
        (second,) = await seconds(stand, decision)
        assert (second.stratum, second.chance, second.drawn) == (Stratum.UNJUDGED, 1.0, True)
        assert (second.model, dict(second.goals), second.views, second.in_time) == (None, {}, (), None)
        assert dict(second.fallbacks) == {Goal.CUT_FALSE_CALLS: OK, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: NG}
        assert (the_line.afterwards.passed_over, stand.judge.heard) == (1, [])
        await kept(stand, [decision])

    async def test_a_panels_record_is_written_on_its_own(self, stand: Stand) -> None:
        """Riding along with a part it would keep that one waiting."""
        the_line = stand.line(stage="shadow")
        await open_judge(the_line)
        (second,) = await seconds(stand, await answered(the_line, a_part(OK, *[OK] * 40)))
        assert (len(second.views), second.stratum) == (40, Stratum.AGREED_OK)

    async def test_a_drawn_agreement_keeps_its_pictures_and_an_undrawn_one_does_not(self, stand: Stand) -> None:
        the_line = stand.line(stage="shadow", shadow={"labels_per_day": 20, "parts_per_day": 40})
        stand.images.adopt(Retention(sample=0))
        await open_judge(the_line)
        made = [await answered(the_line, a_part(OK)) for _ in range(30)]
        said = [(await seconds(stand, one))[0] for one in made]
        assert {one.chance for one in said} == {0.25}
        chosen = [decision for decision, one in zip(made, said, strict=True) if one.drawn]
        assert 0 < len(chosen) < 30
        await kept(stand, chosen)
        assert await asyncio.to_thread(lambda: [one for one in made if of_disk(stand, one)]) == chosen

    async def test_a_judgement_is_late_where_a_live_line_would_have_given_up(self, stand: Stand) -> None:
        """Of backlog nobody can say so, nor of what was never judged."""
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(stage="shadow", deadline_ms=100, reserve_ms=50)
        await open_judge(the_line)
        slow = await answered(the_line, a_part(NG))
        await until(lambda: bool(stand.judge.heard))
        await asyncio.sleep(0.06)
        stand.judge.hold.set()
        old = await answered(the_line, a_part(NG, backlog=True))
        bare = await answered(the_line, Inspection(part="bare", legacy=NG))
        assert [(await seconds(stand, one))[0].in_time for one in (slow, old, bare)] == [False, None, None]

    async def test_what_is_queued_at_the_stop_is_counted_as_skipped(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(stage="shadow")
        await open_judge(the_line)
        made = [await answered(the_line, a_part(NG)) for _ in range(4)]
        await until(lambda: bool(stand.judge.heard))
        before = skipped(stand)
        await stand.stop()
        assert skipped(stand) - before == 4, "the one that the judge had, too"
        assert [len(await seconds(stand, one)) for one in made] == [1] * 4

    async def test_a_shadow_part_that_could_not_be_judged_still_has_its_record(self, stand: Stand) -> None:
        """The month's figures count every part: without views and with an unknown recipe too."""
        the_line = stand.line(stage="shadow", recipe={"a": {}})
        await open_judge(the_line)
        bare = await answered(the_line, Inspection(part="bare", legacy=NG, recipe="a"))
        unknown = await answered(the_line, a_part(OK, recipe="zzz"))
        (of_bare,), (of_unknown,) = await seconds(stand, bare), await seconds(stand, unknown)
        assert dict(of_bare.goals) == {Goal.CUT_FALSE_CALLS: NG, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: NG}
        assert (of_unknown.failures, of_unknown.model) == ((Failure.RECIPE_UNKNOWN,), None)
        assert stand.judge.heard == []

    async def test_live_parts_do_not_wait_behind_a_shadow_whose_judge_is_away(self, stand: Stand) -> None:
        """The shadow part waits for the judge to come back, but not on the only turn there is."""
        shadow = stand.line(judge_up=False, stage="shadow")
        live = stand.line(deadline_ms=60_000)
        live._treatments[""] = replace(live._treatments[""], turns=shadow._treatments[""].turns)
        await answered(shadow, a_part(NG))
        await open_judge(shadow)
        decision = await answered(live, a_part(NG))
        assert decision.failures == (Failure.JUDGE_DOWN,)


class TestFallbacksInARow:
    async def test_five_in_a_row_raise_error_until_a_second_opinion_is_had(self, stand: Stand) -> None:
        stand.judge.says = Unavailable("gone")
        the_line = stand.line()
        await open_judge(the_line)
        flags = [(await answered(the_line, a_part(NG))).error for _ in range(5)]
        assert flags == [False] * 4 + [True]
        assert the_line.standing.error
        assert (await answered(the_line, a_part(OK))).error, "a part that needs no judge proves nothing"
        stand.judge.says = OK
        await until(lambda: the_line._treatments[""].turns._slot.verb is not None)
        assert not (await answered(the_line, a_part(NG))).error
        assert not the_line.standing.error

    async def test_missing_verdicts_spread_over_a_shift_are_no_row(self, stand: Stand) -> None:
        """In shadow nothing is re-checked; a verdict that is there again ends the row."""
        the_line = stand.line(stage="shadow")
        for _ in range(8):
            assert (await answered(the_line, a_part(None, None))).degraded
            assert not (await answered(the_line, a_part(OK))).error or the_line.standing.error is False
        assert not the_line.standing.error

    async def test_five_missing_verdicts_in_a_row_raise_error_until_one_comes(self, stand: Stand) -> None:
        the_line = stand.line(fallbacks_in_a_row=3)
        for _ in range(3):
            decision = await answered(the_line, a_part(None, None))
            assert (decision.final, decision.error) == (NG, True)
        assert the_line.standing.error
        await answered(the_line, a_part(OK))
        assert not the_line.standing.error


class TestRoom:
    async def test_a_full_room_slows_the_source_and_counts(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(in_flight=2, deadline_ms=60_000)
        await open_judge(the_line)
        waiting = [asyncio.create_task(the_line.inspect(a_part(NG))) for _ in range(5)]
        await until(lambda: the_line.figures()["slowed"] == 3)
        stand.judge.hold.set()
        decisions = await asyncio.wait_for(asyncio.gather(*waiting), GENEROUS)
        assert {decision.final for decision in decisions} == {OK}

    async def test_waiting_for_room_counts_against_the_deadline(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(in_flight=1, **TIGHT)
        await open_judge(the_line)
        both = await asyncio.gather(answered(the_line, a_part(NG)), answered(the_line, a_part(NG)))
        assert [decision.failures for decision in both] == [(Failure.DEADLINE,)] * 2


class TestASharedJudge:
    async def test_a_line_that_floods_it_takes_turns_with_another(self, stand: Stand) -> None:
        """Fifty live parts of one line are there; the other's one part waits for at most one that was queued."""
        stand.judge.hold = asyncio.Event()
        flooding = stand.line(deadline_ms=60_000, in_flight=50)
        other = stand.line(name=a_name("line"), deadline_ms=60_000)
        other._treatments[""] = replace(other._treatments[""], turns=flooding._treatments[""].turns)
        await open_judge(flooding)
        flood = [asyncio.create_task(flooding.inspect(a_part(NG, name=f"flood {i}"))) for i in range(50)]
        await until(lambda: len(in_row(flooding)) == 49)
        once = asyncio.create_task(other.inspect(a_part(NG, name="once")))
        await until(lambda: len(in_row(flooding)) == 50)
        stand.judge.hold.set()
        decisions = await asyncio.wait_for(asyncio.gather(once, *flood), GENEROUS)
        assert {decision.final for decision in decisions} == {OK}
        assert [views[0].image for views in stand.judge.heard].index(picture(("once", 0))) <= 2


def in_row(the_line: line.Line) -> list[object]:
    """Return the live parts that wait for the judge of a line."""
    return [turn for waiting in the_line._treatments[""].turns._live._lines.values() for turn in waiting]


class TestStopping:
    async def test_parts_under_way_end_and_are_told(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(deadline_ms=60_000)
        await open_judge(the_line)
        waiting = asyncio.create_task(the_line.inspect(a_part(NG)))
        await until(lambda: bool(stand.judge.heard))
        asyncio.get_running_loop().call_later(0.02, stand.judge.hold.set)
        await the_line.settle(GENEROUS)
        assert (await waiting).final is OK
        assert len(stand.plc.told) == 1

    async def test_what_does_not_end_is_left(self, stand: Stand) -> None:
        stand.judge.hold = asyncio.Event()
        the_line = stand.line(deadline_ms=60_000)
        await open_judge(the_line)
        waiting = asyncio.create_task(the_line.inspect(a_part(NG)))
        await until(lambda: bool(stand.judge.heard))
        async with asyncio.timeout(GENEROUS):
            await the_line.settle(0.02)
        await asyncio.wait({waiting})
        assert waiting.cancelled()


def of_disk(stand: Stand, decision: Decision) -> bool:
    return all(stand.images.path(view.image) for view in decision.views)


async def kept(stand: Stand, decisions: Sequence[Decision]) -> None:
    async with asyncio.timeout(GENEROUS):
        while not all([await asyncio.to_thread(of_disk, stand, one) for one in decisions]):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)


def skipped(stand: Stand) -> float:
    value = afterwards.skipped.labels(stand.name)._value.get()  # type: ignore[attr-defined]
    return float(value)
