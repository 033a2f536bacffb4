"""The replay itself: pages of the original in, judged side by side, out in order; each page is one commit.

What is written is complete up to a number, so a replay that was interrupted, even by a power cut, goes on behind
it and has lost the few pages that were under way.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from bridge.clock import Clock
from bridge.config import Line
from bridge.errors import Unavailable
from bridge.judging.turns import Turns
from bridge.messages import Decision, Goal, Judgement, View
from bridge.plugin.discovery import Plugged
from bridge.replay import anew, hands, target
from bridge.replay.anew import Before
from bridge.replay.hands import PIECE_VIEWS, Ask, Hands, Piece, Said
from bridge.replay.target import DONE, Outcome, Target
from bridge.store import Archive, Entry, Images, Presented, Second, Span
from bridge.terms import Treatment, treatment_of

PAGES_AHEAD = 3
"""Pages under way at once: the workers find work while one of them is written."""
PAGE_VIEWS = 256
"""About so many views in a page, however many a part has."""
_FIRST_PAGE = 8

T = TypeVar("T")
Told = Callable[[int, int], None]
"""How many parts are done, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be replayed, and how."""

    line: Line
    archive: Archive
    span: Span
    images: Images
    judges: Mapping[str, Plugged]
    """By name, each on the bundle that it is to run; none: only the threshold is another, no picture is read."""
    models: Path
    threshold: float | None
    """Instead of the configuration's; always there without judges."""
    judges_held: frozenset[str]
    """The judges whose parts the threshold is for."""
    goal: Goal | None
    workers: int
    parts: int
    clock: Clock
    said: str
    """What is replayed, for the audit log."""


@dataclass(slots=True)
class Page:
    """What is written of one page."""

    parts: list[tuple[Decision, float]] = field(default_factory=list)
    seconds: list[Second] = field(default_factory=list)


async def replay(job: Job, folder: Path, told: Told) -> Outcome:
    """Judge what is not judged yet, and return what came of all.

    Raises:
        ConfigError: a judge cannot run here.
        Unavailable: a judge does not come back, or a disk refuses.
    """
    async with _scribe(folder, job.clock) as scribe:
        if not await scribe.do(lambda to: to.done):
            await _all(job, scribe, told)
            drawn = await asyncio.to_thread(job.archive.drawn, job.span)
            judged = await scribe.do(lambda to: to.drawn())
            entry = Entry(what=DONE, line=job.line.name, new=job.said)
            await scribe.do(lambda to: to.finish(anew.settled(drawn, judged), entry))
        drawn_in_all = (await asyncio.to_thread(job.archive.drawn, job.span)).total()
        return await scribe.do(lambda to: to.outcome(drawn_in_all))


async def _all(job: Job, scribe: Scribe, told: Told) -> None:
    last, done = await scribe.do(lambda to: to.reached())
    told(done, job.parts)
    async with AsyncExitStack() as stack:
        team = None
        if job.judges and done < job.parts:
            opening = hands.opened(job.judges, job.models, job.images, job.workers)
            team = await stack.enter_async_context(opening)
        again = Again(job, team)
        under_way: deque[asyncio.Task[Page]] = deque()
        try:
            async for found in _pages(job, last):
                under_way.append(asyncio.create_task(again.page(found), name="replay page"))
                if len(under_way) > PAGES_AHEAD:
                    done += await _written(under_way.popleft(), scribe)
                    told(done, job.parts)
            while under_way:
                done += await _written(under_way.popleft(), scribe)
                told(done, job.parts)
        finally:
            for page in under_way:
                page.cancel()


