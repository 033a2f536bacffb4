"""Saying a thing that happens again and again a few times, with a count, rather than every time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.clock import Clock

FIRST_SECONDS = 10.0
LONGEST_SECONDS = 600.0
REMEMBERED = 64
_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class _Heard:
    """One thing that was said."""

    times: int
    """How often it came since it was last told."""
    interval: float
    told_at: float
    last_at: float


class Echo:
    """Decides which repetitions are told: the first, then at intervals that double from 10 s to 10 minutes.

    Texts that differ in numbers alone (a port, an id) are the same. What was not heard for ten minutes is new.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[str, _Heard] = {}

    def heard(self, text: str) -> int:
        """Note a text; return how often it came since it was last told, or 0 while it is not to be told."""
        now, key = self._clock.monotonic(), _NUMBER.sub("#", text)
        known = self._heard.get(key)
        if known is None or now - known.last_at >= LONGEST_SECONDS:
            self._remember(key, _Heard(0, FIRST_SECONDS, now, now))
            return 1
        known.times += 1
        known.last_at = now
        if now - known.told_at < known.interval:
            return 0
        times, known.times, known.told_at = known.times, 0, now
        known.interval = min(known.interval * 2, LONGEST_SECONDS)
        return times

    def _remember(self, key: str, heard: _Heard) -> None:
        self._heard.pop(key, None)
        self._heard[key] = heard
        if len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]
