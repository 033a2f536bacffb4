"""What is written to the journal, one verb each, by the one thread that writes.

Every verb runs inside a transaction that the writer opens; a verb that fails leaves nothing behind, because the
writer rolls back and does the others again.
"""

# ruff: noqa: S608 - only column lists of this package stand in the statements, never a value

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bridge.clock import Clock
from bridge.messages import Decision
from bridge.store import rows
from bridge.store.audit import GENESIS, Entry, chained
from bridge.store.forecast import Growth
from bridge.store.recall import Recall
from bridge.store.records import Change, Lane, Owed, Parked, Pulse, Second
from bridge.store.words import Words, stored

_VIEW_MARKS = ", ".join("?" * 17)
_PART = f"INSERT INTO part ({rows.PART_COLUMNS}, recorded_at) VALUES ({', '.join('?' * 30)})"
_PART_AGAIN = f"INSERT INTO part (number, recorded_at, {rows.PART_COLUMNS}) VALUES ({', '.join('?' * 31)})"
_VIEW = f"INSERT INTO view (part, place, {rows.VIEW_COLUMNS}) VALUES ({_VIEW_MARKS})"
_HEAT = f"INSERT INTO view_heat (part, place, {rows.HEAT_COLUMNS}) VALUES ({', '.join('?' * 9)})"
_SECOND_HEAT = f"INSERT INTO second_view_heat (second, place, {rows.HEAT_COLUMNS}) VALUES ({', '.join('?' * 9)})"
_SECOND = f"INSERT INTO second ({rows.SECOND_COLUMNS}) VALUES ({', '.join('?' * 20)})"
_SECOND_VIEW = f"INSERT INTO second_view (second, place, {rows.VIEW_COLUMNS}) VALUES ({_VIEW_MARKS})"
_OWE = "INSERT INTO outbox (line, reporter, number) VALUES (?, ?, ?)"
_PAID = "DELETE FROM outbox WHERE line = ? AND reporter = ? AND number = ?"
_PARK = "INSERT INTO parked (line, reporter, number, at, reason) VALUES (?, ?, ?, ?, ?)"
_UNPARK = "DELETE FROM parked WHERE line = ? AND reporter = ? AND number = ?"
_DROPPED = """
    INSERT INTO report (id, reporter, outcome, at, latency_ms, said)
    SELECT id, ?, ?, ?, (? - event_at) * 1000, ? FROM part WHERE number = ?"""
_REPORT = "INSERT INTO report (id, reporter, outcome, at, latency_ms, said) VALUES (?, ?, ?, ?, ?, ?)"
_PULSE = "INSERT OR REPLACE INTO pulse VALUES (?, ?, ?, ?, ?, ?, ?)"
_CHANGE = "INSERT INTO peer (at, line, name, state, said) VALUES (?, ?, ?, ?, ?)"
_ACCEPTED = """
    INSERT INTO report (id, reporter, outcome, at, latency_ms)
    SELECT id, ?, ?, ?, (? - event_at) * 1000 FROM part WHERE number = ?"""

_AUDIT = "INSERT INTO audit (number, at, who, line, what, old, new, why, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LAST_HASH = "SELECT hash FROM audit ORDER BY number DESC LIMIT 1"

OWED_VIEWS = 2000
"""One look into the outbox ends after so many views, so that a commit behind it waits a few milliseconds."""


