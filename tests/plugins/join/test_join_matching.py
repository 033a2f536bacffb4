"""Halves that meet, and those that do not: by example, and by rules that hold whatever comes."""

from __future__ import annotations

from itertools import count
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge_join.halves import Before, Half, Handed, Side, Why
from bridge_join.matching import PLACES_MAX, Matching

WINDOW = 1.0
CALM = 2.0
V, P = Side.VERDICT, Side.PICTURES
Out: TypeAlias = list[tuple[str, bool]]
"""What came out: the halves' names joined by ``+``, and whether they are tied."""


class Road:
    """A matching, fed by hand: ``v`` and ``p`` are halves that arrive, at instants that only ever grow."""

    def __init__(self, *, by_order: bool = False, pictures: int = 1, room: int = 1000) -> None:
        self.matching: Matching[str] = Matching(
            by_order=by_order, window=WINDOW, calm=CALM, pictures=pictures, room=room
        )
        self.handed: list[Handed[str]] = []

    def come(self, side: Side, at: float, part: str = "A", what: str = "", **more: Any) -> None:
        half = Half(side=side, part=part, arrived=at, until=at + WINDOW, what=what or f"{side[0]}{at:g}", **more)
        self.handed += self.matching.arrive(half)

    def wait(self, now: float) -> None:
        while (due := self.matching.due) is not None and due <= now:
            self.handed += self.matching.expire(due)

    @property
    def out(self) -> Out:
        return [("+".join(half.what for half in one.halves), one.tied) for one in self.handed]


@pytest.fixture
def road() -> Road:
    return Road()


class TestMeeting:
    @pytest.mark.parametrize("first", list(Side))
    def test_halves_of_one_part_meet_whichever_comes_first(self, road: Road, first: Side) -> None:
        road.come(first, 0.0, what="one")
        road.come(first.other, 0.9, what="two")
        assert road.out == [("one+two" if first is V else "two+one", True)]
        assert (road.handed[0].why, road.handed[0].whole, road.handed[0].late) == (Why.COMPLETE, True, False)

    def test_other_parts_in_between_do_no_harm(self, road: Road) -> None:
        for at, part in enumerate("ABC"):
            road.come(V, at / 10, part)
        for at, part in enumerate("CAB", 5):
            road.come(P, at / 10, part)
        assert road.out == [("v0.2+p0.5", True), ("v0+p0.6", True), ("v0.1+p0.7", True)]

    @pytest.mark.parametrize("side", list(Side))
    def test_what_meets_no_partner_is_handed_in_alone_at_the_windows_end(self, road: Road, side: Side) -> None:
        road.come(side, 0.0)
        assert road.matching.due == WINDOW
        road.wait(0.999)
        assert road.out == []
        road.wait(WINDOW)
        assert [(one.why, one.lone) for one in road.handed] == [(Why.WINDOW, side)]
        assert len(road.matching) == 0

    def test_a_partner_past_the_window_is_none_though_no_alarm_went_off(self, road: Road) -> None:
        """A stall of ours must not widen the window."""
        road.come(P, 0.0)
        road.come(V, 1.5)
        road.wait(9)
        assert [one.lone for one in road.handed] == [P, V]

    def test_a_half_in_a_hurry_is_not_kept_for_the_whole_window(self, road: Road) -> None:
        road.handed += road.matching.arrive(Half(side=P, part="A", arrived=0.0, until=1.0, what="p"))
        road.handed += road.matching.arrive(Half(side=V, part="B", arrived=0.0, until=0.2, what="v"))
        assert road.matching.due == 0.2

    def test_a_half_that_is_too_old_on_arrival_goes_at_once_unless_its_partner_is_there(self, road: Road) -> None:
        road.come(P, 0.0, "A", "pa")
        for part in "AB":
            half = Half(side=V, part=part, arrived=0.5, until=0.1, what=f"v{part}")
            road.handed += road.matching.arrive(half)
        assert road.out == [("vA+pa", True), ("vB", True)]

    def test_without_a_part_id_nothing_can_be_matched(self, road: Road) -> None:
        road.come(V, 0.0, "")
        road.come(P, 0.1, "")
        assert [(one.why, one.lone) for one in road.handed] == [(Why.NAMELESS, V), (Why.NAMELESS, P)]

    def test_more_halves_than_may_wait_go_the_oldest_first(self) -> None:
        road = Road(room=2)
        for at, part in enumerate("ABC"):
            road.come(V, at / 10, part)
        assert road.out == [("v0", True)]
        assert road.handed[0].why is Why.FULL
        assert len(road.matching) == 2

    def test_nothing_is_remembered_for_ever(self, road: Road) -> None:
        """Ids that never come again cost no memory."""
        for number in range(1000):
            road.come(V, number / 10, str(number))
            road.come(P, number / 10, str(number))
        road.wait(200)
        road.handed += road.matching.expire(200.0)
        assert len(road.matching._places) == 0

    def test_a_place_that_is_never_calm_costs_no_more_with_each_part(self, road: Road) -> None:
        """An id that every part shares (NOREAD), as on a line by order that is faster than its window."""
        for number in range(1000):
            road.come(V, number / 10)
            road.come(P, number / 10 + 0.01)
        assert len(road.matching._forget) == len(road.matching._places) == 1

    def test_a_flood_of_ids_is_bounded(self, road: Road) -> None:
        for number in range(PLACES_MAX + 500):
            half = Half(side=V, part=str(number), arrived=0.0, until=0.0, what="")
            road.matching.arrive(half)
        assert len(road.matching._places) <= PLACES_MAX + 1


