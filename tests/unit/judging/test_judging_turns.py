"""Whose turn it is with a judge that several lines share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import Unavailable
from bridge.judging.turns import SLICE_VIEWS, Ticket, Turns
from bridge.messages import Box, HeatMap, Judgement, PictureFacts, Spot, Verdict, View
from bridge.plugin.api import Judge
from bridge.supervise import Slot
from bridge.watched import Watched

PANEL = [View(name=f"panel {number}") for number in range(2 * SLICE_VIEWS + 1)]
PART = [View(name="part")]


class StepJudge:
    """A judge that answers one call each time it is told to."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.step = asyncio.Semaphore(0)

    async def __call__(self, views: Sequence[View]) -> Sequence[Judgement]:
        assert len(views) <= SLICE_VIEWS
        self.heard.append(views[0].name)
        await self.step.acquire()
        return [Judgement(verdict=Verdict.OK, label=view.name) for view in views]


@pytest.fixture
def judge() -> StepJudge:
    return StepJudge()


@pytest.fixture
async def turns(judge: StepJudge) -> AsyncIterator[Turns]:
    slot: Slot[Judge] = Slot(Watched("", "judge"))
    lending = asyncio.create_task(slot.offer(judge))
    await slot.get()
    yield Turns(slot)
    lending.cancel()


async def asked(
    judge: StepJudge, turns: Turns, *, background: bool = False, late: bool = False
) -> tuple[list[str], ...]:
    """Ask for the panel, and while its first slice is with the judge, for a live part; return both answers."""
    ticket = Ticket()
    panel = asyncio.create_task(turns.judge(PANEL, ticket, background=background))
    part = asyncio.create_task(turns.judge(PART, Ticket()))
    while not ticket.begun:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0)
    ticket.late = late
    for _ in range(4):
        judge.step.release()
    answers = await asyncio.wait_for(asyncio.gather(panel, part), 10)
    return tuple([judgement.label for judgement in answer] for answer in answers)


async def test_a_live_part_goes_between_the_slices_of_a_background_panel(judge: StepJudge, turns: Turns) -> None:
    panel, part = await asked(judge, turns, background=True)
    assert judge.heard == ["panel 0", "part", f"panel {SLICE_VIEWS}", f"panel {2 * SLICE_VIEWS}"]
    assert panel == [view.name for view in PANEL]
    assert part == ["part"]


async def test_a_live_panel_keeps_its_turn(judge: StepJudge, turns: Turns) -> None:
    await asked(judge, turns)
    assert judge.heard == ["panel 0", f"panel {SLICE_VIEWS}", f"panel {2 * SLICE_VIEWS}", "part"]


async def test_a_live_panel_that_is_late_lets_others_go_first(judge: StepJudge, turns: Turns) -> None:
    """It is still heard to its end, for the record of what the judge would have said."""
    panel, _ = await asked(judge, turns, late=True)
    assert judge.heard == ["panel 0", "part", f"panel {SLICE_VIEWS}", f"panel {2 * SLICE_VIEWS}"]
    assert panel == [view.name for view in PANEL]


async def test_a_panel_is_judged_anew_by_a_judge_that_was_opened_between_its_slices() -> None:
    """Two bundles never judge one part together."""
    slot: Slot[Judge] = Slot(Watched("", "judge"))
    first, second = StepJudge(), StepJudge()
    lending = asyncio.create_task(slot.offer(first))
    await slot.get()
    panel = asyncio.create_task(Turns(slot).judge(PANEL, Ticket(), background=True))
    while not first.heard:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0)
    lending.cancel()
    await asyncio.wait({lending})
    first.step.release()
    lending = asyncio.create_task(slot.offer(second))
    for _ in range(3):
        second.step.release()
    answer = await asyncio.wait_for(panel, 10)
    lending.cancel()
    assert second.heard[0] == "panel 0"
    assert [judgement.label for judgement in answer] == [view.name for view in PANEL]


def ask(turns: Turns, line: str, part: str = "", *, background: bool = False) -> asyncio.Task[Sequence[Judgement]]:
    """Let a line ask for a part of one view."""
    return asyncio.create_task(
        turns.judge([View(name=f"{line}{part}")], Ticket(line), background=background), name=f"{line}{part}"
    )


