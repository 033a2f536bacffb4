"""Health of the month: was the line seen all the time, was the bridge there, and did its work keep up?

Straight from the journal: pulses (one a minute), the audit log's starts and stops, changes of state of plugins,
and the inspector's own running number, which tells of parts that the bridge never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.attendance import CRASH, START, STOP
from bridge.shadow import columns, plant
from bridge.shadow.counting import Counting
from bridge.shadow.month import Month
from bridge.shadow.reading import Reading
from bridge.store.words import restored
from bridge.watched import State

SILENCE_SECONDS: Final = 900.0
"""Where no part came for longer, the report says so."""
PERCENTILES: Final = (50.0, 95.0, 99.0, 100.0)
_JITTER_SECONDS: Final = 1.0
"""A part that is recorded so little before a start may be its first: two clocks tell the two times."""
_KINDS: Final = (START, STOP, CRASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of a line's pulses; None where there was no pulse."""

    day: int
    """Counted from 1970-01-01."""
    minutes: int
    """Pulses, one a minute."""
    queued: int
    """The most shadow parts that waited for the judge."""
    skipped: int
    """Shadow parts that were passed over on this day."""
    late: int
    """Parts with a missed deadline on this day."""
    backlog: int
    """The most deliveries that were owed."""
    disk_free: int
    """The least, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One day's percentiles, in milliseconds, as ``PERCENTILES``."""

    day: int
    parts: int
    answer: Sequence[float]
    """From the part's event to the answer."""
    judge: Sequence[float]
    """How long the judge took; nan where nothing was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A time in which the gateway did not run."""

    since: float
    """Unix time of the stop; after a crash, of the last that was recorded before it."""
    until: float
    crashed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A time in which no part came."""

    since: float
    until: float
    away: bool
    """The gateway did not run during it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """How much of the time a plugin was up, of the time in which the gateway ran."""

    name: str
    judge: bool
    up_seconds: float
    known_seconds: float
    downs: int
    """How often it went down."""
    longest_down: float
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All of it."""

    days: Sequence[Day]
    latencies: Sequence[Latency]
    starts: int
    stops: int
    away: Sequence[Away]
    silences: Sequence[Silence]
    counting: Counting
    peers: Sequence[Peer]

    @property
    def crashes(self) -> int:
        """How often the gateway ended without a clean stop."""
        return sum(one.crashed for one in self.away)


def health_of(folder: Path, found: Reading, day: NDArray[np.int32], timezone: str) -> Health:
    """Return how the line and the bridge did in the time that was read; blocks on the disk.

    Args:
        folder: the data folder.
        found: what was read.
        day: of each distinct part, counted from 1970-01-01.
        timezone: of the plant.

    Raises:
        ConfigError: there is no journal that this version can read.
        Unavailable: the disk refuses.
    """
    span = (found.begin, found.end)
    with columns.open_journal(folder) as journal:
        line = journal.one("SELECT number FROM word WHERE text = ?", (found.line,))[0]
        pulses = journal.rows(
            "SELECT at, queued, skipped, late, backlog, disk_free FROM pulse "
            "WHERE line = ? AND at >= ? AND at < ? ORDER BY at",
            (line, *span),
        )
        marks = ", ".join("?" * len(_KINDS))
        entries = journal.rows(
            f"SELECT at, what FROM audit WHERE what IN ({marks}) AND at < ? ORDER BY number",  # noqa: S608
            (*_KINDS, found.end),
        )
        states = journal.rows(
            "SELECT peer.at, line IS NULL OR line = 0, name.text, state.text FROM peer "
            "JOIN word AS name ON name.number = peer.name JOIN word AS state ON state.number = peer.state "
            "WHERE (line = ? OR line IS NULL OR line = 0) AND peer.at < ? ORDER BY peer.number",
            (line, found.end),
        )
    table = np.array(pulses, np.float64).reshape(len(pulses), 6)
    alive = np.union1d(found.month.at, table[:, 0]) if len(table) else found.month.at
    away = _away(entries, alive, span)
    return Health(
        days=_days(table, timezone),
        latencies=_latencies(found.month, day),
        starts=sum(what == START and at >= found.begin for at, what in entries),
        stops=sum(what == STOP and at >= found.begin for at, what in entries),
        away=away,
        silences=_silences(found.month.at, span, away),
        counting=found.counting,
        peers=_peers(states, away, span),
    )


def _days(pulses: NDArray[np.float64], timezone: str) -> list[Day]:
    if not len(pulses):
        return []
    day, (queued, skipped, late, backlog, free) = plant.days(pulses[:, 0], timezone), pulses[:, 1:].T
    return [
        Day(
            day=int(one),
            minutes=int((mine := day == one).sum()),
            queued=int(queued[mine].max()),
            skipped=int(_grown(skipped)[mine].sum()),
            late=int(_grown(late)[mine].sum()),
            backlog=int(backlog[mine].max()),
            disk_free=int(free[mine].min()),
        )
        for one in np.unique(day)
    ]


def _grown(count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much a count grew since the pulse before; after a start it begins at 0 again."""
    growth = np.diff(count, prepend=count[0])
    return np.where(growth < 0, count, growth)


