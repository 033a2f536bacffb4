"""When the exposure of a frame began, at the earliest: by that alone a frame counts, or is one of before. Pure.

A driver hands frames over in order out of a queue, so the next frame may be older than the trigger by as many
periods as the queue is long. A frame counts only if its exposure *began* after the trigger; for that a lower bound
of this instant is kept, out of the best that is known of each frame:

1. The driver's own time stamp, where it is of our clock (V4L2: the kernel's, at the first or the last byte of the
   frame). The exposure began at most ``lead`` before it.
2. Else, how the hand-over went. A grab that had to *wait* found the queue empty, so this frame was complete only
   after the grab began: its exposure began at most ``lead`` before that. One such wait may be a stall of our own
   with frames in the queue; after a stall the next grab does not wait. So two in a row are asked for.
3. A frame that was there at once may be as old as the queue is: nothing is known of it that was not known of the
   frame before.

``lead`` is two periods unless the user knows better: a sensor exposes for at most one while the frame before is
read out, and is read out and sent for at most one more. Until the period is known no frame counts.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final

LEAD_PERIODS: Final = 2.0
KNOWN_AFTER: Final = 8
"""So many frames that were waited for tell the period: more than most drivers keep."""
_REMEMBERED: Final = 16
_WAITED_SHARE: Final = 0.25
"""A grab waited if it took at least this share of a period."""
_LEAST_WAIT_SECONDS: Final = 0.001
_STAMP_SECONDS: Final = 5.0
"""A stamp older than this, or of the future, is of another clock, or of a frame that nobody wants."""


class Freshness:
    """What is known of the frames of one camera that runs freely."""

    def __init__(self, lead: float | None = None) -> None:
        """Begin with a new stream of frames.

        Args:
            lead: seconds from the beginning of an exposure to its stamp or hand-over, at most; None: two periods.
        """
        self._lead = lead
        self._intervals: deque[float] = deque(maxlen=_REMEMBERED)
        self._ended: float | None = None
        self._waits = 0
        self._bound = -inf

    @property
    def period(self) -> float | None:
        """Seconds between two frames, rather too many than too few; None while nobody knows."""
        if len(self._intervals) < KNOWN_AFTER:
            return None
        return sorted(self._intervals)[3 * len(self._intervals) // 4]  # a stall of ours makes single ones longer

    def grabbed(self, began: float, ended: float, stamp: float | None = None) -> float:
        """Take note of a frame; return the earliest instant at which its exposure may have begun.

        Args:
            began: when the driver was asked for it.
            ended: when it was there.
            stamp: the driver's time of it, by the same clock, where there is one.
        """
        waited, period = self._waited(began, ended), self.period
        if period is None:
            return -inf
        lead = LEAD_PERIODS * period if self._lead is None else self._lead
        if stamp is not None and ended - _STAMP_SECONDS < stamp <= ended:
            self._bound = max(self._bound, stamp - lead)
        elif waited >= 2:  # noqa: PLR2004 - one alone may be a stall of ours
            self._bound = max(self._bound, began - lead)
        return self._bound

    def _waited(self, began: float, ended: float) -> int:
        """Return how many grabs in a row, up to this one, had to wait; learn the period from them."""
        least = max(_LEAST_WAIT_SECONDS, _WAITED_SHARE * (self.period or 0.0))
        self._waits = self._waits + 1 if ended - began >= least else 0
        if self._waits >= 2 and self._ended is not None:  # noqa: PLR2004 - from one arrival to the next
            self._intervals.append(ended - self._ended)
        self._ended = ended
        return self._waits
