"""Of the parts that live goal 1 would clear, a few stay NG, so that somebody looks at them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from core_kit import NG, OK, Stand, a_part, until
from hypothesis import given
from hypothesis import strategies as st

from bridge.goals import Rules, decide, held_back, legacy_of, would_be
from bridge.messages import Decision, Failure, Goal, Inspection, Judgement, Origin, Stage, Verdict, View
from bridge.store import Need, Second, Stratum
from bridge.store.retention import needed

maybe = st.sampled_from([OK, NG, None])
ids = st.text("0123456789abcdef", min_size=32, max_size=32)
parts = st.builds(
    lambda legacy, views: Inspection(
        part="p", legacy=legacy, views=tuple(View(image=b"x", legacy=one) for one in views)
    ),
    maybe,
    st.lists(maybe, max_size=3),
)
judged = st.dictionaries(st.integers(0, 2), st.builds(lambda said: Judgement(verdict=said), maybe))
failures = st.frozensets(st.sampled_from(list(Failure)), max_size=2)
shares = st.sampled_from([0.0, 0.02, 0.5, 1.0])


def rules(share: float, goal: Goal = Goal.CUT_FALSE_CALLS, stage: Stage = Stage.LIVE) -> Rules:
    return Rules(goal=goal, stage=stage, guard_share=share)


@given(share=shares, part=parts, said=judged, f=failures, id_=ids, bypass=st.booleans())
def test_the_guard_only_keeps_ng_what_would_be_cleared(
    share: float, part: Inspection, said: dict[int, Judgement], f: frozenset[Failure], id_: str, *, bypass: bool
) -> None:
    """Everything else is as it would be without it, and goal 1 still turns nothing but NG into OK."""
    plain = decide(rules(0.0), part, said, f, bypass=bypass)
    outcome = decide(rules(share), part, said, f, bypass=bypass, id=id_)
    cleared = legacy_of(part) is NG and plain.final is OK
    assert (outcome.held_back is not None) == (cleared and share > 0)
    if not outcome.held_back:
        assert (outcome.final, outcome.origin, outcome.views) == (plain.final, plain.origin, plain.views)
        return
    assert held_back(id_, share)
    assert (outcome.final, outcome.origin, outcome.model) == (NG, Origin.LEGACY, OK)
    assert (outcome.degraded, outcome.error, outcome.rechecked, outcome.failures) == (False, False, True, ())
    assert outcome.views == tuple(view.legacy for view in part.views)


@given(part=parts, said=judged, id_=ids)
def test_nothing_else_is_ever_held_back(part: Inspection, said: dict[int, Judgement], id_: str) -> None:
    """Neither under another goal, nor in shadow, nor in what a shadow line scores."""
    for other in (rules(1.0, Goal.CATCH_ESCAPES), rules(1.0, Goal.REPLACE), rules(1.0, stage=Stage.SHADOW)):
        assert decide(other, part, said, id=id_).held_back is None
    assert would_be(rules(1.0), part, said) == would_be(rules(0.0), part, said)


@given(ids, st.floats(0, 1), st.floats(0, 1))
def test_who_is_held_back_at_a_share_is_so_at_every_larger_one(id_: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert held_back(id_, high) or not held_back(id_, low)
    assert not held_back(id_, 0.0)
    assert held_back(id_, 1.0)


def test_so_many_are_held_back_as_the_share_says() -> None:
    """5,000 ids at 0.1: five standard deviations of the binomial are 106."""
    count = sum(held_back(f"{number:032x}", 0.1) for number in range(5000))
    assert abs(count - 500) < 107


async def recorded(stand: Stand, decision: Decision) -> Second:
    def looked(reader: Any) -> list[Second]:
        found: list[Second] = reader.seconds(decision.id)
        return found

    async with asyncio.timeout(10):
        while not (found := await stand.look(looked)):  # noqa: ASYNC110 - the journal has no event
            await asyncio.sleep(0.01)
    [second] = found
    return second


@pytest.mark.parametrize(("share", "final"), [(1.0, NG), (1e-12, OK)])
async def test_every_part_that_would_be_cleared_has_its_chance_recorded(
    stand: Stand, share: float, final: Verdict
) -> None:
    line = stand.line(shadow={"guard_share": share})
    await until(line.standing.ready)
    decision = await line.inspect(a_part(NG, NG, OK))
    drawn = final is NG
    assert (decision.final, decision.model, decision.legacy) == (final, OK, NG)
    assert decision.origin is (Origin.LEGACY if drawn else Origin.MODEL)
    second = await recorded(stand, decision)
    assert (second.kind, second.stratum, second.drawn) == ("guard", Stratum.GUARD, drawn)
    assert second.chance == pytest.approx(share)
    assert second.goals == {Goal.CUT_FALSE_CALLS: OK}
    await until(lambda: stand.plc.told and stand.mes.told)
    [told], [document] = stand.plc.told, stand.mes.told
    assert (told.final, document.document()["verdict"]) == (final, final)
    assert document.document() == decision.document()


async def test_the_pictures_of_a_part_that_was_held_back_are_kept(stand: Stand) -> None:
    """They are what somebody will be asked about; the model and the inspector differ on it, so it is evidence."""
    line = stand.line(shadow={"guard_share": 1.0})
    await until(line.standing.ready)
    decision = await line.inspect(a_part(NG))
    assert needed(decision, None, 0.0) is Need.EVIDENCE
    digest = decision.views[0].image
    async with asyncio.timeout(10):
        while await asyncio.to_thread(stand.images.read, digest) is None:  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("part", [a_part(OK), a_part(NG, defect="3D")])
async def test_a_part_that_is_not_cleared_anyway_has_no_record(stand: Stand, part: Inspection) -> None:
    line = stand.line(shadow={"guard_share": 1.0})
    await until(line.standing.ready)
    decision = await line.inspect(part)
    await until(lambda: not line._tasks)
    assert await stand.look(lambda reader: reader.seconds(decision.id)) == []
