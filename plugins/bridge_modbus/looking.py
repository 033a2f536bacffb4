"""How old a Trigger may be: it is found at a look, and may have risen at any time since the look before.

A bridge that was not let run, or a PLC that was slow to answer, would otherwise make the part younger than it is,
and a verdict would come after the PLC's own deadline. Moments are seconds of one monotonic clock.
"""

from __future__ import annotations

from typing import Final

BLIND_SECONDS: Final = 0.1
"""A Trigger is as old as the look that found it, unless nobody had looked for longer than this."""


class Looking:
    """When CMD was looked at."""

    def __init__(self, blind_seconds: float) -> None:
        self._blind_seconds = blind_seconds
        self._looked_at = self._passed_at = 0.0

    def begin(self, now: float) -> None:
        """Begin; nothing before this counts."""
        self._looked_at = self._passed_at = now

    def found(self, now: float, asked_at: float | None = None) -> float:
        """Return the earliest moment of what a look shows now, which was asked for at ``asked_at``, else now."""
        blind = now - self._looked_at > self._blind_seconds
        event = self._looked_at if blind else now
        self._looked_at = now if asked_at is None else asked_at
        return event

    def passed(self, now: float) -> None:
        """Say that nothing was there to be heard, up to the call before this one.

        After a stall the first call may come before that is heard which arrived meanwhile.
        """
        self._looked_at, self._passed_at = max(self._looked_at, self._passed_at), now
