"""Time as an argument: every part of the bridge that reads a clock takes a Clock, so that tests can hold it.

Deadlines are instants of ``monotonic()`` in seconds, comparable with ``asyncio``'s ``loop.time()``.
``wall()`` is Unix time, for people and for the journal only; nothing is decided by it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        ...

    def wall(self) -> float:
        """Return seconds since 1970 (UTC), which may jump."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Return ``time.monotonic()``, the clock that asyncio's event loops use."""
        return time.monotonic()

    def wall(self) -> float:
        """Return ``time.time()``."""
        return time.time()


@dataclass
class ManualClock:
    """A clock that stands still until it is moved, for tests."""

    now: float = 1000.0
    unix: float = 1_700_000_000.0

    def monotonic(self) -> float:
        """Return the instant that was set."""
        return self.now

    def wall(self) -> float:
        """Return the Unix time that was set."""
        return self.unix

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self.now += seconds
        self.unix += seconds
