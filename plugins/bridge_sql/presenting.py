"""Handing rows in as parts, done only when their decision is recorded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from bridge.plugin import Fetch, Inspect, Inspection, Rejects, Unreadable
from bridge_sql.codec import Reading
from bridge_sql.lanes import Job, Lanes
from bridge_sql.options import SqlSourceOptions
from bridge_sql.position import Position

SMALL = 50
"""A part of more details than this is understood in a thread: it takes milliseconds."""


class Presenter(Lanes):
    """Turns rows into calls of ``inspect``."""

    def __init__(
        self,
        options: SqlSourceOptions,
        position: Position,
        inspect: Inspect,
        fetch: Fetch | None,
        rejects: Rejects,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._inspect = inspect
        self._fetch = fetch
        self._read = Reading(options.words(), tuple(options.views))
        super().__init__(options, position, rejects, tasks)

    async def take(self, job: Job) -> bool:
        """Hand a row in; raises Unreadable where it tells of no part."""
        part = await self._part(job)
        awaited = any(view.reference for view in part.views)
        decision = await self._inspect(part, self._fetch if awaited else None)
        return decision.recorded

    async def _part(self, job: Job) -> Inspection:
        found = job.found
        if found.excess:
            raise Unreadable(f"has more than {self.options.details_max} detail rows")
        read = partial(self._read, found.row, found.details, complete=found.complete)
        part = read() if len(found.details) <= SMALL else await asyncio.to_thread(read)
        key = part.key or f"{self.options.table}:{job.generation}:{found.id}"
        return replace(part, key=key, event=job.event, backlog=job.event is None)