async def begun(judge: StepJudge) -> None:
    """Wait until the judge has the first part, and so until all that was asked for is in its row."""
    while not judge.heard:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0)


async def answered(judge: StepJudge, asked: Sequence[asyncio.Task[Sequence[Judgement]]]) -> None:
    """Let the judge answer all of them, one after the other."""
    await begun(judge)
    for _ in asked:
        judge.step.release()
    await asyncio.wait_for(asyncio.gather(*asked), 10)


@pytest.mark.parametrize("background", [False, True])
async def test_a_line_that_floods_the_judge_holds_up_another_for_one_part_only(
    judge: StepJudge, turns: Turns, *, background: bool
) -> None:
    flood = [ask(turns, "a", f" {number}", background=background) for number in range(50)]
    await begun(judge)
    await answered(judge, [*flood, ask(turns, "b", background=background)])
    assert judge.heard[:3] == ["a 0", "a 1", "b"]
    assert [name for name in judge.heard if name != "b"] == [f"a {number}" for number in range(50)]


async def test_three_lines_are_heard_by_turns(judge: StepJudge, turns: Turns) -> None:
    asked = [ask(turns, line, f" {number}") for line in "abc" for number in range(3)]
    await answered(judge, asked)
    assert judge.heard == ["a 0", "a 1", "b 0", "c 0", "a 2", "b 1", "c 1", "b 2", "c 2"]


async def test_a_part_that_nobody_waits_for_any_more_costs_its_line_no_turn(
    judge: StepJudge, turns: Turns
) -> None:
    asked = [ask(turns, "a"), ask(turns, "b", " gone"), ask(turns, "b"), ask(turns, "c")]
    await begun(judge)
    asked.pop(1).cancel()
    await answered(judge, asked)
    assert judge.heard == ["a", "b", "c"]


async def test_live_parts_of_any_line_go_before_the_background_of_all(judge: StepJudge, turns: Turns) -> None:
    asked = [ask(turns, "first"), ask(turns, "shadow", background=True), ask(turns, "live"), ask(turns, "late")]
    await answered(judge, asked)
    assert judge.heard == ["first", "live", "late", "shadow"]


async def lent(judge: StepJudge) -> tuple[Slot[Judge], asyncio.Task[None]]:
    slot: Slot[Judge] = Slot(Watched("", "judge"))
    lending = asyncio.create_task(slot.offer(judge))
    await slot.get()
    return slot, lending


async def panel_begun(turns: Turns, *, background: bool = False) -> asyncio.Task[Sequence[Judgement]]:
    """Return a panel that the judge has begun with."""
    ticket = Ticket()
    panel = asyncio.create_task(turns.judge(PANEL, ticket, background=background))
    while not ticket.begun:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0)
    return panel


@pytest.mark.parametrize("background", [False, True], ids=["live", "background"])
async def test_a_part_stays_with_the_judge_that_it_began_with(
    judge: StepJudge, turns: Turns, *, background: bool
) -> None:
    """The next part has the new judge; the old one is let go when its last part is done."""
    other = StepJudge()
    slot, lending = await lent(other)
    panel = await panel_begun(turns, background=background)
    swapping = asyncio.create_task(turns.swap(slot))
    await asyncio.sleep(0)
    part = asyncio.create_task(turns.judge(PART, Ticket()))
    for _ in range(3):
        await asyncio.sleep(0)
        assert not swapping.done(), "who swaps then closes the old judge"
        judge.step.release()
    other.step.release()
    await asyncio.wait_for(asyncio.gather(panel, part, swapping), 10)
    assert [heard.split()[0] for heard in judge.heard] == ["panel"] * 3
    assert other.heard == ["part"]
    lending.cancel()


async def test_a_swap_does_not_wait_for_parts_that_have_not_begun(judge: StepJudge, turns: Turns) -> None:
    other = StepJudge()
    slot, lending = await lent(other)
    panel = await panel_begun(turns)
    waiting = asyncio.create_task(turns.judge(PART, Ticket()))
    swapping = asyncio.create_task(turns.swap(slot))
    for _ in range(3):
        judge.step.release()
    await asyncio.wait_for(asyncio.gather(panel, swapping), 10)
    assert not waiting.done()
    other.step.release()
    await asyncio.wait_for(waiting, 10)
    assert other.heard == ["part"]
    lending.cancel()


