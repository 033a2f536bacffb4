"""Keeps one plugin open: opens it, notices when it breaks, waits with growing pauses, opens it again.

Every instance has a state with since-when and its last error, for status, metrics and health. One plugin's
trouble is its own: nothing here can stop another.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge

from bridge import health
from bridge.clock import Clock, SystemClock
from bridge.echo import Echo
from bridge.errors import BridgeError, ConfigError, Unavailable
from bridge.log import discreet, logger

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 10.0
"""A plugin that stayed up this long starts again with the shortest pause."""
MISTAKE_PAUSE_SECONDS = 15.0
"""After a mistake that only a person can mend; opening a judge again costs seconds of a processor core."""

_up = Gauge(
    "aoi_bridge_plugin_up", "1 while a plugin is open and well", ["line", "plugin"], registry=health.registry
)
_states = Gauge(
    "aoi_bridge_plugin_state",
    "1 for the state that a plugin is in, 0 for the others",
    ["line", "plugin", "state"],
    registry=health.registry,
)
_restarts = Counter(
    "aoi_bridge_plugin_restarts",
    "How often a plugin broke or would not open, and was tried again",
    ["line", "plugin"],
    registry=health.registry,
)


class State(StrEnum):
    """How a plugin instance does."""

    STARTING = "starting"
    UP = "up"
    DEGRADED = "degraded"
    """Open, but the last thing asked of it failed."""
    DOWN = "down"
    ENDED = "ended"
    """A source that will never have another part."""


@dataclass
class Watched:
    """One plugin instance's state, as people see it."""

    line: str
    name: str
    clock: Clock = field(default_factory=SystemClock)
    state: State = State.STARTING
    since: float = 0.0
    """Unix time of the last change of state."""
    error: str = ""
    """The last error, kept while things are well again."""
    opened: int = 0
    """How many times it was opened."""
    insists: bool = False
    """Whether the bridge shall not start without it."""
    live: bool = False
    """Whether the verdict of a line depends on it."""
    first_error: Exception | None = field(default=None, repr=False)
    """Why its very first opening failed, if it did."""
    shown: bool = True
    """Whether the metrics show it; one that is opened beside another of its name is not shown yet."""
    changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set, and replaced, at each change of state."""

    def __post_init__(self) -> None:
        """Start the clock of the first state."""
        self.since = self.clock.wall()
        self._echo = Echo(self.clock)
        self._told = self.state
        """The state that the log spoke of last."""
        _restarts.labels(self.line, self.name)
        self._meter()

    def described(self) -> dict[str, str | float]:
        """Return how the instance does, for status and monitors."""
        return {
            "line": self.line,
            "name": self.name,
            "state": str(self.state),
            "since": self.since,
            "error": self.error,
            "opened": self.opened,
        }

    def become(self, state: State, error: str = "") -> bool:
        """Note a state; return whether the log was told: of what comes again and again, not each time."""
        self.error = error or self.error
        changed = state is not self.state
        if changed:
            self.state, self.since = state, self.clock.wall()
            self.changed.set()
            self.changed = asyncio.Event()
            self._meter()
        return self._tell(state, error, changed=changed)

    def restarting(self) -> None:
        """Count that it broke or would not open, and will be tried again."""
        _restarts.labels(self.line, self.name).inc()

    def forget(self) -> None:
        """Take the instance out of the metrics: it is configured no more."""
        _up.remove(self.line, self.name)
        _restarts.remove(self.line, self.name)
        for state in State:
            _states.remove(self.line, self.name, state)

    def _tell(self, state: State, error: str, *, changed: bool) -> bool:
        """Log a state that is news: a peer that comes and goes says so at growing intervals, with a count."""
        tell = logger(line=self.line, plugin=self.name)
        if state in {State.DOWN, State.DEGRADED}:
            times = self._echo.heard(f"{state} {error}")
            if not times and (changed or self._told is state):
                return False
            tell.warning(f"plugin {state}", error=error, **({"times": times} if times > 1 else {}))
        elif not changed or self._told is state:
            return False
        else:
            tell.info(f"plugin {state}", error=error)
        self._told = state
        return True

    async def tried(self) -> None:
        """Wait until it was opened, or has failed to open once."""
        while self.state is State.STARTING:
            await self.changed.wait()

    def show(self) -> None:
        """Show it in the metrics from now on: it has taken another one's place."""
        self.shown = True
        self._meter()

    def _meter(self) -> None:
        if not self.shown:
            return
        _up.labels(self.line, self.name).set(self.state is State.UP)
        for state in State:
            _states.labels(self.line, self.name, state).set(state is self.state)


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


def explain(error: BaseException) -> str:
    """Return an error as one line without secrets, looking into groups."""
    return discreet("; ".join(dict.fromkeys(_said(error))))


def _said(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _said(inner)
    else:
        text = " ".join(str(error).split())
        yield text if isinstance(error, BridgeError) else f"{type(error).__name__}: {text}"


def expected(error: BaseException) -> bool:
    """Return whether an error says who acts next, rather than being a bug."""
    if isinstance(error, BaseExceptionGroup):
        return all(expected(inner) for inner in error.exceptions)
    return isinstance(error, BridgeError)


def mistake(error: BaseException) -> ConfigError | None:
    """Return the user's mistake that an error tells of, looking into groups; None where it tells of none."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := mistake(inner))), None)
    return error if isinstance(error, ConfigError) else None


def unavailable(error: Exception) -> Unavailable:
    """Return any error of a plugin's verb as the one that makes the host reopen it."""
    return error if isinstance(error, Unavailable) else Unavailable(explain(error))
