"""The benchmarks that take an hour, for seconds: they run, and what does not depend on speed holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OVER_SECONDS = 270
pytestmark = pytest.mark.timeout(300)


def run(script: str, *flags: str) -> dict[str, Any]:
    """Run a benchmark as its user does; return its figures."""
    command = [sys.executable, str(BENCHMARKS / script), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=OVER_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def test_an_mes_that_was_away_gets_everything_in_order() -> None:
    """Nothing is lost, doubled, out of order or told late to a PLC, and the outage owed something."""
    figures = run("outage.py", "--seconds", "4")
    assert figures["owed_after_the_outage"] > 0
    assert figures["drain_per_second"] > 0
    assert len(figures["dead_over_alive"]) == 5


def test_handles_and_threads_stay_what_they_were() -> None:
    """A quarter of a minute shows no more than a leak per part, but that it does show."""
    figures = run("soak.py", "--minutes", "0.25", "--every", "1")
    assert figures["parts"] == figures["at_the_mes"] > 0
    assert figures["samples"] >= 5
    assert figures["processes"] == 2


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    """Return the benchmark as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import soak  # noqa: PLC0415 - a script's module, found by the line above
    return soak


def test_a_leak_is_found_within_its_interval(soak: ModuleType) -> None:
    """A line that rises by 2 MB per hour, under saw teeth, has a slope whose interval holds 2."""
    seconds = [10.0 * number for number in range(300)]
    values = [100 + 2 * at / 3600 + number % 7 * 0.1 for number, at in enumerate(seconds)]
    slope, width = soak.slope_per_hour(seconds, values)
    assert abs(slope - 2) < width < 0.5


def test_samples_that_follow_one_another_widen_the_interval(soak: ModuleType) -> None:
    """Slow waves of the same height tell less about a slope than quick ones."""
    seconds = [10.0 * number for number in range(300)]
    quick, slow = ([float(number % (2 * n) < n) for number in range(300)] for n in (1, 10))
    assert soak.slope_per_hour(seconds, slow)[1] > 3 * soak.slope_per_hour(seconds, quick)[1]


def test_too_few_samples_say_nothing(soak: ModuleType) -> None:
    """No slope is made up from a handful."""
    assert soak.slope_per_hour([1.0, 2.0], [1.0, 2.0]) == (0.0, 0.0)
