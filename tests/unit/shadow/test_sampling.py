"""The sampling plan: who is drawn, with which chance, and how the rate of the day is set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import Failure, Goal, Judgement, Verdict, ViewDecision
from bridge.shadow.sampling import Day, Plan, audit_rate, chance_of, drawn, planned, plant_day, stratum_of
from bridge.store import Second, Stratum
from bridge.store.retention import sampled

OK, NG = Verdict.OK, Verdict.NG
PLAN = Plan(labels_per_day=50, audit_ng=0.2, unreliable=0.05)
IDS = [f"018bcfe56800{number:020x}" for number in range(20_000)]


def seen(legacy: Verdict | None, model: Verdict | None, score: float = 0.9, **more: Any) -> ViewDecision:
    failure = None if model else Failure.IMAGE_MISSING
    judged = Judgement(verdict=model, failure=failure, score=score if model else None, threshold=0.5, **more)
    return ViewDecision(name="1", legacy=legacy, judgement=judged)


def second(model: Verdict | None, *views: ViewDecision, goals: Any = None) -> Second:
    said = {} if goals is None and model is None else goals or dict.fromkeys(Goal, model)
    return Second(id="0" * 32, kind="shadow", at=0.0, model=model, goals=said, views=views)


class TestStrata:
    @pytest.mark.parametrize(
        ("legacy", "made", "stratum"),
        [
            (OK, second(OK, seen(OK, OK)), Stratum.AGREED_OK),
            (NG, second(NG, seen(NG, NG, 0.1)), Stratum.AGREED_NG),
            (NG, second(OK, seen(NG, OK)), Stratum.DISAGREED),
            (OK, second(OK, seen(OK, OK, 0.55)), Stratum.UNRELIABLE),
            (OK, second(OK, seen(OK, OK, 0.56)), Stratum.AGREED_OK),
            (OK, second(NG, seen(OK, NG, 0.49)), Stratum.DISAGREED),
            (OK, second(None, seen(OK, None)), Stratum.UNJUDGED),
            (OK, second(None), Stratum.UNJUDGED),
            (None, second(OK, seen(None, OK)), Stratum.AGREED_OK),
            (None, second(NG, seen(None, NG, 0.1)), Stratum.AGREED_NG),
        ],
    )
    def test_the_first_that_fits(self, legacy: Verdict | None, made: Second, stratum: Stratum) -> None:
        assert stratum_of(legacy, made, 0.05) is stratum

    def test_a_view_that_differs_is_a_disagreement_though_the_part_is_ng_to_both(self) -> None:
        """The inspector saw the defect elsewhere: one of the two views is a false call or an escape."""
        views = seen(NG, OK), seen(OK, NG, 0.1)
        assert stratum_of(NG, second(NG, *views), 0.05) is Stratum.DISAGREED
        assert stratum_of(NG, second(None, seen(NG, OK), seen(OK, None)), 0.05) is Stratum.DISAGREED

    def test_a_goal_that_would_have_answered_otherwise_is_a_disagreement(self) -> None:
        """Goal 2 stops a part with too few views, whatever its views look like."""
        goals = {Goal.CUT_FALSE_CALLS: OK, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: NG}
        assert stratum_of(OK, second(OK, seen(OK, OK), goals=goals), 0.05) is Stratum.DISAGREED

    def test_fallbacks_of_a_part_that_was_not_judged_are_no_disagreement(self) -> None:
        """Else every OK part of a day without a judge would be drawn."""
        goals = {Goal.CUT_FALSE_CALLS: OK, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: NG}
        assert stratum_of(OK, second(None, seen(OK, None), goals=goals), 0.05) is Stratum.UNJUDGED


class TestDraws:
    @pytest.mark.parametrize("chance", [0.0, 0.003, 0.2, 1.0])
    def test_so_many_are_drawn_and_others_than_are_kept_as_a_sample(self, chance: float) -> None:
        """Of the parts in the sample of pictures as many are drawn as of all others."""
        for among in (IDS, [one for one in IDS if sampled(one, 0.5)]):
            found, expected = sum(drawn(one, chance) for one in among), len(among) * chance
            assert abs(found - expected) <= 5 * (expected * (1 - chance)) ** 0.5

    @given(number=st.integers(0, 2**128 - 1), chances=st.tuples(st.floats(0, 1), st.floats(0, 1)))
    def test_a_draw_is_the_same_whenever_it_is_asked_and_grows_with_the_chance(
        self, number: int, chances: tuple[float, float]
    ) -> None:
        small, large = sorted(chances)
        name = f"{number:032x}"
        assert drawn(name, small) == drawn(name, small)
        assert drawn(name, large) or not drawn(name, small)

    def test_each_stratum_has_its_chance(self) -> None:
        assert {stratum: chance_of(stratum, 0.01, 0.2) for stratum in Stratum if stratum is not Stratum.GUARD} == {
            Stratum.DISAGREED: 1.0,
            Stratum.UNRELIABLE: 1.0,
            Stratum.UNJUDGED: 0.01,
            Stratum.AGREED_NG: 0.2,
            Stratum.AGREED_OK: 0.01,
        }

    def test_what_is_planned_stands_in_the_record_of_every_part(self) -> None:
        made = [planned(replace(second(OK, seen(OK, OK)), id=one), OK, PLAN, 0.1) for one in IDS[:500]]
        assert {(one.stratum, one.chance) for one in made} == {(Stratum.AGREED_OK, 0.1)}
        assert [one.drawn for one in made] == [drawn(one, 0.1) for one in IDS[:500]]

    @given(st.lists(st.sampled_from([OK, NG]), min_size=400, max_size=400), st.floats(0.2, 1))
    def test_weighting_by_the_chance_gives_back_how_many_there_were(
        self, truths: list[Verdict], chance: float
    ) -> None:
        """Horvitz and Thompson's estimate of the bad ones among the agreements is within its own deviation."""
        bad = [one for one, truth in zip(IDS[:400], truths, strict=True) if truth is NG]
        estimate = sum(1 / chance for one in bad if drawn(one, chance))
        assert abs(estimate - len(bad)) <= 6 * (len(bad) * (1 - chance) / chance) ** 0.5 + 1 / chance


