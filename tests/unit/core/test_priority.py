"""What works for minutes on a machine that runs a line takes only what processor time nobody else wants."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASK = """
import contextlib, os, sys
from bridge.cli.__main__ import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
    main()
print(os.sched_getscheduler(0), os.nice(0))
"""


def told(command: str) -> tuple[int, int]:
    """Return scheduler and niceness of a process that ran the command's help."""
    words = [sys.executable, "-c", ASK, command, "--help"]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return int(said[0]), int(said[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a class below every niceness")
@pytest.mark.parametrize("command", ["train", "compare", "adapt", "data", "evaluate", "calibrate", "cam"])
def test_long_work_yields_to_the_line(command: str) -> None:
    """It runs only where a processor would idle."""
    assert told(command) == (os.SCHED_IDLE, 19)


def test_what_a_person_waits_for_does_not() -> None:
    """A status while everything is busy must come now."""
    assert told("status") == (os.SCHED_OTHER, os.nice(0))