async def test_a_shadow_part_that_waits_for_a_judge_that_is_away_is_judged_by_the_new_one() -> None:
    turns = Turns(Slot(Watched("", "judge")))
    part = asyncio.create_task(turns.judge(PART, Ticket(), background=True))
    await asyncio.sleep(0)
    judge = StepJudge()
    slot, lending = await lent(judge)
    judge.step.release()
    await asyncio.wait_for(turns.swap(slot), 10)
    [judgement] = await asyncio.wait_for(part, 10)
    assert judgement.label == "part"
    lending.cancel()


async def test_a_part_whose_judge_broke_in_its_middle_begins_anew_with_the_new_one(
    judge: StepJudge, turns: Turns
) -> None:
    """Never half of it by one and half by the other."""
    panel = await panel_begun(turns, background=True)
    other = StepJudge()
    slot, lending = await lent(other)
    swapping = asyncio.create_task(turns.swap(slot))
    await asyncio.sleep(0)
    turns._under_way.copy().pop().slot.fail(judge, RuntimeError("it broke"))  # type: ignore[union-attr]
    judge.step.release()
    for _ in range(3):
        other.step.release()
    judged = await asyncio.wait_for(panel, 10)
    await asyncio.wait_for(swapping, 10)
    assert [one.label for one in judged] == [view.name for view in PANEL]
    assert len(other.heard) == 3
    lending.cancel()


BOX = Box(cx=1, cy=1, w=2, h=2)
SPOT = Spot(cx=1, cy=1, w=2, h=2, label="hair", score=1, area=0)
MAP = HeatMap(label="dent", rows=2, columns=1, values=b"\0\xff", corners=((0, 0), (1, 0), (1, 2), (0, 2)))

LOOKS = PictureFacts(brightness=90.5, contrast=12, sharpness=300)


async def told(said: Judgement) -> Sequence[Judgement]:
    """Have a judge say this of a part."""

    async def judge(views: Sequence[View]) -> Sequence[Judgement]:
        return [said for _ in views]

    slot: Slot[Judge] = Slot(Watched("", "judge"))
    lending = asyncio.create_task(slot.offer(judge))
    await slot.get()
    try:
        return await Turns(slot).judge(PART, Ticket())
    finally:
        lending.cancel()


async def test_a_judge_may_say_where_it_looked() -> None:
    said = Judgement(verdict=Verdict.NG, boxes=(BOX,) * 15 + (SPOT,), heat_map=MAP, picture=LOOKS)
    assert list(await told(said)) == [said]


@pytest.mark.parametrize(
    "strange",
    [
        {"boxes": (BOX,) * 17},
        {"boxes": (replace(BOX, w=0),)},
        {"boxes": (replace(BOX, cx=float("nan")),)},
        {"boxes": (replace(SPOT, score=1.1),)},
        {"boxes": (replace(SPOT, area=float("inf")),)},
        {"boxes": (replace(SPOT, label=None),)},
        {"boxes": (replace(SPOT, score="0.5"),)},
        {"boxes": (None,)},
        {"boxes": 3},
        {"heat_map": replace(MAP, rows=65)},
        {"heat_map": replace(MAP, values=b"")},
        {"heat_map": replace(MAP, corners=())},
        {"heat_map": replace(MAP, corners=((0, 0), (1, 0), (1, float("inf")), (0, 2)))},
        {"heat_map": "everywhere"},
        {"picture": replace(LOOKS, brightness=256)},
        {"picture": replace(LOOKS, sharpness=float("nan"))},
        {"picture": replace(LOOKS, contrast=None)},
        {"picture": "dark"},
    ],
)
async def test_boxes_that_are_none_are_no_judgement(strange: dict[str, Any]) -> None:
    """They would fill the journal, or stop an MES that reads them: the part gets its safe verdict instead."""
    with pytest.raises(Unavailable, match="the judge answered"):
        await told(Judgement(verdict=Verdict.NG, **strange))
