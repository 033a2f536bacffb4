"""How far a table was read: which ids are done, which are still owed, and which may yet appear. Pure.

Ids grow, but rows do not become visible in their order: of two transactions the one with the lower id may commit
last. So an id that is missing between two others is a *hole*, and is looked for until it has stayed empty for the
settling time. What is kept on the disk is the highest id met, and the ranges below it that are owed: rows not read
yet, rows not recorded yet, holes. A range may be kept wider than it is: a row that is offered again comes under
its old key.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

LOWEST = -(2**63)
"""Below every id."""
RECENT = 1000
"""How many ids below the highest one may still be on their way when a table is seen for the first time."""
KEPT_RANGES = 1000
"""More owed ranges than this are kept as fewer, wider ones."""
WIDE = 16
"""A hole of more ids is asked for as a range."""
IDS_AT_ONCE = 256
RANGES_AT_ONCE = 8


class Range(NamedTuple):
    """Ids from the first to the last, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Ids that nobody has seen, between two that were."""

    first: int
    last: int
    closes_at: float
    """The instant (monotonic seconds) after which a look that finds nothing closes it."""
    absent_at: float
    """When it was last known to be empty."""

    @property
    def range(self) -> Range:
        """Its ids."""
        return Range(self.first, self.last)

    @property
    def size(self) -> int:
        """How many ids it has."""
        return self.last - self.first + 1


class Extent(NamedTuple):
    """From where to where a table reaches now."""

    lowest: tuple[int, str] | None
    """The lowest row, and what tells it from another one."""
    highest: int | None


@dataclass
class Position:
    """How far one table was read, in one generation of its ids."""

    settle_seconds: float
    top: int = LOWEST
    """The highest id met."""
    generation: int = 1
    """Grows when the machine begins to count anew; part of each row's key."""
    unread: deque[Range] = field(default_factory=deque)
    """Backlog, in the order in which it is read."""
    holes: deque[Hole] = field(default_factory=deque)
    """In the order in which they are looked at next."""
    unfinished: set[int] = field(default_factory=set)
    """Rows that were met and are not recorded."""
    lowest: tuple[int, str] | None = None
    """The lowest row that was there, and what tells it from another one."""
    _below: int | None = None
    """The highest id of the table at the last look, where it was below ``top``."""

    def begin(self, highest: int | None) -> None:
        """Count all that lies in the table now as backlog."""
        if highest is not None and highest > self.top:
            self.unread.append(Range(self.top + 1, highest))
            self.top = highest

    def begin_at_end(self, recent: Sequence[int], now: float) -> None:
        """Leave alone what lies in the table now, but look out for what is missing among the latest rows."""
        if recent:
            self.top = recent[-1]
            self._look_out(recent, now)

    def met(self, ids: Sequence[int], now: float) -> None:
        """Note the rows found above ``top``, in growing order."""
        if ids:
            # Nobody knows how far below its first row a table that was empty may still be filled.
            self._holes_between(max(self.top, ids[0] - 1 - RECENT), ids, ids[-1], now)
            self.top = ids[-1]

    def page(self, ids: Sequence[int], *, full: bool, now: float) -> None:
        """Note a page of the first unread range: the rows found, in growing order, and whether it was full."""
        first, last = self.unread.popleft()
        end = ids[-1] if full and ids else last
        self._holes_between(max(first - 1, (ids[0] if ids else end) - 1 - RECENT), ids, end, now)
        if end < last:
            self.unread.appendleft(Range(end + 1, last))

    def _holes_between(self, before: int, ids: Sequence[int], end: int, now: float) -> None:
        self._look_out([before, *ids, end + 1], now)
        self.unfinished.update(ids)

    def _look_out(self, edges: Sequence[int], now: float) -> None:
        closes_at = now + self.settle_seconds
        self.holes.extend(Hole(low + 1, high - 1, closes_at, now) for low, high in _gaps(edges))

    def look_again(self) -> list[Hole]:
        """Return the holes whose turn it is, taking them out; ``looked`` puts back what stays open."""
        taken: list[Hole] = []
        narrow = wide = 0
        for _ in range(len(self.holes)):
            size = self.holes[0].size
            narrow, wide = (narrow + size, wide) if size <= WIDE else (narrow, wide + 1)
            if narrow > IDS_AT_ONCE or wide > RANGES_AT_ONCE:
                break
            taken.append(self.holes.popleft())
        return taken

    def looked(self, holes: Iterable[Hole], found: Sequence[int], now: float) -> None:
        """Note what a look at holes, begun at ``now``, has found in them, in growing order."""
        for hole in holes:
            inside = [one for one in found if hole.first <= one <= hole.last]
            self.unfinished.update(inside)
            if now < hole.closes_at:
                self.holes.extend(
                    Hole(low + 1, high - 1, hole.closes_at, now)
                    for low, high in _gaps([hole.first - 1, *inside, hole.last + 1])
                )

    def finish(self, row: int, generation: int) -> None:
        """Note that a row is recorded."""
        if generation == self.generation:
            self.unfinished.discard(row)

    def anew(self, extent: Extent) -> bool:
        """Note how far the table reaches; return whether the machine has begun to count anew.

        A highest id below ``top`` alone may mean that rows were deleted. Where the lowest row is another one than
        before, the table was emptied: all its rows are new. Where the highest id grows though it is below ``top``,
        ids of deleted rows are given out again: what comes from there on is new.
        """
        before, self._below = self._below, None
        if extent.highest is None:
            return False
        if extent.highest >= self.top:
            self.lowest = extent.lowest
            return False
        if self.lowest and extent.lowest and extent.lowest[0] <= self.lowest[0] and extent.lowest != self.lowest:
            self._go_on_above(LOWEST)
        elif before is not None and extent.highest > before:
            self._go_on_above(before)
        else:
            self._below = extent.highest
            return False
        self.lowest = extent.lowest
        return True

    def _go_on_above(self, top: int) -> None:
        self.generation += 1
        self.top = top
        self.unread.clear()
        self.holes.clear()
        self.unfinished.clear()

    def owed(self) -> list[Range]:
        """Return the ranges up to ``top`` that are not done, in growing order."""
        single = (Range(one, one) for one in self.unfinished)
        ranges = list(_merged(sorted([*single, *self.unread, *(hole.range for hole in self.holes)])))
        group = -(-len(ranges) // KEPT_RANGES)
        return [
            Range(ranges[at].first, ranges[min(at + group, len(ranges)) - 1].last)
            for at in range(0, len(ranges), group or 1)
        ]


def spread(holes: Sequence[Hole]) -> tuple[list[int], list[Range]]:
    """Return the ids of narrow holes one by one, and wide ones as ranges."""
    narrow = [one for hole in holes if hole.size <= WIDE for one in range(hole.first, hole.last + 1)]
    return narrow, [hole.range for hole in holes if hole.size > WIDE]


def _gaps(edges: Sequence[int]) -> Iterator[tuple[int, int]]:
    return ((low, high) for low, high in pairwise(edges) if high - low > 1)


def _merged(ranges: Iterable[Range]) -> Iterator[Range]:
    """Join ranges that overlap or touch."""
    held: Range | None = None
    for each in ranges:
        if held is None:
            held = each
        elif each.first <= held.last + 1:
            held = Range(held.first, max(held.last, each.last))
        else:
            yield held
            held = each
    if held is not None:
        yield held


def written(position: Position, table: str) -> str:
    """Return what is kept of a position."""
    kept = {
        "table": table,
        "generation": position.generation,
        "top": position.top,
        "lowest": position.lowest,
        "owed": position.owed(),
    }
    return json.dumps(kept) + "\n"


def read(text: str, settle_seconds: float) -> tuple[str, Position]:
    """Return the table that a kept position is of, and the position: what was owed is unread now.

    Raises:
        ValueError: it is not what ``written`` writes.
    """
    try:
        kept = json.loads(text)
        unread = deque(Range(int(first), int(last)) for first, last in kept["owed"])
        position = Position(settle_seconds, int(kept["top"]), int(kept["generation"]), unread)
        if kept["lowest"] is not None:
            row, mark = kept["lowest"]
            position.lowest = (int(row), str(mark))
        return str(kept["table"]), position
    except (KeyError, TypeError) as exc:
        raise ValueError("is no position") from exc
