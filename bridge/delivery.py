"""Telling PLC and MES: realtime is now or never, guaranteed is kept and retried for ever, in order.

A realtime report has no outbox row, because a durable row only invites a late send. A guaranteed one leaves
the outbox only when its peer has accepted it, or has refused it and it is parked with the reason.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from itertools import takewhile
from operator import attrgetter

from prometheus_client import Counter, Gauge

from bridge import health
from bridge.clock import Clock, SystemClock
from bridge.echo import Echo
from bridge.errors import Refused, Unavailable
from bridge.explaining import explain, unavailable
from bridge.log import logger
from bridge.messages import Decision
from bridge.plugin.api import Report
from bridge.store import Journal
from bridge.supervise import Slot, wall
from bridge.watched import State

IN_MEMORY = 1000
"""How many decisions wait in memory for one MES; the rest is read back from the journal."""
READ_AT_ONCE = 256
PATIENCE_SECONDS = 60.0
"""A reporter that has not said yes or no by then is broken; each plugin has shorter limits of its own."""
RETRY_SECONDS = 1.0
"""Pause while the journal's disk refuses."""

told = Counter(
    "aoi_bridge_reports", "Deliveries by outcome", ["line", "reporter", "outcome"], registry=health.registry
)
waiting = Gauge(
    "aoi_bridge_outbox_waiting", "Decisions waiting in memory", ["line", "reporter"], registry=health.registry
)


class Realtime:
    """One PLC: each decision is told at once or not at all, and its outcome is recorded."""

    def __init__(self, slot: Slot[Report], journal: Journal, clock: Clock) -> None:
        self._slot, self._journal, self._clock = slot, journal, clock
        self.accepted_at = float("-inf")
        """When the PLC was last told something (monotonic seconds)."""

    async def tell(self, decision: Decision) -> str:
        """Report one decision before it expires; return the outcome, and record it with what was said of it.

        Returns:
            ``accepted``, ``late``, ``refused`` or ``unavailable``.
        """
        began = self._clock.monotonic()
        outcome, said = await self._try(decision)
        if outcome == "accepted":
            self.accepted_at = self._clock.monotonic()
        line, name = self._slot.watched.line, self._slot.watched.name
        told.labels(line, name, outcome).inc()
        self._journal.reported(
            decision.id,
            name,
            outcome,
            at=self._clock.wall(),
            latency_ms=(self._clock.monotonic() - began) * 1000,
            said=said,
        )
        return outcome

    async def _try(self, decision: Decision) -> tuple[str, str]:
        report = self._slot.verb
        if self._clock.monotonic() >= decision.expires:
            return "late", "expired before it was sent"
        if report is None:
            return "unavailable", self._slot.watched.error
        watched = self._slot.watched
        try:
            with health.instance(watched.line, watched.name), wall():
                async with asyncio.timeout_at(decision.expires) as limit:
                    note = await report(decision)
        except Refused as exc:
            return "refused", explain(exc)
        except Exception as exc:  # noqa: BLE001 - a reporter's bug must cost one report, not the line
            if isinstance(exc, TimeoutError) and limit.expired():
                watched.become(State.DEGRADED, "a report did not arrive in time")
                return "late", "not accepted in time"
            self._slot.fail(report, unavailable(exc))
            return "unavailable", explain(exc)
        if watched.state is State.DEGRADED:
            watched.become(State.UP)
        return "accepted", note if isinstance(note, str) else ""


