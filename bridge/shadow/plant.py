"""Days, weeks and shifts as the plant counts them, for millions of instants at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bridge.config.shadow import Shadow

DAY: Final = 86_400
_QUARTER: Final = 900
"""Clocks are put forward and back at a quarter of an hour of UTC, everywhere and always since 1972."""
_BLOCK: Final = 65_536
"""So many instants at once, so that nothing large is there twice."""
_EPOCH: Final = date(1970, 1, 1)


def local(at: NDArray[np.float64], timezone: str) -> NDArray[np.float64]:
    """Return what the plant's clocks show, as seconds since 1970-01-01 00:00 of the plant; (n,) → (n,)."""
    if not len(at):
        return at
    offsets, first = _offsets(at, timezone)
    return at + offsets[(at // _QUARTER).astype(np.int64) - first]


def _offsets(at: NDArray[np.float64], timezone: str) -> tuple[NDArray[np.float64], int]:
    """Return how far the plant is ahead of UTC in every quarter of an hour, in seconds, and the first quarter."""
    zone, first = ZoneInfo(timezone), int(at.min() // _QUARTER)
    quarters = range(first, int(at.max() // _QUARTER) + 1)
    return np.fromiter((_offset(quarter, zone) for quarter in quarters), np.float64, len(quarters)), first


def _offset(quarter: int, zone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(quarter * _QUARTER, UTC).astimezone(zone).utcoffset()
    return offset.total_seconds() if offset else 0.0


def days(at: NDArray[np.float64], timezone: str) -> NDArray[np.int32]:
    """Return the day of each instant, counted from 1970-01-01; (n,) → (n,)."""
    found = np.empty(len(at), np.int32)
    if not len(at):
        return found
    offsets, first = _offsets(at, timezone)
    for start in range(0, len(at), _BLOCK):
        some = at[start : start + _BLOCK]
        found[start : start + _BLOCK] = (some + offsets[(some // _QUARTER).astype(np.int64) - first]) // DAY
    return found


def shifts(at: NDArray[np.float64], shadow: Shadow) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Return the day on which each instant's shift began, and which shift of the day it is; (n,) → (n,), (n,).

    What comes before the first shift of a day belongs to the last one of the day before.
    """
    begins = np.array([60 * int(one[:2]) + int(one[3:]) for one in shadow.shifts])
    day, shift = np.empty(len(at), np.int32), np.empty(len(at), np.int8)
    for start in range(0, len(at), _BLOCK):
        some = slice(start, start + _BLOCK)
        clock = local(at[some], shadow.timezone)
        today = clock // DAY
        found = np.searchsorted(begins, (clock - today * DAY) // 60, side="right") - 1
        day[some], shift[some] = today - (found < 0), np.where(found < 0, len(begins) - 1, found)
    return day, shift


def lots(at: NDArray[np.float64], shadow: Shadow) -> tuple[NDArray[np.int32], Sequence[str]]:
    """Return what stands for a lot where the source names none, the shift: index of each part, and the names."""
    day, shift = shifts(at, shadow)
    count = len(shadow.shifts)
    found, index = ranked(day * count + shift)
    names = [f"{day_name(int(one) // count)} {shadow.shifts[int(one) % count]}" for one in found]
    return index, names


def ranked(values: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the values there are, in order, and the place of each in them; whole numbers of a small range."""
    if not len(values):
        return values, values
    low = values.min()
    there = np.flatnonzero(np.bincount(values - low)).astype(np.int32)
    place = np.zeros(int(there[-1]) + 1, np.int32)
    place[there] = np.arange(len(there))
    return there + low, place[values - low]


def day_name(day: int) -> str:
    """Return a day as people write it: 2026-11-21."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_of(name: str) -> int:
    """Return the number of a day.

    Raises:
        ValueError: it is no day.
    """
    return (date.fromisoformat(name) - _EPOCH).days


def week_name(day: int) -> str:
    """Return the ISO week of a day: 2026-W47."""
    year, week, _ = (_EPOCH + timedelta(days=day)).isocalendar()
    return f"{year}-W{week:02}"


def instant(day: int, timezone: str) -> float:
    """Return the Unix time at which a day of the plant begins."""
    begun = datetime.combine(_EPOCH + timedelta(days=day), datetime.min.time(), ZoneInfo(timezone))
    return begun.timestamp()
