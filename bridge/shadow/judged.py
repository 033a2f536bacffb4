"""What the judge said of parts of a shadow line, out of the journal's second records and their views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.shadow import columns
from bridge.shadow.columns import Column, Columns, Ids, Key, Scaled, Steady, Table
from bridge.shadow.month import NG
from bridge.shadow.presented import LEGACY, SLACK

MODEL, GOALS, FALLBACKS, IN_TIME, STRATUM, DRAWN = 0, 2, 8, 14, 16, 20
"""Where in ``said`` each begins: two bits each, goals and fallbacks three times; the stratum four, drawn one."""
_SAID: Final = ("model", "goal_1", "goal_2", "goal_3", "fallback_1", "fallback_2", "fallback_3", "in_time + 1")
_COLUMNS: Final = (
    Key("number"),
    Column(
        columns.packed(
            *((f"ifnull({one}, 0)", 2) for one in _SAID),
            ("ifnull(stratum, 0)", 4),
            ("ifnull(drawn, 0)", 1),
            ("ifnull(bundle, 0)", 31),
        )
    ),
    Scaled("judge_ms", 1_000),
    Scaled("chance", 1_000_000_000),
    Ids("id"),
)
_VIEW_COLUMNS: Final = (
    Column("second"),
    Column(columns.packed(("ifnull(legacy, 0)", 2), ("ifnull(model, 0)", 2), ("ifnull(name, 0)", 31))),
    Scaled("score", 1_000_000_000_000_000),
    Steady("threshold", 1_000_000_000_000_000),
)
_SHADOW, _GUARD = 1, 4
_PROBED: Final = 64

Counts = Counter[tuple[int, int, int]]
"""How many views of first presentations there are, by the word of the name, inspector's verdict and model's."""


def judged(folder: Path, parts: Columns, begin: float, end: float) -> tuple[Columns, Counter[int]]:
    """Return what the judge said of each presentation, and how often which bundle spoke, by its word's number.

    Of two records of one part the newer counts. The columns:

    ========  =======  =============================================================
    second    int64    the number of the second record, 0 where there is none
    said      uint32   see ``MODEL`` and those beside it
    chance    float32  with which it was drawn, 0 where it had none
    judge_ms  float32  nan where the judge was not heard
    ========  =======  =============================================================
    """
    with columns.open_journal(folder) as journal:
        first = journal.after("second", "at", begin)
        numbers = range(first, journal.after("second", "at", end + SLACK))
    size, places = len(parts["number"]), _Places(parts["high"], parts["low"])
    bundles: Counter[int] = Counter()
    found: Columns = {
        "second": np.zeros(size, np.int64),
        "said": np.zeros(size, np.uint32),
        "chance": np.zeros(size, np.float32),
        "judge_ms": np.full(size, np.nan, np.float32),
    }

    def take(block: list[Any]) -> tuple[Any, ...]:
        number, codes, took, odds, ids = block
        row = places.of(ids)
        known = row >= 0
        return row[known], number[known], codes[known], np.nan_to_num(odds[known]), took[known]

    where = Table("second", "number", f"kind IN ({_SHADOW}, {_GUARD})")
    for row, number, codes, odds, took in columns.blocks(folder, where, _COLUMNS, numbers, take):
        found["second"][row], found["chance"][row], found["judge_ms"][row] = number, odds, took
        found["said"][row] = codes & 0x1FFFFF
        told, times = np.unique(codes >> 21, return_counts=True)
        bundles.update(dict(zip(told.tolist(), times.tolist(), strict=True)))
    return found, bundles


class _Places:
    """Finds presentations by their ids: by the first eight bytes, or by all where two have those in common."""

    def __init__(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> None:
        self._low = low
        growing = bool((high[1:] > high[:-1]).all())
        self._order = None if growing else np.argsort(high, kind="stable")
        self._known: NDArray[Any] = high if self._order is None else high[self._order]
        if (self._known[1:] == self._known[:-1]).any():
            self._order = np.lexsort((low, high))
            self._known = _whole(np.stack((high, low), axis=1)[self._order])

    def of(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of each id, -1 where it is none of these; (m, 2) → (m,)."""
        if not len(self._known):
            return np.full(len(ids), -1, np.int64)
        sought = ids[:, 0] if self._known.dtype == np.uint64 else _whole(ids)
        place = np.minimum(np.searchsorted(self._known, sought), len(self._known) - 1)
        row = place if self._order is None else self._order[place]
        return np.where((self._known[place] == sought) & (self._low[row] == ids[:, 1]), row, -1)


