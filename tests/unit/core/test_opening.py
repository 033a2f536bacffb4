"""Whether the gateway starts without a peer: its wish, whose mistake it is, and who is there to see it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_kit import a_decision, a_name

from bridge.config import load
from bridge.errors import ConfigError, Unavailable
from bridge.opening import admitted, opened_once, refusal
from bridge.store import open_journal
from bridge.watched import State, Watched

PATIENCE = 30.0
MISTAKE = ConfigError("models/pins", "is not there", "train one")
AWAY = Unavailable("connection refused")


def watched(error: Exception | None, line: str = "l", *, insists: bool = False, live: bool = False) -> Watched:
    made = Watched(a_name(line) if line else line, "mes" if line else "judge pins", insists=insists, live=live)
    made.first_error = error
    made.become(State.DOWN if error else State.UP)
    return made


def test_a_peer_that_is_away_refuses_the_start_only_where_it_shall() -> None:
    for live in (False, True):
        assert refusal(watched(AWAY, live=live), proven=False) is None
        found = refusal(watched(AWAY, line="", live=live, insists=True), proven=True)
        assert str(found) == 'judge pins: connection refused; mend that, or write when_unreachable = "retry"'


def test_a_mistake_refuses_the_start_of_a_live_line_that_never_ran_like_this() -> None:
    """What already answered parts runs on after a power cut at night; going live waits for a person to mend it."""
    found = refusal(watched(ExceptionGroup("", [MISTAKE]), line="", live=True), proven=False)
    assert isinstance(found, ConfigError)
    assert str(found) == "judge pins: models/pins: is not there; train one"
    assert refusal(watched(MISTAKE, live=True), proven=True) is None
    assert refusal(watched(MISTAKE, live=False), proven=False) is None
    assert isinstance(refusal(watched(MISTAKE, insists=True), proven=True), ConfigError)


def test_a_bug_refuses_the_start_only_where_the_peer_is_insisted_on() -> None:
    assert refusal(watched(KeyError("x"), live=True), proven=False) is None
    assert "KeyError" in str(refusal(watched(KeyError("x"), insists=True), proven=False))


def test_who_is_well_refuses_nothing() -> None:
    assert refusal(watched(None, insists=True, live=True), proven=False) is None


async def test_the_refusal_comes_as_soon_as_it_is_known() -> None:
    """Not when the slowest of the others has been tried."""
    slow, ill = Watched(a_name("l"), "source"), Watched(a_name("l"), "mes", insists=True)
    waiting = asyncio.create_task(opened_once([slow, ill], proven=False))
    await asyncio.sleep(0)
    ill.first_error = AWAY
    ill.become(State.DOWN, "connection refused")
    with pytest.raises(ConfigError):
        await asyncio.wait_for(waiting, 10)


async def test_everybody_is_tried_once_and_no_more_is_waited_for() -> None:
    first, second = Watched(a_name("l"), "source"), Watched(a_name("l"), "mes")
    waiting = asyncio.create_task(opened_once([first, second], proven=False))
    first.become(State.UP)
    await asyncio.sleep(0)
    assert not waiting.done()
    second.become(State.DOWN, "away")
    await asyncio.wait_for(waiting, 10)


async def test_no_part_is_taken_before_whom_the_line_insists_on_is_there() -> None:
    other, needed = Watched(a_name("l"), "mes"), Watched(a_name("l"), "plc", insists=True)
    waiting = asyncio.create_task(admitted([other, needed], proven=True))
    needed.become(State.DOWN, "away")
    await asyncio.sleep(0)
    assert not waiting.done()
    needed.opened = 1
    needed.become(State.UP)
    await asyncio.wait_for(waiting, 10)


async def test_no_part_is_taken_while_a_mistake_refuses_the_start() -> None:
    """Else that part would make the file one that has answered parts before."""
    waiting = asyncio.create_task(admitted([watched(MISTAKE, live=True)], proven=False))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait_for(admitted([watched(MISTAKE, live=True)], proven=True), 10)
    await asyncio.wait_for(admitted([watched(AWAY, live=True)], proven=False), 10)


CONFIG = """
log = "json"
http = {{port = 0}}
[[line]]
name = "l"
goal = 1
topology = "inline"
judge = "j"
source = {{type = "feed", tag = "s", parts = 3}}
reporter = [{{type = "tell", name = "mes", tag = "m", trouble = "away", when_unreachable = "{wish}"}}]
[judge.j]
type = "opinion"
"""


@pytest.fixture
def run(tmp_path: Path, plugins: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Start nothing yet; end what the test has started."""
    (tmp_path / "paths").write_text(f"{plugins}{os.pathsep}{Path(__file__).parent}", encoding="utf-8")
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def gateway(
    folder: Path, started: list[subprocess.Popen[str]], wish: str = "retry", text: str = CONFIG
) -> subprocess.Popen[str]:
    path = folder / "bridge.toml"
    path.write_text(text.format(wish=wish) if text is CONFIG else text, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", "run", "--config", str(path)],
        env={**os.environ, "PYTHONPATH": (folder / "paths").read_text(encoding="utf-8")},
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    return process


def test_with_stop_the_gateway_refuses_to_start_in_one_line(
    tmp_path: Path, run: list[subprocess.Popen[str]]
) -> None:
    """No part was taken, everything is closed again, and the exit status is that of a user's mistake."""
    process = gateway(tmp_path, run, "stop")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    lines = err.splitlines()
    assert lines[-1] == 'line l: mes: connection refused; mend that, or write when_unreachable = "retry"'
    events = [json.loads(line)["event"] for line in lines[:-1]]
    assert "refused to start" in events
    assert "Traceback" not in err
    assert not (tmp_path / "var" / "control.json").exists()


def test_with_retry_it_starts_all_the_same(tmp_path: Path, run: list[subprocess.Popen[str]]) -> None:
    process = gateway(tmp_path, run)
    assert process.stderr is not None
    assert any(json.loads(line)["event"] == "ready" for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


LIVE = """
log = "json"
http = {port = 0}
[[line]]
name = "l"
goal = 1
stage = "live"
live_because = "a test"
shadow.guard_share = 0
topology = "inline"
judge = "j"
source = {type = "feed", tag = "s", parts = 3}
[judge.j]
type = "classifier"
model = "nowhere"
"""


def test_going_live_with_a_mistake_is_refused_and_coming_back_with_one_is_not(
    tmp_path: Path, run: list[subprocess.Popen[str]]
) -> None:
    """The same file, after it has answered a part: the line gets its safe verdicts rather than none."""
    process = gateway(tmp_path, run, text=LIVE)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert err.splitlines()[-1].startswith("judge j: model 'nowhere'")
    config = load(tmp_path / "bridge.toml")
    asyncio.run(answered(config.data, config.fingerprint))
    process = gateway(tmp_path, run, text=LIVE)
    assert process.stderr is not None
    events = (json.loads(line) for line in process.stderr)
    assert any(said["event"] == "plugin up" and said["plugin"] == "source" for said in events)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


async def answered(data: Path, fingerprint: str) -> None:
    """Leave behind a part that was answered under a configuration."""
    async with open_journal(data) as journal:
        await journal.commit(a_decision("l", config=fingerprint))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see when a signal is caught")
def test_a_stop_in_the_first_moment_is_a_clean_one(tmp_path: Path, run: list[subprocess.Popen[str]]) -> None:
    """A service that is stopped while it still imports has not failed."""
    process = gateway(tmp_path, run)
    end = time.monotonic() + PATIENCE
    while not catches(process.pid, signal.SIGTERM):
        assert time.monotonic() < end
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in err


def catches(pid: int, number: int) -> bool:
    """Return whether a process has a handler of its own for a signal."""
    said = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    mask = next(line.split()[1] for line in said.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (number - 1) & 1)
