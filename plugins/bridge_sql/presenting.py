"""Handing rows in as parts: live ones before backlog, done only when their decision is recorded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from bridge.plugin import Fetch, Inspect, Inspection, Rejects, Unreadable, count
from bridge_sql.codec import Reading, sample
from bridge_sql.looking import Found
from bridge_sql.options import SqlSourceOptions
from bridge_sql.position import Position

BACKLOG_AT_ONCE = 2
"""Backlog has lanes of its own, so that a live part never stands behind it."""
AGAIN_SECONDS = 1.0
"""After this time a part that could not be recorded is offered again."""


SMALL = 50
"""A part of more details than this is understood in a thread: it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A row to hand in."""

    found: Found
    event: float | None
    """None for backlog."""
    generation: int


_Lane: TypeAlias = asyncio.Queue[_Job | None]


class Presenter:
    """Turns rows into calls of ``inspect``, or puts them aside; its tasks live in the group that it is given."""

    def __init__(
        self,
        options: SqlSourceOptions,
        position: Position,
        inspect: Inspect,
        fetch: Fetch | None,
        rejects: Rejects,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._options = options
        self._position = position
        self._inspect = inspect
        self._fetch = fetch
        self._rejects = rejects
        self._read = Reading(options.words(), tuple(options.views))
        self._live: _Lane = asyncio.Queue()
        self._backlog: _Lane = asyncio.Queue()
        self._lanes = [self._live] * options.in_flight + [self._backlog] * BACKLOG_AT_ONCE
        for lane in self._lanes:
            tasks.create_task(self._serve(lane), name="sql lane")

    @property
    def live(self) -> int:
        """How many live parts wait for a lane."""
        return self._live.qsize()

    @property
    def backlog(self) -> int:
        """How many parts of the backlog wait for a lane."""
        return self._backlog.qsize()

    def hand_over(self, found: Found, event: float | None, generation: int) -> None:
        """Queue a row; one without an event is backlog."""
        lane = self._backlog if event is None else self._live
        lane.put_nowait(_Job(found, event, generation))

    def end(self) -> None:
        """Have the lanes end once what is under way was answered; what waits is still owed, and comes again."""
        for lane in (self._live, self._backlog):
            while not lane.empty():
                lane.get_nowait()
        for lane in self._lanes:
            lane.put_nowait(None)

    async def _serve(self, lane: _Lane) -> None:
        while (job := await lane.get()) is not None:
            try:
                part = await self._part(job)
            except Unreadable as exc:
                count("unreadable")
                found = job.found
                self._rejects.put(sample(found.row, found.details), str(exc), f"{self._options.table} {found.id}")
                self._position.finish(found.id, job.generation)
            else:
                await self._present(job, part)

    async def _part(self, job: _Job) -> Inspection:
        found = job.found
        if found.excess:
            raise Unreadable(f"has more than {self._options.details_max} detail rows")
        read = partial(self._read, found.row, found.details, complete=found.complete)
        part = read() if len(found.details) <= SMALL else await asyncio.to_thread(read)
        key = part.key or f"{self._options.table}:{job.generation}:{found.id}"
        return replace(part, key=key, event=job.event, backlog=job.event is None)

    async def _present(self, job: _Job, part: Inspection) -> None:
        awaited = any(view.reference for view in part.views)
        decision = await self._inspect(part, self._fetch if awaited else None)
        if decision.recorded:
            self._position.finish(job.found.id, job.generation)
            return
        count("not_recorded")
        again = replace(job, event=None)
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._backlog.put_nowait, again)