class Ledger:
    """The tables of the journal, held by one connection; not for use from two threads."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self.connection = connection
        self._clock = clock
        self._words = Words(connection)
        self._recall = Recall(connection, self._words)
        self._queued = self._recall.lanes("outbox")
        self._parked = self._recall.lanes("parked")
        self._changes: list[tuple[Counter[Lane], Lane, int]] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, all of it or nothing."""
        self.connection.execute("BEGIN")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # some errors have SQLite roll back by itself
                self.connection.execute("ROLLBACK")
            self._words.forget()
            self._changes.clear()
            raise
        for counts, lane, amount in self._changes:
            counts[lane] += amount
        self._changes.clear()

    def commit(self, decision: Decision, owed_to: Sequence[str]) -> Decision:
        """Write a decision and who is owed it; return it recorded, or the one its key already has.

        Raises:
            ValueError: an id or an image hash is not lower-case hexadecimal of its length.
            sqlite3.IntegrityError: the id is in use by another part.
        """
        if decision.key is not None and (known := self.find(decision.line, decision.key)):
            return known
        row = (*rows.part_row(decision, self._words.number), self._clock.wall())
        number = self.connection.execute(_PART, row).lastrowid or 0
        if decision.views:
            self.connection.executemany(_VIEW, rows.view_rows(number, decision.views, self._words.number))
            self.connection.executemany(_HEAT, rows.heat_rows(number, decision.views, self._words.number))
        for reporter in owed_to:
            self.connection.execute(_OWE, (row[1], self._words.number(reporter), number))
            self._changes.append((self._queued, (decision.line, reporter), 1))
        return replace(decision, recorded=True, number=number)

    def again(self, decision: Decision, recorded_at: float) -> None:
        """Write a part of another journal under the number and the time that it has there.

        Raises:
            sqlite3.IntegrityError: it is here already.
        """
        row = (decision.number, recorded_at, *rows.part_row(decision, self._words.number))
        self.connection.execute(_PART_AGAIN, row)
        views = rows.view_rows(decision.number, decision.views, self._words.number)
        self.connection.executemany(_VIEW, views)

    def second(self, second: Second) -> None:
        """Write what became known after the answer."""
        cursor = self.connection.execute(_SECOND, rows.second_row(second, self._words.number))
        if second.views:
            owner = cursor.lastrowid or 0
            self.connection.executemany(_SECOND_VIEW, rows.view_rows(owner, second.views, self._words.number))
            self.connection.executemany(_SECOND_HEAT, rows.heat_rows(owner, second.views, self._words.number))

    def reported(
        self,
        id: str,  # noqa: A002 - the word of the messages
        reporter: str,
        outcome: str,
        at: float,
        latency_ms: float,
        said: str,
    ) -> None:
        """Write how telling a part to a reporter went."""
        word = self._words.number
        facts = (rows.hexadecimal(id, 16), word(reporter), word(outcome), at, latency_ms)
        self.connection.execute(_REPORT, (*facts, stored(said) if said else None))

    def pulse(self, pulse: Pulse) -> None:
        """Write how a line does."""
        counts = (pulse.queued, pulse.skipped, pulse.late, pulse.backlog, pulse.disk_free)
        self.connection.execute(_PULSE, (pulse.at, self._words.number(pulse.line), *counts))

    def changed(self, change: Change) -> None:
        """Write that a plugin is in another state."""
        words = map(self._words.number, (change.line, change.name, change.state))
        self.connection.execute(_CHANGE, (change.at, *words, stored(change.said) if change.said else None))

    def done(self, lane: Lane, numbers: Sequence[int], at: float) -> None:
        """Take accepted deliveries from the outbox and note the time; what is not there is passed over."""
        word = self._words.number
        line, reporter, accepted = word(lane[0]), word(lane[1]), word("accepted")
        for number in numbers:
            if self.connection.execute(_PAID, (line, reporter, number)).rowcount:
                self.connection.execute(_ACCEPTED, (reporter, accepted, at, at, number))
                self._changes.append((self._queued, lane, -1))

    def park(self, lane: Lane, number: int, reason: str) -> None:
        """Set a delivery aside with its reason; what is not in the outbox is passed over."""
        line, reporter = self._words.number(lane[0]), self._words.number(lane[1])
        if self.connection.execute(_PAID, (line, reporter, number)).rowcount:
            self.connection.execute(_PARK, (line, reporter, number, self._clock.wall(), stored(reason)))
            self._changes += [(self._queued, lane, -1), (self._parked, lane, 1)]

    def park_orphans(self, known: Collection[Lane]) -> int:
        """Set aside what is owed to reporters that are not configured any more; return how many."""
        parked = 0
        for lane in [lane for lane, owed in self._queued.items() if owed and lane not in known]:
            place = (self._words.number(lane[0]), self._words.number(lane[1]))
            moved = self.connection.execute(
                "INSERT INTO parked SELECT line, reporter, number, ?, 'reporter removed' FROM outbox"
                " WHERE line = ? AND reporter = ?",
                (self._clock.wall(), *place),
            ).rowcount
            self.connection.execute("DELETE FROM outbox WHERE line = ? AND reporter = ?", place)
            self._changes += [(self._queued, lane, -moved), (self._parked, lane, moved)]
            parked += moved
        return parked

    def audit(self, entry: Entry) -> Entry:
        """Put an entry at the end of the audit log; return it with number, time and hash."""
        last = self._recall.audited()  # where the newest were cut off, their numbers stay missing for ever
        (before,) = self.connection.execute(_LAST_HASH).fetchone() or (GENESIS,)
        texts = ("who", "line", "what", "old", "new", "why")
        said: dict[str, Any] = {name: _readable(getattr(entry, name)) for name in texts}
        entry = replace(entry, **said, number=last + 1, at=float(entry.at or self._clock.wall()))
        entry = replace(entry, hash=chained(before, entry))
        self.connection.execute(_AUDIT, (entry.number, entry.at, *said.values(), entry.hash))
        return entry

    def newest_audit(self, *whats: str) -> Entry | None:
        """Return the newest entry of the audit log, or the newest of these kinds."""
        return self._recall.newest_audit(whats)

    def audited_as(self, *whats: str) -> list[Entry]:
        """Return every entry of the audit log of these kinds, in order."""
        return self._recall.audited_as(whats)

    # Parked deliveries, on a person's word.

    def parked(self, lane: Lane, after: int, limit: int, ids: tuple[str, ...] = ()) -> list[Parked]:
        """Return parked deliveries by their number, those of these ids or all."""
        return self._recall.parked(lane, after, limit, ids)

    def retry(self, lane: Lane, numbers: Sequence[int]) -> int:
        """Put parked deliveries back into the outbox; return how many were there."""
        return sum(self._unpark(lane, number, _OWE) for number in numbers)

    def drop(self, lane: Lane, numbers: Sequence[int], because: str) -> int:
        """Take parked deliveries away for good, and keep the reason as a report; return how many were there."""
        dropped = 0
        for number in numbers:
            if self._unpark(lane, number, None):
                facts = (self._words.number(lane[1]), self._words.number("dropped"), self._clock.wall())
                self.connection.execute(_DROPPED, (*facts, self._clock.wall(), stored(because), number))
                dropped += 1
        return dropped

    def _unpark(self, lane: Lane, number: int, into: str | None) -> bool:
        place = (self._words.number(lane[0]), self._words.number(lane[1]), number)
        if not self.connection.execute(_UNPARK, place).rowcount:
            return False
        self._changes.append((self._parked, lane, -1))
        if into is not None:
            self.connection.execute(into, place)
            self._changes.append((self._queued, lane, 1))
        return True

    def growth(self) -> Growth:
        """Return how the journal has grown, all in all and in the last day."""
        return self._recall.growth(self._clock.wall())

    def answered_under(self, configuration: str) -> bool:
        """Return whether any part was ever answered under the configuration of this fingerprint."""
        return self._words.known(configuration) is not None

    def owed(self, lane: Lane, after: int, limit: int) -> list[Owed]:
        """Return some of what is owed after a number, in order; empty only when that is all."""
        return self._recall.owed(lane, after, limit, OWED_VIEWS)

    def find(self, line: str, key: str) -> Decision | None:
        """Return the decision that a source's presentation got."""
        return self._recall.by_key(line, key)

    def backlog(self) -> Mapping[Lane, tuple[int, int]]:
        """Return how many deliveries are queued and parked; counted along, so it costs no look at the disk."""
        lanes = sorted({*self._queued, *self._parked})
        return {lane: (self._queued[lane], self._parked[lane]) for lane in lanes}


def _readable(text: str) -> str:
    """Return a text that is Unicode, whatever a plugin handed over."""
    return text.encode("utf-8", "backslashreplace").decode()
