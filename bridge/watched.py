"""How one plugin instance does: its state, since when, its last error; for status, metrics, health and the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client import Counter, Gauge

from bridge import health
from bridge.clock import Clock, SystemClock
from bridge.echo import Echo
from bridge.log import logger

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
    notice: Callable[[Watched, str], None] = field(default=lambda *_: None, repr=False)
    """Told of each change of state, while the metrics show it too."""
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
            self.noticed(state)
        return self._tell(state, error, changed=changed)

    @property
    def ill(self) -> bool:
        """Whether it is away, or did not do what was asked of it last."""
        return self.state in {State.DOWN, State.DEGRADED}

    def noticed(self, state: str) -> None:
        """Have a state noticed, its own or one that only others know of."""
        if self.shown:
            self.notice(self, state)

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
        self.noticed(self.state)

    def _meter(self) -> None:
        if not self.shown:
            return
        _up.labels(self.line, self.name).set(self.state is State.UP)
        for state in State:
            _states.labels(self.line, self.name, state).set(state is self.state)
