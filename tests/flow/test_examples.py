"""Every example runs, and does what its README says."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bridge.messages import Decision, Goal, Stage, Verdict
from bridge.plugin import Refused, Unavailable

EXAMPLES = Path(__file__).parents[2] / "examples"


def script(name: str) -> ModuleType:
    """Load an example's script."""
    path = EXAMPLES / name
    spec = importlib.util.spec_from_file_location(f"example_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


BESIDE_OLD_AOI = script("beside_old_aoi/run.py")
GOAL_PER_LINE = script("goal_per_line/run.py")
CUSTOM_REPORTER = script("custom_reporter/reporter.py")
BOLT_STATION = script("bolt_station/run.py")


@pytest.mark.timeout(120)
async def test_beside_old_aoi() -> None:
    """Beside a tap only the re-checked parts are told, and each of them is."""
    stand = await BESIDE_OLD_AOI.main(parts=16)
    rechecked = [one for one in stand.shown if one.part.legacy is Verdict.NG]
    assert len(stand.shown) == 16
    assert 0 < len(rechecked) == stand.told()
    assert all(one.taken is not None and one.taken.verdict is not None for one in rechecked)
    assert any(one.taken is not None and one.taken.passed for one in rechecked), "no false call was cleared"
    assert all(one.taken is None for one in stand.shown if one.part.legacy is Verdict.OK)


@pytest.mark.timeout(120)
async def test_goal_per_line() -> None:
    """Each line does what its own goal may do, and no more."""
    first, second, third = await GOAL_PER_LINE.main(parts=16)
    assert first.false_calls_after < first.false_calls_before
    assert second.escapes_after < second.escapes_before
    assert first.fallbacks == second.fallbacks == 0
    assert (third.false_calls_after, third.escapes_after) == (third.false_calls_before, third.escapes_before)
    assert all(line.lost == line.duplicated == 0 for line in (first, second, third))


@pytest.mark.timeout(120)
async def test_bolt_station() -> None:
    """A PLC's trigger comes back as a verdict on four pictures; a covered lens is NG, and never late."""
    shown, decisions = await BOLT_STATION.main(parts=12)
    *bolts, covered = shown
    assert len(bolts) == 12
    assert all(one.verdict is not None for one in shown)
    assert covered.verdict is Verdict.NG
    judged = {one.part: one for one in decisions}
    assert all(len(judged[one.part.serial].views) == 4 for one in shown)
    assert all(not judged[one.part.serial].failures for one in bolts)
    assert not any(one.part.truth is Verdict.NG and one.verdict is Verdict.OK for one in shown), "an escape"
    assert any(one.verdict is Verdict.OK for one in bolts)
    assert all(one.milliseconds < 900 for one in shown), "the paper's own limit, pictures included"


def test_custom_reporter_is_at_most_forty_lines() -> None:
    """What an integration engineer writes in a morning is short: code lines, without blank ones and docstrings."""
    source = (EXAMPLES / "custom_reporter" / "reporter.py").read_text(encoding="utf-8")
    assert len([line for line in ast.unparse(ast.parse(source)).splitlines() if line.strip()]) <= 45
    assert len([line for line in source.splitlines() if line.strip()]) <= 40


async def test_custom_reporter_tells_a_real_peer() -> None:
    """Accepted, refused and hung up, over a real socket."""
    answers = [b"ok\n", b"unknown part\n", b""]
    heard: list[str] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answers and (line := await reader.readline()):
            heard.append(json.loads(line)["part"])
            writer.write(answers.pop(0))
        writer.close()

    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        options = CUSTOM_REPORTER.JsonLineOptions(name="peer", host="127.0.0.1", port=port)
        async with CUSTOM_REPORTER.open_reporter(options) as report:
            await report(_decision("1"))
            with pytest.raises(Refused, match="unknown part"):
                await report(_decision("2"))
            with pytest.raises(Unavailable, match="hung up"):
                await report(_decision("3"))
    assert heard == ["1", "2", "3"]
    with pytest.raises(Unavailable, match="does not answer"):
        async with CUSTOM_REPORTER.open_reporter(options):
            pass


def _decision(part: str) -> Decision:
    return Decision(id=part.rjust(32, "0"), line="a", goal=Goal.REPLACE, stage=Stage.LIVE, part=part)
