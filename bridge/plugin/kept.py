"""Keeping a plugin open: opened, and after a pause opened again whenever it breaks; and the wall around it.

The host keeps every plugin so (``supervise.py``). A plugin that wraps others (joined roads) keeps each of them so
itself, with ``kept_open``: one road that is away must not close the other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bridge import health
from bridge.clock import Clock, SystemClock
from bridge.echo import Echo
from bridge.explaining import asked_pause, expected, explain, mistake
from bridge.log import logger
from bridge.plugin.discovery import Plugged

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 10.0
"""A plugin that stayed up this long starts again with the shortest pause."""
LONGEST_ASKED_SECONDS = 60.0
"""A peer that asks for a longer pause is asked again by then all the same."""
MISTAKE_PAUSE_SECONDS = 15.0
"""After a mistake that only a person can mend; opening a judge again costs seconds of a processor core."""


async def kept(
    opener: Callable[[], AbstractAsyncContextManager[T]],
    use: Callable[[T], Awaitable[None]],
    *,
    opened: Callable[[], None],
    failed: Callable[[Exception], None],
    clock: Clock,
) -> None:
    """Open and use, again and again until cancelled, or until ``use`` returns by itself.

    An ``Unavailable`` (alone or in a group, from the opener or the use) and any unexpected error close it; after
    a pause, no shorter than the peer asked for, it is opened again. A peer that opens and fails at once is paused
    for as one that does not open.

    Args:
        opener: opens it anew.
        use: what is done with what it yields.
        opened: called each time it is open.
        failed: called with what closed it, or kept it from opening.
        clock: by which a steady plugin is told from one that comes and goes.
    """
    pauses = back_off()
    while True:
        began = clock.monotonic()
        try:
            with wall():
                async with opener() as verb:
                    opened()
                    await use(verb)
        except Exception as exc:  # noqa: BLE001 - the plugin's wall: no error of one may reach another
            failed(exc)
            mistaken, asked = mistake(exc) is not None, min(asked_pause(exc), LONGEST_ASKED_SECONDS)
        else:
            return
        heed_cancellation()
        if clock.monotonic() - began > STEADY_SECONDS:
            pauses = back_off()
        await asyncio.sleep(MISTAKE_PAUSE_SECONDS if mistaken else max(next(pauses), asked))


async def kept_open(plugged: Plugged, home: Path, name: str, use: Callable[[Any], Awaitable[None]]) -> None:
    """Keep a plugin open within another until cancelled, or until ``use`` returns by itself; never raises for it.

    Under ``name`` it counts what it counts, and the log says when it goes and comes. ``away`` is counted for each
    try that failed.

    Args:
        plugged: the inner plugin.
        home: the folder that is its own, below that of the outer one.
        name: what it is to the outer one, for instance the key of its table.
        use: what is done with its verb.
    """
    line, outer = health.current()
    inner = f"{outer}.{name}" if outer else name
    with health.instance(line, inner):
        told = _Told(logger(line=line, plugin=inner))
        await kept(lambda: plugged.open(home), use, opened=told.opened, failed=told.failed, clock=SystemClock())


class _Told:
    """What the log is told of an inner plugin: when it goes, now and then while it is away, when it is back."""

    def __init__(self, say: Any) -> None:
        self._say = say
        self._echo = Echo(SystemClock())
        self._down = False

    def opened(self) -> None:
        if self._down:
            self._down = False
            self._say.info("plugin up")

    def failed(self, error: Exception) -> None:
        health.count("away")
        text = explain(error)
        if times := self._echo.heard(text):
            self._down = True
            self._say.warning("plugin down", error=text, **({"times": times} if times > 1 else {}))
            if not expected(error):
                self._say.error("plugin failed", exc_info=error)


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


def heed_cancellation() -> None:
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
