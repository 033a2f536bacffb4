"""The example of a shadow month: its report tells all that happened, and finds what is true."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from example_kit import script

PER_DAY = 100
MONTH = Path(__file__).parents[2] / "examples" / "shadow_month" / "month.py"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def plant() -> ModuleType:
    return script("shadow_month/plant.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The month, run once: three gateways, two of them killed."""
    where = tmp_path_factory.mktemp("shadow") / "month"
    command = [sys.executable, str(MONTH), str(where), "--parts-per-day", str(PER_DAY)]
    subprocess.run(command, check=True, timeout=380)
    return where


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "var" / "reports" / "moulds").glob("*/report.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def parts(plant: ModuleType) -> list[Any]:
    return list(plant.month(PER_DAY))


def first_reached(plant: ModuleType, parts: list[Any]) -> list[Any]:
    """Return the first presentation of each part that the gateway saw."""
    seen: dict[str, Any] = {}
    for part in parts:
        if plant.reached(part):
            seen.setdefault(part.serial, part)
    return list(seen.values())


def test_what_the_bridge_never_saw_is_counted_by_the_inspector_s_own_numbers(
    report: dict[str, Any], plant: ModuleType, parts: list[Any]
) -> None:
    unseen = sum(not plant.reached(part) for part in parts)
    assert unseen > 0
    assert report["health"]["counting"]["missing"] == unseen
    assert report["parts"]["presentations"] == len(parts) - unseen


def test_parts_that_were_put_in_again_are_one_part(
    report: dict[str, Any], plant: ModuleType, parts: list[Any]
) -> None:
    distinct = len(first_reached(plant, parts))
    assert report["parts"]["distinct"] == distinct
    assert report["parts"]["reinspected"] == sum(plant.reached(one) for one in parts) - distinct > 0


def test_power_cuts_and_the_mes_that_was_away_are_told(report: dict[str, Any]) -> None:
    health = report["health"]
    assert (health["starts"], health["crashes"]) == (3, 2)
    assert [round((one["until"] - one["since"]) / 3600) for one in health["silences"]] == [2, 2]
    (mes,) = [one for one in health["peers"] if one["name"] == "mes"]
    assert (mes["downs"], round(mes["longest_down"] / 86400, 1)) == (1, 1.0)
    owed = {day["day"]: day["backlog"] for day in health["days"]}
    assert owed["2026-09-19"] > PER_DAY / 2, "the MES was away on this day"
    assert owed["2026-09-25"] < PER_DAY / 4


def test_the_lamp_that_aged_in_week_three_stands_out(report: dict[str, Any]) -> None:
    (drift,) = report["drift"]
    tones = {week["week"]: week["tone"] for week in drift["weeks"]}
    assert tones["2026-W39"] == "act"
    assert "act" not in {tone for week, tone in tones.items() if week != "2026-W39"}


def test_the_old_lamp_shows_in_the_pictures_too(report: dict[str, Any]) -> None:
    """A dark corner makes them darker and its edge more of a contrast; nothing is out of focus."""
    (view,) = report["pictures"]
    tones = {
        name: {week["week"] for week in view["weeks"] if week[name]["tone"] == "act"}
        for name in ("brightness", "contrast", "sharpness")
    }
    assert view["view"] == "top"
    assert tones["brightness"] == {"2026-W39"}
    assert tones["contrast"] <= {"2026-W39"}
    assert not tones["sharpness"]
    brightness = {week["week"]: week["brightness"]["median"] for week in view["weeks"]}
    assert brightness["2026-W39"] < min(value for week, value in brightness.items() if week != "2026-W39")


def test_the_old_machine_that_was_trained_anew_makes_fewer_false_calls(report: dict[str, Any]) -> None:
    rate = {week["name"]: week["false_calls_inspector"]["value"] for week in report["rates"]["week"]}
    assert max(rate["2026-W40"], rate["2026-W41"]) < min(rate["2026-W37"], rate["2026-W38"], rate["2026-W39"]) / 2


RATES: dict[tuple[str, str], Callable[[Any, bool], bool]] = {
    ("false_calls", "inspector"): lambda part, _: part.called_ng and not part.bad,
    ("false_calls", "1"): lambda part, ng: part.called_ng and ng and not part.bad,
    ("false_calls", "2"): lambda part, ng: (part.called_ng or ng) and not part.bad,
    ("false_calls", "3"): lambda part, ng: ng and not part.bad,
    ("escapes", "inspector"): lambda part, _: part.bad and not part.called_ng,
    ("escapes", "1"): lambda part, ng: part.bad and not (part.called_ng and ng),
    ("escapes", "2"): lambda part, ng: part.bad and not (part.called_ng or ng),
    ("escapes", "3"): lambda part, ng: part.bad and not ng,
}


@pytest.mark.parametrize(("number", "whose"), RATES)
def test_the_rates_are_those_of_the_plant(
    report: dict[str, Any], plant: ModuleType, parts: list[Any], number: str, whose: str
) -> None:
    """What is true lies within the bounds, though most of the parts were never looked at."""
    known = first_reached(plant, parts)
    truth = sum(RATES[number, whose](part, plant.score(plant.pixels(part.picture)) < 0.5) for part in known) / len(
        known
    )
    said = report["numbers"][number][whose]
    assert said["lower"] <= truth <= said["upper"]
    assert said["outstanding"] == 0
    assert report["parts"]["labelled"] < len(known) / 2


def test_people_are_held_against_each_other(report: dict[str, Any]) -> None:
    labels = report["labels"]
    assert labels["double"] > 0
    assert labels["contradicted"] == 0, "Chris has settled all of them"
    assert labels["settled"] == labels["disputed"]
    assert {one["name"] for one in labels["people"]} == {"Ana", "Bo", "Chris"}


def test_no_goal_is_called_ready_that_lets_more_pass_than_may_be(report: dict[str, Any]) -> None:
    for verdict in report["verdict"].values():
        holds = all(limit["holds"] for limit in verdict["limits"])
        assert (verdict["state"] == "ready") == holds
        assert verdict["look"] == 1
    assert report["verdict"]["2"]["state"] == "ready"


def test_the_same_month_gives_the_same_bytes(folder: Path, report: dict[str, Any], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bridge.cli", "shadow", "report", "moulds", "--out", str(tmp_path / "again")]
    subprocess.run([*command, "--config", str(folder / "bridge.toml")], check=True, stdout=subprocess.DEVNULL)
    (first,) = (folder / "var" / "reports" / "moulds").iterdir()
    names = sorted(path.name for path in first.iterdir())
    assert names == ["parts.csv", "report.html", "report.json"]
    assert report["line"] == "moulds"
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (first / name).read_bytes()
