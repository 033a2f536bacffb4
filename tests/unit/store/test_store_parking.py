"""Deliveries that were parked: listed with their reason, tried again in their order, or dropped with a reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from store_samples import decision as a_decision

from bridge.clock import ManualClock
from bridge.messages import Decision
from bridge.store import Choice, Reader, open_journal
from bridge.store import journal as journal_module

LANE = ("l", "mes")


async def test_a_parked_delivery_is_listed_with_part_time_and_reason(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_journal(tmp_path, clock) as journal:
        kept = [await journal.commit(a_decision(line="l", part=f"p{n}"), ["mes"]) for n in range(3)]
        clock.advance(60)
        await journal.park(*LANE, kept[1].number, "unknown serial")
        (owing,) = await asyncio.to_thread(Reader(tmp_path).owing)
        (parked,) = await asyncio.to_thread(Reader(tmp_path).parked, *LANE)
    assert (owing.line, owing.reporter, owing.queued, owing.parked) == ("l", "mes", 2, 1)
    assert owing.oldest_at == clock.wall() - 60
    assert (parked.id, parked.part, parked.at, parked.reason) == (kept[1].id, "p1", clock.wall(), "unknown serial")


async def test_what_is_tried_again_is_owed_again_in_its_order_under_the_same_id(tmp_path: Path) -> None:
    """The peer gets the identical document, and gets older parts before younger ones."""
    async with open_journal(tmp_path) as journal:
        kept = [await journal.commit(a_decision(line="l"), ["mes"]) for _ in range(5)]
        before = [owed.decision.document() for owed in await journal.owed(*LANE, 0, 10)]
        for decision in (kept[3], kept[0]):
            await journal.park(*LANE, decision.number, "no")
        assert await journal.retry(LANE, Choice()) == 2
        assert [owed.decision.document() for owed in await journal.owed(*LANE, 0, 10)] == before
        assert await journal.backlog() == {LANE: (5, 0)}


async def test_only_the_chosen_ones_move(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        kept = [await journal.commit(a_decision(line="l"), ["mes", "other"]) for _ in range(3)]
        for decision in kept:
            for reporter in ("mes", "other"):
                await journal.park("l", reporter, decision.number, "no")
        assert await journal.retry(LANE, Choice(ids=(kept[1].id,))) == 1
        assert await journal.retry(LANE, Choice(line="another")) == 0
        assert await journal.retry(LANE, Choice(reporter="other")) == 0
        assert await journal.retry(("l", "other"), Choice(line="l", reporter="other")) == 3
        assert await journal.backlog() == {LANE: (1, 2), ("l", "other"): (3, 0)}


async def test_a_dropped_delivery_keeps_the_reason_as_its_report(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        kept = await journal.commit(a_decision(line="l"), ["mes"])
        await journal.park(*LANE, kept.number, "unknown serial")
        assert await journal.drop(LANE, Choice(ids=(kept.id,)), "a test part") == 1
        assert await journal.drop(LANE, Choice(), "again") == 0
        assert await journal.backlog() == {LANE: (0, 0)}
    (report,) = await asyncio.to_thread(Reader(tmp_path).reports, kept.id)
    assert (report.reporter, report.outcome, report.said) == ("mes", "dropped", "a test part")


async def test_many_are_moved_step_by_step_and_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weekend of refusals must not hold the commits of live parts while it is moved."""
    monkeypatch.setattr(journal_module, "AT_ONCE", 3)
    async with open_journal(tmp_path) as journal:
        kept = [await journal.commit(a_decision(line="l"), ["mes"]) for _ in range(10)]
        for decision in kept:
            await journal.park(*LANE, decision.number, "no")
        assert await journal.retry(LANE, Choice()) == 10
        assert [owed.number for owed in await journal.owed(*LANE, 0, 20)] == [d.number for d in kept]


async def test_what_was_moved_is_still_so_after_a_restart(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        kept: list[Decision] = [await journal.commit(a_decision(line="l"), ["mes"]) for _ in range(2)]
        for decision in kept:
            await journal.park(*LANE, decision.number, "no")
        await journal.retry(LANE, Choice(ids=(kept[0].id,)))
        await journal.drop(LANE, Choice(ids=(kept[1].id,)), "why")
    async with open_journal(tmp_path) as journal:
        assert await journal.backlog() == {LANE: (1, 0)}


async def test_a_configuration_is_known_once_a_part_was_answered_under_it(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        assert not await journal.answered_under("abc123")
        await journal.commit(a_decision(config="abc123"))
        assert await journal.answered_under("abc123")


async def test_the_thread_says_that_it_lives(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        await journal.alive()
