"""What two halves make: what counts of each, and that joining clears nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.goals import Rules, decide, legacy_of
from bridge.messages import Failure, Goal, Judgement, Stage
from bridge.plugin import Inspection, Unavailable, Verdict, View
from bridge_join.codec import (
    KEY_LENGTH,
    MISSING,
    Ids,
    contradiction,
    half_name,
    held_until,
    joined,
    joined_fetch,
    joined_key,
)
from bridge_join.halves import Side

OK, NG = Verdict.OK, Verdict.NG
VERDICT = Inspection(
    part="P1",
    legacy=NG,
    defect="E12",
    recipe="M10",
    ng_views=1,
    sequence=7,
    deadline_ms=800,
    key="K1",
    event=10.0,
    counter=90210,
)
PICTURES = Inspection(part="P1.a", key="P1.jpg:1:2", event=9.5, views=(View(name="top", image=b"top"),))


class TestIds:
    @pytest.mark.parametrize(
        ("ids", "spelt", "part"),
        [
            (Ids(), "  P1\t", "P1"),
            (Ids(), "p1", "p1"),
            (Ids(any_case=True), "ßP1", "ssp1"),
            (Ids(re.compile(r"(?:SN-)?(?P<part>\d+)(?:_L)?")), "SN-0815_L", "0815"),
            (Ids(re.compile(r"(?:SN-)?(?P<part>\d+)(?:_L)?")), "NOREAD", ""),
            (Ids(re.compile(r"x(?P<part>\d)?")), "x", ""),
        ],
    )
    def test_only_what_counts_is_compared(self, ids: Ids, spelt: str, part: str) -> None:
        assert ids(spelt) == part


class TestKeys:
    def test_a_part_is_known_by_its_verdict(self) -> None:
        """The same presentation told again is the same part, whatever pictures stand beside it."""
        other = replace(PICTURES, key="other.jpg:1:2")
        assert joined_key(VERDICT, [PICTURES]) == joined_key(VERDICT, [other]) == joined_key(VERDICT, [])

    def test_without_a_key_of_the_verdicts_it_is_known_by_its_pictures_in_any_order(self) -> None:
        bare, other = replace(VERDICT, key=None), replace(PICTURES, key="other.jpg:1:2")
        assert joined_key(bare, [PICTURES, other]) == joined_key(None, [other, PICTURES])
        assert joined_key(bare, [PICTURES]) == half_name(Side.PICTURES, PICTURES.key)

    def test_without_any_key_it_is_new_each_time(self) -> None:
        assert joined_key(replace(VERDICT, key=None), [replace(PICTURES, key=None)]) is None
        assert half_name(Side.VERDICT, "") == ""

    @given(st.text(min_size=1, max_size=2 * KEY_LENGTH), st.text(min_size=1, max_size=2 * KEY_LENGTH))
    def test_names_are_short_printable_and_told_apart(self, one: str, other: str) -> None:
        names = {half_name(side, key) for side in Side for key in (one, other)}
        assert len(names) == (2 if one == other else 4)
        assert all(name.isprintable() and len(name) <= KEY_LENGTH + 10 for name in names)


class TestJoining:
    def test_the_verdict_says_what_it_is_and_the_pictures_show_it(self) -> None:
        part = joined(VERDICT, [PICTURES])
        assert part == replace(VERDICT, key="verdict:K1", event=9.5, views=PICTURES.views)

    @pytest.mark.parametrize("tied", [True, False])
    def test_an_ng_that_the_pictures_bring_is_never_ok(self, *, tied: bool) -> None:
        """Also where the halves contradict each other: goal 1 keeps the inspector's verdict then."""
        assert legacy_of(joined(replace(VERDICT, legacy=OK), [replace(PICTURES, legacy=NG)], tied=tied)) is NG

    @pytest.mark.parametrize(("of_verdict", "of_pictures"), [(800, None), (None, 800), (800, 900), (900, 800)])
    def test_the_shorter_deadline_holds(self, of_verdict: float | None, of_pictures: float | None) -> None:
        """Either machine waits no longer than it said."""
        verdict, pictures = replace(VERDICT, deadline_ms=of_verdict), replace(PICTURES, deadline_ms=of_pictures)
        assert joined(verdict, [pictures]).deadline_ms == 800

    def test_what_was_said_of_a_view_stands_beside_its_picture(self) -> None:
        told = replace(VERDICT, views=(View(name="left", legacy=OK), View(name="top", legacy=NG, defect="E12")))
        shown = replace(PICTURES, views=(*PICTURES.views, View(name="extra", image=b"extra")))
        assert joined(told, [shown]).views == (
            View(name="left", legacy=OK),
            View(name="top", legacy=NG, defect="E12", image=b"top"),
            View(name="extra", image=b"extra"),
        )

    def test_a_lot_that_only_the_pictures_tell_counts_and_a_counter_of_theirs_does_not(self) -> None:
        """A camera's number of its frames is not the inspector's of its parts."""
        part = joined(replace(VERDICT, counter=None), [replace(PICTURES, lot="L7", counter=5)])
        assert (part.lot, part.counter) == ("L7", None)
        assert joined(replace(VERDICT, lot="L8"), [replace(PICTURES, lot="L7")]).lot == "L8"

    def test_a_view_of_one_name_twice_loses_neither_picture(self) -> None:
        shown = replace(PICTURES, views=(View(image=b"one"), View(image=b"two")))
        told = replace(VERDICT, views=(View(legacy=NG),))
        assert [view.image for view in joined(told, [shown]).views] == [b"one", b"two"]

    def test_a_reference_of_the_verdicts_own_stays_where_the_pictures_have_none(self) -> None:
        told = replace(VERDICT, views=(View(name="top", reference="a.jpg"),))
        assert joined(told, [replace(PICTURES, views=(View(name="top"),))]).views == told.views

    def test_a_view_that_its_own_road_did_not_tie_stays_untied(self) -> None:
        told = replace(VERDICT, views=(View(name="top", legacy=NG),))
        (view,) = joined(told, [replace(PICTURES, views=(View(name="top", tied=False),))]).views
        assert (view.tied, view.legacy) == (False, NG)

    def test_untied_pictures_do_not_untie_the_verdicts_own(self) -> None:
        told = replace(VERDICT, views=(View(name="own", image=b"own"),))
        assert [view.tied for view in joined(told, [PICTURES], tied=False).views] == [True, False]

    @pytest.mark.parametrize("late", [VERDICT, PICTURES])
    def test_backlog_on_one_road_is_backlog(self, late: Inspection) -> None:
        """A PLC waits for neither half of it."""
        halves = [replace(half, backlog=half is late) for half in (VERDICT, PICTURES)]
        assert joined(halves[0], halves[1:]).backlog

    def test_pictures_alone_say_nothing(self) -> None:
        """A verdict that the picture road happens to bring is not the inspector's word."""
        spoken = replace(PICTURES, legacy=OK, views=(View(name="top", image=b"", legacy=OK),))
        part = joined(None, [spoken])
        assert (legacy_of(part), [view.legacy for view in part.views]) == (None, [None])

    def test_pictures_that_are_missing_show_as_a_view_without_one(self) -> None:
        assert [view.name for view in joined(VERDICT, [PICTURES], whole=False).views] == ["top", MISSING]
        assert joined(VERDICT, [], whole=False).views == ()
        told = replace(VERDICT, views=(View(name="top"), View(name="left")))
        assert [view.name for view in joined(told, [PICTURES], whole=False).views] == ["top", "left"]

    @pytest.mark.parametrize("half", [0, 1])
    def test_a_word_not_understood_on_either_road_leaves_no_verdict(self, half: int) -> None:
        halves = [VERDICT, PICTURES]
        halves[half] = replace(halves[half], legacy_understood=False)
        assert legacy_of(joined(halves[0], halves[1:])) is None


