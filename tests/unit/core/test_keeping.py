"""Whose pictures a line keeps: those of disagreements and failures; in shadow that is known after the judge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from core_kit import NG, OK, FakeJudge, Stand, a_part, until

from bridge import afterwards
from bridge.line import Line
from bridge.messages import Decision, Failure, Inspection, Judgement
from bridge.store import Images, Retention


@pytest.fixture
async def frugal(stand: Stand) -> AsyncIterator[Stand]:
    """Return a stand that keeps no sample."""
    async with Images(stand.folder / "frugal", Retention(sample=0, floor_bytes=0)) as stand.images:
        yield stand
        await stand.stop()


async def answered(line: Line, part: Inspection) -> Decision:
    async with asyncio.timeout(20):
        return await line.inspect(part)


async def kept(stand: Stand, decision: Decision) -> bool:
    await stand.images.flush()
    paths = [await asyncio.to_thread(stand.images.path, view.image) for view in decision.views]
    assert len({path is None for path in paths}) == 1, "a part's pictures stay together"
    return paths[0] is not None


async def opened(stand: Stand, **config: Any) -> Line:
    """Return a line whose judge is open."""
    line = stand.line(**config)
    await until(lambda: line._treatments[""].turns.open)
    return line


async def told(stand: Stand, decision: Decision) -> None:
    """Wait for the second record."""
    async with asyncio.timeout(20):
        while not await stand.look(lambda reader: reader.seconds(decision.id)):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)


class TestLive:
    async def test_a_cleared_part_is_evidence_and_a_confirmed_one_is_not(self, frugal: Stand) -> None:
        line = await opened(frugal)
        assert await kept(frugal, await answered(line, a_part(NG)))
        frugal.judge.says = NG
        assert not await kept(frugal, await answered(line, a_part(NG)))
        assert not await kept(frugal, await answered(line, a_part(OK)))

    async def test_a_part_that_was_answered_without_us_is_evidence(self, frugal: Stand) -> None:
        frugal.judge.says = [Judgement(failure=Failure.IMAGE_UNREADABLE)]
        line = await opened(frugal)
        decision = await answered(line, a_part(NG))
        assert decision.degraded
        assert await kept(frugal, decision)


class TestShadow:
    @pytest.mark.parametrize(("says", "evidence"), [(NG, False), (OK, True)])
    async def test_pictures_wait_for_the_judge(self, frugal: Stand, says: Any, *, evidence: bool) -> None:
        """Nothing is written before it is known whether somebody disagrees."""
        frugal.judge.says, frugal.judge.hold = says, asyncio.Event()
        line = await opened(frugal, stage="shadow", shadow={"audit_ng": 0})
        decision = await answered(line, a_part(NG, NG))
        await until(lambda: frugal.judge.heard)
        assert not await kept(frugal, decision)
        frugal.judge.hold.set()
        await told(frugal, decision)
        assert await kept(frugal, decision) is evidence

    async def test_a_part_that_is_skipped_counts_as_the_rest(
        self, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of the rest everything is kept here: also what a full queue, or the stop, left unjudged."""
        monkeypatch.setattr(afterwards, "WAITING_PARTS", 1)
        stand.judge = FakeJudge(hold=asyncio.Event())
        line = await opened(stand, stage="shadow")
        heard, queued, skipped = [await answered(line, a_part(NG, name=name)) for name in ("a", "b", "c")]
        assert await kept(stand, skipped)
        await stand.stop()
        assert await kept(stand, heard)
        assert await kept(stand, queued)

    async def test_what_could_not_be_judged_is_evidence(self, frugal: Stand) -> None:
        line = await opened(frugal, stage="shadow", recipe={"a": {}})
        decision = await answered(line, a_part(OK, recipe="zzz"))
        await told(frugal, decision)
        assert await kept(frugal, decision)
