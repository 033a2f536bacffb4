"""Drawing the parts of one line for labelling as they come, with the chance of the plant's day.

The rate of the audit is set at the day's turn from what the journal holds of the days before, read in short looks
and in another thread. After a restart the day's rate is found again where it is written with every part; what the
configuration says of labels counts from the next day on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from math import inf
from zoneinfo import ZoneInfo

from bridge.clock import Clock
from bridge.config.shadow import Shadow
from bridge.errors import BridgeError
from bridge.log import logger
from bridge.messages import Verdict
from bridge.shadow.sampling import DAYS_LOOKED_AT, Day, Plan, audit_rate, planned, plant_day, seeded
from bridge.shadow.seeding import is_seeded
from bridge.store import Reader, Second, Stratum

LOOK_SECONDS = 6 * 3600.0
"""One look at the journal covers so much of a day."""


class Drawing:
    """Gives the parts of one shadow line their stratum and their chance, and draws them."""

    def __init__(self, line: str, shadow: Shadow, reader: Reader, clock: Clock) -> None:
        self._line, self._reader, self._clock = line, reader, clock
        self._zone = ZoneInfo(shadow.timezone)
        self._seeded = shadow.seeded
        self._plan = Plan(shadow.labels_per_day, shadow.audit_ng, shadow.unreliable, shadow.parts_per_day)
        self._day = (-inf, -inf)  # begin and end of the day for which the rate holds
        self.rate = audit_rate(self._plan, ())
        """The chance of an agreement on OK; until the journal was read, that of a first day."""

    async def drawn(self, second: Second, legacy: Verdict | None, part: str = "") -> Second:
        """Return a second record with its stratum, its chance and the draw; at a day's turn the rate is set.

        ``part`` is its serial number; a seeded part is in no stratum, so that the rate of no day knows of it.
        """
        begin, end = self._day
        if not begin <= (now := self._clock.wall()) < end:
            self.rate = await asyncio.to_thread(self._rate_of_the_day, now)
            self._day = plant_day(now, self._zone)
        return self.drawn_at_once(second, legacy, part)

    def drawn_at_once(self, second: Second, legacy: Verdict | None, part: str = "") -> Second:
        """Do the same without looking at the day: for some parts after its turn the day before counts still."""
        if is_seeded(part, self._seeded):
            return seeded(second)
        return planned(second, legacy, self._plan, self.rate)

    def _rate_of_the_day(self, now: float) -> float:
        """Return the rate that holds today; blocks on the disk."""
        try:
            known = self._reader.audit_chance(self._line, *plant_day(now, self._zone))
            rate = self._rate_from_before(now) if known is None else known
        except BridgeError as exc:
            logger(line=self._line).error("the audit's rate stays as it was", rate=self.rate, reason=str(exc))
            return self.rate
        logger(line=self._line).info("the audit's rate of the day", rate=rate, found=known is not None)
        return rate

    def _rate_from_before(self, now: float) -> float:
        return audit_rate(self._plan, [self._day_before(now, before) for before in range(DAYS_LOOKED_AT, 0, -1)])

    def _day_before(self, now: float, before: int) -> Day:
        begin, end = plant_day(now, self._zone, before)
        counts: Counter[Stratum] = Counter()
        first, since = end, begin
        while since < end:
            until = min(since + LOOK_SECONDS, end)
            for stratum, (parts, at) in self._reader.strata(self._line, since, until).items():
                counts[stratum] += parts
                first = min(first, at)
            since = until
        certain = counts[Stratum.DISAGREED] + counts[Stratum.UNRELIABLE]
        audited = counts[Stratum.AGREED_OK] + counts[Stratum.UNJUDGED]
        return Day(certain, audited, counts[Stratum.AGREED_NG], (end - first) / (end - begin))
