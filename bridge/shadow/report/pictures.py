"""Whether the pictures stayed what they were: brightness, contrast and sharpness of each view, week by week."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.shadow import columns, drift
from bridge.shadow.columns import Array
from bridge.shadow.reading import Reading
from bridge.shadow.report import times
from bridge.shadow.report.grouped import DIGITS, Facts
from bridge.store.words import restored

FIGURES: Final = ("brightness", "contrast", "sharpness")
MOST_PARTS: Final = 5_000
"""Of a week at most so many parts are looked at: chance alone then makes an index of some 0.004."""
LEAST_PARTS: Final = 500
"""Of a week so many however many views they have: chance alone makes an index of 0.04, less than is watched."""
MOST_VIEWS: Final = 100_000
"""About so many views are read in all, if that leaves the least number of parts."""
_AT_ONCE: Final = 1_000
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 / the golden ratio."""
_MEASURED: Final = f"""
    SELECT second, ifnull(name, 0), {", ".join(FIGURES)} FROM second_view
    WHERE second IN (SELECT value FROM json_each(?)) AND {" AND ".join(f"{one} IS NOT NULL" for one in FIGURES)}
    ORDER BY second, place"""  # noqa: S608 - our own words
_WORDS: Final = "SELECT number, text FROM word WHERE number IN (SELECT value FROM json_each(?))"


def pictures(folder: Path, found: Reading, day: NDArray[np.int32]) -> list[Facts]:
    """Return how the pictures of each view stand to those of its first week; empty where none was measured.

    Args:
        folder: the data folder.
        found: what was read of it.
        day: of each row of the month.
    """
    week, names = times.weeks(day)
    rows = _some(found, week, len(names))
    seconds = found.second[rows]
    order = np.argsort(seconds)
    measured, views = _measured(folder, seconds[order])
    if not len(measured):
        return []
    of_week = week[rows[order[np.searchsorted(seconds[order], measured[:, 0])]]]
    told = [
        {"view": name, "weeks": list(_against_first(measured[mine, 2:], of_week[mine], names))}
        for number, name in views
        for mine in [measured[:, 1] == number]
    ]
    return sorted(told, key=lambda one: str(one["view"]))


def _some(found: Reading, week: NDArray[np.int32], weeks: int) -> NDArray[np.int64]:
    """Return rows of each week.

    Their numbers times the golden ratio decide: whatever period the line has, cavities or shifts, no phase of it
    is preferred, as every hundredth part could.
    """
    judged = int(np.count_nonzero(found.second))
    views = sum(int(view.counts.sum()) for view in found.views)
    most = MOST_VIEWS * judged // max(1, views * weeks)
    most = min(MOST_PARTS, max(LEAST_PARTS, most))
    kept = []
    for one in range(weeks):
        rows = np.flatnonzero((week == one) & (found.second > 0))
        if len(rows) > most:
            lots = found.second[rows].astype(np.uint64) * _GOLDEN
            rows = np.sort(rows[np.argpartition(lots, most)[:most]])
        kept.append(rows)
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def _measured(folder: Path, seconds: Array) -> tuple[NDArray[np.float64], Sequence[tuple[int, str]]]:
    """Return what was measured: second record, word of the view's name, figures; (n, 5). And the views' names."""
    read = [np.zeros((0, 2 + len(FIGURES)))]
    with columns.open_journal(folder) as journal:
        for start in range(0, len(seconds), _AT_ONCE):
            some = json.dumps(seconds[start : start + _AT_ONCE].tolist())
            if rows := journal.rows(_MEASURED, (some,)):
                read.append(np.array(rows, np.float64))
        measured = np.concatenate(read)
        words = np.unique(measured[:, 1]).astype(int).tolist()
        texts = dict(journal.rows(_WORDS, (json.dumps(words),)))
    return measured, [(word, restored(texts.get(word, ""))) for word in words]


def _against_first(figures: NDArray[np.float64], week: NDArray[np.int32], names: Sequence[str]) -> Iterator[Facts]:
    weeks = np.unique(week)
    first = figures[week == weeks[0]]
    for one in weeks.tolist():
        now = figures[week == one]
        yield {"week": names[one], "measured": len(now)} | {
            name: {"median": round(float(np.median(now[:, at])), DIGITS)}
            | times.told(drift.drift(first[:, at], now[:, at]) if one != weeks[0] else drift.NOTHING)
            for at, name in enumerate(FIGURES)
        }
