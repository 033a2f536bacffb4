"""How long a view takes lately, and so whether a part can still be judged in time; pure.

Behind a judge that is too slow every part waits almost as long as it may. Whoever is next would be begun and come
too late, and so would the one after it: all of them. What cannot make it is let go, so that the next one can.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

LATELY: Final = 5
"""The median of so many requests counts: one slow answer is no pace."""
JITTER: Final = 1.1
"""A part is given so many times what it should take."""


class Pace:
    """What the judge's latest answers took."""

    def __init__(self) -> None:
        self._seconds_a_view: deque[float] = deque(maxlen=LATELY)

    def note(self, seconds: float, views: int) -> None:
        """Remember what one request took."""
        self._seconds_a_view.append(seconds / views)

    def needs(self, views: int) -> float:
        """Return the seconds that so many views may well take; 0 where nothing is known yet."""
        return JITTER * statistics.median(self._seconds_a_view) * views if self._seconds_a_view else 0.0