class TestRate:
    def test_what_disagreements_leave_goes_to_the_audit(self) -> None:
        assert audit_rate(PLAN, [Day(certain=10, audited=20_000)] * 7) == pytest.approx(40 / 20_000)

    def test_the_busiest_day_counts_and_days_without_parts_do_not(self) -> None:
        days = [Day(), Day(certain=20, audited=4_000), Day(certain=0, audited=10_000), Day()]
        assert audit_rate(PLAN, days) == pytest.approx(40 / 10_000)

    def test_something_is_left_for_the_audit_whatever_disagreements_take(self) -> None:
        """A part without any chance could never be estimated."""
        assert audit_rate(PLAN, [Day(certain=900, audited=10_000)] * 2) == pytest.approx(5 / 10_000)

    def test_few_parts_are_all_drawn(self) -> None:
        assert audit_rate(PLAN, [Day(certain=0, audited=30)] * 2) == 1.0

    def test_no_labels_no_audit(self) -> None:
        assert audit_rate(replace(PLAN, labels_per_day=0), [Day(certain=5, audited=30)] * 2) == 0.0

    def test_a_first_day_goes_by_what_people_say_or_is_careful(self) -> None:
        assert audit_rate(replace(PLAN, parts_per_day=10_000), []) == pytest.approx(25 / 10_000)
        assert audit_rate(PLAN, [Day()]) == pytest.approx(25 / 86_400)

    def test_a_second_day_supposes_that_the_first_was_like_its_end(self) -> None:
        """A month that begins at 18:00 has seen a quarter of its first day."""
        assert audit_rate(PLAN, [Day(certain=5, audited=5_000, covered=0.25)]) == pytest.approx(30 / 20_000)

    def test_where_all_disagreed_all_may_agree_tomorrow(self) -> None:
        assert audit_rate(PLAN, [Day(certain=1_000)] * 2) == pytest.approx(5 / 1_000)

    @given(
        days=st.lists(
            st.builds(
                Day,
                certain=st.integers(0, 10**6),
                audited=st.integers(0, 10**6),
                others=st.integers(0, 10**6),
                covered=st.floats(0, 1),
            ),
            max_size=7,
        ),
        plan=st.builds(
            Plan,
            labels_per_day=st.integers(0, 10**6),
            audit_ng=st.floats(0, 1),
            unreliable=st.floats(0, 0.5),
            parts_per_day=st.none() | st.integers(1, 10**6),
        ),
    )
    def test_it_is_a_chance_and_none_only_where_nobody_labels(self, days: list[Day], plan: Plan) -> None:
        assert 0 <= audit_rate(plan, days) <= 1
        assert (audit_rate(plan, days) == 0) == (plan.labels_per_day == 0)


class TestDays:
    def test_a_plant_day_begins_at_midnight_of_the_plant(self) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        begin, end = plant_day(1_700_000_000.0, berlin)  # 2023-11-14 23:13:20 there
        assert (begin, end) == (1_699_916_400.0, 1_700_002_800.0)
        assert plant_day(begin, berlin) == plant_day(end - 0.001, berlin) == (begin, end)
        assert plant_day(end, berlin, before=1) == (begin, end)

    @pytest.mark.parametrize(("noon", "hours"), [(1_711_882_800.0, 23), (1_730_026_800.0, 25)])
    def test_a_change_of_the_clock_moves_the_end_of_its_day(self, noon: float, hours: int) -> None:
        begin, end = plant_day(noon, ZoneInfo("Europe/Berlin"))
        assert end - begin == hours * 3600

    @given(at=st.floats(0, 4e9), before=st.integers(0, 7))
    def test_days_follow_each_other_without_a_gap(self, at: float, before: int) -> None:
        zone = ZoneInfo("America/Sao_Paulo")
        begin, _ = plant_day(at, zone, before)
        assert plant_day(at, zone, before + 1)[1] == begin
