"""Live parts before backlog, and at most so many under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Lanes(Generic[Job]):
    """Two queues into one bounded number of running jobs.

    A live job waits for no backlog job beyond those that run already, and the backlog leaves one slot free for
    it where there is more than one.
    """

    def __init__(self, slots: int) -> None:
        self._live: asyncio.Queue[Job] = asyncio.Queue()
        self._backlog: asyncio.Queue[Job] = asyncio.Queue()
        self._slots = asyncio.Semaphore(slots)
        self._spare = asyncio.Semaphore(max(1, slots - 1))

    def put(self, job: Job, *, backlog: bool) -> None:
        """Queue a job; it never waits, what is queued is bounded by those who put."""
        (self._backlog if backlog else self._live).put_nowait(job)

    async def serve(self, group: asyncio.TaskGroup, work: Callable[[Job], Awaitable[None]]) -> None:
        """Start queued jobs in the group until cancelled; those that run go on to their end."""
        async with asyncio.TaskGroup() as feeders:
            feeders.create_task(self._feed(self._live, group, work), name="hotfolder live")
            feeders.create_task(self._feed(self._backlog, group, work), name="hotfolder backlog")

    async def _feed(
        self, queue: asyncio.Queue[Job], group: asyncio.TaskGroup, work: Callable[[Job], Awaitable[None]]
    ) -> None:
        backlog = queue is self._backlog
        while True:
            job = await queue.get()
            if backlog:
                await self._spare.acquire()
            await self._slots.acquire()
            group.create_task(self._run(job, work, backlog=backlog), name="hotfolder part")

    async def _run(self, job: Job, work: Callable[[Job], Awaitable[None]], *, backlog: bool) -> None:
        try:
            await work(job)
        finally:
            self._slots.release()
            if backlog:
                self._spare.release()
