"""Whatever order rows become visible in, each is met once, and what is owed survives any crash."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge_sql.position import LOWEST, RECENT, Extent, Position, Range, read, spread, written

SETTLE = 10.0


def position(**values: object) -> Position:
    return Position(SETTLE, **values)  # type: ignore[arg-type]


def ranges(one: Position) -> list[tuple[int, int]]:
    return [tuple(hole.range) for hole in one.holes]  # type: ignore[misc]


def test_what_is_missing_between_two_rows_is_looked_for_until_it_has_settled() -> None:
    one = position(top=10)
    one.met([12, 15], now=0.0)
    assert ranges(one) == [(11, 11), (13, 14)]
    holes = one.look_again()
    one.looked(holes, [13], now=5.0)
    assert ranges(one) == [(11, 11), (14, 14)]
    one.looked(one.look_again(), [], now=10.0)
    assert ranges(one) == []
    assert one.unfinished == {12, 13, 15}


def test_a_row_that_is_found_by_the_very_last_look_counts() -> None:
    """A hole is closed by a look that finds nothing, never by the clock alone."""
    one = position(top=1)
    one.met([3], now=0.0)
    one.looked(one.look_again(), [2], now=99.0)
    assert one.unfinished == {2, 3}
    assert not one.holes


def test_nobody_looks_for_ever_below_the_first_row() -> None:
    one = position()
    one.met([1_000_000], now=0.0)
    assert ranges(one) == [(1_000_000 - RECENT, 999_999)]


def test_the_first_start_owes_nothing_but_what_is_missing() -> None:
    one = position()
    one.begin_at_end([3, 4, 7], now=0.0)
    assert (one.top, one.owed()) == (7, [Range(5, 6)])
    empty = position()
    empty.begin_at_end([], now=0.0)
    assert (empty.top, empty.owed()) == (LOWEST, [])


def test_backlog_is_read_page_by_page() -> None:
    one = position(top=10)
    one.begin(100)
    assert list(one.unread) == [Range(11, 100)]
    one.page([11, 12, 20], full=True, now=0.0)
    assert list(one.unread) == [Range(21, 100)]
    assert ranges(one) == [(13, 19)]
    one.page([30], full=False, now=0.0)
    assert not one.unread
    assert ranges(one) == [(13, 19), (21, 29), (31, 100)]


def test_holes_take_turns_where_there_are_many() -> None:
    """No look asks for everything, and none is forgotten."""
    one = position(top=0)
    one.met(list(range(2, 2002, 2)), now=0.0)
    asked: set[int] = set()
    looks = 0
    while len(asked) < 1000:
        holes = one.look_again()
        narrow, wide = spread(holes)
        assert len(narrow) <= 256
        assert not wide
        asked.update(narrow)
        one.looked(holes, [], now=1.0)
        looks += 1
    assert looks == 4


@pytest.mark.parametrize(
    ("extents", "anew", "top"),
    [
        ([Extent((1, "a"), 100), Extent((1, "a"), 60)], False, 100),
        ([Extent((1, "a"), 100), Extent((1, "a"), 60), Extent((1, "a"), 60)], False, 100),
        ([Extent((1, "a"), 100), Extent((50, "b"), 60)], False, 100),
        ([Extent((1, "a"), 100), Extent(None, None), Extent((101, "b"), 101)], False, 100),
        ([Extent((1, "a"), 100), Extent((1, "b"), 1)], True, LOWEST),
        ([Extent((50, "a"), 100), Extent((1, "b"), 7)], True, LOWEST),
        ([Extent((1, "a"), 100), Extent(None, None), Extent((1, "b"), 1)], True, LOWEST),
        ([Extent((1, "a"), 100), Extent((1, "a"), 60), Extent((1, "a"), 61)], True, 60),
    ],
)
def test_deleted_rows_are_told_from_a_new_count(extents: list[Extent], anew: bool, top: int) -> None:  # noqa: FBT001 - a case
    one = position(top=100)
    assert [one.anew(extent) for extent in extents][-1] is anew
    assert (one.top, one.generation) == (top, 2 if anew else 1)


def test_rows_of_an_old_count_finish_nothing_of_the_new_one() -> None:
    one = position(top=100)
    one.met([101], now=0.0)
    one.anew(Extent((1, "a"), 101))
    one.anew(Extent((1, "b"), 1))
    one.met([101], now=0.0)
    one.finish(101, generation=1)
    assert 101 in one.unfinished
    one.finish(101, generation=2)
    assert 101 not in one.unfinished


@given(st.sets(st.integers(1, 10**6), max_size=3000))
def test_what_is_kept_is_bounded_and_never_forgets(unfinished: set[int]) -> None:
    """A range may be kept wider than it is, never narrower."""
    one = position(top=10**6, unfinished=set(unfinished))
    table, again = read(written(one, "t"), SETTLE)
    assert table == "t"
    assert len(again.unread) <= 1000
    kept = list(again.unread)
    assert all(low.last < high.first for low, high in pairwise(kept))
    assert all(any(first <= row <= last for first, last in kept) for row in unfinished)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"table": "t", "generation": 1, "top": "x", "lowest": null, "owed": []}']
)
def test_what_is_no_position_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read(text, SETTLE)


class Plant(RuleBasedStateMachine):
    """A table whose rows become visible in any order within the settling time, and a reader that crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.next = 1
        self.under_way: dict[int, float] = {}
        self.visible: set[int] = set()
        self.before: set[int] = set()
        self.handed: dict[int, int] = {}
        self.recorded: set[int] = set()
        self.kept = ""

    @initialize(rows=st.integers(0, 5))
    def start(self, rows: int) -> None:
        self.before = set(range(1, rows + 1))
        self.visible |= self.before
        self.next = rows + 1
        self.position = position()
        self.position.begin_at_end(sorted(self.visible), self.now)
        self.keep()

    def keep(self) -> None:
        self.kept = written(self.position, "t")

    @rule(rows=st.integers(1, 4))
    def begin(self, rows: int) -> None:
        """Transactions begin; each has its id."""
        for _ in range(rows):
            self.under_way[self.next] = self.now
            self.next += 1

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        """One of them commits, whichever."""
        row = data.draw(st.sampled_from(sorted(self.under_way)))
        del self.under_way[row]
        self.visible.add(row)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        del self.under_way[data.draw(st.sampled_from(sorted(self.under_way)))]

    @rule(seconds=st.floats(0, 4))
    def wait(self, seconds: float) -> None:
        """Time passes; no transaction lives longer than the settling time allows."""
        oldest = min(self.under_way.values(), default=self.now)
        self.now = min(self.now + seconds, oldest + SETTLE * 0.9)

    @rule()
    def look(self) -> None:
        one = self.position
        holes = one.look_again()
        inside = [row for row in self.visible if any(hole.first <= row <= hole.last for hole in holes)]
        new = sorted(row for row in self.visible if row > one.top)[:3]
        page = one.unread[0] if one.unread else None
        backlog = [] if page is None else sorted(row for row in self.visible if page.first <= row <= page.last)[:2]
        one.met(new, self.now)
        if page is not None:
            one.page(backlog, full=len(backlog) == 2, now=self.now)
        one.looked(holes, sorted(inside), self.now)
        for row in [*new, *backlog, *inside]:
            self.handed[row] = self.handed.get(row, 0) + 1

    @precondition(lambda self: self.position.unfinished)
    @rule(data=st.data())
    def record(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(sorted(self.position.unfinished)))
        self.position.finish(row, self.position.generation)
        self.recorded.add(row)

    @rule()
    def save(self) -> None:
        self.keep()

    @rule()
    def crash(self) -> None:
        """All but what was kept is lost; what was not recorded is owed."""
        _, self.position = read(self.kept, SETTLE)
        self.position.begin(max(self.visible, default=None))
        self.handed = {row: times for row, times in self.handed.items() if row in self.recorded}

    @invariant()
    def nothing_is_missed(self) -> None:
        """Every visible row is handed in, or will be found where we look."""
        if not hasattr(self, "position"):
            return
        one = self.position
        owed = one.owed()
        for row in self.visible - self.before:
            awaited = row > one.top or any(first <= row <= last for first, last in owed)
            assert row in self.handed or row in self.recorded or awaited

    @invariant()
    def nothing_old_is_handed_in(self) -> None:
        assert not self.before & set(self.handed)


TestPlant = Plant.TestCase
