"""Whether judgements would have come in time had the line been live. Pure."""

from __future__ import annotations

from math import inf


class Queue:
    """One judge that takes the parts of a live line one after the other, as they come.

    In shadow parts wait behind each other for as long as it takes, for nobody waits for them; a live line gives
    up at the deadline and goes on with the next part. So what a shadow part waited is not what a live one would
    have: it is worked out instead, from when each part was ready and how long the judge really took for it (a
    queue with one server and impatient customers; D. V. Lindley's recursion, Proc. Camb. Phil. Soc. 48, 1952).
    Of parts that were passed over nobody knows how long they would have taken, and they are not in it.
    """

    def __init__(self) -> None:
        self._free = -inf

    def in_time(self, ready: float, seconds: float, judge_by: float, *, asked: bool = True) -> bool:
        """Return whether a part's judgement would have been there at ``judge_by``; parts come in their order.

        Args:
            ready: the instant at which the judge could have begun: the part was routed, its pictures were there.
            seconds: what the judge took for the part.
            judge_by: the instant of the deadline, less the time that is kept in reserve.
            asked: whether the line's goal would have had it judged at all; if not, it keeps nobody waiting.
        """
        begin = max(ready, self._free)
        if begin >= judge_by:
            return False
        if asked:
            self._free = begin + seconds
        return begin + seconds <= judge_by
