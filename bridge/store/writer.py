"""The one thread that writes the journal: it takes what is queued and commits it together.

The group is whatever arrived while the last one was being committed; no timer holds a decision back. The thread
owns the only connection that writes or checkpoints (SQLite 3.40 can corrupt its log when two do), and serves the
gateway's own reads too.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from bridge.clock import Clock
from bridge.errors import BridgeError, Unavailable
from bridge.health import count
from bridge.log import logger
from bridge.store.group import Groups, Job, Outcome
from bridge.store.ledger import Ledger

T = TypeVar("T")

GROUP_ROWS = 2048
"""A group takes no further job once it holds so many rows."""
QUEUE_ROWS = 65_536
"""So many rows may wait for the disk, some 40 MB; then a job is Unavailable at once."""
LAZY_JOBS = 10_000
"""So many reports may wait; while the disk refuses for longer, further ones are dropped and counted."""
LAZY_SECONDS = 0.05
RETRY_SECONDS = 1.0
IDLE_COMMITS = 400
"""After so many groups, some 15 MB of log, the log is copied into the database at the first quiet moment."""
QUIET_SECONDS = 0.02
GOODBYE_SECONDS = 3.0


class Writer:
    """Runs jobs on the ledger in its own thread; its methods are called from the event loop."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._groups = Groups(path, clock)  # the thread's alone
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()  # None: look at the lazy ones, or at closing
        self._lazy: deque[Job] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._rows = 0  # queued and not settled; only the loop counts them
        self._closing = False
        self._broken: Exception | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._main, name="journal", daemon=True)

    async def start(self) -> None:
        """Open the journal and begin.

        Raises:
            ConfigError: the file is no journal, is of a newer bridge, or cannot be opened.
            Unavailable: the disk refuses.
        """
        self._thread.start()
        await self._ready

    async def stop(self) -> None:
        """Finish what is queued, close the file and end the thread; give up on a disk that hangs."""
        self._closing = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._queue.put(None)
        try:
            await asyncio.wait_for(asyncio.shield(self._ended), GOODBYE_SECONDS)
        except TimeoutError:
            logger().error("the journal's disk hangs; leaving without it", file=str(self._path))

    def submit(self, work: Callable[[Ledger], T], rows: int = 0) -> asyncio.Future[T]:
        """Queue a job that writes so many rows; its future ends when the job is durable.

        Cancelling the future does not cancel the job. The future raises what the job raised, or Unavailable.

        Raises:
            Unavailable: the queue is full, because the disk does not keep up.
        """
        self._check()
        if rows and self._rows and self._rows + rows > QUEUE_ROWS:
            raise Unavailable(f"{self._path}: the disk is {self._rows} rows behind")
        future: asyncio.Future[T] = self._loop.create_future()
        self._rows += rows
        self._queue.put(Job(work, rows, future))
        return future

    def later(self, work: Callable[[Ledger], None], *, droppable: bool, most: int | None = None) -> None:
        """Let a job ride along with the next group, or within LAZY_SECONDS; such jobs keep their order.

        It is done before every job that is submitted after it. A droppable one is dropped and counted when
        so many wait already, LAZY_JOBS if nothing else is said.
        """
        self._check()
        if droppable and len(self._lazy) >= (LAZY_JOBS if most is None else most):
            count("journal reports dropped")
            return
        self._lazy.append(Job(work, 1, None))
        self._arm(LAZY_SECONDS)

    def _check(self) -> None:
        if self._broken is not None:
            raise RuntimeError("the journal's thread has died") from self._broken
        if self._closing:
            raise RuntimeError("the journal is closed")

    def _arm(self, seconds: float) -> None:
        if self._alarm is None and not self._closing:
            self._alarm = self._loop.call_later(seconds, self._nudge)

    def _nudge(self) -> None:
        self._alarm = None
        if self._lazy:
            self._queue.put(None)

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """Tell those who wait; one call for the whole group."""
        for outcome in outcomes:
            future = outcome.job.future
            if future is None:
                self._settle_lazy(outcome)
                continue
            self._rows -= outcome.job.rows
            if future.done():  # its waiter was cancelled
                continue
            if outcome.error is None:
                future.set_result(outcome.value)
            else:
                future.set_exception(outcome.error)

    def _settle_lazy(self, outcome: Outcome) -> None:
        if outcome.refused:
            self._arm(RETRY_SECONDS)
        elif outcome.error is not None:
            facts = {"message": "the journal could not write", "exception": outcome.error}
            self._loop.call_exception_handler(facts)

    # From here on: the thread.

    def _main(self) -> None:
        try:
            self._groups.open(anew=True)
        except (BridgeError, sqlite3.Error) as exc:
            self._tell(self._ready.set_exception, exc)
            return
        self._tell(self._ready.set_result, None)
        jobs: list[Job] = []
        try:
            while not (self._closing and self._queue.empty() and not self._lazy):
                jobs = self._take()
                self._finish(self._groups.perform(jobs) if jobs else [])
        except Exception as exc:
            self._break(exc, jobs)
            raise
        finally:
            self._groups.close()
            self._tell(self._ended.set_result, None)

    def _take(self) -> list[Job]:
        """Wait for a job, then take all that is there; the lazy ones last, but to be done first."""
        first = self._wait()
        jobs, rows = ([first], first.rows) if first else ([], 0)
        while rows < GROUP_ROWS:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is not None:
                jobs.append(job)
                rows += job.rows
        return [self._lazy.popleft() for _ in range(len(self._lazy))] + jobs

    def _wait(self) -> Job | None:
        if self._groups.commits >= IDLE_COMMITS:
            try:
                return self._queue.get(timeout=QUIET_SECONDS)
            except Empty:
                self._groups.tidy()
        return self._queue.get()

    def _finish(self, outcomes: Sequence[Outcome]) -> None:
        if not self._closing:
            again = [outcome.job for outcome in outcomes if outcome.refused and outcome.job.future is None]
            self._lazy.extendleft(reversed(again))
        if told := [o for o in outcomes if o.job.future is not None or o.error is not None]:
            self._tell(self._settle, told)

    def _break(self, exc: Exception, jobs: list[Job]) -> None:
        """Fail everything that waits, and all that comes: a bug of the thread itself."""
        self._broken = exc
        while not self._queue.empty():
            if job := self._queue.get_nowait():
                jobs.append(job)
        self._tell(self._settle, [Outcome(job, error=exc) for job in jobs])

    def _tell(self, call: Callable[..., object], fact: object) -> None:
        """Call back in the event loop, if there still is one."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, fact)
