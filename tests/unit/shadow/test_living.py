"""A live line is read on and on: what came, and what people said of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.labels import Label
from bridge.messages import Decision, Goal, Judgement, Origin, Stage, Verdict, ViewDecision
from bridge.shadow.guarding import Guarded
from bridge.shadow.living import DAY, Living
from bridge.store import Journal, Second, Stratum, open_journal
from bridge.store.labels import open_labels

OK, NG = Verdict.OK, Verdict.NG
BEGIN = 1_700_000_000.0


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with open_journal(tmp_path) as opened:
        yield opened


class Plant:
    """Parts of one line, at times that a test says."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.folder, self.journal, self.count = folder, journal, 0

    async def part(
        self,
        at: float,
        final: Verdict = NG,
        model: Verdict | None = NG,
        *,
        guard: bool | None = None,
        part: str = "",
        **more: Any,
    ) -> str:
        self.count += 1
        wall = BEGIN + at
        id_ = f"{int(wall * 1000):012x}{self.count:020x}"
        view = ViewDecision(
            name="1", legacy=NG, judgement=Judgement(verdict=model, score=0.25, threshold=0.5) if model else None
        )
        made = Decision(
            id=id_,
            line="l",
            goal=Goal.CUT_FALSE_CALLS,
            stage=Stage.LIVE,
            part=part or f"p{self.count}",
            legacy=NG,
            model=model,
            final=final,
            origin=Origin.MODEL,
            views=(view,),
            event_at=wall,
        )
        await self.journal.commit(replace(made, **more))
        if guard is not None:
            second = Second(
                id=id_, kind="guard", at=wall, model=OK, goals={}, stratum=Stratum.GUARD, chance=0.5, drawn=guard
            )
            await self.journal.second(second)
        return id_

    async def say(self, *labels: Label) -> None:
        def write() -> None:
            with open_labels(self.folder) as book:
                book.add([replace(one, line="l", road="csv") for one in labels])

        await asyncio.to_thread(write)

    def living(self, since: float = 0.0, seeded: str = "") -> Living:
        return Living(self.folder, "l", BEGIN + since, 24, seeded)


@pytest.fixture
def plant(tmp_path: Path, journal: Journal) -> Plant:
    return Plant(tmp_path, journal)


def said(verdict: Verdict, at: float, who: str = "ann", **more: Any) -> Label:
    return Label(verdict=verdict, who=who, at=BEGIN + at, **more)


async def test_a_part_that_was_cleared_counts_though_a_crash_took_its_record(plant: Plant) -> None:
    """Else as much would seem to be let through as was noted; what another word cleared is not goal 1's."""
    await plant.part(10, OK, OK)
    await plant.part(20, OK, OK, guard=False)
    await plant.part(30, OK, NG, origin=Origin.OPERATOR)
    await plant.part(40, OK, OK, goal=Goal.REPLACE)
    found = await asyncio.to_thread(plant.living().look, BEGIN + 3600)
    assert found.guarded == Guarded(parts=4, clearable=2)


async def test_what_was_held_back_a_week_ago_should_have_a_label(plant: Plant) -> None:
    living = plant.living()
    look = lambda days: asyncio.to_thread(living.look, BEGIN + days * DAY)  # noqa: E731
    for day in (1, 8, 12):
        await plant.part(day * DAY, NG, OK, guard=True)
    assert (await look(13)).due == 0, "people have a week, and the first days are none"
    assert (await look(14)).due == 1
    assert (await look(15.5)).due == 2
    found = await look(30)
    assert (found.due, found.guarded.held) == (3, 3)


async def test_parts_are_counted_once_however_often_somebody_looks(plant: Plant) -> None:
    living = plant.living()
    look = lambda hours: asyncio.to_thread(living.look, BEGIN + hours * 3600)  # noqa: E731
    await plant.part(10, OK, OK, guard=False)
    await plant.part(20, NG, OK, guard=True)
    await plant.part(30)
    await plant.part(40, OK, None, legacy=OK)
    await plant.part(50, stage=Stage.SHADOW)
    expected = Guarded(parts=4, clearable=2, held=1, stayed=1)
    assert (await look(1)).guarded == expected
    assert (await look(1)).guarded == expected
    await plant.part(3600, NG, NG)
    again = await look(30)
    assert again.guarded == replace(expected, parts=5, stayed=2)
    assert (again.before.compared, again.before.disagreed) == (4, 2)
    assert again.before.scores == {0.25: 4}
    assert again.now.compared == 0


