"""Lanes on which rows are taken: live ones before backlog, and one that cannot be recorded comes again."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TypeAlias

from bridge.plugin import Rejects, Unreadable, count
from bridge_sql.codec import sample
from bridge_sql.looking import Found
from bridge_sql.options import SqlSourceOptions
from bridge_sql.position import Position

BACKLOG_AT_ONCE = 2
"""Backlog has lanes of its own, so that a live part never stands behind it."""
AGAIN_SECONDS = 1.0
"""After this time a row that could not be recorded is offered again."""


@dataclass(frozen=True, slots=True)
class Job:
    """A row to hand in."""

    found: Found
    event: float | None
    """None for backlog."""
    generation: int


_Lane: TypeAlias = asyncio.Queue[Job | None]


class Lanes(ABC):
    """Takes rows, or puts them aside; its tasks live in the group that it is given."""

    def __init__(
        self, options: SqlSourceOptions, position: Position, rejects: Rejects, tasks: asyncio.TaskGroup
    ) -> None:
        self.options = options
        self.position = position
        self._rejects = rejects
        self._live: _Lane = asyncio.Queue()
        self._backlog: _Lane = asyncio.Queue()
        self._lanes = [self._live] * options.in_flight + [self._backlog] * BACKLOG_AT_ONCE
        for lane in self._lanes:
            tasks.create_task(self._serve(lane), name="sql lane")

    @abstractmethod
    async def take(self, job: Job) -> bool:
        """Take one row; return whether it is done with.

        Raises:
            Unreadable: it means nothing.
        """

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
        lane.put_nowait(Job(found, event, generation))

    def end(self) -> None:
        """Have the lanes end once what is under way was answered; what waits is still owed, and comes again."""
        for lane in (self._live, self._backlog):
            while not lane.empty():
                lane.get_nowait()
        for lane in self._lanes:
            lane.put_nowait(None)

    async def _serve(self, lane: _Lane) -> None:
        while (job := await lane.get()) is not None:
            found = job.found
            try:
                done = await self.take(job)
            except Unreadable as exc:
                count("unreadable")
                self._rejects.put(sample(found.row, found.details), str(exc), f"{self.options.table} {found.id}")
                done = True
            if done:
                self.position.finish(found.id, job.generation)
            else:
                count("not_recorded")
                again = replace(job, event=None)
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._backlog.put_nowait, again)
