"""One thread for one connection: drivers block, the event loop must not, and a hung database holds up nobody.

Statements end by the time limits that the database and its driver were given. Where even these fail (a server that
was frozen, a cable that was cut) the thread is left to itself: it is a daemon, and closes its connection if it
ever comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from bridge.plugin import Unavailable
from bridge_sql.troubles import not_connected, said

Result = TypeVar("Result")

GRACE_SECONDS = 2.0
"""How much longer than its own time limit a statement is awaited."""
GOODBYE_SECONDS = 1.0


@dataclass(slots=True)
class _Job:
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    work: Callable[[], Any]

    def run(self) -> None:
        """Do the work, and settle the future in its loop."""
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = self.work(), None
        except BaseException as exc:  # noqa: BLE001 - raised again in the caller's task
            outcome = None, exc
        with contextlib.suppress(RuntimeError):  # the loop ended while the database hung
            self.loop.call_soon_threadsafe(_settle, self.future, *outcome)


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class Clerk:
    """Does what it is told with one connection, one thing after the other, in a thread of its own."""

    def __init__(self, place: str, query_seconds: float) -> None:
        self._place = place
        self._seconds = query_seconds + GRACE_SECONDS
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection: sa.Connection | None = None
        self._left = False
        self._busy_since = 0.0  # when the thread began its latest step: a job, or a statement of it
        threading.Thread(target=self._serve, name=f"sql {place}", daemon=True).start()

    async def connect(self, engine: sa.Engine, seconds: float, first: Callable[[sa.Connection], None]) -> None:
        """Connect, and do what comes first on every connection.

        Raises:
            ConfigError: user, password or database are wrong.
            Unavailable: the database is away.
        """
        try:
            await self._submit(partial(self._connect, engine, first), seconds + GRACE_SECONDS)
        except SQLAlchemyError as exc:
            raise not_connected(exc, self._place) from exc

    def _connect(self, engine: sa.Engine, first: Callable[[sa.Connection], None]) -> None:
        self._connection = engine.connect()
        event.listen(self._connection, "before_cursor_execute", self._step)
        first(self._connection)

    def _step(self, *_: object) -> None:
        self._busy_since = time.monotonic()

    async def do(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Return what the work returns; it runs in the clerk's thread, after what was asked before.

        The work leaves no transaction open. Each statement of it has the time limit to itself.

        Raises:
            Unavailable: the database fails, or does not answer in time; the clerk is of no use then.
        """
        try:
            return await self._submit(partial(self._work, work), self._seconds)
        except SQLAlchemyError as exc:
            raise Unavailable(f"{self._place}: {said(exc)}") from exc

    def _work(self, work: Callable[[sa.Connection], Result]) -> Result:
        if self._connection is None:
            raise Unavailable(f"not connected to {self._place}")
        return work(self._connection)

    async def _submit(self, work: Callable[[], Result], seconds: float, *, each: bool = True) -> Result:
        """Have work done within so many seconds, or within so many for each of its statements."""
        if self._left:
            raise Unavailable(f"{self._place} does not answer")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        asked = self._busy_since = time.monotonic()
        self._jobs.put(_Job(loop, future, partial(contextvars.copy_context().run, self._begin, work)))
        try:
            while not future.done():
                left = (self._busy_since if each else asked) + seconds - time.monotonic()
                if left <= 0:
                    self._leave()
                    raise Unavailable(f"{self._place} does not answer within {seconds:g} s")
                await asyncio.wait({future}, timeout=left)
            return future.result()
        finally:
            future.cancel()  # nobody waits for it any more
            # An error holds this frame: with the future in it, a ring that only a collection would free.
            del future

    def _begin(self, work: Callable[[], Result]) -> Result:
        self._step()
        return work()

    async def close(self) -> None:
        """Close the connection; one that does not close in time is left to its thread."""
        try:
            if not self._left:
                with contextlib.suppress(Unavailable):
                    await self._submit(self._close, GOODBYE_SECONDS, each=False)
        finally:
            self._jobs.put(None)  # the thread ends, now or when it comes back

    def _leave(self) -> None:
        """Give the thread up, and ask the driver in another one to break off what hangs."""
        self._left = True
        if self._connection is not None:
            threading.Thread(target=_break_off, args=(self._connection,), name="sql-break", daemon=True).start()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is over either way
                connection.close()

    def _serve(self) -> None:
        while not self._left and (job := self._jobs.get()) is not None:
            job.run()
            del job
        self._close()


def _break_off(connection: sa.Connection) -> None:
    """Have the driver break off the statement that runs, where it can be asked from another thread."""
    with contextlib.suppress(Exception):
        driver: Any = connection.connection.dbapi_connection
        if hasattr(driver, "cancel_safe"):  # psycopg
            driver.cancel_safe(timeout=GOODBYE_SECONDS)
        elif hasattr(driver, "interrupt"):  # sqlite3
            driver.interrupt()


@asynccontextmanager
async def connected(
    engine: sa.Engine,
    place: str,
    *,
    connect_seconds: float,
    query_seconds: float,
    first: Callable[[sa.Connection], None],
) -> AsyncIterator[Clerk]:
    """Hold a connection in a thread of its own.

    Raises:
        ConfigError: user, password or database are wrong.
        Unavailable: the database is away.
    """
    clerk = Clerk(place, query_seconds)
    try:
        await clerk.connect(engine, connect_seconds, first)
        yield clerk
    finally:
        await clerk.close()