async def _pages(job: Job, after: int) -> AsyncIterator[list[Presented]]:
    limit = _FIRST_PAGE
    while found := await asyncio.to_thread(job.archive.page, job.span, after, limit):
        yield found
        after = found[-1].decision.number
        views = sum(len(one.decision.views) for one in found)
        limit = max(1, PAGE_VIEWS * len(found) // max(views, len(found)))


async def _written(under_way: asyncio.Task[Page], scribe: Scribe) -> int:
    page = await under_way
    await scribe.do(lambda to: to.write(page.parts, page.seconds))
    return len(page.parts)


class Again:
    """Parts judged again, by the rules of their line."""

    def __init__(self, job: Job, team: Hands | None) -> None:
        self._job, self._team = job, team
        self._treatments: dict[str, Treatment] = {}

    async def page(self, found: Sequence[Presented]) -> Page:
        """Judge a page."""
        parts = [anew.before(one) for one in found]
        page = Page([(anew.part_again(was.decision, self._job.goal), was.recorded_at) for was in parts])
        judged = self._held(parts) if self._team is None else await self._judged(parts, self._team)
        for was, said in zip(parts, judged, strict=True):
            second = self._second(was, said)
            page.seconds += was.answered if second is None else (*was.answered, second)
        return page

    def _held(self, parts: Sequence[Before]) -> list[Mapping[int, Judgement] | None]:
        threshold = self._job.threshold
        assert threshold is not None  # noqa: S101 - else there are judges
        return [anew.at_threshold(was, threshold) for was in parts]

    async def _judged(self, parts: Sequence[Before], team: Hands) -> list[Mapping[int, Judgement] | None]:
        """Return by part what is said of its views, None where a picture is gone."""
        said: list[dict[int, Judgement]] = [anew.known(was) for was in parts]
        asks: dict[str, list[tuple[int, int, Ask]]] = {}
        for place, was in enumerate(parts):
            treatment = self._treatment(was.decision.recipe)
            judge = self._job.line.judge_of(was.decision.recipe)
            if treatment.failures:
                said[place] = {}
            for index in anew.wanted(was, treatment.failures, said[place]):
                asks.setdefault(judge, []).append((place, index, self._ask(was, index, judge, treatment)))
        gone: set[int] = set()
        for wanted, answers in await _answered(asks, team):
            for (place, index, _), one in zip(wanted, answers, strict=True):
                if one is None:
                    gone.add(place)
                else:
                    said[place][index] = one
        return [None if place in gone else dict(sorted(one.items())) for place, one in enumerate(said)]

    def _ask(self, was: Before, index: int, judge: str, treatment: Treatment) -> Ask:
        name = was.views[index].name
        roi = treatment.rois.get(name) or treatment.rois.get("*")
        threshold = treatment.threshold
        if self._job.threshold is not None and judge in self._job.judges_held:
            threshold = self._job.threshold
        return Ask(View(name=name, roi=roi, threshold=threshold), was.views[index].image)

    def _second(self, was: Before, said: Mapping[int, Judgement] | None) -> Second | None:
        treatment = self._treatment(was.decision.recipe)
        if said is None and self._team is None:
            return replace(was.second, at=was.recorded_at) if was.second else None
        if said is None:
            return anew.second_without(was, treatment.rules)
        failed = treatment.failures
        if self._team is None and was.second is not None:
            failed |= set(was.second.failures)
        return anew.second_again(was, treatment.rules, said, failed)

    def _treatment(self, recipe: str) -> Treatment:
        line = self._job.line
        name = recipe if recipe in line.recipe else ""
        if name not in self._treatments:
            nobody = dict.fromkeys(line.judges(), cast("Turns", None))  # nobody asks by turns here
            self._treatments[name] = treatment_of(line, name, nobody)
        return self._treatments[name]


async def _answered(
    asks: Mapping[str, Sequence[tuple[int, int, Ask]]], team: Hands
) -> list[tuple[Sequence[tuple[int, int, Ask]], Said]]:
    given = []
    for judge, wanted in asks.items():
        for at in range(0, len(wanted), PIECE_VIEWS):
            some = wanted[at : at + PIECE_VIEWS]
            given.append((some, await team.judge(Piece(judge, [ask for _, _, ask in some]))))
    return [(some, await done) for some, done in given]


class Scribe:
    """The thread that holds the journal of a replay."""

    def __init__(self, thread: ThreadPoolExecutor, to: Target) -> None:
        self._thread, self._to = thread, to

    async def do(self, work: Callable[[Target], T]) -> T:
        """Have something done in the journal; cancelling the wait does not stop it.

        Raises:
            Unavailable: the disk refuses.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._to)
        except sqlite3.DatabaseError as exc:
            raise Unavailable(
                f"the journal of the replay cannot be written ({exc}); the same command goes on"
            ) from exc


@asynccontextmanager
async def _scribe(folder: Path, clock: Clock) -> AsyncIterator[Scribe]:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="replay journal") as thread:
        opening = target.opened(folder, clock)
        to = await loop.run_in_executor(thread, opening.__enter__)
        try:
            yield Scribe(thread, to)
        finally:
            await loop.run_in_executor(thread, partial(opening.__exit__, None, None, None))
