"""Cancelling a plugin at one await after the other, the same one each time.

Whatever a plugin runs, its own tasks included, is stepped through a counter. At the chosen suspension the task
that uses the plugin is cancelled, as the host cancels it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

_counting: ContextVar[Awaits | None] = ContextVar("counting", default=None)


@dataclass
class Awaits:
    """Counts the suspensions of one run, and cancels it at one of them."""

    at: int | None = None
    """The suspension, from 1, at which the run is cancelled; None to count only."""
    package: str = ""
    """Whose code names the place of a suspension."""
    met: int = 0
    place: str = ""
    """Where the run stood when it was cancelled."""
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    """The run, and every task that was begun in it."""
    run: asyncio.Task[Any] | None = None

    @property
    def struck(self) -> bool:
        """Whether the run was cancelled here."""
        return self.at is not None and self.met >= self.at

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Begin the run in a task of its own; the running loop then counts for it."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_make)
        token = _counting.set(self)
        try:
            self.run = loop.create_task(work(), name="trial-run")
        finally:
            _counting.reset(token)
        return self.run

    def step(self, work: Any) -> None:
        """Count one suspension."""
        self.met += 1
        if self.met == self.at and self.run is not None:
            self.place = _place(work, self.package)
            self.run.cancel()


def _make(loop: asyncio.AbstractEventLoop, coro: Any, **facts: Any) -> asyncio.Task[Any]:
    """Make a task; one that a counted run begins is counted too."""
    awaits = _counting.get()
    if awaits is None:
        return asyncio.Task(coro, loop=loop, **facts)
    task: asyncio.Task[Any] = asyncio.Task(_Counted(coro, awaits), loop=loop, **facts)
    awaits.tasks.add(task)
    return task


class _Counted(Coroutine[Any, Any, Any]):
    """A coroutine that says each time that it waits."""

    def __init__(self, work: Any, awaits: Awaits) -> None:
        self._work, self._awaits = work, awaits

    def send(self, value: Any) -> Any:
        waited = self._work.send(value)
        self._awaits.step(self._work)
        return waited

    def throw(self, *error: Any) -> Any:
        waited = self._work.throw(*error)
        self._awaits.step(self._work)
        return waited

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        generator: Generator[Any, Any, Any] = self._work.__await__()
        return generator

    def __getattr__(self, name: str) -> Any:
        """Show the coroutine's own name, code and frame."""
        return getattr(self._work, name)


def _place(work: Any, package: str) -> str:
    """Return where a coroutine waits: the innermost line of the plugin's code, as ``file:line in function``."""
    found = ""
    while work is not None:
        frame = _of(work, "frame")
        if frame is not None and package == str(frame.f_globals.get("__name__", "")).partition(".")[0]:
            code = frame.f_code
            found = f"{code.co_filename.rpartition('/')[2]}:{frame.f_lineno} in {code.co_name}"
        work = _of(work, "await") or getattr(work, "gi_yieldfrom", None)
    return found


def _of(work: Any, what: str) -> Any:
    """Return a coroutine's, a generator's or an asynchronous generator's frame, or what it waits for."""
    return next((found for kind in ("cr", "gi", "ag") if (found := getattr(work, f"{kind}_{what}", None))), None)