async def test_what_came_before_is_not_this_lines(plant: Plant) -> None:
    await plant.part(10, OK, OK, guard=False)
    await plant.part(7200, OK, OK, guard=False)
    seen = await asyncio.to_thread(plant.living(3600).look, BEGIN + 9000)
    assert seen.guarded == Guarded(parts=1, clearable=1)


async def test_the_last_days_are_held_to_the_first(plant: Plant) -> None:
    for day in range(20):
        await plant.part(day * DAY + 60, OK, OK, guard=False)
    living = plant.living()
    seen = await asyncio.to_thread(living.look, BEGIN + 7.5 * DAY)
    assert (seen.before.compared, seen.now.compared) == (7, 1)
    seen = await asyncio.to_thread(living.look, BEGIN + 20 * DAY)
    assert (seen.before.compared, seen.now.compared) == (7, 7)


async def test_labels_tell_what_was_let_through(plant: Plant) -> None:
    bad = await plant.part(10, NG, OK, guard=True)
    await plant.part(20, NG, OK, guard=True, part="good")
    await plant.part(30, part="true")
    await plant.part(40, part="false")
    await plant.part(50, part="nobody")
    passed = await plant.part(60, OK, OK, guard=False)
    living = plant.living()
    await plant.say(
        said(NG, 100, id=bad),
        said(OK, 100, part="good"),
        said(NG, 100, part="true"),
        said(OK, 100, part="false"),
        said(NG, 100, id=passed),
        said(NG, 100, part="never seen"),
    )
    seen = await asyncio.to_thread(living.look, BEGIN + 3600)
    assert seen.guarded == Guarded(
        parts=6, clearable=3, held=2, labelled=2, bad=1, stayed=3, confirmed=1, refuted=1
    )
    await plant.say(said(OK, 200, who="bob", id=bad))
    assert (await asyncio.to_thread(living.look, BEGIN + 3600)).guarded.labelled == 1, "contradicted"
    await plant.say(said(OK, 300, who="eve", id=bad, decides=True))
    settled = (await asyncio.to_thread(living.look, BEGIN + 3600)).guarded
    assert (settled.labelled, settled.bad) == (2, 0)


async def test_a_correction_counts_and_a_label_is_of_the_newest_presentation(plant: Plant) -> None:
    await plant.part(10, NG, OK, guard=True, part="p")
    await plant.part(5000, OK, OK, guard=False, part="p")
    await plant.say(said(NG, 100, part="p"), said(OK, 200, part="p"), said(NG, 6000, part="p"))
    seen = await asyncio.to_thread(plant.living().look, BEGIN + 9000)
    assert (seen.guarded.labelled, seen.guarded.bad) == (1, 0)
    await plant.say(said(NG, 10 + 97 * 3600, part="p", who="late"))
    seen = await asyncio.to_thread(plant.living().look, BEGIN + 400_000)
    assert seen.guarded.labelled == 1


async def test_seeded_parts_are_no_part_of_what_a_live_line_is_held_to(plant: Plant) -> None:
    await plant.part(1, OK, OK, guard=False)
    own = await plant.part(2)
    await plant.part(3, OK, OK, guard=False, part="SEED-1")
    put_in = await plant.part(4, part="SEED-2")
    await plant.say(said(NG, 100, id=own), said(NG, 100, id=put_in))
    seen = await asyncio.to_thread(plant.living(seeded="SEED-*").look, BEGIN + 1000)
    assert (seen.guarded.parts, seen.guarded.clearable, seen.guarded.confirmed) == (2, 1, 1)
    assert seen.before.compared == 2
    everything = await asyncio.to_thread(plant.living().look, BEGIN + 1000)
    assert (everything.guarded.parts, everything.guarded.clearable, everything.guarded.confirmed) == (4, 2, 2)
