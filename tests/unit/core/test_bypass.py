"""A bypass: approved beforehand, for a time, and every change of it audited."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bridge.bypass import Bypass
from bridge.clock import ManualClock


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
