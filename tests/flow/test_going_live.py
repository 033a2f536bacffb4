"""From shadow to live, as a quality engineer goes: refused, reported, live, guarded, held to what was approved."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from flow_kit import Insisting, a_line, configured, journal, parts, tiny_bundle, until

from bridge import starting
from bridge.asking import ask
from bridge.cli.main import main
from bridge.config import Config, load
from bridge.config.changes import facts
from bridge.config.decision import decision_hashes
from bridge.errors import Unavailable
from bridge.goals import held_back
from bridge.messages import Decision, Goal, Origin, Stage, Verdict
from bridge.shadow.approval import sealed
from bridge.simulate.factory import open_bridge
from bridge.store import Reader, Second, Stratum

OK, NG = Verdict.OK, Verdict.NG
PARTS = 40


async def aoi_bridge(path: Path, *words: str) -> int:
    return await asyncio.to_thread(main, [*words, "--config", str(path)])


def write_report(path: Path) -> Path:
    """Write what a month on this line would say, had it passed."""
    config = load(path)
    about = facts(config, starting.models(config))["line"]
    said = {
        "line": "line",
        "decision_hash": decision_hashes(about),
        "verdict": {"1": {"state": "ready"}, "2": {"state": "need more"}, "3": {"state": "not ready"}},
        "to": time.time() - 60,
    }
    folder = config.data / "reports" / "line" / "2026-11"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(sealed(said)), encoding="utf-8")
    return folder


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def guards(config: Config, decisions: list[Decision]) -> dict[str, Second]:
    """Return the guard record of each part that has one."""
    reader = Reader(config.data)
    found = {one.part: reader.seconds(one.id) for one in decisions}
    return {part: said[0] for part, said in found.items() if said and said[0].kind == "guard"}


def stage(config: Config) -> str:
    said = ask(config.data, "/v1/status")
    return str(said["lines"][0]["stage"]) if said else "away"


@pytest.mark.timeout(120)
async def test_from_shadow_to_live_and_held_to_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bundle = await asyncio.to_thread(tiny_bundle, tmp_path / "brightness")
    shadow = a_line(stage="shadow").replace('live_because = "a test, no real line"\n', "")
    path, config = await configured(tmp_path, bundle, shadow.replace("guard_share = 0", "guard_share = 0.5"))
    port = config.line[0].source.options.port
    async with open_bridge(path):
        await Insisting(port).send(parts(4, "S"))
        assert all(one.final is one.legacy for one in await asyncio.to_thread(journal, config))

        assert await aoi_bridge(path, "stage", "line", "live", "--goal", "1") == 2
        assert "there is no report" in capfd.readouterr().err
        assert await asyncio.to_thread(stage, config) == "shadow"

        await asyncio.to_thread(write_report, path)
        assert await aoi_bridge(path, "stage", "line", "live", "--goal", "2") == 2
        assert "under goal 2 it says: need more" in capfd.readouterr().err
        assert await aoi_bridge(path, "stage", "line", "live", "--goal", "1") == 0
        said = capfd.readouterr().out
        assert "line.line.stage: shadow → live" in said
        assert "Registers of plc: aoi-bridge modbus-map" in said
        assert await asyncio.to_thread(stage, config) == "live"

        await Insisting(port).send(parts(PARTS, "L"))
        decisions = [one for one in await asyncio.to_thread(journal, config) if one.stage is Stage.LIVE]
        assert len(decisions) == PARTS
        clearable = {one.part for one in decisions if (one.legacy, one.model) == (NG, OK)}
        await until(lambda: guards(config, decisions).keys() == clearable)
        seen = await asyncio.to_thread(guards, config, decisions)
        for one in decisions:
            drawn = one.part in clearable and held_back(one.id, 0.5)
            assert one.final is (OK if one.legacy is OK or (one.part in clearable and not drawn) else NG)
            if one.part in clearable:
                guard = seen[one.part]
                assert (guard.stratum, guard.chance, guard.drawn) == (Stratum.GUARD, 0.5, drawn)
                assert guard.goals == {Goal.CUT_FALSE_CALLS: OK}
                assert one.origin is (Origin.LEGACY if drawn else Origin.MODEL)
        assert len(clearable) == PARTS // 4

        await asyncio.to_thread(edit, path, ("deadline_ms = 10000", "deadline_ms = 9000\nthreshold = 0.75"))
        assert await aoi_bridge(path, "reload") == 2
        [refused] = capfd.readouterr().err.splitlines()
        assert refused.startswith("line.line.threshold: none → 0.75 on a live line needs a reason")
        assert "aoi-bridge stage" in refused
        await asyncio.to_thread(edit, path, ("threshold = 0.75\n", ""))
        assert await aoi_bridge(path, "reload") == 0

    async with open_bridge(path):
        assert await asyncio.to_thread(stage, config) == "live"
    await asyncio.to_thread(edit, path, ("guard_share = 0.5", "guard_share = 0.0"))
    with pytest.raises(Unavailable, match=r"guard_share: 0\.5 → 0\.0 on a live line needs a reason"):
        async with open_bridge(path):
            pass