def _whole(ids: NDArray[np.uint64]) -> NDArray[np.bytes_]:
    """Return ids as bytes that compare as a whole; (m, 2) → (m,)."""
    return np.ascontiguousarray(ids, ">u8").view("S16").ravel()


def viewed(
    folder: Path, parts: Columns, second: NDArray[np.int64], first: NDArray[np.bool_]
) -> tuple[Columns, Counts]:
    """Return what the views of each presentation came to, and how many views there are of each kind.

    The columns: ``one`` and ``two``, the lowest score of the views that goals 1 and 2 ask for, nan where the goal
    asks for none or one of them has none; and ``threshold``, the highest of the part's views. All float32.

    Args:
        folder: the data folder.
        parts: the presentations.
        second: their second records.
        first: which of them are the first presentation of a part.
    """
    lows = {name: np.full(len(second), np.nan, np.float32) for name in ("one", "two", "threshold")}
    counts: Counts = Counter()
    known = np.flatnonzero(second)
    if not len(known):
        return lows, counts
    start, stop = int(second[known].min()), int(second[known].max()) + 1
    row_of = np.full(stop - start, -1, np.int32)
    row_of[second[known] - start] = known

    def take(block: list[Any]) -> tuple[Any, ...]:
        row = row_of[block[0] - start]
        mine = row >= 0
        row, codes, score, limit = row[mine], *(column[mine] for column in block[1:])
        told, times = np.unique(codes[first[row]], return_counts=True)
        edges = np.flatnonzero(np.diff(row, prepend=-1))
        return row[edges], _lowest(edges, codes, score, limit), told, times

    where, size = Table("second_view", "second"), _seconds_per_block(folder, second[known])
    for row, found, told, times in columns.blocks(folder, where, _VIEW_COLUMNS, range(start, stop), take, size):
        for array, one in zip(lows.values(), found, strict=True):
            array[row] = one
        for code, count in zip(told.tolist(), times.tolist(), strict=True):
            counts[code >> 4, code & 3, code >> 2 & 3] += count
    lows["one"][parts["codes"] & LEGACY != NG] = np.nan
    return lows, counts


def _lowest(
    edges: NDArray[np.int64], codes: NDArray[np.int64], score: NDArray[np.float64], limit: NDArray[np.float64]
) -> Sequence[NDArray[np.float64]]:
    """Return the three figures of each part, whose views begin at ``edges``.

    Goal 1 asks for the NG views; where none is marked, for all.
    """
    if not len(edges):
        return (score, score, limit)
    ng = (codes & 3) == NG
    asked = ng | ~np.repeat(np.logical_or.reduceat(ng, edges), np.diff(edges, append=len(codes)))
    low = np.minimum.reduceat(np.where(asked, score, np.inf), edges)
    return low, np.minimum.reduceat(score, edges), np.fmax.reduceat(limit, edges)


def _seconds_per_block(folder: Path, second: NDArray[np.int64]) -> int:
    """Return how many second records have about ``columns.ROWS`` views, by a few of them."""
    some = second[:: max(1, len(second) // _PROBED)].tolist()
    marks = ", ".join("?" * len(some))
    with columns.open_journal(folder) as journal:
        views = int(journal.one(f"SELECT count(*) FROM second_view WHERE second IN ({marks})", some)[0])  # noqa: S608
    return max(1, columns.ROWS * len(some) // max(views, len(some)))


def mark(folder: Path, parts: Columns) -> None:
    """Put into ``defect`` the code of each presentation's first NG view that has one."""
    number = parts["number"]
    if not len(number):
        return

    def take(block: list[Any]) -> Sequence[NDArray[np.int64]]:
        owner, code = block
        fresh = np.flatnonzero(np.diff(owner, prepend=-1))
        row = np.minimum(np.searchsorted(number, owner[fresh]), len(number) - 1)
        mine = number[row] == owner[fresh]
        return row[mine], code[fresh][mine]

    where = Table("view", "part", f"legacy = {NG} AND defect IS NOT NULL")
    numbers = range(int(number[0]), int(number[-1]) + 1)
    for row, code in columns.blocks(folder, where, (Column("part"), Column("defect")), numbers, take):
        parts["defect"][row] = code
