"""Keeps one plugin open: opens it, notices when it breaks, waits with growing pauses, opens it again.

One plugin's trouble is its own: nothing here can stop another. How it does is noted in ``watched.py``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Generic, TypeVar

from bridge import health
from bridge.explaining import expected, explain, mistake
from bridge.log import logger
from bridge.watched import State, Watched

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 10.0
"""A plugin that stayed up this long starts again with the shortest pause."""
MISTAKE_PAUSE_SECONDS = 15.0
"""After a mistake that only a person can mend; opening a judge again costs seconds of a processor core."""


class Slot(Generic[T]):
    """Where the rest of a line finds a plugin's verb, for as long as it is open."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.verb: T | None = None
        self._opened = asyncio.Event()
        self._broken: asyncio.Future[None] | None = None

    async def offer(self, verb: T) -> None:
        """Lend the verb until somebody reports it broken; raises what was reported."""
        self.verb, self._broken = verb, asyncio.get_running_loop().create_future()
        self._opened.set()
        try:
            await self._broken
        finally:
            self._take_back()

    async def get(self) -> T:
        """Return the verb, waiting until the plugin is open."""
        while self.verb is None:
            await self._opened.wait()
        return self.verb

    def fail(self, verb: T, error: Exception) -> None:
        """Report that this verb is broken: it is lent no more, and its plugin is closed and opened anew."""
        if verb is self.verb and self._broken and not self._broken.done():
            self._take_back()
            self._broken.set_exception(error)

    def _take_back(self) -> None:
        self.verb = None
        self._opened.clear()


async def keep(
    watched: Watched,
    opener: Callable[[], AbstractAsyncContextManager[T]],
    use: Callable[[T], Awaitable[None]],
) -> None:
    """Keep a plugin open and used until cancelled, or until ``use`` returns by itself.

    An ``Unavailable`` (alone or in a group, from the opener or the use) and any unexpected error close it; after
    a pause it is opened again. Unexpected errors are logged with their traceback, for they are bugs. A peer that
    opens and fails at once is paused for as one that does not open.
    """
    pauses = back_off()
    with health.instance(watched.line, watched.name):
        while True:
            began = watched.clock.monotonic()
            try:
                with wall():
                    async with opener() as verb:
                        watched.opened += 1
                        watched.become(State.UP)
                        await use(verb)
                watched.become(State.ENDED)
            except Exception as exc:  # noqa: BLE001 - the plugin's wall: no error of one may reach another
                _failed(watched, exc)
                mistaken = mistake(exc) is not None
            else:
                return
            _heed_cancellation()
            watched.restarting()
            if watched.clock.monotonic() - began > STEADY_SECONDS:
                pauses = back_off()
            await asyncio.sleep(MISTAKE_PAUSE_SECONDS if mistaken else next(pauses))


def _failed(watched: Watched, error: Exception) -> None:
    if watched.state is State.STARTING:
        watched.first_error = error
    if watched.become(State.DOWN, explain(error)) and not expected(error):
        logger(line=watched.line, plugin=watched.name).error("plugin failed", exc_info=error)


@contextmanager
def wall() -> Iterator[None]:
    """Stand around every call into a plugin: whatever comes out of it is an Exception, or meant for us.

    A library may cancel its own call, native code may panic, a script may exit; none of these is an Exception,
    and each would silently end the task that asked. What is meant for us passes: a cancellation of this task,
    the close of a coroutine, Ctrl-C.
    """
    try:
        yield
    except (Exception, GeneratorExit, KeyboardInterrupt):
        raise
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("the plugin cancelled its own call") from exc
    except BaseException as exc:
        raise RuntimeError(f"the plugin raised {explain(exc)}") from exc


async def persist(line: str, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Keep work of our own going until cancelled: a bug in it is logged with its traceback, and costs a pause."""
    pauses = back_off()
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - a bug on one part must not end the work for all the others
            logger(line=line).exception("task failed", task=name)
        _heed_cancellation()
        await asyncio.sleep(next(pauses))


def _heed_cancellation() -> None:
    """Go, if we were told to: a task group that fails in the very moment of our cancellation hides it."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


def back_off(jitter: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """Yield pauses in seconds: doubling with jitter up to a ceiling, so that peers are not dialled in step."""
    ceiling = FIRST_PAUSE_SECONDS
    while True:
        yield jitter(ceiling / 2, ceiling)
        ceiling = min(ceiling * 2, LONGEST_PAUSE_SECONDS)
