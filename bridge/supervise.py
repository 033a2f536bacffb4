"""Keeps one plugin open, and knows how it does: opened again after growing pauses, its state noted.

One plugin's trouble is its own: nothing here can stop another. How it does is noted in ``watched.py``; how it is
opened again, and the wall around it, are in ``plugin/kept.py``, for plugins wrap plugins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

from bridge import health
from bridge.explaining import expected, explain
from bridge.log import logger
from bridge.plugin.kept import back_off, heed_cancellation, kept, wall
from bridge.watched import State, Watched

__all__ = ["Slot", "back_off", "keep", "persist", "wall"]

T = TypeVar("T")


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

    Unexpected errors are logged with their traceback, for they are bugs.
    """

    def opened() -> None:
        watched.opened += 1
        watched.become(State.UP)

    def failed(error: Exception) -> None:
        _failed(watched, error)
        watched.restarting()

    with health.instance(watched.line, watched.name):
        await kept(opener, use, opened=opened, failed=failed, clock=watched.clock)
        watched.become(State.ENDED)


def _failed(watched: Watched, error: Exception) -> None:
    if watched.state is State.STARTING:
        watched.first_error = error
    if watched.become(State.DOWN, explain(error)) and not expected(error):
        logger(line=watched.line, plugin=watched.name).error("plugin failed", exc_info=error)


async def persist(line: str, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Keep work of our own going until cancelled: a bug in it is logged with its traceback, and costs a pause."""
    pauses = back_off()
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - a bug on one part must not end the work for all the others
            logger(line=line).exception("task failed", task=name)
        heed_cancellation()
        await asyncio.sleep(next(pauses))
