"""What the journal holds of a live line, counted by SQLite itself: that holds up none of the gateway's threads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_LIVE = """part.id >= :first AND part.id < :last AND part.line = :line AND part.stage = 2
    AND (:seeded = '' OR CAST(part.part AS TEXT) NOT GLOB :seeded)"""
_COUNTS = f"""
    SELECT count(*), coalesce(sum(legacy = 2 AND final = 2), 0),
           coalesce(sum(model IN (1, 2) AND legacy IN (1, 2)), 0),
           coalesce(sum(model IN (1, 2) AND legacy IN (1, 2) AND model != legacy), 0),
           coalesce(sum(goal = 1 AND legacy = 2 AND final = 1 AND origin = 2), 0)
    FROM part WHERE {_LIVE}"""  # noqa: S608 - our own words
_GUARD = f"""
    SELECT coalesce(sum(second.drawn), 0)
    FROM part CROSS JOIN second ON second.id = part.id WHERE {_LIVE} AND second.kind = 4"""  # noqa: S608 - same
_SCORES = f"""
    SELECT lowest, count(*) FROM (
        SELECT round(min(view.score), 3) AS lowest FROM part CROSS JOIN view ON view.part = part.number
        WHERE {_LIVE} AND view.score IS NOT NULL GROUP BY part.number) GROUP BY lowest"""  # noqa: S608 - same
_FOUND = """
    SELECT part.id, part.part, part.event_at, part.stage = 2 AND part.legacy = 2 AND part.final = 2,
           coalesce((SELECT drawn FROM second WHERE second.id = part.id AND kind = 4), 0) FROM part"""
_BY_ID = f"{_FOUND} WHERE part.line = ? AND part.id = ?"
_BY_SERIAL = f"""
    {_FOUND} WHERE part.id >= ? AND part.id < ? AND part.line = ?
    AND part.part IN (SELECT value FROM json_each(?)) ORDER BY part.number"""  # noqa: S608 - same


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """Live parts of a span of time."""

    parts: int
    ng: int
    """Those that the inspector and the answer both call NG, what was held back included."""
    compared: int
    """Those of which inspector and model both have a verdict."""
    disagreed: int
    """Of these, how many differ."""
    clearable: int
    """Those that goal 1 cleared, and those that were held back.

    The parts themselves are counted: a crash can take the record of one that was not held back, and it was let
    through all the same.
    """
    held: int
    scores: Mapping[float, int]
    """How often the lowest score of a part's views was this, rounded to thousandths."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One presentation, as far as a label of it matters."""

    id: bytes
    part: str | bytes
    """The serial number as the journal keeps it."""
    at: float
    """Unix time of its event."""
    stayed_ng: bool
    """Whether the inspector and the answer both call it NG, live."""
    held: bool
    """Whether it was held back: it would have been cleared."""


def lived(connection: sqlite3.Connection, ids: tuple[bytes, bytes], line: int | None, seeded: str = "") -> Lived:
    """Return what came of a line between two inspection ids, without serial numbers like ``seeded``."""
    found = {"first": ids[0], "last": ids[1], "line": line, "seeded": seeded}
    parts, ng, compared, disagreed, cleared = connection.execute(_COUNTS, found).fetchone()
    (held,) = connection.execute(_GUARD, found).fetchone()
    scores = dict(connection.execute(_SCORES, found).fetchall())
    return Lived(
        parts=parts,
        ng=ng,
        compared=compared,
        disagreed=disagreed,
        clearable=cleared + held,
        held=held,
        scores=scores,
    )


def by_id(connection: sqlite3.Connection, line: int | None, ids: Collection[bytes]) -> list[Shown]:
    """Return the presentations of these inspection ids; unknown ones are left out."""
    found = [connection.execute(_BY_ID, (line, id_)).fetchone() for id_ in ids]
    return [_shown(row) for row in found if row]


def by_serial(
    connection: sqlite3.Connection, first: bytes, last: bytes, line: int | None, serials: Collection[str]
) -> list[Shown]:
    """Return the presentations of these serial numbers between two inspection ids, in order."""
    found = connection.execute(_BY_SERIAL, (first, last, line, json.dumps(sorted(serials))))
    return [_shown(row) for row in found]


def _shown(row: tuple[bytes, str | bytes, float, int, int]) -> Shown:
    id_, part, at, stayed_ng, held = row
    return Shown(id_, part, at, bool(stayed_ng), bool(held))
