"""A judge that is too slow for what it is asked, in a loop whose clock jumps instead of waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.judging.album import Album
from bridge.judging.hearing import Question, hear
from bridge.judging.pace import JITTER, Pace
from bridge.judging.turns import Turns
from bridge.messages import Failure, Inspection, Judgement, Verdict, View
from bridge.plugin.api import Judge
from bridge.supervise import Slot
from bridge.watched import Watched

SERVICE = 0.1
"""Seconds that the judge takes for a part."""
DEADLINE = 0.5


class Jumping(selectors.DefaultSelector):
    """Instead of waiting it moves the clock on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualTime(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


class SlowJudge:
    """Takes its time for each part, and counts them."""

    begun = 0

    async def __call__(self, views: Sequence[View]) -> Sequence[Judgement]:
        self.begun += 1
        await asyncio.sleep(SERVICE)
        return [Judgement(verdict=Verdict.OK) for _ in views]


async def fresh(judge: SlowJudge, load: float, lines: int, parts: int = 120) -> int:
    """Ask for parts at a multiple of the judge's capacity; return how many were judged in time."""
    slot: Slot[Judge] = Slot(Watched("", "judge"))
    lending = asyncio.create_task(slot.offer(judge))
    await slot.get()
    turns, loop = Turns(slot), asyncio.get_running_loop()

    async def part(number: int) -> bool:
        await asyncio.sleep(number * SERVICE / load)
        views = (View(image=str(number).encode()),)
        question = Question(
            line=f"line {number % lines}",
            part=Inspection(part=str(number), views=views),
            wanted=(0,),
            album=Album(),
        )
        heard = await hear(question, turns, loop.time() + DEADLINE)
        assert bool(heard.judged) is (Failure.DEADLINE not in heard.failures)
        return bool(heard.judged)

    answers = await asyncio.gather(*(part(number) for number in range(parts)))
    lending.cancel()
    return sum(answers)


@pytest.mark.parametrize("lines", [1, 3])
@pytest.mark.parametrize("load", [1.5, 3.0, 10.0])
def test_a_judge_asked_for_more_than_it_can_do_still_does_what_it_can(load: float, lines: int) -> None:
    """At three times its capacity a third of the parts are judged in time, instead of all too late."""
    judge = SlowJudge()
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        in_time = runner.run(fresh(judge, load, lines))
    assert in_time >= 0.8 * 120 / load
    assert judge.begun - in_time <= 6  # what was begun in vain, while the pace was not known yet


def test_a_judge_that_can_do_it_judges_every_part() -> None:
    judge = SlowJudge()
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        assert runner.run(fresh(judge, 0.9, 1)) == 120


def test_a_judge_that_nobody_else_wants_is_always_tried() -> None:
    """However slow it was before: else one slow hour would be for ever."""

    async def alone() -> bool:
        judge = SlowJudge()
        slot: Slot[Judge] = Slot(Watched("", "judge"))
        lending = asyncio.create_task(slot.offer(judge))
        await slot.get()
        turns = Turns(slot)
        for _ in range(9):
            turns._pace.note(60.0, 1)
        part = Inspection(part="1", views=(View(image=b"1"),))
        question = Question(line="", part=part, wanted=(0,), album=Album())
        heard = await hear(question, turns, asyncio.get_running_loop().time() + DEADLINE)
        lending.cancel()
        return bool(heard.judged)

    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        assert runner.run(alone())


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 16)), max_size=12), st.integers(1, 2000))
def test_the_pace_is_that_of_the_latest_answers(took: list[tuple[float, int]], views: int) -> None:
    """It lies between the quickest and the slowest of them, and is in proportion to the views."""
    pace = Pace()
    for seconds, number in took:
        pace.note(seconds, number)
    lately = [seconds / number for seconds, number in took[-5:]] or [0.0]
    least, most = (JITTER * one(lately) * views for one in (min, max))
    assert least <= pace.needs(views) * (1 + 1e-9)
    assert pace.needs(views) <= most * (1 + 1e-9)
