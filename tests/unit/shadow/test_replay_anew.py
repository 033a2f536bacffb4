"""Parts judged again, one by one and without a judge: what is asked, what comes of it, with what chance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.goals import Rules, would_be
from bridge.messages import (
    Decision,
    Failure,
    Goal,
    Inspection,
    Judgement,
    Origin,
    PictureFacts,
    Stage,
    Verdict,
    View,
    ViewDecision,
)
from bridge.replay import anew
from bridge.replay.anew import Before
from bridge.store import Presented, Second, Stratum

OK, NG = Verdict.OK, Verdict.NG
RULES = Rules(goal=Goal.CUT_FALSE_CALLS, stage=Stage.SHADOW)
GOOD = Judgement(verdict=OK, score=0.9, threshold=0.5, bundle="pins 1 abc")


def a_view(legacy: Verdict | None = NG, judged: Judgement | None = None, image: str = "ab" * 32) -> ViewDecision:
    return ViewDecision(name="top", legacy=legacy, image=image, judgement=judged)


def a_part(*views: ViewDecision, **changes: object) -> Decision:
    plain = Decision(
        id="01" * 16,
        line="line",
        goal=Goal(1),
        stage=Stage.SHADOW,
        part="SN1",
        legacy=NG,
        said=NG,
        final=NG,
        number=7,
    )
    return replace(plain, views=views or (a_view(),), **changes)  # type: ignore[arg-type]


def a_second(*views: ViewDecision, **changes: object) -> Second:
    plain = Second(id="01" * 16, kind="shadow", at=5.0, model=OK, goals={Goal(1): OK}, views=views or (a_view(),))
    return replace(plain, **changes)  # type: ignore[arg-type]


def was(decision: Decision, second: Second | None = None) -> Before:
    return anew.before(Presented(decision, 3.0, (second,) if second else ()))


@pytest.mark.parametrize(
    "part",
    [
        Inspection(part="SN1", legacy=NG, views=(View(name="1", legacy=NG), View(name="2", legacy=OK))),
        Inspection(part="SN1", legacy=NG, defect="SHORT", views=(View(name="1", legacy=NG),)),
        Inspection(
            part="SN1", legacy=NG, ng_views=2, views=(View(name="1", legacy=NG), View(name="2", legacy=OK))
        ),
        Inspection(part="SN1", views=(View(name="1", legacy=NG), View(name="2"))),
        Inspection(part="SN1", legacy=OK, views=(View(name="1", legacy=NG), View(name="2", legacy=OK))),
        Inspection(part="SN1", legacy_understood=False, legacy=OK, views=(View(name="1", legacy=NG),)),
        Inspection(part="SN1", legacy=OK, views=(View(name="1"), View(name="2"))),
        Inspection(part="SN1"),
    ],
)
def test_goals_answer_as_they_would_have_with_the_part_itself(part: Inspection) -> None:
    """All that they look at came into the journal: a part is not cleared again that could not be cleared then."""
    from bridge.goals import legacy_of  # noqa: PLC0415 - beside what it is for

    views = tuple(a_view(view.legacy) for view in part.views)
    legacy = legacy_of(part)
    told = a_part(legacy=legacy, said=part.legacy, defect=part.defect, ng_views=part.ng_views)
    told = replace(told, views=views)
    judged = dict.fromkeys(range(len(views)), GOOD)
    made = anew.second_again(was(told), RULES, judged)
    assert made.goals == would_be(RULES, part, judged)


def test_a_fetched_pictures_hash_is_found_in_the_second_record() -> None:
    """The decision was made before the picture came."""
    found = was(a_part(a_view(image="")), a_second(a_view(image="cd" * 32)))
    assert [view.image for view in found.views] == ["cd" * 32]
    assert anew.wanted(found, (), anew.known(found)) == [0]


@pytest.mark.parametrize("why", [Failure.IMAGE_MISSING, Failure.IMAGE_REPEATED, Failure.IMAGE_UNTIED])
def test_what_was_wrong_with_a_picture_is_wrong_for_every_judge(why: Failure) -> None:
    found = was(a_part(), a_second(a_view(judged=Judgement(failure=why))))
    assert anew.known(found) == {0: Judgement(failure=why)}
    assert anew.wanted(found, (), anew.known(found)) == []


@pytest.mark.parametrize("why", [Failure.JUDGE_DOWN, Failure.DEADLINE, Failure.IMAGE_UNREADABLE])
def test_what_a_judge_failed_at_is_asked_again(why: Failure) -> None:
    found = was(a_part(), a_second(a_view(judged=Judgement(failure=why))))
    assert anew.wanted(found, (), anew.known(found)) == [0]


def test_a_part_of_a_live_line_stands_there_as_if_it_had_been_in_shadow() -> None:
    """The model that judged it then is not the one that is told of now."""
    live = a_part(
        a_view(NG, GOOD), stage=Stage.LIVE, final=OK, model=OK, origin=Origin.MODEL, rechecked=True, bundle="x"
    )
    made = anew.part_again(live, Goal.REPLACE)
    assert (made.stage, made.goal, made.final, made.origin) == (Stage.SHADOW, Goal.REPLACE, NG, Origin.LEGACY)
    assert (made.model, made.bundle, made.views[0].judgement) == (None, "", None)
    assert (made.id, made.number, made.legacy) == (live.id, live.number, live.legacy)


@pytest.mark.parametrize(("threshold", "verdict"), [(0.9, OK), (0.9000001, NG)])
def test_a_score_is_held_against_the_threshold_as_on_the_line(threshold: float, verdict: Verdict) -> None:
    """At least the threshold is OK; what has no score stays a failure."""
    failed = Judgement(failure=Failure.IMAGE_UNREADABLE)
    good = replace(GOOD, picture=PictureFacts(brightness=90.5, contrast=12, sharpness=300))
    found = was(a_part(a_view(), a_view()), a_second(a_view(judged=good), a_view(judged=failed)))
    said = anew.at_threshold(found, threshold)
    assert said == {0: replace(good, verdict=verdict, threshold=threshold), 1: failed}


def test_a_part_that_was_passed_over_has_no_scores() -> None:
    assert anew.at_threshold(was(a_part()), 0.5) is None
    assert anew.at_threshold(was(a_part(), a_second(goals={}, model=None, views=())), 0.5) is None


def test_stratum_chance_and_draw_are_those_of_the_original() -> None:
    """Also where the new judge disagrees: what was drawn then is what people labelled."""
    second = a_second(stratum=Stratum.AGREED_NG, chance=0.25, drawn=True, model=NG)
    made = anew.second_again(was(a_part(), second), RULES, {0: GOOD})
    assert (made.model, made.stratum, made.chance, made.drawn) == (OK, Stratum.AGREED_NG, 0.25, True)
    assert (made.at, made.in_time) == (3.0, None)


def test_a_part_without_its_picture_counts_in_its_stratum_and_as_not_drawn() -> None:
    second = a_second(stratum=Stratum.AGREED_NG, chance=0.25, drawn=True)
    made = anew.second_without(was(a_part(), second), RULES)
    assert made is not None
    assert (made.stratum, made.chance, made.drawn) == (Stratum.AGREED_NG, 0.25, False)
    assert (made.model, made.goals, made.failures) == (None, {}, (Failure.IMAGE_MISSING,))
    assert anew.second_without(was(a_part()), RULES) is None


def test_what_is_left_of_a_strata_draws_is_its_chance_of_being_kept() -> None:
    """A stratum that lost nothing stays, one that lost all has no chance: no bound covers it."""
    before = {Stratum.DISAGREED: 40, Stratum.AGREED_OK: 10, Stratum.AGREED_NG: 5}
    now = {Stratum.DISAGREED: 30, Stratum.AGREED_OK: 10}
    assert anew.settled(before, now) == {Stratum.DISAGREED: 0.75, Stratum.AGREED_NG: 0.0}
