"""The demo, as a user runs it: four lines, the real bridge in its own process, real protocols."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

KEYS = {
    "name",
    "goal",
    "stage",
    "parts",
    "plc_reported",
    "mes_reported",
    "lost",
    "duplicated",
    "false_calls_before",
    "false_calls_after",
    "escapes_before",
    "escapes_after",
    "overhead_p50_ms",
    "overhead_p99_ms",
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Forty parts on each line; the figures by line."""
    keep = tmp_path_factory.mktemp("demo")
    command = [
        sys.executable,
        "-m",
        "bridge.cli",
        "demo",
        "--parts",
        "40",
        "--rate",
        "4",
        "--json",
        "--keep",
        keep,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(keep), timeout=110)
    found = json.loads(done.stdout.splitlines()[-1])["lines"]
    return {line["name"]: line for line in found}


@pytest.mark.timeout(120)
def test_every_part_is_decided_told_and_taken(lines: dict[str, dict[str, object]]) -> None:
    """One line per goal and one in shadow; PLC and MES hold every part, none is lost, none told twice."""
    assert [(line["goal"], line["stage"]) for line in lines.values()] == [
        (1, "live"),
        (2, "live"),
        (3, "live"),
        (1, "shadow"),
    ]
    for line in lines.values():
        assert set(line) >= KEYS
        assert line["parts"] == line["mes_reported"] == 40
        assert line["plc_reported"] == 40
        assert line["lost"] == line["duplicated"] == 0


def test_no_goal_does_what_it_must_not(lines: dict[str, dict[str, object]]) -> None:
    """Goal 1 cuts false calls, goal 2 adds no escape, and shadow changes nothing."""
    assert lines["goal-1"]["false_calls_after"] < lines["goal-1"]["false_calls_before"]  # type: ignore[operator]
    assert lines["goal-2"]["escapes_after"] <= lines["goal-2"]["escapes_before"]  # type: ignore[operator]
    for error in ("false_calls", "escapes"):
        assert lines["shadow"][f"{error}_after"] == lines["shadow"][f"{error}_before"]


def test_the_same_parts_are_shown_to_every_line(lines: dict[str, dict[str, object]]) -> None:
    """So that the goals can be compared."""
    assert len({(line["false_calls_before"], line["escapes_before"]) for line in lines.values()}) == 1
    assert int(str(lines["goal-1"]["false_calls_before"])) > 0