class TestSerialsUsedAgain:
    def test_presentations_one_after_the_other_are_pairs_of_their_own(self, road: Road) -> None:
        for start in (0.0, 3.0, 6.0):
            road.come(V, start)
            road.come(P, start + 0.5)
        assert road.out == [("v0+p0.5", True), ("v3+p3.5", True), ("v6+p6.5", True)]

    def test_two_at_once_pair_in_order_and_are_not_tied(self, road: Road) -> None:
        """Either picture may be of either part: if one were lost, the other would clear the wrong one."""
        road.come(V, 0.0)
        road.come(V, 0.1)
        road.come(P, 0.2)
        road.come(P, 0.3)
        assert road.out == [("v0+p0.2", False), ("v0.1+p0.3", False)]

    def test_a_part_joined_a_moment_ago_lends_no_straggler_to_the_next(self, road: Road) -> None:
        road.come(V, 0.0)
        road.come(P, 0.1)
        road.come(P, 0.5, what="straggler")
        road.come(V, 1.2)
        assert road.out == [("v0+p0.1", True), ("v1.2+straggler", False)]

    def test_pictures_that_came_too_late_are_not_the_next_presentations(self, road: Road) -> None:
        """The first verdict went alone; its pictures may stand in for those of the next one."""
        road.come(V, 0.0)
        road.come(P, 1.4, what="late")
        road.come(V, 2.0)
        assert road.out == [("v0", True), ("v2+late", False)]

    def test_doubt_ends_when_it_was_calm(self, road: Road) -> None:
        road.come(V, 0.0)
        road.wait(2)
        for start in (1.0 + CALM + 0.1, 9.0):
            road.come(V, start)
            road.come(P, start + 0.1)
        assert [tied for _, tied in road.out[1:]] == [True, True]

    @pytest.mark.parametrize("side", list(Side))
    def test_a_straggler_alone_is_late(self, road: Road, side: Side) -> None:
        """Its part was answered: told again it would be taken for another part's verdict."""
        road.come(side, 0.0)
        road.come(side.other, 1.5)
        road.wait(9)
        assert [one.late for one in road.handed] == [False, True]

    def test_a_straggler_does_not_make_the_next_part_late(self, road: Road) -> None:
        road.come(V, 0.0)
        road.come(P, 1.5)
        road.come(V, 2.6)
        road.wait(9)
        assert [(one.lone, one.late) for one in road.handed] == [(V, False), (P, True), (V, False)]

    def test_another_delivery_right_after_the_join_is_late(self, road: Road) -> None:
        road.come(V, 0.0)
        road.come(P, 0.1)
        road.come(P, 0.3)
        road.wait(9)
        assert [one.late for one in road.handed] == [False, True]

    def test_what_contradicted_itself_leaves_doubt(self, road: Road) -> None:
        road.matching.disturb("A", 0.0)
        road.come(V, 0.5)
        road.come(P, 0.6)
        assert road.out == [("v0.5+p0.6", False)]


