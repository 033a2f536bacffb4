"""The journal as the event loop sees it: every call queues a job for the writer's thread.

What ``commit`` and ``second`` return for is on the disk. ``reported`` and ``done`` are not waited for: losing
them in a crash costs a delivery sent twice under the same id, which is allowed, never one lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bridge.clock import Clock, SystemClock
from bridge.errors import ConfigError, Unavailable
from bridge.log import logger
from bridge.messages import Decision
from bridge.store.audit import Entry
from bridge.store.forecast import Growth
from bridge.store.ledger import Ledger
from bridge.store.lock import make_folder
from bridge.store.reading import Reader
from bridge.store.records import Change, Choice, Lane, Owed, Pulse, Second
from bridge.store.schema import FILE
from bridge.store.trail import Trail
from bridge.store.writer import Writer

SHADOW_WAITING = 1000
AT_ONCE = 500
"""So many parked deliveries are moved in one commit; parts that come meanwhile wait some milliseconds."""


class Journal:
    """The decisions of one data directory, and what is still owed to guaranteed reporters.

    Every coroutine raises Unavailable while the disk refuses or does not keep up; the journal recovers by
    itself. Cancelling a wait never cancels the write.
    """

    def __init__(self, writer: Writer, clock: Clock, folder: Path) -> None:
        self.reader = Reader(folder)
        """The same journal for long looks, from other threads."""
        self.newest: Entry | None = None
        """The newest entry of the audit log, None while there is none."""
        self._writer = writer
        self._clock = clock
        self._trail = Trail(self.audit)

    async def commit(self, decision: Decision, owed_to: Sequence[str] = ()) -> Decision:
        """Make a decision durable, together with its deliveries to the reporters of these names.

        Returns the decision with ``recorded`` and its ``number``. If the line already has one under the same
        key, nothing is written and the stored one is returned: its id differs from the one passed in.
        """
        rows = 1 + len(decision.views) + len(owed_to)
        return await self._writer.submit(lambda ledger: ledger.commit(decision, owed_to), rows)

    async def second(self, second: Second) -> None:
        """Make durable what became known after the answer.

        Records are written in the order of the calls, and this one may be called while the commit of its part
        is still on its way: so an answer that differs is told before any reporter sees the part.
        """
        await self._writer.submit(lambda ledger: ledger.second(second), 1 + len(second.views))

    def shadow(self, second: Second) -> None:
        """Note what became known of a shadow part; written like ``reported``, so that it delays no other part.

        While the disk refuses the last 1,000 wait, for they are larger.
        """
        self._writer.later(lambda ledger: ledger.second(second), droppable=True, most=SHADOW_WAITING)

    def reported(
        self,
        id: str,  # noqa: A002 - the word of the messages
        reporter: str,
        outcome: str,
        at: float,
        latency_ms: float,
        said: str = "",
    ) -> None:
        """Note how telling a part to a realtime reporter went: "accepted", "late", "unavailable", "refused".

        ``at`` is Unix time. It is written with the next commit or within 50 ms; while the disk refuses, the
        last 10,000 wait and more are dropped and counted.
        """
        facts = (id, reporter, outcome, at, latency_ms, said)
        self._writer.later(lambda ledger: ledger.reported(*facts), droppable=True)

    def pulse(self, pulse: Pulse) -> None:
        """Note how a line does; written like ``reported``."""
        self._writer.later(lambda ledger: ledger.pulse(pulse), droppable=True)

    def changed(self, change: Change) -> None:
        """Note that a plugin is in another state; written like ``reported``."""
        self._writer.later(lambda ledger: ledger.changed(change), droppable=True)

    def done(self, line: str, reporter: str, numbers: Sequence[int]) -> None:
        """Note that these deliveries were accepted: they leave the outbox, and the time is kept as a report.

        Written like ``reported`` but never dropped. A later ``owed`` does not return them any more.
        """
        lane, at, accepted = (line, reporter), self._clock.wall(), tuple(numbers)
        self._writer.later(lambda ledger: ledger.done(lane, accepted, at), droppable=False)

    async def audit(self, entry: Entry) -> Entry:
        """Make an entry of the audit log durable; returns it with its number, time and hash.

        For what a person asks for: where this raises Unavailable, nothing may be changed.
        """
        entry = replace(entry, at=entry.at or self._clock.wall())
        written = self.newest = await self._writer.submit(lambda ledger: ledger.audit(entry), 1)
        # A copy of the hash that lies elsewhere.
        told = {"entry": written.number, "what": entry.what, "hash": written.hash.hex()}
        logger(line=entry.line).info("audit log", **told)
        return written

    def note(self, entry: Entry) -> None:
        """Put into the audit log what has happened already, and try again until the disk takes it."""
        self._trail.note(replace(entry, at=entry.at or self._clock.wall()))

    @property
    def audited(self) -> Mapping[str, object]:
        """How many entries the audit log has, and the hash of the newest; for people to note down."""
        newest = self.newest
        return {"entries": newest.number if newest else 0, "hash": newest.hash.hex() if newest else ""}

    async def newest_audit(self, *whats: str) -> Entry | None:
        """Return the newest entry of the audit log, or the newest of these kinds."""
        return await self._writer.submit(lambda ledger: ledger.newest_audit(*whats))

    async def audited_as(self, *whats: str) -> list[Entry]:
        """Return every entry of the audit log of these kinds, in order; for kinds of which there are few."""
        return await self._writer.submit(lambda ledger: ledger.audited_as(*whats))

    async def written(self) -> None:
        """Wait until everything noted is in the audit log, not longer than a stop may take; note no more."""
        await self._trail.written()

    async def park(self, line: str, reporter: str, number: int, reason: str) -> None:
        """Set aside a delivery that the peer will never take."""
        await self._writer.submit(lambda ledger: ledger.park((line, reporter), number, reason), 1)

    async def park_orphans(self, known: Collection[Lane]) -> int:
        """Set aside what is owed to reporters that are not configured any more; return how many."""
        return await self._writer.submit(lambda ledger: ledger.park_orphans(known), 1)

    async def parked(self, choice: Choice) -> dict[Lane, int]:
        """Return how many of the chosen deliveries are parked, by line and reporter; only those with any."""
        found = {lane: parked for lane, (_, parked) in (await self.backlog()).items() if parked and lane in choice}
        if choice.ids:
            found = {lane: await self._count(lane, choice.ids) for lane in found}
        return {lane: amount for lane, amount in found.items() if amount}

    async def _count(self, lane: Lane, ids: tuple[str, ...]) -> int:
        return await self._writer.submit(lambda ledger: len(ledger.parked(lane, 0, len(ids), ids)))

    async def retry(self, lane: Lane, choice: Choice) -> int:
        """Put the chosen deliveries of a reporter back into its outbox, in their order; return how many.

        They are told with the same id and the same body as before. Commits pass between the steps.
        """
        return await self._unpark(lane, choice, lambda ledger, numbers: ledger.retry(lane, numbers))

    async def drop(self, lane: Lane, choice: Choice, because: str) -> int:
        """Give up the chosen deliveries of a reporter; each keeps the reason as its report. Return how many."""
        return await self._unpark(lane, choice, lambda ledger, numbers: ledger.drop(lane, numbers, because))

    async def _unpark(self, lane: Lane, choice: Choice, work: Callable[[Ledger, list[int]], int]) -> int:
        after = moved = 0
        while lane in choice:
            parked = await self._writer.submit(
                lambda ledger, after=after: ledger.parked(lane, after, AT_ONCE, choice.ids)  # type: ignore[misc]
            )
            if not parked:
                break
            numbers = [delivery.number for delivery in parked]
            moved += await self._writer.submit(lambda ledger, n=numbers: work(ledger, n), len(numbers))  # type: ignore[misc]
            after = numbers[-1]  # what is parked again meanwhile is behind us, so this ends
        return moved

    async def growth(self) -> Growth:
        """Return how the journal has grown, all in all and in the last day; cheap."""
        return await self._writer.submit(lambda ledger: ledger.growth())

    async def answered_under(self, configuration: str) -> bool:
        """Return whether any part was ever answered under the configuration of this fingerprint."""
        return await self._writer.submit(lambda ledger: ledger.answered_under(configuration))

    async def alive(self) -> None:
        """Return when the writer's thread has come by: soon, or, where it hangs on the disk, not at all.

        A disk that refuses is no reason not to return.

        Raises:
            RuntimeError: the thread has died.
        """
        with suppress(Unavailable):
            await self._writer.submit(lambda _: None)

    async def owed(self, line: str, reporter: str, after: int, limit: int) -> list[Owed]:
        """Return up to ``limit`` deliveries with a number above ``after``, in order.

        Parked ones are not among them. Large panels are read in several steps, between which commits pass.
        """
        owed: list[Owed] = []
        while len(owed) < limit:
            last, rest = owed[-1].number if owed else after, limit - len(owed)
            more = await self._owed((line, reporter), last, rest)
            if not more:
                break
            owed += more
        return owed

    async def _owed(self, lane: Lane, after: int, limit: int) -> list[Owed]:
        return await self._writer.submit(lambda ledger: ledger.owed(lane, after, limit))

    async def find(self, line: str, key: str) -> Decision | None:
        """Return the decision that a source's presentation got, as it was answered."""
        return await self._writer.submit(lambda ledger: ledger.find(line, key))

    async def backlog(self) -> Mapping[Lane, tuple[int, int]]:
        """Return how many deliveries are queued and parked, by line and reporter; cheap."""
        return await self._writer.submit(lambda ledger: ledger.backlog())


@asynccontextmanager
async def open_journal(folder: Path, clock: Clock = SystemClock()) -> AsyncIterator[Journal]:  # noqa: B008 - stateless
    """Open ``folder/journal.db``, creating or migrating it; on leaving, what is queued is written first.

    Raises:
        ConfigError: the file is not a journal, is of a newer bridge, or cannot be opened.
        Unavailable: the disk refuses.
    """
    try:
        await asyncio.to_thread(make_folder, folder)
    except OSError as exc:
        write = "write a data folder that this user may write to"
        raise ConfigError(str(folder), f"cannot be made ({exc.strerror})", write) from exc
    writer = Writer(folder / FILE, clock)
    await writer.start()
    try:
        journal = Journal(writer, clock, folder)
        journal.newest = await journal.newest_audit()
        try:
            yield journal
        finally:
            await journal.written()
    finally:
        await writer.stop()
