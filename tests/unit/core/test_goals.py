"""The truth table of goals, stages and failures: every row by example, every promise by property."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.goals import (
    ANY_CODE,
    NO_CODE,
    Rules,
    asked,
    by_importance,
    decide,
    fallbacks_of,
    legacy_of,
    model_verdict,
    route,
    without_us,
    would_be,
)
from bridge.messages import Failure, Goal, Inspection, Judgement, Origin, Stage, Verdict, View

OK, NG = Verdict.OK, Verdict.NG
CUT, CATCH, REPLACE = Goal.CUT_FALSE_CALLS, Goal.CATCH_ESCAPES, Goal.REPLACE

COMMON_FAILURES = [
    Failure.DEADLINE,
    Failure.JUDGE_DOWN,
    Failure.IMAGE_MISSING,
    Failure.IMAGE_REPEATED,
    Failure.IMAGE_UNREADABLE,
    Failure.RECIPE_UNKNOWN,
    Failure.VIEWS_MISSING,
]


def live(goal: Goal, **more: object) -> Rules:
    return replace(Rules(goal=goal, stage=Stage.LIVE), **more)  # type: ignore[arg-type]


def shadow(goal: Goal) -> Rules:
    return Rules(goal=goal, stage=Stage.SHADOW)


def part(legacy: Verdict | None, *views: Verdict | None, **more: object) -> Inspection:
    seen = tuple(View(name=str(i), image=b"x", legacy=verdict) for i, verdict in enumerate(views))
    return replace(Inspection(part="p", legacy=legacy, views=seen), **more)  # type: ignore[arg-type]


def says(*verdicts: Verdict | None) -> dict[int, Judgement]:
    return {i: Judgement(verdict=v) for i, v in enumerate(verdicts) if v is not None}


class TestWordsNotUnderstood:
    @pytest.mark.parametrize("legacy", [OK, NG, None])
    def test_nothing_is_cleared_or_passed_on_a_word_that_nobody_understands(self, legacy: Verdict | None) -> None:
        """It may mean worse than the NG of a view that the model can disprove."""
        strange = part(legacy, NG, legacy_understood=False)
        assert legacy_of(strange) is None
        for goal in (CUT, CATCH):
            outcome = decide(live(goal), strange, says(OK))
            assert (outcome.final, outcome.error) == (NG, True)
            assert Failure.LEGACY_MISSING in outcome.failures

    def test_the_inspector_is_not_needed_where_it_is_replaced(self) -> None:
        assert decide(live(REPLACE), part(None, None, legacy_understood=False), says(OK)).final is OK


class TestWithoutTrouble:
    def test_goal_1_clears_a_part_whose_every_ng_view_was_cleared(self) -> None:
        outcome = decide(live(CUT), part(NG, NG, OK, NG), {0: Judgement(verdict=OK), 2: Judgement(verdict=OK)})
        assert (outcome.final, outcome.origin, outcome.model) == (OK, Origin.MODEL, OK)
        assert outcome.views == (OK, OK, OK)
        assert not outcome.degraded
        assert outcome.rechecked

    def test_goal_1_keeps_ng_when_one_ng_view_stays_ng(self) -> None:
        outcome = decide(live(CUT), part(NG, NG, NG), says(OK, NG))
        assert (outcome.final, outcome.origin, outcome.views) == (NG, Origin.MODEL, (OK, NG))

    def test_goal_1_passes_an_ok_part_without_asking(self) -> None:
        assert route(live(CUT), part(OK, OK)) == "pass"
        outcome = decide(live(CUT), part(OK, OK))
        assert (outcome.final, outcome.origin, outcome.rechecked) == (OK, Origin.LEGACY, False)

    def test_goal_2_turns_ok_into_ng_where_one_view_is_ng(self) -> None:
        outcome = decide(live(CATCH), part(OK, OK, OK), says(OK, NG))
        assert (outcome.final, outcome.origin) == (NG, Origin.MODEL)

    def test_goal_2_confirms_an_ok_part(self) -> None:
        outcome = decide(live(CATCH), part(OK, OK, OK), says(OK, OK))
        assert (outcome.final, outcome.origin, outcome.rechecked) == (OK, Origin.MODEL, True)

    def test_goal_2_passes_an_ng_part_without_asking(self) -> None:
        assert route(live(CATCH), part(NG, NG)) == "pass"
        assert decide(live(CATCH), part(NG, NG), says(OK)).final is NG

    @pytest.mark.parametrize("legacy", [OK, NG, None])
    @pytest.mark.parametrize("said", [OK, NG])
    def test_goal_3_is_the_models_verdict_alone(self, legacy: Verdict | None, said: Verdict) -> None:
        outcome = decide(live(REPLACE), part(legacy, None), says(said))
        assert (outcome.final, outcome.origin, outcome.error) == (said, Origin.MODEL, False)


class TestTheTable:
    """One test per row of the table in ``goals.py``; the columns are its parameters."""

    @pytest.mark.parametrize("failure", COMMON_FAILURES)
    @pytest.mark.parametrize(("goal", "legacy", "final"), [(CUT, NG, NG), (CATCH, OK, NG), (REPLACE, OK, NG)])
    def test_no_second_opinion(self, failure: Failure, goal: Goal, legacy: Verdict, final: Verdict) -> None:
        outcome = decide(live(goal), part(legacy, legacy), {}, {failure})
        assert (outcome.final, outcome.origin, outcome.degraded) == (final, Origin.FALLBACK, True)
        assert failure in outcome.failures
        assert not outcome.error

    @pytest.mark.parametrize("failure", COMMON_FAILURES)
    def test_goal_2_keeps_the_legacy_ok_only_if_the_config_says_so(self, failure: Failure) -> None:
        rules = live(CATCH, legacy_ok_on_failure="accepted")
        outcome = decide(rules, part(OK, OK), {}, {failure})
        assert (outcome.final, outcome.degraded) == (OK, True)

    @pytest.mark.parametrize("failure", COMMON_FAILURES)
    def test_the_setting_of_goal_2_is_none_of_goal_3(self, failure: Failure) -> None:
        rules = live(REPLACE, legacy_ok_on_failure="accepted")
        assert decide(rules, part(OK, OK), {}, {failure}).final is NG

    @pytest.mark.parametrize("failure", COMMON_FAILURES)
    def test_goal_1_passes_an_ok_on_in_trouble_too(self, failure: Failure) -> None:
        outcome = decide(live(CUT), part(OK, OK), {}, {failure})
        assert (outcome.final, outcome.degraded) == (OK, True)

    @pytest.mark.parametrize(("goal", "legacy", "final"), [(CUT, NG, NG), (CATCH, OK, NG), (REPLACE, OK, NG)])
    @pytest.mark.parametrize("setting", ["refused", "accepted"])
    def test_an_untied_image_is_never_tolerated(
        self, goal: Goal, legacy: Verdict, final: Verdict, setting: str
    ) -> None:
        rules = live(goal, legacy_ok_on_failure=setting)
        untied = {0: Judgement(failure=Failure.IMAGE_UNTIED)}
        outcome = decide(rules, part(legacy, legacy), untied)
        assert (outcome.final, outcome.degraded, outcome.failures) == (final, True, (Failure.IMAGE_UNTIED,))

    @pytest.mark.parametrize("goal", [CUT, CATCH])
    @pytest.mark.parametrize("setting", ["refused", "accepted"])
    def test_no_legacy_verdict_is_ng_and_error(self, goal: Goal, setting: str) -> None:
        outcome = decide(live(goal, legacy_ok_on_failure=setting), part(None, None), says(OK))
        assert (outcome.final, outcome.error, outcome.degraded) == (NG, True, True)
        assert outcome.failures == (Failure.LEGACY_MISSING,)

    @pytest.mark.parametrize(
        ("goal", "legacy", "final"),
        [(CUT, OK, OK), (CUT, NG, NG), (CATCH, OK, NG), (CATCH, NG, NG), (REPLACE, OK, NG), (REPLACE, NG, NG)],
    )
    @pytest.mark.parametrize("setting", ["refused", "accepted"])
    def test_not_committed_in_time(self, goal: Goal, legacy: Verdict, final: Verdict, setting: str) -> None:
        rules = live(goal, legacy_ok_on_failure=setting)
        outcome = decide(rules, part(legacy, legacy), says(OK), {Failure.NOT_RECORDED})
        assert (outcome.final, outcome.degraded, outcome.failures) == (final, True, (Failure.NOT_RECORDED,))

    @pytest.mark.parametrize("goal", [CUT, CATCH])
    @pytest.mark.parametrize("legacy", [OK, NG])
    def test_a_bypass_passes_the_legacy_verdict(self, goal: Goal, legacy: Verdict) -> None:
        against = says(NG if legacy is OK else OK)
        outcome = decide(live(goal), part(legacy, legacy), against, bypass=True)
        assert (outcome.final, outcome.origin, outcome.degraded) == (legacy, Origin.LEGACY, False)

    def test_goal_3_refuses_a_bypass(self) -> None:
        assert route(live(REPLACE), part(OK, OK), bypass=True) == "recheck"
        assert decide(live(REPLACE), part(OK, OK), {}, bypass=True).final is NG

    @pytest.mark.parametrize("goal", list(Goal))
    @pytest.mark.parametrize("legacy", [OK, NG, None])
    @pytest.mark.parametrize("failure", [None, *Failure])
    def test_shadow_forwards_exactly_what_the_inspector_said(
        self, goal: Goal, legacy: Verdict | None, failure: Failure | None
    ) -> None:
        outcome = decide(shadow(goal), part(legacy, legacy), says(OK), {failure} if failure else ())
        assert (outcome.final, outcome.origin) == (legacy, Origin.LEGACY)
        assert outcome.error is (legacy is None)


class TestEvidence:
    """What is never cleared, for lack of evidence or because an image cannot disprove it."""

    def test_a_part_without_views_is_never_cleared(self) -> None:
        assert decide(live(CUT), part(NG), {}).failures == (Failure.VIEWS_MISSING,)
        assert decide(live(CUT), part(NG), {}).final is NG
        assert decide(live(REPLACE), part(OK), {}).final is NG

    @pytest.mark.parametrize("goal", list(Goal))
    def test_fewer_views_than_expected_clear_nothing(self, goal: Goal) -> None:
        legacy = OK if goal is CATCH else NG
        outcome = decide(live(goal, views_expected=3), part(legacy, legacy, legacy), says(OK, OK))
        assert (outcome.final, outcome.failures) == (NG, (Failure.VIEWS_MISSING,))

    def test_fewer_ng_views_than_the_inspector_counted_clear_nothing(self) -> None:
        outcome = decide(live(CUT), part(NG, NG, OK, ng_views=2), says(OK))
        assert (outcome.final, outcome.failures) == (NG, (Failure.VIEWS_MISSING,))
        assert decide(live(CUT), part(NG, NG, NG, ng_views=2), says(OK, OK)).final is OK

    def test_an_ng_with_no_view_marked_makes_every_view_ng(self) -> None:
        assert asked(CUT, part(NG, OK, None)) == (0, 1)
        assert decide(live(CUT), part(NG, None, None), says(OK)).final is NG
        assert decide(live(CUT), part(NG, None, None), says(OK, OK)).final is OK

    def test_a_view_not_judged_means_the_judge_was_down(self) -> None:
        outcome = decide(live(CUT), part(NG, NG, NG), says(OK))
        assert (outcome.final, outcome.failures, outcome.model) == (NG, (Failure.JUDGE_DOWN,), None)

    def test_a_judgement_that_says_nothing_is_no_verdict(self) -> None:
        """Neither verdict nor failure breaks the contract; it must not become a decision without a verdict."""
        for goal, legacy in ((CUT, NG), (CATCH, OK), (REPLACE, OK)):
            outcome = decide(live(goal), part(legacy, legacy), {0: Judgement()})
            assert (outcome.final, outcome.degraded) == (NG, True)

    def test_a_word_that_is_no_verdict_is_not_ok(self) -> None:
        nonsense = Judgement(verdict="fine")  # type: ignore[arg-type]
        assert model_verdict([nonsense]) is None
        assert decide(live(REPLACE), part(None, None), {0: nonsense}).final is NG

    def test_a_verdict_beside_a_failure_clears_nothing(self) -> None:
        torn = Judgement(verdict=OK, failure=Failure.IMAGE_UNREADABLE)
        assert decide(live(CUT), part(NG, NG), {0: torn}).final is NG

    def test_an_unmarked_view_of_a_part_without_a_verdict_is_not_ok(self) -> None:
        """Nobody said OK of it: neither the inspector of the part or the view, nor the judge."""
        outcome = decide(live(CUT), part(None, NG, None), says(OK))
        assert (outcome.final, outcome.failures) == (NG, (Failure.LEGACY_MISSING,))
        assert decide(live(CUT), part(None, NG, OK), says(OK)).final is OK

    def test_ng_found_beside_a_failure_is_ng_on_the_models_word(self) -> None:
        outcome = decide(
            live(CATCH, legacy_ok_on_failure="accepted"),
            part(OK, OK, OK),
            {0: Judgement(verdict=NG), 1: Judgement(failure=Failure.IMAGE_MISSING)},
        )
        assert (outcome.final, outcome.origin, outcome.degraded) == (NG, Origin.MODEL, True)

    @pytest.mark.parametrize(
        ("codes", "part_code", "view_codes", "final"),
        [
            ({NO_CODE}, "", ["", ""], OK),
            ({NO_CODE}, "", ["SOLDER", ""], NG),
            ({NO_CODE, "SOLDER"}, "", ["SOLDER", ""], OK),
            ({"SOLDER"}, "SOLDER", ["", ""], OK),
            ({"SOLDER"}, "3D", ["SOLDER", "SOLDER"], NG),
            ({ANY_CODE}, "3D", ["BARCODE", ""], OK),
            (set(), "", ["", ""], NG),
        ],
    )
    def test_only_clearable_codes_are_cleared(
        self, codes: set[str], part_code: str, view_codes: list[str], final: Verdict
    ) -> None:
        views = tuple(View(name=str(i), legacy=NG, defect=code) for i, code in enumerate(view_codes))
        seen = Inspection(part="p", legacy=NG, views=views, defect=part_code)
        rules = live(CUT, clearable=frozenset(codes))
        assert route(rules, seen) == ("recheck" if final is OK else "pass")
        assert decide(rules, seen, says(OK, OK)).final is final

    def test_a_code_on_an_unmarked_view_counts_too(self) -> None:
        """The part is NG and no view is marked NG: every view is, and so is the code that one of them carries."""
        seen = Inspection(part="p", legacy=NG, views=(View(name="a", defect="3D"), View(name="b")))
        assert decide(live(CUT), seen, says(OK, OK)).final is NG
        assert decide(live(CUT, clearable=frozenset({"3D"})), seen, says(OK, OK)).final is OK


def test_a_part_is_ng_if_any_view_is() -> None:
    assert legacy_of(part(OK, OK, NG)) is NG
    assert legacy_of(part(None, OK, NG)) is NG
    assert legacy_of(part(OK, None)) is OK


def test_views_that_are_all_ok_are_no_verdict_on_the_part() -> None:
    """OK is taken only from a positive statement about the part."""
    assert legacy_of(part(None, OK, OK)) is None
    assert decide(live(CUT), part(None, OK, OK), says(OK, OK)).final is NG


def test_fallbacks_are_the_columns_of_the_table() -> None:
    assert fallbacks_of(shadow(CUT), part(OK, OK)) == {CUT: OK, CATCH: NG, REPLACE: NG}
    assert fallbacks_of(shadow(CUT), part(NG, NG)) == {CUT: NG, CATCH: NG, REPLACE: NG}
    tolerant = replace(shadow(CATCH), legacy_ok_on_failure="accepted")
    assert fallbacks_of(tolerant, part(OK, OK))[CATCH] is OK
    untied = part(OK, views=(View(image=b"x", legacy=OK, tied=False),))
    assert fallbacks_of(tolerant, untied)[CATCH] is fallbacks_of(tolerant, part(OK), {Failure.IMAGE_UNTIED})[CATCH]
    assert fallbacks_of(tolerant, untied)[CATCH] is NG


@pytest.mark.parametrize(
    ("verdicts", "fused"),
    [([], None), ([OK], OK), ([OK, None], None), ([NG, None], NG), ([OK, OK], OK), ([OK, NG], NG), ([None], None)],
)
def test_views_are_fused_to_a_part(verdicts: list[Verdict | None], fused: Verdict | None) -> None:
    assert model_verdict(Judgement(verdict=v) if v else None for v in verdicts) is fused


def test_failures_stand_once_and_in_order_of_importance() -> None:
    said = by_importance([Failure.NOT_RECORDED, Failure.DEADLINE, Failure.NOT_RECORDED])
    assert said == (Failure.DEADLINE, Failure.NOT_RECORDED)


def test_would_be_scores_every_goal_as_if_it_were_live() -> None:
    seen = part(NG, NG, OK)
    assert would_be(shadow(CUT), seen, says(OK, OK)) == {CUT: OK, CATCH: NG, REPLACE: OK}
    assert would_be(shadow(CUT), part(OK, OK), says(NG)) == {CUT: OK, CATCH: NG, REPLACE: NG}
    assert would_be(shadow(CUT), part(OK, OK), {}) == {CUT: OK, CATCH: NG, REPLACE: NG}


# -- promises, for every part, judgement and failure -------------------------------------------------------------

verdicts = st.sampled_from([OK, NG])
maybe = st.none() | verdicts
codes = st.sampled_from(["", "SOLDER", "3D"])
failures = st.frozensets(st.sampled_from(list(Failure)), max_size=3)
views = st.builds(View, name=codes, image=st.just(b"x"), legacy=maybe, defect=codes, tied=st.booleans())
parts = st.builds(
    Inspection,
    part=st.just("p"),
    legacy=maybe,
    legacy_understood=st.booleans(),
    views=st.lists(views, max_size=4).map(tuple),
    defect=codes,
    ng_views=st.none() | st.integers(0, 4),
)
judgements = st.builds(Judgement, verdict=verdicts) | st.builds(
    Judgement, verdict=maybe, failure=st.none() | st.sampled_from(list(Failure))
)
judged = st.dictionaries(st.integers(0, 3), judgements)
settings = st.sampled_from(["refused", "accepted"])


@st.composite
def rules(draw: st.DrawFn, goal: Goal | None = None, stage: Stage | None = Stage.LIVE) -> Rules:
    return Rules(
        goal=goal or draw(st.sampled_from(list(Goal))),
        stage=stage or draw(st.sampled_from(list(Stage))),
        views_expected=draw(st.none() | st.integers(1, 4)),
        clearable=draw(st.frozensets(st.sampled_from(["", "SOLDER", "3D", "*"]))),
        legacy_ok_on_failure=draw(settings),  # type: ignore[arg-type]
    )


@given(r=rules(CUT), p=parts, j=judged, f=failures, bypass=st.booleans())
def test_goal_1_never_turns_ok_into_ng(
    r: Rules, p: Inspection, j: dict[int, Judgement], f: frozenset[Failure], *, bypass: bool
) -> None:
    if legacy_of(p) is OK:
        assert decide(r, p, j, f, bypass=bypass).final is OK


@given(r=rules(CUT), p=parts, j=judged, f=failures, bypass=st.booleans())
def test_goal_1_clears_only_on_full_evidence(
    r: Rules, p: Inspection, j: dict[int, Judgement], f: frozenset[Failure], *, bypass: bool
) -> None:
    """NG becomes OK only if every NG view was judged OK, every code is clearable, and nothing at all failed."""
    outcome = decide(r, p, j, f, bypass=bypass)
    if outcome.final is not OK or legacy_of(p) is OK:
        return
    assert legacy_of(p) is NG
    marked = [i for i, view in enumerate(p.views) if view.legacy is NG] or list(range(len(p.views)))
    assert marked
    assert all(j[i].verdict is OK and j[i].failure is None for i in marked)
    assert not f
    assert not bypass
    assert len(p.views) >= (r.views_expected or 0)
    assert len(marked) >= (p.ng_views or 0)
    said = {p.views[i].defect for i in marked} | {p.defect}
    assert "*" in r.clearable or said - {""} <= r.clearable
    assert outcome.origin is Origin.MODEL


@given(r=rules(CATCH), p=parts, j=judged, f=failures, bypass=st.booleans())
def test_goal_2_never_turns_ng_into_ok(
    r: Rules, p: Inspection, j: dict[int, Judgement], f: frozenset[Failure], *, bypass: bool
) -> None:
    if legacy_of(p) is NG:
        assert decide(r, p, j, f, bypass=bypass).final is NG


@given(r=rules(stage=Stage.SHADOW), p=parts, j=judged, f=failures, bypass=st.booleans())
def test_shadow_never_changes_the_legacy_verdict(
    r: Rules, p: Inspection, j: dict[int, Judgement], f: frozenset[Failure], *, bypass: bool
) -> None:
    for outcome in (decide(r, p, j, f, bypass=bypass), without_us(r, p, f)):
        assert outcome.final is legacy_of(p)
        assert outcome.origin is Origin.LEGACY
        assert outcome.views == tuple(view.legacy for view in p.views)


@given(r=rules(stage=Stage.SHADOW), p=parts, j=judged, f=failures)
def test_a_shadow_lines_scores_are_what_the_live_line_would_have_answered(
    r: Rules, p: Inspection, j: dict[int, Judgement], f: frozenset[Failure]
) -> None:
    """Also the fallbacks: they are the answers to a judge that is too slow, and keep what each goal promises."""
    scores, fallbacks = would_be(r, p, j), fallbacks_of(r, p, f)
    untied = {i: Judgement(failure=Failure.IMAGE_UNTIED) for i, view in enumerate(p.views) if not view.tied}
    for goal in Goal:
        as_live = replace(r, goal=goal, stage=Stage.LIVE)
        assert scores[goal] is decide(as_live, p, j).final
        assert fallbacks[goal] is decide(as_live, p, untied, {*f, Failure.DEADLINE}).final
        assert fallbacks[goal] is not OK or legacy_of(p) is OK, "OK never comes from a failure"
    assert fallbacks[CUT] is (legacy_of(p) or NG)
    assert fallbacks[REPLACE] is NG


@given(rules(), parts, judged, failures)
def test_no_failure_ever_yields_ok_unless_the_config_says_so_in_words(
    r: Rules, p: Inspection, j: dict[int, Judgement], f: frozenset[Failure]
) -> None:
    outcome = decide(r, p, j, f)
    if outcome.final is not OK or not outcome.failures:
        return
    passed_on = r.goal is CUT and legacy_of(p) is OK
    tolerated = {Failure.IMAGE_UNTIED, Failure.LEGACY_MISSING, Failure.NOT_RECORDED}.isdisjoint(outcome.failures)
    in_words = r.goal is CATCH and legacy_of(p) is OK and r.legacy_ok_on_failure == "accepted" and tolerated
    assert passed_on or in_words
    assert outcome.degraded


@given(rules(), parts, judged, failures)
def test_a_missing_legacy_verdict_is_never_ok(
    r: Rules, p: Inspection, j: dict[int, Judgement], f: frozenset[Failure]
) -> None:
    if r.goal is not REPLACE and legacy_of(p) is None:
        outcome = decide(r, p, j, f)
        assert (outcome.final, outcome.error) == (NG, True)


@given(r=rules(), p=parts, j=judged, f=failures, bypass=st.booleans())
def test_a_live_line_always_has_a_verdict(
    r: Rules, p: Inspection, j: dict[int, Judgement], f: frozenset[Failure], *, bypass: bool
) -> None:
    outcome = decide(r, p, j, f, bypass=bypass)
    assert outcome.final in {OK, NG}
    assert len(outcome.views) == len(p.views)
    assert without_us(r, p, f).final in {OK, NG}


@given(rules(), parts, failures)
def test_the_answer_without_us_is_never_bolder_than_the_goal_allows(
    r: Rules, p: Inspection, f: frozenset[Failure]
) -> None:
    """``without_us`` is OK only where the inspector said OK, and never under goal 3."""
    if without_us(r, p, f).final is OK:
        assert legacy_of(p) is OK
        assert r.goal is not REPLACE


@given(rules(), parts, judged)
def test_a_part_that_is_passed_on_is_the_inspectors_word(r: Rules, p: Inspection, j: dict[int, Judgement]) -> None:
    """``decide`` never listens to the judge where ``route`` did not ask it."""
    if route(r, p) == "pass" and legacy_of(p) is not None:
        outcome = decide(r, p, j)
        assert (outcome.final, outcome.origin, outcome.rechecked) == (legacy_of(p), Origin.LEGACY, False)
