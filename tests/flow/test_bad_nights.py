"""The benchmarks of faults and of garbage, in short: what they promise holds, and their table is the bridge's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bridge.goals import Rules, decide
from bridge.messages import Failure, Goal, Inspection, Judgement, Stage, Verdict, View

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OVER_SECONDS = 280
pytestmark = pytest.mark.timeout(300)


def ran(script: str, *flags: str) -> dict[str, Any]:
    """Run a benchmark as its user does; return the figures. It fails by itself where a promise was broken."""
    command = [sys.executable, str(BENCHMARKS / script), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=OVER_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


@pytest.mark.parametrize("fault", ["aoi duplicate", "plc busy", "mes ack-lost", "disk full", "judge segfault"])
def test_every_part_is_answered_as_the_table_says(fault: str) -> None:
    """In time, never a wrong OK at the PLC, well again afterwards; the deadline is longer than any stall here."""
    figures = ran("faults.py", "--seconds", "1.5", "--deadline", "10000", "--fault", fault)
    [row] = figures["faults"]
    assert row["parts"] == row["at_the_plc"] > 0


def test_garbage_is_counted_and_the_good_parts_between_are_decided() -> None:
    figures = ran("garbage.py", "--frames", "1000", "--files", "150")
    assert (figures["frames"], figures["files"]) == (1000, 150)
    assert {line["line"] for line in figures["lines"] if line["good"]} == {
        *("crlf", "json", "stx_etx", "fixed", "len32be"),
        "folder",
    }


@pytest.fixture
def struck(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The table that the benchmark of faults is held against."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import struck  # noqa: PLC0415 - a script's module, found by the line above

    return struck


@pytest.mark.parametrize("legacy", Verdict)
@pytest.mark.parametrize("line", ["goal-1", "goal-2", "goal-3", "shadow"])
def test_the_table_of_the_benchmark_is_that_of_the_goals(struck: ModuleType, line: str, legacy: Verdict) -> None:
    goal, stage, _ = struck.LINES[line]
    rules = Rules(goal=Goal(goal), stage=Stage(stage))
    part = Inspection(part="P", legacy=legacy, views=(View(name="top", image=b"x"),))
    assert struck.FAILED[line, legacy] is decide(rules, part, failures={Failure.DEADLINE}).final
    assert struck.FAILED[line, legacy] is decide(rules, part, failures={Failure.NOT_RECORDED}).final
    for truth in Verdict:
        assert struck.PLANNED[line, legacy, truth] is decide(rules, part, {0: Judgement(verdict=truth)}).final