class TestSeveralPictures:
    def test_a_part_is_whole_with_its_last_delivery(self) -> None:
        road = Road(pictures=3)
        road.come(V, 0.0)
        for at, view in enumerate(("top", "left", "right"), 1):
            assert road.out == []
            road.come(P, at / 10, what=view, views=frozenset({view}))
        assert road.out == [("v0+top+left+right", True)]

    def test_the_verdict_may_come_last(self) -> None:
        road = Road(pictures=2)
        road.come(P, 0.0, what="top", views=frozenset({"top"}))
        road.come(P, 0.1, what="left", views=frozenset({"left"}))
        road.come(V, 0.2)
        assert road.out == [("v0.2+top+left", True)]

    def test_a_verdict_that_names_its_views_waits_for_no_others(self) -> None:
        road = Road(pictures=4)
        road.come(V, 0.0, views=frozenset({"top", "left"}))
        road.come(P, 0.1, what="top", views=frozenset({"top"}))
        road.come(P, 0.2, what="left", views=frozenset({"left"}))
        assert road.out == [("v0+top+left", True)]
        assert road.handed[0].whole

    def test_what_lacks_a_picture_is_handed_in_short_and_leaves_doubt(self) -> None:
        road = Road(pictures=2)
        road.come(V, 0.0)
        road.come(P, 0.1, what="top", views=frozenset({"top"}))
        road.come(P, 1.2, what="left", views=frozenset({"left"}))
        road.wait(9)
        assert road.out == [("v0+top", True), ("left", True)]
        assert [(one.whole, one.late) for one in road.handed] == [(False, False), (False, True)]

    def test_a_view_that_is_there_already_belongs_to_the_next_part(self) -> None:
        road = Road(pictures=2)
        road.come(V, 0.0)
        for at, view in enumerate(("top", "top", "left"), 1):
            road.come(P, at / 10, what=f"{view}{at}", views=frozenset({view}))
        assert road.out == [("v0+top1+left3", False)]

    def test_a_delivery_may_bring_several_pictures_at_once(self) -> None:
        """A hot folder hands in together what one look found."""
        road = Road(pictures=3)
        road.come(V, 0.0)
        road.come(P, 0.1, what="two", views=frozenset({"top", "left"}), shown=2)
        assert road.out == []
        road.come(P, 0.2, what="one", views=frozenset({"right"}))
        assert road.out == [("v0+two+one", True)]


class TestByOrder:
    def test_verdicts_and_pictures_pair_as_they_come_whatever_they_are_called(self) -> None:
        road = Road(by_order=True)
        for number, start in enumerate((0.0, 2.0, 4.0)):
            road.come(V, start, f"v{number}")
            road.come(P, start + 0.4, "")
        assert road.out == [("v0+p0.4", True), ("v2+p2.4", True), ("v4+p4.4", True)]

    def test_parts_closer_than_the_window_are_never_tied_after_the_first(self) -> None:
        """More than one could be meant each time."""
        road = Road(by_order=True)
        for number in range(5):
            road.come(V, number * 0.5)
            road.come(P, number * 0.5 + 0.1)
        assert [tied for _, tied in road.out] == [True, False, False, False, False]

    def test_one_lost_half_shifts_nothing_for_ever(self) -> None:
        """The verdict without pictures goes alone; after a pause the line is in step and sure again."""
        road = Road(by_order=True)
        road.come(V, 0.0, what="v0")
        for number, start in enumerate((2.0, 4.0, 9.0, 12.0), 1):
            road.come(V, start, what=f"v{number}")
            road.come(P, start + 0.4, what=f"p{number}")
        assert road.out == [("v0", True), ("v1+p1", False), ("v2+p2", False), ("v3+p3", True), ("v4+p4", True)]

    def test_pictures_always_later_than_the_window_are_never_tied_to_the_next_part(self) -> None:
        road = Road(by_order=True)
        came = sorted([(2.0 * n, V, f"v{n}") for n in range(6)] + [(2.0 * n + 1.3, P, f"p{n}") for n in range(6)])
        for at, side, what in came:
            road.come(side, at, what=what)
        road.wait(99)
        assert not any(tied for halves, tied in road.out if "+" in halves)