class TestContradictions:
    @pytest.mark.parametrize(
        ("verdict", "pictures", "said"),
        [
            ({}, {}, ""),
            ({"recipe": "M10"}, {"recipe": "M11"}, "different recipes: M10, M11"),
            ({"part": "P1"}, {"part": "P2"}, "different part ids: P1, P2"),
            ({"part": "P1"}, {"part": ""}, ""),
            ({"legacy": NG}, {"legacy": OK}, "different verdicts: NG, OK"),
            ({"legacy": OK}, {"views": (View(legacy=NG),)}, "different verdicts: NG, OK"),
            ({"legacy": NG}, {"legacy": NG}, ""),
        ],
    )
    def test_what_cannot_be_one_part_is_seen(
        self, verdict: dict[str, object], pictures: dict[str, object], said: str
    ) -> None:
        base = Inspection(part="", legacy=None)
        assert contradiction(replace(base, **verdict), [replace(base, **pictures)], Ids()) == said


class TestTime:
    @pytest.mark.parametrize(
        ("part", "until"),
        [
            ({}, 101.0),
            ({"event": 99.8}, 100.8),
            ({"event": 200.0}, 101.0),
            ({"event": 90.0}, 91.0),
            ({"event": 90.0, "backlog": True}, 101.0),
            ({"deadline_ms": 1000}, 100.5),
            ({"deadline_ms": 60_000}, 101.0),
        ],
    )
    def test_a_half_waits_for_the_window_from_its_event_or_for_half_its_own_deadline(
        self, part: dict[str, float], until: float
    ) -> None:
        assert held_until(Inspection(part="P", **part), arrived=100.0, window=1.0) == until


