"""What works for minutes on a machine that runs a line takes only what processor time nobody else wants."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


GROUP = Path("/proc/self/autogroup")
STAGE = """
import os, subprocess, sys, time
from pathlib import Path
group, (command, *beside) = Path("/proc/self/autogroup"), sys.argv[1:]
rank = lambda: group.read_text().split()[-1]
other = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *beside])] if beside else []
time.sleep(0.1)
words = "from bridge.priority import *; from pathlib import Path; " + command
words += "; print(Path('/proc/self/autogroup').read_text().split()[-1])"
said = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True).stdout.strip()
print(said, rank())
for one in other:
    one.kill()
"""


@pytest.mark.skipif(not GROUP.exists(), reason="this kernel does not group processes by session")
@pytest.mark.parametrize(
    ("command", "beside", "during", "after"),
    [
        ("yield_to_the_line()", "", "19", "0"),
        ("yield_to_the_line()", "less README.md", "19", "0"),
        ("yield_to_the_line()", "/opt/aoi-bridge/bin/aoi-bridge run", "0", "0"),
        ("yield_to_the_line()", "-m bridge.cli demo", "0", "0"),
        ("Path('/proc/self/autogroup').write_text('19'); time.sleep(0.2); keep_rank()", "", "0", "0"),
        ("Path('/proc/self/autogroup').write_text('5'); time.sleep(0.2); keep_rank()", "", "5", "5"),
    ],
)
def test_a_session_yields_but_not_a_gateways(command: str, beside: str, during: str, after: str) -> None:
    """Between sessions the class alone counts nothing; a gateway takes back what a killed training left."""
    words = [sys.executable, "-c", STAGE, "import time; " + command, *beside.split()]
    said = subprocess.run(words, check=True, capture_output=True, text=True, start_new_session=True).stdout
    assert said.split() == [during, after]


def test_what_a_person_waits_for_does_not() -> None:
    """A status while everything is busy must come now."""
    assert told("status") == (os.SCHED_OTHER, os.nice(0))