def _latencies(month: Month, day: NDArray[np.int32]) -> list[Latency]:
    if not len(month):
        return []
    edges = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
    return [
        Latency(
            day=int(day[start]),
            parts=int(end - start),
            answer=_percentiles(month.latency_ms[start:end]),
            judge=_percentiles(month.judge_ms[start:end]),
        )
        for start, end in zip(edges, [*edges[1:], len(day)], strict=True)
    ]


def _percentiles(values: NDArray[np.float32]) -> list[float]:
    """Return percentiles that came to pass: of 99 % of the parts it was no more than this."""
    known = values[~np.isnan(values)]
    if not len(known):
        return [float("nan")] * len(PERCENTILES)
    return [float(one) for one in np.percentile(known, PERCENTILES, method="inverted_cdf")]


def _away(entries: Sequence[Any], alive: NDArray[np.float64], span: tuple[float, float]) -> list[Away]:
    """Return when the gateway did not run, by the audit log; a crash is known by the start that found it."""
    found, stopped, crashed = [], None, False
    for at, what in entries:
        if what == STOP:
            stopped = at
        elif what == CRASH:
            crashed = True
        else:
            before = np.searchsorted(alive, at - _JITTER_SECONDS) - 1
            since = stopped if stopped is not None and not crashed else alive[before] if before >= 0 else None
            if since is not None and at >= span[0]:
                found.append(Away(since=float(max(since, span[0])), until=at, crashed=crashed))
            stopped, crashed = None, False
    if stopped is not None and stopped >= span[0]:
        found.append(Away(since=stopped, until=span[1], crashed=False))
    return found


def _silences(at: NDArray[np.float64], span: tuple[float, float], away: Sequence[Away]) -> list[Silence]:
    edges = np.concatenate(([span[0]], at, [span[1]]))
    long = np.flatnonzero(np.diff(edges) > SILENCE_SECONDS)
    return [
        Silence(
            since=float(edges[place]),
            until=float(edges[place + 1]),
            away=any(one.since < edges[place + 1] and one.until > edges[place] for one in away),
        )
        for place in long
    ]


def _peers(states: Sequence[Any], away: Sequence[Away], span: tuple[float, float]) -> list[Peer]:
    """Return how long each plugin was up; while the gateway was away, nobody knows."""
    histories: dict[tuple[bool, str], list[tuple[float, str]]] = {}
    for at, judge, name, state in states:
        histories.setdefault((bool(judge), restored(name)), []).append((at, restored(state)))
    return [_peer(*whose, changes, away, span) for whose, changes in sorted(histories.items())]


def _peer(
    judge: bool,  # noqa: FBT001 - half of a key
    name: str,
    changes: Sequence[tuple[float, str]],
    away: Sequence[Away],
    span: tuple[float, float],
) -> Peer:
    up = known = longest = 0.0
    downs = 0
    ends = [*(at for at, _ in changes[1:]), span[1]]
    for (at, state), end in zip(changes, ends, strict=True):
        since, until = max(at, span[0]), min(end, span[1])
        if until <= since or state == State.ENDED:
            continue
        gone = sum(max(0.0, min(one.until, until) - max(one.since, since)) for one in away)
        seconds = until - since - gone
        known += seconds
        if state == State.UP:
            up += seconds
        elif state == State.DOWN:
            downs += at >= span[0]
            longest = max(longest, seconds)
    return Peer(name=name, judge=judge, up_seconds=up, known_seconds=known, downs=downs, longest_down=longest)
