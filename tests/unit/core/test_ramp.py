"""A ramp: one recipe is live and the others stay in shadow, on a line whose wires know no recipes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from core_kit import NG, OK, Stand, a_line_config, a_part, until
from hypothesis import given
from hypothesis import strategies as st

from bridge.goals import decide, left_to_us, legacy_of, route
from bridge.messages import Decision, Failure, Goal, Inspection, Judgement, Origin, Stage, Verdict, View
from bridge.store import Second
from bridge.terms import is_ours_to_tell

RECIPES: dict[str, Any] = {"M10": {}, "M12": {}}

verdicts = st.sampled_from([OK, NG, None])
names = st.sampled_from(["M10", "M12", "M99", ""])
parts = st.builds(
    lambda recipe, legacy, views: Inspection(
        part="p", recipe=recipe, legacy=legacy, views=tuple(View(image=b"x", legacy=one) for one in views)
    ),
    names,
    verdicts,
    st.lists(verdicts, max_size=3),
)
judged = st.dictionaries(st.integers(0, 2), st.builds(lambda said: Judgement(verdict=said), verdicts))
goals = st.sampled_from([1, 2, 3])


@given(
    goal=goals,
    live=st.sets(st.sampled_from(["M10", "M12"]), min_size=1),
    stage=st.sampled_from(["shadow", "live"]),
    topology=st.sampled_from(["tap", "inline"]),
    part=parts,
    said=judged,
    failures=st.sets(st.sampled_from(Failure)),
)
def test_only_parts_of_a_live_recipe_are_answered_by_us(
    goal: int,
    live: set[str],
    stage: str,
    topology: str,
    part: Inspection,
    said: dict[int, Judgement],
    failures: set[Failure],
) -> None:
    """Of any other the inspector's verdict stands, and whom it reaches does not depend on the recipe."""
    line = a_line_config(goal=goal, stage=stage, topology=topology, recipe=RECIPES, live_recipes=sorted(live))
    rules = line.rules(part.recipe)
    counts = stage == "live" and part.recipe in live
    assert rules.stage is (Stage.LIVE if counts else Stage.SHADOW)
    outcome = decide(rules, part, said, failures)
    if not counts:
        assert (outcome.final, outcome.origin) == (legacy_of(part), Origin.LEGACY)
        assert route(rules, part) == "pass"
    decision = Decision(
        id="0" * 32,
        line="l",
        goal=Goal(goal),
        stage=rules.stage,
        part="p",
        legacy=legacy_of(part),
        final=outcome.final,
    )
    rewired = stage == "live" and topology == "tap"
    assert is_ours_to_tell(decision, line) == (not rewired or left_to_us(Goal(goal), legacy_of(part)))


@pytest.mark.parametrize(
    ("goal", "legacy", "told"), [(1, NG, True), (1, OK, False), (2, OK, True), (2, NG, False), (3, OK, True)]
)
async def test_a_part_of_a_recipe_that_is_not_live_reaches_a_rewired_plc_as_the_inspector_said(
    stand: Stand, goal: int, legacy: Verdict, *, told: bool
) -> None:
    """Silence would leave the PLC without a verdict, for the inspector's own wire is not there any more."""
    stand.judge.says = NG if legacy is OK else OK
    line = stand.line(goal=goal, topology="tap", recipe=RECIPES, live_recipes=["M10"])
    await until(lambda: line.standing.ready("M10"))
    decision = await line.inspect(a_part(legacy, recipe="M12", name="waits"))
    assert (decision.stage, decision.final, decision.origin) == (Stage.SHADOW, legacy, Origin.LEGACY)
    await until(lambda: not line._tasks)
    assert stand.plc.parts == (["waits"] if told else [])

    def looked(reader: Any) -> list[Second]:
        found: list[Second] = reader.seconds(decision.id)
        return found

    async with asyncio.timeout(10):
        while not (found := await stand.look(looked)):  # noqa: ASYNC110 - the journal has no event
            await asyncio.sleep(0.01)
    assert (found[0].kind, found[0].model) == ("shadow", stand.judge.says)
    ours = await line.inspect(a_part(legacy, recipe="M10", name="counts"))
    assert ours.stage is Stage.LIVE


async def test_ready_is_told_for_the_recipe_that_comes(stand: Stand) -> None:
    """Without its judge a part of a live recipe would not be answered as planned; one in shadow would."""
    line = stand.line(judge_up=False, recipe=RECIPES, live_recipes=["M10"])
    assert [line.standing.ready(name) for name in ("M10", "M12", "M99")] == [False, True, True]
    assert not line.standing.shadow
