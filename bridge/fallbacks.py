"""The row of fallbacks of one line: how many parts in a row were answered without us, and when that is an error.

Pure: it counts decisions and knows no clock.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.messages import Decision


class Fallbacks:
    """Counts the fallbacks that come in a row."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_a_row = 0
        self._unheard = False
        """True while the fallbacks in a row are of parts that needed a second opinion."""

    @property
    def error(self) -> bool:
        """True while ``limit`` fallbacks or more came in a row."""
        return self._in_a_row >= self._limit

    def reset(self) -> None:
        """Begin to count anew, on an operator's word."""
        self._in_a_row, self._unheard = 0, False

    def flagged(self, decision: Decision) -> Decision:
        """Raise Error on the decision that is one fallback too many."""
        return replace(decision, error=decision.error or self._with(decision) >= self._limit)

    def count(self, decision: Decision) -> None:
        """Count a decision that was answered."""
        self._in_a_row = self._with(decision)
        self._unheard = self._in_a_row > 0 and (self._unheard or (decision.degraded and decision.rechecked))

    def _with(self, decision: Decision) -> int:
        """Return how many fallbacks came in a row, this decision counted.

        A part that needed no second opinion does not end a row in which none could be had.
        """
        if decision.backlog:
            return self._in_a_row
        if decision.degraded:
            return self._in_a_row + 1
        return 0 if decision.rechecked or not self._unheard else self._in_a_row
