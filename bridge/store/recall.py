"""Decisions and second records back out of the tables, for the writer and for readers alike.

Every call is a few short look-ups by key, never a scan. What was answered is final: where the commit landed too
late and another verdict had been given, the decision comes back with that verdict.
"""

# ruff: noqa: S608 - only column lists and table names of this package stand in the queries, never a value

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from bridge.messages import Decision, ViewDecision
from bridge.store import rows
from bridge.store.audit import Entry
from bridge.store.forecast import DAY_SECONDS, Growth
from bridge.store.records import Lane, Owed, Parked, Second
from bridge.store.words import Words, restored, stored

_PART = f"SELECT number, {rows.PART_COLUMNS} FROM part"
_OWED = f"""
    SELECT number, {rows.PART_COLUMNS} FROM part WHERE number IN (
        SELECT number FROM outbox WHERE line = ? AND reporter = ? AND number > ? ORDER BY number LIMIT ?
    ) ORDER BY number"""
_PAGES = ("page_count", "freelist_count", "page_size")
_NUMBERS = "SELECT (SELECT min(number) FROM part), (SELECT max(number) FROM part)"  # together they would scan
_RECORDED = "SELECT recorded_at FROM part WHERE number >= ? ORDER BY number LIMIT 1"
_PARKED = """
    SELECT number, part.id, part.part, parked.at, parked.reason FROM parked JOIN part USING (number)
    WHERE parked.line = ? AND parked.reporter = ? AND number > ?"""
_OLDEST = """
    SELECT part.recorded_at FROM outbox JOIN part USING (number)
    WHERE outbox.line = ? AND outbox.reporter = ? ORDER BY number LIMIT 1"""
_VIEWS = f"""
    SELECT {rows.VIEW_COLUMNS}, {rows.HEAT_COLUMNS} FROM view LEFT JOIN view_heat USING (part, place)
    WHERE part = ? ORDER BY place"""
_SECONDS = f"SELECT number, {rows.SECOND_COLUMNS} FROM second WHERE id = ? ORDER BY number"
_SECOND_VIEWS = f"""
    SELECT {rows.VIEW_COLUMNS}, {rows.HEAT_COLUMNS}
    FROM second_view LEFT JOIN second_view_heat USING (second, place) WHERE second = ? ORDER BY place"""
_ANSWERED = """
    SELECT final, origin, failures, error FROM second WHERE id = ? AND kind = 3 ORDER BY number DESC LIMIT 1"""

_AUDIT_TEXTS = ", ".join(f"CAST({name} AS BLOB)" for name in ("who", "line", "what", "old", "new", "why"))
_AUDIT = f"SELECT number, at, {_AUDIT_TEXTS}, CAST(hash AS BLOB) FROM audit"
_AUDITED = "SELECT seq FROM sqlite_sequence WHERE name = 'audit'"