class TestAgain:
    """What comes again after a crash is put together as it was, and with nothing else."""

    BOTH = Before(key="J", halves=2, known=2, tied=True)

    def test_both_halves_meet_again(self, road: Road) -> None:
        road.come(V, 0.0, before=self.BOTH, what="v")
        road.come(V, 0.05, what="new")
        road.come(P, 0.1, before=self.BOTH, what="p")
        assert road.out == [("v+p", True)]
        assert road.handed[0].before == self.BOTH

    def test_one_that_stays_alone_is_handed_in_under_the_same_key(self, road: Road) -> None:
        road.come(P, 0.0, before=self.BOTH, what="p")
        road.wait(WINDOW)
        assert [(one.before, one.lone) for one in road.handed] == [(self.BOTH, P)]

    def test_one_that_was_alone_waits_for_nobody(self, road: Road) -> None:
        alone = Before(key="J", halves=1, known=1, tied=True)
        road.come(V, 0.0, before=alone, what="v")
        assert [(one.why, one.before) for one in road.handed] == [(Why.AGAIN, alone)]

    def test_a_partner_without_a_key_comes_as_a_new_one(self, road: Road) -> None:
        """It cannot be known again, so what comes for this part id is taken for it."""
        half = Before(key="J", halves=2, known=1, tied=True)
        road.come(P, 0.0, before=half, what="p")
        road.come(V, 0.1, what="v")
        assert [one.before for one in road.handed] == [half]
        assert road.out == [("v+p", True)]

    def test_halves_of_different_parts_never_meet(self, road: Road) -> None:
        road.come(P, 0.0, before=Before(key="J1", halves=2, known=1, tied=True), what="p")
        road.come(V, 0.1, before=Before(key="J2", halves=2, known=1, tied=True), what="v")
        road.wait(9)
        assert [one.lone for one in road.handed] == [P, V]

    def test_what_was_not_tied_is_not_tied_now(self, road: Road) -> None:
        untied = Before(key="J", halves=2, known=2, tied=False)
        road.come(V, 0.0, before=untied)
        road.come(P, 0.1, before=untied)
        assert road.out == [("v0+p0.1", False)]


