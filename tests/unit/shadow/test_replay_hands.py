"""Workers that break over a picture: it costs that picture, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from bridge.errors import Unavailable
from bridge.messages import Failure, Judgement, Verdict, View
from bridge.replay import hands
from bridge.replay.hands import Ask, Hands, Piece
from bridge.store import Images
from bridge.supervise import Slot, keep
from bridge.watched import Watched

GOOD = Judgement(verdict=Verdict.OK, score=0.9)


class Fragile:
    """A judge that dies over one picture, and is opened again."""

    def __init__(self) -> None:
        self.died = 0
        self.asked: list[int] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def __call__(self, views: Sequence[View]) -> Sequence[Judgement]:
        self.asked.append(len(views))
        if any(view.image == b"poison" for view in views):
            self.died += 1
            raise Unavailable("the judge died")
        return [GOOD] * len(views)


@pytest.fixture
async def slot() -> Slot[Fragile]:
    made: Slot[Fragile] = Slot(Watched("", "judge"))
    return made


async def test_a_picture_over_which_the_judge_dies_costs_only_itself(slot: Slot[Fragile]) -> None:
    judge = Fragile()
    keeping = asyncio.create_task(keep(slot.watched, lambda: judge, slot.offer))
    views = [View(image=image) for image in (b"one", b"poison", b"three")]
    said = await hands.ask(slot, views)  # type: ignore[arg-type]
    keeping.cancel()
    assert said == [GOOD, Judgement(failure=Failure.JUDGE_DOWN), GOOD]
    assert judge.died == 1 + hands.TRIES


async def test_a_judge_that_never_comes_back_ends_the_replay(
    slot: Slot[Fragile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, instead of waiting for ever."""
    monkeypatch.setattr(hands, "AUDITION_SECONDS", 0.05)
    judge = Fragile()
    offering = asyncio.create_task(slot.offer(judge))
    await slot.get()
    with pytest.raises(Unavailable, match=r"does not come back \(the judge died\)"):
        await hands.ask(slot, [View(image=b"poison")])  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await offering


async def test_large_pictures_are_judged_a_few_at_a_time(
    slot: Slot[Fragile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by bytes, not by how many pictures there are."""
    monkeypatch.setattr(hands, "PIECE_BYTES", 10)
    judge = Fragile()
    async with Images(tmp_path) as images:
        kept = [await images.put(f"picture {number}".encode()) for number in range(5)]
        await images.flush()
        team = Hands(images, 1)
        offering = asyncio.create_task(slot.offer(judge))
        working = asyncio.create_task(team.work({"it": slot}))  # type: ignore[dict-item]
        done = await team.judge(Piece("it", [Ask(View(), one) for one in kept]))
        assert await done == [GOOD] * 5
        assert judge.asked == [2, 2, 1]
        working.cancel()
        offering.cancel()


async def test_pictures_that_are_gone_are_not_asked_about(slot: Slot[Fragile], tmp_path: Path) -> None:
    async with Images(tmp_path) as images:
        kept = await images.put(b"\xff\xd8\xff there")
        await images.flush()
        team = Hands(images, 1)
        offering = asyncio.create_task(slot.offer(Fragile()))
        working = asyncio.create_task(team.work({"it": slot}))  # type: ignore[dict-item]
        done = await team.judge(Piece("it", [Ask(View(), "ab" * 32), Ask(View(), kept)]))
        assert await done == [None, GOOD]
        working.cancel()
        offering.cancel()
