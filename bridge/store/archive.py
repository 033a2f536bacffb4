"""A line's parts out of the journal many at a time, each with its second records: what a replay reads.

Looking a part up by itself costs two queries and more; a page of them costs four together.
"""

# ruff: noqa: S608 - only column lists and table names of this package stand in the queries, never a value

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.messages import Decision, ViewDecision
from bridge.store import rows
from bridge.store.reading import Look, Reader
from bridge.store.records import Second, Stratum

_SPAN = "line = ? AND number > ? AND number <= ? AND event_at >= ? AND event_at < ?"
_PARTS = f"SELECT recorded_at, number, {rows.PART_COLUMNS} FROM part WHERE {_SPAN} ORDER BY number LIMIT ?"
_COUNT = f"SELECT count(*), max(number) FROM part WHERE {_SPAN}"
_VIEWS = f"""
    SELECT part, {rows.VIEW_COLUMNS}, {rows.HEAT_COLUMNS} FROM view LEFT JOIN view_heat USING (part, place)
    WHERE part IN (SELECT value FROM json_each(?)) ORDER BY part, place"""
_SECONDS = f"SELECT number, {rows.SECOND_COLUMNS} FROM second WHERE id IN ({{marks}}) ORDER BY number"
_SECOND_VIEWS = f"""
    SELECT second, {rows.VIEW_COLUMNS}, {rows.HEAT_COLUMNS}
    FROM second_view LEFT JOIN second_view_heat USING (second, place)
    WHERE second IN (SELECT value FROM json_each(?)) ORDER BY second, place"""
_DRAWN = f"""
    SELECT stratum, count(*) FROM second
    WHERE drawn AND stratum IS NOT NULL AND id IN (SELECT id FROM part WHERE {_SPAN}) GROUP BY 1"""
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which parts are meant."""

    line: str
    since: float = float("-inf")
    """Unix time of the part's own event."""
    until: float = float("inf")
    """Not this instant itself."""
    last: int = _LARGEST
    """The highest number."""


@dataclass(frozen=True, slots=True)
class Presented:
    """One part, and what became known of it later."""

    decision: Decision
    recorded_at: float
    seconds: tuple[Second, ...]
    """Oldest first."""


class Archive(Reader):
    """Reads a journal by the page; raises what every reader does."""

    def count(self, span: Span, after: int = 0) -> tuple[int, int]:
        """Return how many parts with a number above ``after`` there are, and the highest number, 0 for none."""
        with self._look() as look:
            amount, last = look.connection.execute(_COUNT, _found(look, span, after)).fetchone()
            return amount, last or 0

    def page(self, span: Span, after: int, limit: int) -> list[Presented]:
        """Return up to ``limit`` parts with a number above ``after``, in order."""
        with self._look() as look:
            found = look.connection.execute(_PARTS, (*_found(look, span, after), limit)).fetchall()
            views = _views(look, _VIEWS, [row[1] for row in found])
            seconds = _seconds(look, [row[2] for row in found])
            return [
                Presented(rows.decision(number, row, views[number], look.words.text), at, tuple(seconds[row[0]]))
                for at, number, *row in found
            ]

    def drawn(self, span: Span) -> Counter[Stratum]:
        """Return how many parts were drawn for labelling, by stratum; reads every part of the span."""
        with self._look() as look:
            found = look.connection.execute(_DRAWN, _found(look, span, 0))
            return Counter({Stratum(stratum): amount for stratum, amount in found})


def _found(look: Look, span: Span, after: int) -> rows.Row:
    return (look.words.known(span.line), after, span.last, span.since, span.until)


def _seconds(look: Look, ids: Sequence[bytes]) -> defaultdict[bytes, list[Second]]:
    query = _SECONDS.format(marks=", ".join("?" * len(ids)))
    found = look.connection.execute(query, ids).fetchall()
    views = _views(look, _SECOND_VIEWS, [row[0] for row in found])
    made: defaultdict[bytes, list[Second]] = defaultdict(list)
    for number, *row in found:
        made[row[0]].append(rows.second(tuple(row), views[number], look.words.text))
    return made


def _views(look: Look, query: str, owners: Iterable[int]) -> defaultdict[int, tuple[ViewDecision, ...]]:
    made: defaultdict[int, tuple[ViewDecision, ...]] = defaultdict(tuple)
    for owner, *row in look.connection.execute(query, (json.dumps(list(owners)),)):
        made[owner] += (rows.view_decision(tuple(row), look.words.text),)
    return made