class Guaranteed:
    """One MES: every decision of the line, at least once, started in the order of their commits.

    The line announces an id with ``expect`` before its commit, in the order of the commits, and settles it with
    ``add`` or ``forget``. What is settled goes to memory as long as everything before it is there too; else it
    is *behind*, and is read back from the journal in its turn.
    """

    def __init__(self, slot: Slot[Report], journal: Journal, window: int) -> None:
        self._slot, self._journal, self._window = slot, journal, window
        self._line, self.name = slot.watched.line, slot.watched.name
        self._expected: dict[str, Decision | None] = {}
        self._queue: deque[Decision] = deque()
        self._after = 0
        """Everything up to this number has been in the queue."""
        self._behind = True
        self._meanwhile: list[Decision] | None = None
        """What was settled while the journal is being read, None while it is not."""
        self._under_way: set[int] = set()
        """The numbers of what the peer is being told."""
        self._rewinding = False
        self._echo = Echo(SystemClock())
        self._work = asyncio.Event()
        waiting.labels(self._line, self.name).set_function(self._queue.__len__)

    def expect(self, id: str) -> None:  # noqa: A002 - the field's name everywhere
        """Say that a decision of this id is on its way into the journal."""
        self._expected[id] = None

    def add(self, decision: Decision) -> None:
        """Hand over a committed decision that was expected."""
        self._expected[decision.id] = decision
        self._settle()

    def forget(self, id: str) -> None:  # noqa: A002 - the field's name everywhere
        """Say that no decision of this id will come: it was stored before, or could not be committed."""
        self._expected.pop(id, None)
        self._settle()

    def rewind(self) -> None:
        """Read the outbox from its start again: deliveries that were parked have come back into it."""
        self._rewinding = True
        self._work.set()

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then is told again after the next start."""
        self._begin_anew()
        while True:
            report = await self._slot.get()
            room = asyncio.Semaphore(self._window)
            # Nothing is told on a new connection before all that was under way on the old one has come back.
            async with asyncio.TaskGroup() as under_way:
                while await self._ready(report, room):
                    decision = self._queue.popleft()
                    self._under_way.add(decision.number)
                    under_way.create_task(self._deliver(report, decision, room), name=f"deliver {decision.id}")

    async def _ready(self, report: Report, room: asyncio.Semaphore) -> bool:
        """Wait for room, and for something to deliver; return False once the report is broken."""
        await room.acquire()
        while self._slot.verb is report and (self._rewinding or not self._queue):
            if self._rewinding:
                self._begin_anew()
            elif self._behind:
                await self._catch_up()
            else:
                self._work.clear()
                await self._work.wait()
        return self._slot.verb is report

    async def _deliver(self, report: Report, decision: Decision, room: asyncio.Semaphore) -> None:
        try:
            with health.instance(self._line, self.name), wall():
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await report(decision)
        except Refused as exc:
            told.labels(self._line, self.name, "refused").inc()
            self._tell_parked(decision, reason := explain(exc))
            await self._park(decision, reason)
        except Exception as exc:  # noqa: BLE001 - a reporter's bug is a reason to reopen it, not to lose a part
            told.labels(self._line, self.name, "retried").inc()
            insort(self._queue, decision, key=attrgetter("number"))
            self._slot.fail(report, unavailable(exc))
        else:
            told.labels(self._line, self.name, "accepted").inc()
            self._journal.done(self._line, self.name, (decision.number,))
        finally:
            self._under_way.discard(decision.number)
            room.release()

    def _tell_parked(self, decision: Decision, reason: str) -> None:
        """Say so in the log; a peer that refuses everything says it at growing intervals, with a count."""
        if times := self._echo.heard(reason):
            tell = logger(line=self._line, plugin=self.name)
            tell.warning(
                "delivery parked", id=decision.id, reason=reason, **({"times": times} if times > 1 else {})
            )

    def _begin_anew(self) -> None:
        self._rewinding = False
        self._queue.clear()
        self._behind, self._after = True, 0

    async def _park(self, decision: Decision, reason: str) -> None:
        while True:
            try:
                return await self._journal.park(self._line, self.name, decision.number, reason)
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)

    def _settle(self) -> None:
        """Take what is settled from the head of what is expected, so that the order of commits holds."""
        while (decision := next(iter(self._expected.values()), None)) is not None:
            del self._expected[decision.id]
            self._take(decision)
        self._work.set()

    def _take(self, decision: Decision) -> None:
        self._behind = self._behind or len(self._queue) >= IN_MEMORY
        if not self._behind:
            self._queue.append(decision)
            self._after = decision.number
        elif self._meanwhile is not None:
            self._meanwhile.append(decision)

    async def _catch_up(self) -> None:
        """Read on from the journal what memory did not hold, up to the first decision that is not settled."""
        meanwhile: list[Decision] = []
        self._meanwhile = meanwhile
        try:
            owed = await self._journal.owed(self._line, self.name, self._after, READ_AT_ONCE)
        except Unavailable:
            await asyncio.sleep(RETRY_SECONDS)
            return
        finally:
            self._meanwhile = None
        settled = list(takewhile(lambda entry: entry.decision.id not in self._expected, owed))
        for entry in settled:
            if entry.number not in self._under_way:
                self._queue.append(entry.decision)
            self._after = entry.number
        self._behind = len(settled) == READ_AT_ONCE
        for decision in meanwhile:
            if decision.number > self._after:
                self._take(decision)
