"""The benchmark of a broker's bad night, in short: with the real gateway nothing is lost or has two ids."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mqtt_kit import needs_mosquitto

BROKER = Path(__file__).parents[3] / "benchmarks" / "broker.py"
OVER_SECONDS = 150
pytestmark = [needs_mosquitto, pytest.mark.timeout(180)]


def test_a_broker_that_is_killed_under_load_costs_no_part() -> None:
    """Both sides insist end to end; what a broker that is trusted loses is its own, and counted."""
    command = [sys.executable, str(BROKER), "--restarts", "2", "--between", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=OVER_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    insisting, trusting = figures["insisting"], figures["trusting"]
    assert insisting["kills"] == trusting["kills"] == 2
    assert insisting["parts"] == insisting["in_the_journal"] == insisting["at_the_mes"] > 0
    assert insisting["two_ids"] == trusting["two_ids"] == 0
