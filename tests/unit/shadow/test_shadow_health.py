from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from small_month import BEGIN, DAY, LINE, OK, Told, book

from bridge.config.shadow import Shadow
from bridge.shadow import counting, health, plant, reading
from bridge.shadow.health import Health
from bridge.store import schema

HOUR = 3600.0


def counted(*numbers: int) -> counting.Counting:
    return counting.counted(np.arange(len(numbers), dtype=float), np.array(numbers, np.int64))


def test_numbers_that_never_came_are_parts_that_nobody_saw() -> None:
    """A part that came late or twice is no gap."""
    found = counted(7, 8, 11, 10, 10, 15, 9)
    assert (found.seen, found.missing, found.wraps, list(found.resets)) == (6, 3, 0, [])
    assert [(gap.at, gap.first, gap.parts) for gap in found.gaps] == [(5.0, 12, 3)]


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ((65_533, 65_534, 65_535, 0, 1), 0),
        ((65_533, 65_534, 65_535, 1, 2), 0),
        ((65_533, 65_534, 2, 3), 2),
        ((9_998, 9_999, 0, 1), 0),
        ((998, 999, 0, 4), 3),
    ],
)
def test_a_number_that_runs_over_its_digits_goes_on(numbers: tuple[int, ...], missing: int) -> None:
    """It begins again at 0, or at 1 where it never was 0."""
    found = counted(*numbers)
    assert (found.wraps, found.missing, list(found.resets)) == (1, missing, [])


def test_a_number_that_begins_elsewhere_hides_what_was_lost() -> None:
    """A restart of the inspector is told as such, and counts no part as lost."""
    found = counted(5_000, 5_001, 1, 2, 3, 4_000_000, 4_000_001)
    assert (found.seen, found.missing, found.wraps, list(found.resets)) == (7, 0, 0, [2.0, 5.0])
    assert counting.counted(np.empty(0), np.empty(0, np.int64)).seen == 0


def month(folder: Path) -> None:
    """Write two days: a clean restart, a crash, a peer that goes down, a queue that fills."""
    with book(folder) as filled:
        for hour in range(48):
            if not 20 <= hour < 26:
                filled.add(Told(at=BEGIN + hour * HOUR, legacy=OK, model=OK, scores=(0.9,), latency_ms=hour))
    with closing(sqlite3.connect(folder / schema.FILE)) as journal:
        words = dict(journal.execute("SELECT text, number FROM word").fetchall())
        for text in ("mes", "pins", "up", "down", "starting"):
            words[text] = journal.execute(
                "INSERT INTO word (text) VALUES (?) RETURNING number", (text,)
            ).fetchone()[0]
        line = words[LINE]
        pulse = (
            "INSERT INTO pulse (at, line, queued, skipped, late, backlog, disk_free) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        journal.executemany(
            pulse,
            [
                (BEGIN + 60, line, 3, 0, 0, 1, 900),
                (BEGIN + 120, line, 512, 40, 2, 7, 800),
                (BEGIN + DAY + 60, line, 0, 5, 1, 0, 700),  # the gateway was started anew, so it counts from 0
                (BEGIN + DAY + 120, line, 1, 6, 1, 0, 750),
            ],
        )
        peer = "INSERT INTO peer (at, line, name, state) VALUES (?, ?, ?, ?)"
        journal.executemany(
            peer,
            [
                (BEGIN, line, words["mes"], words["up"]),
                (BEGIN + 6 * HOUR, line, words["mes"], words["down"]),
                (BEGIN + 9 * HOUR, line, words["mes"], words["up"]),
                (BEGIN, None, words["pins"], words["up"]),
            ],
        )
        audit = (
            "INSERT INTO audit (at, who, line, what, old, new, why, hash) VALUES (?, '', '', ?, '', '', '', x'00')"
        )
        entries = [
            (BEGIN - DAY, "start"),
            (BEGIN + 10 * HOUR, "stop"),
            (BEGIN + 11 * HOUR, "start"),
            (BEGIN + 26 * HOUR, "crash found"),
            (BEGIN + 26 * HOUR, "start"),
        ]
        journal.executemany(audit, entries)
        journal.commit()


@pytest.fixture
def found(tmp_path: Path) -> Health:
    month(tmp_path)
    read = reading.read(tmp_path, LINE, Shadow(), BEGIN, BEGIN + 2 * DAY)
    return health.health_of(tmp_path, read, plant.days(read.month.at, "UTC"), "UTC")


def test_each_day_tells_its_worst(found: Health) -> None:
    """Counts since the start of the gateway become counts of the day, also over a restart."""
    told = [(day.minutes, day.queued, day.skipped, day.late, day.backlog, day.disk_free) for day in found.days]
    assert told == [(2, 512, 40, 2, 7, 800), (2, 1, 6, 1, 0, 700)]


def test_a_crash_is_no_stop(found: Health) -> None:
    """After a crash the bridge was away since the last that it recorded."""
    away = [((one.since - BEGIN) / HOUR, (one.until - BEGIN) / HOUR, one.crashed) for one in found.away]
    assert away == [(10.0, 11.0, False), (pytest.approx(24 + 2 / 60), 26.0, True)]
    assert (found.starts, found.stops, found.crashes) == (2, 1, 1)


def test_the_first_part_after_a_start_is_none_before_it() -> None:
    """Though its time, by another clock, may lie a moment before."""
    alive = np.array([BEGIN, BEGIN + HOUR - 0.0002, BEGIN + 2 * HOUR])
    entries = [(BEGIN - 0.1, "start"), (BEGIN + HOUR, "crash found"), (BEGIN + HOUR, "start")]
    (one,) = health._away(entries, alive, (BEGIN - HOUR, BEGIN + DAY))
    assert (one.since, one.until, one.crashed) == (BEGIN, BEGIN + HOUR, True)


def test_a_silence_is_told_with_what_was_the_matter(found: Health) -> None:
    silences = [one for one in found.silences if one.until - one.since > 2 * HOUR]
    assert [((one.since - BEGIN) / HOUR, (one.until - BEGIN) / HOUR, one.away) for one in silences] == [
        (19.0, 26.0, True)
    ]


def test_a_peer_is_up_or_not_while_the_gateway_runs(found: Health) -> None:
    """Six hours of 45 it was not; while the gateway was away nobody knows."""
    mes, pins = found.peers
    gone = 1 * HOUR + (2 - 2 / 60) * HOUR
    assert (mes.name, mes.judge, mes.downs, mes.longest_down) == ("mes", False, 1, 3 * HOUR)
    assert (mes.known_seconds, mes.up_seconds) == (
        pytest.approx(2 * DAY - gone),
        pytest.approx(2 * DAY - gone - 3 * HOUR),
    )
    assert (pins.name, pins.judge, pins.downs, pins.up_seconds) == ("pins", True, 0, pins.known_seconds)


def test_latencies_are_told_by_day(found: Health) -> None:
    first, second = found.latencies
    assert (first.parts, second.parts) == (20, 22)
    assert first.answer == [9.0, 18.0, 19.0, 19.0]
    assert second.answer == [36.0, 46.0, 47.0, 47.0]
    assert first.judge == [40.0] * 4