class TestFetching:
    async def test_each_half_brings_its_own_pictures(self) -> None:
        async def of_the_verdict(view: View) -> bytes:
            return b"verdict " + view.reference.encode()

        async def of_the_pictures(view: View) -> bytes:
            return b"pictures " + view.reference.encode()

        told = replace(VERDICT, views=(View(name="own", reference="a"),))
        shown = replace(PICTURES, views=(View(name="top", reference="a"), View(name="none")))
        fetch = joined_fetch([(told, of_the_verdict), (shown, of_the_pictures)])
        assert fetch is not None
        views = joined(told, [shown]).views
        assert [await fetch(view) for view in views[:2]] == [b"verdict a", b"pictures a"]
        with pytest.raises(Unavailable, match="strange"):
            await fetch(View(name="strange"))

    def test_where_nothing_is_to_be_brought_there_is_no_fetch(self) -> None:
        assert joined_fetch([(VERDICT, None), (PICTURES, None)]) is None


verdicts = st.sampled_from([OK, NG, None])


def halves(picture: bytes) -> st.SearchStrategy[Inspection]:
    """Return halves whose pictures, where there are any, are these bytes."""
    views = st.builds(
        View,
        name=st.sampled_from(["top", "left", "1"]),
        image=st.sampled_from([None, picture]),
        legacy=verdicts,
        tied=st.booleans(),
    )
    several = st.lists(views, max_size=3).map(tuple)
    return st.builds(
        Inspection, part=st.just("P"), legacy=verdicts, legacy_understood=st.booleans(), views=several
    )


@given(
    verdict=halves(b"verdict's") | st.none(),
    pictures=st.lists(halves(b"pictures'"), max_size=2),
    tied=st.booleans(),
    goal=st.sampled_from(Goal),
)
def test_nothing_is_cleared_by_a_picture_that_may_be_anothers_or_is_missing(
    verdict: Inspection | None, pictures: list[Inspection], goal: Goal, *, tied: bool
) -> None:
    """Whatever the halves say, and though the model calls every picture OK that it is shown."""
    if verdict is None and not pictures:
        return
    part = joined(verdict, pictures, tied=tied)
    shown = {index for index, view in enumerate(part.views) if view.image and view.tied}
    judged = {
        index: Judgement(verdict=OK)
        if index in shown
        else Judgement(failure=Failure.IMAGE_MISSING if view.tied else Failure.IMAGE_UNTIED)
        for index, view in enumerate(part.views)
    }
    final = decide(Rules(goal=goal, stage=Stage.LIVE, clearable=frozenset({"*"})), part, judged).final
    said = [half for half in (verdict, *pictures) if half]
    assert tied or all(part.views[index].image == b"verdict's" for index in shown)
    if goal is not Goal.REPLACE and (verdict is None or not all(half.legacy_understood for half in said)):
        assert final is NG
    if verdict is not None and any(half.legacy is NG for half in said):
        assert legacy_of(part) is not OK
    if final is OK and (goal is Goal.REPLACE or legacy_of(part) is NG):
        assert shown
        assert all(index in shown for index, view in enumerate(part.views) if view.legacy is NG)
    if goal is Goal.CATCH_ESCAPES and final is OK:
        assert shown == set(range(len(part.views)))
