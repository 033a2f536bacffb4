"""The journal for everyone but the gateway: read-only, one short look at a time.

A snapshot held open would keep the gateway from emptying its log, so every call opens the file, reads inside one
transaction and closes it again (a fifth of a millisecond).
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bridge.errors import ConfigError, Unavailable
from bridge.messages import Decision, Origin, Verdict
from bridge.store import lived, rows, schema
from bridge.store.audit import Copy, Entry, Verification
from bridge.store.lived import Lived, Shown
from bridge.store.recall import Recall
from bridge.store.records import Change, Lane, Owing, Parked, Pulse, Reported, Second, Stratum, Tally
from bridge.store.words import Words, restored

_COUNTS = """
    SELECT part.line, iif(answered.id IS NULL, part.final, answered.final), coalesce(answered.origin, part.origin),
           part.degraded OR answered.id IS NOT NULL, count(*)
    FROM part LEFT JOIN second AS answered ON answered.id = part.id AND answered.kind = 3
    GROUP BY 1, 2, 3, 4"""
_SECONDS = "SELECT part.line, count(*) FROM second JOIN part ON part.id = second.id GROUP BY 1"
_NUMBER = "SELECT number FROM part WHERE id = ?"
_STRATA = """
    SELECT stratum, count(*), min(second.id) FROM second CROSS JOIN part ON part.id = second.id
    WHERE second.id >= ? AND second.id < ? AND kind = 1 AND stratum IS NOT NULL AND line = ? GROUP BY stratum"""
_AUDIT_CHANCE = """
    SELECT chance FROM second CROSS JOIN part ON part.id = second.id
    WHERE second.id >= ? AND second.id < ? AND kind = 1 AND stratum IN (3, 5) AND line = ?
    ORDER BY second.id DESC LIMIT 1"""
_PULSES = """
    SELECT at, queued, skipped, late, backlog, disk_free FROM pulse
    WHERE line = ? AND at >= ? AND at < ? ORDER BY at"""
_CHANGES = """
    SELECT at, line, name, state, said FROM peer
    WHERE (line = ? OR line IS NULL) AND at >= ? AND at < ? ORDER BY number"""
_OF_LINE = "SELECT number, part, event_at FROM part WHERE line = ?"
_MANY = 10_000
"""So many values stand in one question; SQLite takes 32,766."""
_DRAWN = """
    SELECT second.number, part.number, part.id, part, event_at, coalesce(stratum, 0)
    FROM second CROSS JOIN part ON part.id = second.id
    WHERE second.number > ? AND drawn = 1 AND line = ? ORDER BY second.number LIMIT ?"""
_DIGESTS = "SELECT image FROM view WHERE part = ? AND image IS NOT NULL ORDER BY place"
_PAGE = 1000
_BEFORE_ALL = -(1 << 63)
_REPORTS = "SELECT reporter, outcome, at, latency_ms, said FROM report WHERE id = ? ORDER BY number"


class Drawn(NamedTuple):
    """A presentation that was drawn for labelling."""

    second: int
    """The number of the record that says so."""
    number: int
    """The part's running number."""
    id: bytes
    part: str | bytes
    """The serial number, bytes where it is no Unicode."""
    at: float
    """Unix time of the part's event."""
    stratum: int


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a journal."""

    connection: sqlite3.Connection
    words: Words
    recall: Recall


class Reader:
    """Reads the journal of a data directory, while a gateway writes it or not. Every call blocks on the disk.

    Every method raises ConfigError where there is no journal, or none this version can read, and Unavailable
    where the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / schema.FILE

    def lines(self) -> list[Tally]:
        """Return the counts of every line, by name; they count what was really answered. Reads every part."""
        with self._look() as look:
            counts = look.connection.execute(_COUNTS).fetchall()
            seconds = dict(look.connection.execute(_SECONDS).fetchall())
            by_line: defaultdict[int, list[rows.Row]] = defaultdict(list)
            for line, *row in counts:
                by_line[line].append(tuple(row))
            tallies = [_tally(look.words.text(n), found, seconds.get(n, 0)) for n, found in by_line.items()]
        return sorted(tallies, key=lambda tally: tally.line)

    def decisions(self, line: str | None = None, after: int = 0, limit: int = 1000) -> list[Decision]:
        """Return up to ``limit`` decisions with a number above ``after``, in order, of one line or of all."""
        with self._look() as look:
            return look.recall.page(line, after, limit)

    def decision(self, id: str) -> Decision | None:  # noqa: A002 - the word of the messages
        """Return the decision of an inspection id."""
        with self._look() as look:
            return look.recall.by_id(id)

    def seconds(self, id: str) -> list[Second]:  # noqa: A002 - the word of the messages
        """Return what became known of a part after its answer, oldest first."""
        with self._look() as look:
            return look.recall.seconds(id)

    def strata(self, line: str, since: float, until: float) -> dict[Stratum, tuple[int, float]]:
        """Return how many parts of each stratum a shadow line had in a time, and when the first of them came.

        Times are Unix times. It reads every part of that time: ask for some hours, not for a month.
        """
        with self._look() as look:
            found = look.connection.execute(_STRATA, (*_ids(since, until), look.words.known(line))).fetchall()
        return {Stratum(stratum): (parts, _at(first)) for stratum, parts, first in found}

    def audit_chance(self, line: str, since: float, until: float) -> float | None:
        """Return the chance that the newest part of the audit had between two Unix times, if there is one."""
        with self._look() as look:
            found = (*_ids(since, until), look.words.known(line))
            row = look.connection.execute(_AUDIT_CHANCE, found).fetchone()
        return row[0] if row else None

    def pulses(self, line: str, since: float, until: float) -> list[Pulse]:
        """Return how a line did between two Unix times, minute by minute."""
        with self._look() as look:
            found = look.connection.execute(_PULSES, (look.words.known(line), since, until)).fetchall()
        return [Pulse(at, line, *counts) for at, *counts in found]

    def peers(self, line: str, since: float, until: float) -> list[Change]:
        """Return in order how the plugins of a line, and the judges of all lines, changed between two Unix times.

        How they did when that time began is told by what they changed to before it.
        """
        with self._look() as look:
            found = look.connection.execute(_CHANGES, (look.words.known(line), since, until)).fetchall()
            text = look.words.text
            return [
                Change(at, text(of), text(name), text(state), restored(said or ""))
                for at, of, name, state, said in found
            ]

    def reports(self, id: str) -> list[Reported]:  # noqa: A002 - the word of the messages
        """Return how telling a part to its reporters went, oldest first."""
        with self._look() as look:
            text = look.words.text
            found = look.connection.execute(_REPORTS, (rows.hexadecimal(id, 16),)).fetchall()
            return [
                Reported(text(reporter), text(outcome), at, latency_ms, restored(said or ""))
                for reporter, outcome, at, latency_ms, said in found
            ]

    def numbers(self, ids: Collection[bytes]) -> dict[bytes, int]:
        """Return the running numbers of inspections by their ids, 16 bytes each; unknown ones are left out."""
        with self._look() as look:
            found = {id_: look.connection.execute(_NUMBER, (id_,)).fetchone() for id_ in ids}
        return {id_: row[0] for id_, row in found.items() if row}

    def drawn_parts(self, line: str, after: int = 0, limit: int = 1000) -> list[Drawn]:
        """Return up to ``limit`` presentations that were drawn for labelling, by the number of that record."""
        with self._look() as look:
            known = (after, look.words.known(line), limit)
            return [Drawn(*row) for row in look.connection.execute(_DRAWN, known)]

    def of_serials(self, line: str, serials: Collection[str | bytes]) -> list[tuple[int, str | bytes, float]]:
        """Return the presentations of some serial numbers, as they are kept; reads every part of all lines."""
        found: list[tuple[int, str | bytes, float]] = []
        asked = list(serials)
        with self._look() as look:
            for start in range(0, len(asked), _MANY):
                some = asked[start : start + _MANY]
                query = f"{_OF_LINE} AND part IN ({', '.join('?' * len(some))})"
                found += look.connection.execute(query, (look.words.known(line), *some)).fetchall()
        return found

    def digests(self, numbers: Collection[int]) -> dict[int, list[str]]:
        """Return the hashes of the pictures of parts, by their running numbers."""
        with self._look() as look:
            ask = look.connection.execute
            return {number: [image.hex() for (image,) in ask(_DIGESTS, (number,))] for number in numbers}

    def lived(self, line: str, since: float, until: float, seeded: str = "") -> Lived:
        """Return what came live of a line between two Unix times; it reads all of it: ask for some hours.

        Parts with a serial number like ``seeded``, a pattern, are left out; none are where it is empty.
        """
        with self._look() as look:
            return lived.lived(look.connection, _ids(since, until), look.words.known(line), seeded)

    def shown(
        self, line: str, ids: Collection[bytes], serials: Collection[str], since: float, until: float
    ) -> list[Shown]:
        """Return the presentations of these ids, and those of these serial numbers between two Unix times."""
        with self._look() as look:
            number = look.words.known(line)
            named = lived.by_id(look.connection, number, ids)
            return named + lived.by_serial(look.connection, *_ids(since, until), number, serials)

    def audit(self, line: str | None = None, since: float = 0.0, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Return up to ``limit`` entries of the audit log with a number above ``after``, in order.

        They are those of one line or of all, from a Unix time on.
        """
        with self._look() as look:
            return look.recall.audit(line, since, after, limit)

    def audited_as(self, *whats: str) -> list[Entry]:
        """Return every entry of the audit log of these kinds, in order."""
        with self._look() as look:
            return look.recall.audited_as(whats)

    def verify(self, copy: Copy | None = None) -> Verification:
        """Follow the whole audit log, in many short looks, and find the first entry that is wrong."""
        verification, entries = Verification(copy), [Entry(what="")]
        while entries and not verification.fault:
            with self._look() as look:
                after = verification.number or _BEFORE_ALL
                entries = look.recall.audit(None, float("-inf"), after, _PAGE)
                last = look.recall.audited()
            verification.follow(entries)
        verification.end(last)
        return verification

    def owing(self) -> list[Owing]:
        """Return what every guaranteed reporter owes its peer; only those that owe anything."""
        with self._look() as look:
            queued, parked = look.recall.lanes("outbox"), look.recall.lanes("parked")
            return [
                Owing(*lane, queued[lane], parked[lane], look.recall.oldest(lane))
                for lane in sorted({*queued, *parked})
            ]

    def parked(self, line: str, reporter: str, after: int = 0, limit: int = 1000) -> list[Parked]:
        """Return up to ``limit`` deliveries of a reporter that are parked, with a number above ``after``."""
        with self._look() as look:
            return look.recall.parked((line, reporter), after, limit)

    def outbox(self) -> Mapping[Lane, tuple[int, int]]:
        """Return how many deliveries are queued and parked, by line and reporter; only those with any."""
        with self._look() as look:
            queued, parked = look.recall.lanes("outbox"), look.recall.lanes("parked")
        return {lane: (queued[lane], parked[lane]) for lane in sorted({*queued, *parked})}

    @contextmanager
    def _look(self) -> Iterator[Look]:
        if not self._path.exists():
            raise ConfigError(str(self._path), "is not there", "name the data folder of a gateway that has run")
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=1.0)) as connection:
                connection.execute("BEGIN")
                if (version := schema.check(connection, self._path)) < schema.NEWEST:
                    older = f"is of version {version}, which an older aoi-bridge wrote" if version else "is empty"
                    raise ConfigError(str(self._path), older, "start the gateway once")
                words = Words(connection)
                yield Look(connection, words, Recall(connection, words))
        except sqlite3.DatabaseError as exc:
            raise Unavailable(f"{self._path}: {exc}") from exc


def _ids(since: float, until: float) -> tuple[bytes, bytes]:
    """Return the lowest inspection ids of two Unix times: ids begin with the time in milliseconds."""
    first, last = (max(0, int(at * 1000)).to_bytes(6, "big") + bytes(10) for at in (since, until))
    return first, last


def _at(id_: bytes) -> float:
    return int.from_bytes(id_[:6], "big") / 1000


def _tally(line: str, counts: list[rows.Row], seconds: int) -> Tally:
    verdicts: Counter[Verdict | None] = Counter()
    origins: Counter[Origin] = Counter()
    degraded = 0
    for final, origin, fallback, amount in counts:
        verdicts[rows.verdict_of(final)] += amount
        origins[rows.origin_of(origin) or Origin.LEGACY] += amount
        degraded += amount if fallback else 0
    return Tally(
        line=line,
        parts=verdicts.total(),
        ok=verdicts[Verdict.OK],
        ng=verdicts[Verdict.NG],
        degraded=degraded,
        origins=origins,
        seconds=seconds,
    )