class Recall:
    """Reads whole records from one connection."""

    def __init__(self, connection: sqlite3.Connection, words: Words) -> None:
        self._connection = connection
        self._words = words

    def by_key(self, line: str, key: str) -> Decision | None:
        """Return the decision that a source's presentation got."""
        found = (self._words.known(line), stored(key))
        return next(self._decisions(f"{_PART} WHERE line = ? AND key = ?", found), None)

    def by_id(self, id: str) -> Decision | None:  # noqa: A002 - the word of the messages
        """Return the decision of an inspection id."""
        return next(self._decisions(f"{_PART} WHERE id = ?", (rows.hexadecimal(id, 16),)), None)

    def page(self, line: str | None, after: int, limit: int) -> list[Decision]:
        """Return decisions by their number, of one line or of all."""
        if line is None:
            return list(self._decisions(f"{_PART} WHERE number > ? ORDER BY number LIMIT ?", (after, limit)))
        query = f"{_PART} WHERE line = ? AND number > ? ORDER BY number LIMIT ?"
        return list(self._decisions(query, (self._words.known(line), after, limit)))

    def owed(self, lane: Lane, after: int, limit: int, views: int) -> list[Owed]:
        """Return deliveries in order, ending early once they hold so many views (one is always returned)."""
        line, reporter = lane
        found = (self._words.known(line), self._words.known(reporter), after, limit)
        owed: list[Owed] = []
        for decision in self._decisions(_OWED, found):
            owed.append(Owed(decision.number, decision))
            views -= len(decision.views)
            if views <= 0:
                break
        return owed

    def seconds(self, id: str) -> list[Second]:  # noqa: A002 - the word of the messages
        """Return what became known of a part later, oldest first."""
        found = self._connection.execute(_SECONDS, (rows.hexadecimal(id, 16),)).fetchall()
        return [rows.second(row, self._views(_SECOND_VIEWS, number), self._words.text) for number, *row in found]

    def parked(self, lane: Lane, after: int, limit: int, ids: tuple[str, ...] = ()) -> list[Parked]:
        """Return parked deliveries by their number, those of these ids or all."""
        which = f" AND part.id IN ({', '.join('?' * len(ids))})" if ids else ""
        query = f"{_PARKED}{which} ORDER BY number LIMIT ?"
        place = (self._words.known(lane[0]), self._words.known(lane[1]), after)
        found = self._connection.execute(query, (*place, *(rows.hexadecimal(id_, 16) for id_ in ids), limit))
        return [
            Parked(number, id_.hex(), restored(part), at, restored(reason))
            for number, id_, part, at, reason in found.fetchall()
        ]

    def oldest(self, lane: Lane) -> float | None:
        """Return when the decision was recorded that waits in a reporter's outbox for the longest, if any does."""
        place = (self._words.known(lane[0]), self._words.known(lane[1]))
        row = self._connection.execute(_OLDEST, place).fetchone()
        return row[0] if row else None

    def growth(self, now: float) -> Growth:
        """Return how the journal has grown, all in all and in the day before a Unix time; a few look-ups."""
        (pages,), (free,), (size,) = (self._connection.execute(f"PRAGMA {of}").fetchone() for of in _PAGES)
        first, last = self._connection.execute(_NUMBERS).fetchone()
        if first is None:
            return Growth((pages - free) * size, 0, 0, 0.0)
        low, high = first, last + 1
        while low < high:  # the first part of the last day: numbers and times grow together
            middle = (low + high) // 2
            (at,) = self._connection.execute(_RECORDED, (middle,)).fetchone()
            low, high = (middle + 1, high) if at < now - DAY_SECONDS else (low, middle)
        row = self._connection.execute(_RECORDED, (low,)).fetchone()
        seconds = min(max(0.0, now - row[0]), DAY_SECONDS) if row else 0.0
        return Growth((pages - free) * size, last - first + 1, last + 1 - low, seconds)

    def lanes(self, table: Literal["outbox", "parked"]) -> Counter[Lane]:
        """Return how many deliveries each line's reporters have there; reads them all."""
        found = self._connection.execute(f"SELECT line, reporter, count(*) FROM {table} GROUP BY 1, 2")
        text = self._words.text
        return Counter({(text(line), text(reporter)): amount for line, reporter, amount in found.fetchall()})

    def audit(self, line: str | None, since: float, after: int, limit: int) -> list[Entry]:
        """Return entries of the audit log by their number, of one line or of all, from a Unix time on."""
        where = f"{_AUDIT} WHERE number > ? AND at >= ? AND coalesce(line = ?, true) ORDER BY number LIMIT ?"
        found = self._connection.execute(where, (after, since, line, limit))
        return [_entry(row) for row in found]

    def newest_audit(self, whats: tuple[str, ...]) -> Entry | None:
        """Return the newest entry of the audit log, or the newest of these kinds."""
        kinds = f"WHERE what IN ({', '.join('?' * len(whats))})" if whats else ""
        row = self._connection.execute(f"{_AUDIT} {kinds} ORDER BY number DESC LIMIT 1", whats).fetchone()
        return _entry(row) if row else None

    def audited_as(self, whats: tuple[str, ...]) -> list[Entry]:
        """Return every entry of the audit log of these kinds, in order."""
        found = self._connection.execute(
            f"{_AUDIT} WHERE what IN ({', '.join('?' * len(whats))}) ORDER BY number", whats
        )
        return [_entry(row) for row in found]

    def audited(self) -> int:
        """Return the last number that an entry of the audit log was ever given, 0 for none."""
        (last,) = self._connection.execute(_AUDITED).fetchone() or (0,)
        return int(last)

    def _decisions(self, query: str, found: rows.Row) -> Iterator[Decision]:
        for number, *row in self._connection.execute(query, found):
            views = self._views(_VIEWS, number)
            yield self._as_answered(row[0], rows.decision(number, row, views, self._words.text))

    def _views(self, query: str, owner: int) -> tuple[ViewDecision, ...]:
        found = self._connection.execute(query, (owner,))
        return tuple(rows.view_decision(row, self._words.text) for row in found)

    def _as_answered(self, id_: bytes, decision: Decision) -> Decision:
        row = self._connection.execute(_ANSWERED, (id_,)).fetchone()
        if row is None:
            return decision
        final, origin, failures, error = row
        return replace(
            decision,
            final=rows.verdict_of(final),
            origin=rows.origin_of(origin) or decision.origin,
            failures=rows.failures_of(failures),
            degraded=True,
            error=decision.error if error is None else bool(error),
        )


def _entry(row: rows.Row) -> Entry:
    """Return an entry; one that was tampered with may hold anything, and must still be read to be found."""
    number, at, *texts, digest = row
    who, line, what, old, new, why = (str(text or b"", "utf-8", "surrogateescape") for text in texts)
    told = {"who": who, "line": line, "what": what, "old": old, "new": new, "why": why}
    return Entry(number=number, at=at, hash=digest or b"", **told)
