"""The rate of the day on a real journal: set at the day's turn, the same all day, found again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.clock import ManualClock
from bridge.config.shadow import Shadow
from bridge.messages import Decision, Goal, Stage, Verdict
from bridge.shadow.drawing import Drawing
from bridge.shadow.sampling import audit_rate, drawn
from bridge.store import Journal, Second, Stratum, open_journal

OK, NG = Verdict.OK, Verdict.NG
DAY = 86_400.0
MONDAY = 1_700_438_400.0  # 2023-11-20 00:00 UTC
SHADOW = Shadow(labels_per_day=20, parts_per_day=1000)


class Plant:
    """A line whose parts are drawn and recorded."""

    def __init__(self, journal: Journal, clock: ManualClock) -> None:
        self.journal, self.clock = journal, clock
        self.drawing = self.restarted()
        self._number = 0

    def restarted(self, shadow: Shadow = SHADOW, line: str = "smt-3") -> Drawing:
        return Drawing(line, shadow, self.journal.reader, self.clock)

    async def part(
        self, legacy: Verdict = OK, model: Verdict | None = OK, line: str = "smt-3", serial: str = ""
    ) -> Second:
        self._number += 1
        id_ = f"{int(self.clock.wall() * 1000):012x}{self._number:020x}"
        told = Decision(
            id=id_, line=line, goal=Goal(1), stage=Stage.SHADOW, part=serial, legacy=legacy, final=legacy
        )
        await self.journal.commit(told)
        goals = {} if model is None else dict.fromkeys(Goal, model)
        made = Second(id=id_, kind="shadow", at=self.clock.wall(), model=model, goals=goals)
        made = await self.drawing.drawn(made, legacy, serial)
        await self.journal.second(made)
        return made

    async def day(self, ok: int, disagreed: int = 0) -> list[Second]:
        made = []
        for number in range(ok + disagreed):
            made.append(await self.part(OK, NG if number < disagreed else OK))
            self.clock.unix += 60
        return made

    def turn(self, days: float) -> None:
        self.clock.unix = MONDAY + days * DAY


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    clock = ManualClock(unix=MONDAY)
    async with open_journal(tmp_path, clock) as journal:
        yield Plant(journal, clock)


async def test_the_first_day_goes_by_the_configuration_and_the_second_by_the_first(plant: Plant) -> None:
    first = await plant.day(ok=40, disagreed=5)
    assert {(one.stratum, one.chance) for one in first} == {
        (Stratum.DISAGREED, 1.0),
        (Stratum.AGREED_OK, 10 / 1000),
    }
    plant.turn(1.5)
    assert (await plant.part()).chance == pytest.approx(15 / 40)


async def test_the_rate_is_the_same_all_day_and_after_a_restart_in_it(plant: Plant) -> None:
    """Whatever was recorded late of the day before, and whatever the configuration says by now."""
    await plant.day(ok=50)
    plant.turn(1)
    rate = (await plant.part()).chance
    assert rate == pytest.approx(20 / 50)
    plant.clock.unix -= 1800
    await plant.journal.commit(
        late := Decision(
            id=f"{int(plant.clock.wall() * 1000):012x}{1 << 60:020x}",
            line="smt-3",
            goal=Goal(1),
            stage=Stage.SHADOW,
            part="late",
        )
    )
    await plant.journal.second(
        Second(id=late.id, kind="shadow", at=0, model=None, goals={}, stratum=Stratum.UNJUDGED, chance=0.5)
    )
    plant.turn(1.9)
    plant.drawing = plant.restarted(Shadow(labels_per_day=9999))
    assert (await plant.part()).chance == rate
    plant.turn(2)
    assert (await plant.part()).chance == 1.0


async def test_days_of_another_line_and_days_too_long_ago_do_not_count(plant: Plant) -> None:
    await plant.day(ok=50)
    plant.turn(1)
    assert (await plant.restarted(line="smt-4").drawn(await plant.part(), OK)).chance == 10 / 1000
    plant.turn(9)
    assert (await plant.part()).chance == 10 / 1000


async def test_parts_that_nobody_judged_are_of_the_audit(plant: Plant) -> None:
    for _ in range(40):
        made = await plant.part(OK, None)
        assert (made.stratum, made.chance) == (Stratum.UNJUDGED, 10 / 1000)
        assert made.drawn == drawn(made.id, 10 / 1000)
    plant.turn(1)
    assert (await plant.part()).chance == pytest.approx(20 / 40)


async def test_a_disk_that_refuses_leaves_the_rate_as_it_was(plant: Plant, tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "journal.db").rename, tmp_path / "away.db")
    made = Second(id=f"{1:032x}", kind="shadow", at=0.0, model=OK, goals=dict.fromkeys(Goal, OK))
    assert (
        (await plant.drawing.drawn(made, OK)).chance == plant.drawing.rate == audit_rate(plant.drawing._plan, ())
    )
    await asyncio.to_thread((tmp_path / "away.db").rename, tmp_path / "journal.db")


async def test_seeded_parts_are_drawn_and_no_day_s_rate_knows_of_them(plant: Plant) -> None:
    """Their pictures are kept, for drawn parts' are; labels are for the line's own parts."""
    plant.drawing = plant.restarted(SHADOW.model_copy(update={"seeded": "SEED-*"}))
    await plant.day(ok=40, disagreed=5)
    for number in range(30):
        made = await plant.part(NG, OK if number % 2 else NG, serial=f"SEED-{number}")
        assert (made.stratum, made.chance, made.drawn) == (None, 1.0, True)
    plant.turn(1.5)
    assert (await plant.part()).chance == pytest.approx(15 / 40)
