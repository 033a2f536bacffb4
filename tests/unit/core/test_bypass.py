"""A bypass: approved beforehand, for a time, and every change of it audited."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from core_kit import until

from bridge import bypass as bypass_module
from bridge.bypass import Bypass
from bridge.clock import ManualClock
from bridge.errors import Refused


class Log:
    """Keeps what was audited."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str, str, str]] = []

    def __call__(self, what: str, *, old: str = "", new: str = "", why: str = "", who: str = "") -> None:
        self.said.append((what, old, new, why, who))

    @property
    def whats(self) -> list[str]:
        return [what for what, *_ in self.said]


def a_bypass(goal: int = 1, minutes: float | None = 30) -> tuple[Bypass, ManualClock, Log]:
    approved = SimpleNamespace(minutes=minutes, because="QA-7") if minutes else None
    clock, log = ManualClock(), Log()
    config: Any = SimpleNamespace(goal=goal, bypass=approved)
    return Bypass(config, clock, log), clock, log


def test_is_in_force_while_somebody_wants_it() -> None:
    """It begins with the first who wants it and ends with the last."""
    bypass, _, log = a_bypass()
    assert bypass.want("plc", wanted=True)
    assert bypass.want("ann", wanted=True)
    assert bypass.want("plc", wanted=False)
    assert not bypass.want("ann", wanted=False)
    assert log.whats == ["bypass", "bypass"]
    assert [who for *_, who in log.said] == ["plc", "ann"]


def test_ends_in_time_and_needs_a_new_wish() -> None:
    """A bit that stays set does not renew it."""
    bypass, clock, log = a_bypass(minutes=30)
    assert bypass.want("plc", wanted=True)
    clock.advance(30 * 60)
    assert not bypass.in_force
    assert not bypass.want("plc", wanted=True)
    assert bypass.want("plc", wanted=False) is False
    assert bypass.want("plc", wanted=True)
    assert log.said[1][3] == "the approved time is over"


async def test_its_end_is_audited_in_time_although_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit log says when the inspector's verdict ceased to count, also where no part comes for hours."""
    monkeypatch.setattr(bypass_module, "LOOK_SECONDS", 0)
    bypass, clock, log = a_bypass(minutes=30)
    bypass.want("plc", wanted=True)
    keeping = asyncio.create_task(bypass.keep_time())
    clock.advance(30 * 60)
    await until(lambda: log.whats == ["bypass", "bypass"])
    keeping.cancel()
    assert log.said[1][3] == "the approved time is over"


def test_is_refused_where_none_is_approved_and_under_goal_3() -> None:
    """The refusal is audited once for each wish."""
    for goal, minutes in ((1, None), (3, 30)):
        bypass, _, log = a_bypass(goal, minutes)
        assert not bypass.want("plc", wanted=True)
        assert not bypass.want("plc", wanted=True)
        assert log.whats == ["bypass refused"]


def test_says_how_long_it_lasts() -> None:
    """Status shows the seconds that are left."""
    bypass, clock, _ = a_bypass(minutes=1)
    assert bypass.left_seconds() == 0
    bypass.want("ann", wanted=True)
    clock.advance(20)
    assert bypass.left_seconds() == 40


def test_a_person_asks_with_a_reason_and_every_yes_is_a_new_wish() -> None:
    bypass, clock, log = a_bypass(minutes=30)
    assert bypass.ask("ann", wanted=True, because="lens broken")
    assert log.said[-1][3:] == ("QA-7; lens broken", "ann")
    clock.advance(30 * 60)
    assert not bypass.in_force
    assert bypass.ask("ann", wanted=True, because="still broken")
    assert bypass.left_seconds() == 30 * 60


def test_what_one_person_began_another_may_end() -> None:
    bypass, _, log = a_bypass()
    bypass.ask("ann", wanted=True, because="x")
    assert not bypass.ask("ben", wanted=False, because="mended")
    assert log.said[-1] == ("bypass", "in force", "none", "taken back; mended", "ben")


def test_a_persons_no_does_not_take_back_what_a_machine_wants() -> None:
    bypass, _, _ = a_bypass()
    bypass.want("plc", wanted=True)
    assert bypass.ask("ann", wanted=True, because="x")
    assert bypass.wanted_by == ["plc", "the command line"]
    assert bypass.ask("ann", wanted=False)
    assert bypass.wanted_by == ["plc"]
    assert not bypass.want("plc", wanted=False)


def test_a_persons_word_is_used_up_when_its_time_is_over() -> None:
    """Else a machine that asks next could not end it by itself."""
    bypass, clock, _ = a_bypass(minutes=30)
    bypass.ask("ann", wanted=True, because="x")
    clock.advance(30 * 60)
    assert not bypass.in_force
    assert bypass.want("plc", wanted=True)
    assert not bypass.want("plc", wanted=False)


@pytest.mark.parametrize(("goal", "minutes", "words"), [(1, None, "none is approved"), (3, 30, "under goal 3")])
def test_a_person_is_told_why_there_is_none(goal: int, minutes: float | None, words: str) -> None:
    bypass, _, log = a_bypass(goal, minutes)
    with pytest.raises(Refused, match=words):
        bypass.ask("ann", wanted=True, because="x")
    assert log.whats == ["bypass refused"]
    assert not bypass.ask("ann", wanted=False)
