"""Which pictures are kept: everything that somebody may have to defend, and a fair sample of the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_samples import any_second, decision, view
from store_strategies import decisions, seconds

from bridge.messages import Failure, Goal, Judgement, Origin, Verdict
from bridge.store import Need
from bridge.store.retention import needed, sampled

OK, NG = Verdict.OK, Verdict.NG
SAME = Judgement(verdict=NG, score=0.1, threshold=0.5, bundle="b")
AGREED = decision(legacy=NG, model=NG, final=NG, views=(view(legacy=NG, judgement=SAME, final=NG),))
AGREED_LATER = any_second(AGREED.id, model=NG, goals=dict.fromkeys(Goal, NG), views=AGREED.views)


@given(number=st.integers(0, 2**128 - 1), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_larger_sample_holds_the_smaller_one(number: int, shares: tuple[float, float]) -> None:
    """So the share may be changed, and what was in the sample stays comparable; 0 is nobody, 1 everybody."""
    small, large = sorted(shares)
    name = f"{number:032x}"
    assert sampled(name, large) or not sampled(name, small)
    assert (sampled(name, 0), sampled(name, 1)) == (False, True)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_sample_is_as_large_as_it_was_asked_to_be(share: float) -> None:
    """Also among ids of one second, which begin alike."""
    found = sum(sampled(f"018bcfe56800{number:020x}", share) for number in range(20_000))
    assert abs(found - 20_000 * share) < 5 * (20_000 * share * (1 - share)) ** 0.5


@given(part=decisions, second=st.none() | seconds)
def test_whether_a_part_is_in_the_sample_depends_on_its_id_alone(part: Any, second: Any) -> None:
    """Nothing that is on the picture, or was said of it, moves it in or out."""
    need = needed(part, second, 0.3)
    assert need is Need.EVIDENCE or (need is Need.SAMPLE) == sampled(part.id, 0.3)
    assert needed(part, second, 1) in {Need.EVIDENCE, Need.SAMPLE}


@pytest.mark.parametrize("second", [None, AGREED_LATER])
def test_of_those_on_which_all_agreed_a_sample_is_kept(second: Any) -> None:
    assert needed(AGREED, second, 0) is None
    assert needed(AGREED, second, 1) is Need.SAMPLE


def test_what_was_drawn_for_labelling_is_kept_for_people_to_look_at() -> None:
    chosen = replace(AGREED_LATER, drawn=True, chance=0.001)
    assert needed(AGREED, chosen, 0) is Need.EVIDENCE
    assert needed(AGREED, replace(chosen, drawn=False), 0) is None


def test_a_part_that_the_goal_did_not_ask_about_counts_as_the_rest() -> None:
    """The inspector's OK under goal 1: nobody disagreed, for nobody was asked; nor in a skipped shadow part."""
    unasked = decision(legacy=OK, model=None, final=OK, origin=Origin.LEGACY, views=(view(judgement=None),))
    assert needed(unasked, None, 0) is None


@pytest.mark.parametrize(
    "change",
    [
        {"model": OK},
        {"final": OK},
        {"degraded": True},
        {"error": True},
        {"failures": (Failure.DEADLINE,)},
        {"legacy": None},
        {"views": (view(legacy=NG, judgement=replace(SAME, verdict=OK)),)},
        {"views": (view(legacy=None, judgement=Judgement(failure=Failure.IMAGE_UNREADABLE)),)},
    ],
)
def test_a_part_on_which_somebody_disagreed_or_something_failed_is_evidence(change: dict[str, Any]) -> None:
    assert needed(replace(AGREED, **change), None, 0) is Need.EVIDENCE


@pytest.mark.parametrize(
    "change",
    [
        {"model": OK},
        *({"goals": {**dict.fromkeys(Goal, NG), goal: OK}} for goal in Goal),
        {"failures": (Failure.IMAGE_MISSING,)},
        {"views": (view(legacy=NG, judgement=replace(SAME, verdict=OK)),)},
    ],
)
def test_in_shadow_a_goal_that_would_have_said_otherwise_makes_it_evidence(change: dict[str, Any]) -> None:
    assert needed(AGREED, replace(AGREED_LATER, **change), 0) is Need.EVIDENCE