class Matchmaking(RuleBasedStateMachine):
    """Halves come in any order at any time; what waits goes when the alarm goes, as the junction does it."""

    PICTURES, ROOM = 2, 6

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.numbers = count()
        self.road = Road(pictures=self.PICTURES, room=self.ROOM)
        self.came: dict[str, Half[str]] = {}
        self.checked = 0

    @rule(
        side=st.sampled_from(Side),
        part=st.sampled_from(["", "A", "B", "C"]),
        view=st.sampled_from(["top", "left"]),
        patience=st.sampled_from([WINDOW, WINDOW / 2, 0.0, -0.5]),
    )
    def a_half_comes(self, side: Side, part: str, view: str, patience: float) -> None:
        half = Half(
            side=side,
            part=part,
            arrived=self.now,
            until=self.now + patience,
            views=frozenset({view}) if side is P else frozenset(),
            what=str(next(self.numbers)),
        )
        self.came[half.what] = half
        self.road.handed += self.road.matching.arrive(half)

    @rule(key=st.sampled_from(["J1", "J2"]), side=st.sampled_from(Side))
    def a_half_comes_again(self, key: str, side: Side) -> None:
        before = Before(key=key, halves=2, known=2, tied=True)
        half = Half(
            side=side,
            part="A",
            arrived=self.now,
            until=self.now + WINDOW,
            before=before,
            what=str(next(self.numbers)),
        )
        self.came[half.what] = half
        self.road.handed += self.road.matching.arrive(half)

    @rule(seconds=st.sampled_from([0.05, 0.3, 0.7, 1.1, 3.0, 8.0]))
    def time_passes(self, seconds: float) -> None:
        while (due := self.road.matching.due) is not None and due <= self.now + seconds:
            self.now = max(self.now, due)
            self.road.handed += self.road.matching.expire(self.now)
        self.now += seconds

    @invariant()
    def every_half_waits_or_was_handed_in_once(self) -> None:
        out = [half.what for one in self.road.handed for half in one.halves]
        assert len(out) == len(set(out))
        assert len(out) + len(self.road.matching) == len(self.came)

    @invariant()
    def no_half_waits_longer_than_it_may(self) -> None:
        due = self.road.matching.due
        assert (due is None) == (len(self.road.matching) == 0)
        assert due is None or due > self.now
        assert len(self.road.matching) <= self.ROOM

    @invariant()
    def what_was_put_together_may_belong_together(self) -> None:
        for one in self.road.handed[self.checked :]:
            sides = [half.side for half in one.halves]
            again = any(half.before for half in one.halves)
            assert sides.count(V) <= 1
            assert len(sides) == 1 or len({(half.part, half.before) for half in one.halves}) == 1
            assert again or sides.count(P) <= self.PICTURES
            assert sides == sorted(sides, key=[V, P].index)
            times = [half.arrived for half in one.halves]
            assert max(times) - min(times) < WINDOW or len(times) == 1
            if one.tied and one.lone is None and not again:
                self._alone_at_its_place(one)
        self.checked = len(self.road.handed)

    def _alone_at_its_place(self, one: Handed[str]) -> None:
        """No half of another part came there from a window before it until it was complete."""
        mine = {half.what for half in one.halves}
        first = min(half.arrived for half in one.halves)
        last = max(half.arrived for half in one.halves)
        others = [
            half
            for half in self.came.values()
            if half.part == one.halves[0].part and half.part and not half.before and half.what not in mine
        ]
        order = max(int(what) for what in mine)
        assert not any(first - WINDOW < half.arrived <= last and int(half.what) < order for half in others), (
            "a tied pair was not alone"
        )


TestMatchmaking = Matchmaking.TestCase
TestMatchmaking.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


delays = st.floats(0, 0.99 * CALM) | st.none()


@settings(max_examples=300)
@given(
    lates=st.lists(delays, min_size=1, max_size=12),
    gaps=st.lists(st.floats(2 * WINDOW, 8 * WINDOW), min_size=12, max_size=12),
    skews=st.lists(st.floats(0, 0.99 * WINDOW), min_size=12, max_size=12),
    steady=st.sampled_from(Side),
    by_order=st.booleans(),
)
def test_while_one_road_is_in_time_nothing_is_tied_to_the_wrong_part(
    lates: list[float | None], gaps: list[float], skews: list[float], steady: Side, *, by_order: bool
) -> None:
    """Parts stand two windows apart; the other road may lose halves, or bring them late by up to ``calm``."""
    at, came = 0.0, []
    for number, (late, gap, skew) in enumerate(zip(lates, gaps, skews, strict=False)):
        came.append((at + skew, steady, number))
        if late is not None:
            came.append((at + late, steady.other, number))
        at += gap
    road = Road(by_order=by_order)
    for instant, side, number in sorted(came, key=lambda half: half[0]):
        road.wait(instant)
        road.come(side, instant, what=str(number))
    road.wait(at + 99)
    assert all(len(set(halves.split("+"))) == 1 for halves, tied in road.out if tied)
    assert sum(halves.count("+") + 1 for halves, _ in road.out) == len(came)
