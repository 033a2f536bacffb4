"""Bad habits of simulated neighbours: how they are named, and what an inspector does to its parts."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bridge.plugin import PART_HABITS, ConfigError, Habit, Inspection, Mood, Unavailable, Verdict, moody
from bridge.plugin.habits import read_habits

KNOWN = {"slow": Habit("so many seconds late", 0.5), "mute": Habit("says nothing")}


def test_a_habit_has_its_usual_number_unless_another_is_given() -> None:
    assert read_habits("slow, mute", KNOWN) == {"slow": 0.5, "mute": 0.0}
    assert read_habits("slow=2", KNOWN) == {"slow": 2.0}
    assert read_habits("", KNOWN) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quick", "--habit quick: this peer has no such habit; write one of slow, mute"),
        ("slow=x", "--habit slow=x: x is no number"),
        ("slow=-1", "--habit slow=-1: this habit takes no such number; write slow=0.5"),
        ("slow=nan", "--habit slow=nan: this habit takes no such number; write slow=0.5"),
        ("mute=3", "--habit mute=3: this habit takes no such number; write mute"),
    ],
)
def test_a_mistyped_habit_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_habits(text, KNOWN)
    assert str(caught.value) == said


def test_a_habit_strikes_one_time_in_so_many_and_may_change_meanwhile() -> None:
    habits: dict[str, float] = {"cut": 3}
    mood = Mood(habits)
    assert [mood.strikes("cut") for _ in range(6)] == [False, False, True, False, False, True]
    assert not mood.strikes("other")
    habits.clear()
    assert not any(mood.strikes("cut") for _ in range(6))


async def played(habits: Mapping[str, float], count: int = 4, encoding: str = "utf-8") -> list[str]:
    """Return the serial numbers that a bridge hears when parts P1, P2 … are played."""
    heard: list[str] = []

    async def play(part: Inspection) -> Verdict | None:
        heard.append(part.part)
        return Verdict.OK

    async with moody(play, habits, encoding) as machine:
        for number in range(1, count + 1):
            await machine(Inspection(part=f"P{number}"))
    return heard


@pytest.mark.parametrize(
    ("habits", "heard"),
    [
        ({}, ["P1", "P2", "P3", "P4"]),
        ({"duplicate": 2}, ["P1", "P2", "P2", "P3", "P4", "P4"]),
        ({"out-of-order": 3}, ["P1", "P2", "P4", "P3"]),
        ({"out-of-order": 4}, ["P1", "P2", "P3", "P4"]),
        ({"no-barcode": 2}, ["P1", "", "P3", ""]),
        ({"reused-serial": 2}, ["P1", "P1", "P3", "P3"]),
        ({"reused-serial": 1}, ["P1", "P1", "P2", "P3"]),
    ],
)
async def test_what_an_inspector_does_to_its_parts(habits: Mapping[str, float], heard: list[str]) -> None:
    """Nothing is lost: what is held back comes at the end at the latest."""
    assert await played(habits) == heard


@pytest.mark.parametrize(("encoding", "letters"), [("cp949", "부품部品零件"), ("cp1252", "é"), ("ascii", "")])
async def test_letters_of_a_code_page_are_those_that_it_has(encoding: str, letters: str) -> None:
    assert await played({"code-page": 0}, 1, encoding) == [f"P1{letters}"]


async def test_a_bridge_that_is_away_at_the_end_costs_the_part_that_was_held_back() -> None:
    async def away(_: Inspection) -> Verdict | None:
        raise Unavailable("away")

    async with moody(away, {"out-of-order": 1}) as machine:
        assert await machine(Inspection(part="P1")) is None


@pytest.mark.parametrize("habit", PART_HABITS.values())
def test_every_number_is_explained(habit: Habit) -> None:
    """Who reads the list must see what the number counts."""
    assert ("so many" in habit.says) == (habit.number is not None)
