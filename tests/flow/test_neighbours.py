"""Killed, alone, and back again: the real bridge in its own process, among neighbours that come and go."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil
import pytest
from flow_kit import (
    BY_FOLDER,
    Bodies,
    Insisting,
    a_line,
    configured,
    delivered,
    doorbell,
    journal,
    outcomes,
    parts,
    state,
    tiny_bundle,
    until,
)

from bridge.config import Config
from bridge.goals import left_to_us
from bridge.messages import Goal, Origin, Stage, Verdict
from bridge.simulate.factory import Stand, open_bridge, open_neighbours
from bridge.simulate.parts import Played
from bridge.store import Reader
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.peer import open_inspector
from bridge_modbus.peer import SoftPlc, serve_plc
from bridge_tcp import peer as tcp
from bridge_tcp.peer import Mes

pytestmark = pytest.mark.timeout(150)
RATE = 100.0
"""Parts per second at most; a part is played when the one before has left."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that costs next to nothing and is never wrong about these parts."""
    return tiny_bundle(tmp_path_factory.mktemp("model"))


def mes_of(stand: Stand) -> Mes:
    """Return the line's MES with all its knobs."""
    assert isinstance(stand.mes, Mes)
    return stand.mes


def plc_of(stand: Stand) -> SoftPlc:
    """Return the line's PLC with all its counts."""
    assert isinstance(stand.plc, SoftPlc)
    return stand.plc


def quiet(plc: SoftPlc) -> bool:
    """Return whether no valid result ever stood there for a part that was not at the station."""
    return not plc.late and not plc.wrong_part


async def test_killed_twice_under_load_nothing_is_lost_and_nothing_told_twice(
    tmp_path: Path, bundle: Path
) -> None:
    """What was acknowledged is recorded once, as it was answered; the MES has no part under two ids."""
    path, config = await configured(tmp_path, bundle, a_line(goal=3))
    inspector, bodies = Insisting(config.line[0].source.options.port), Bodies()
    options = config.line[0].reporter[1].options
    told = tcp.serve_mes(options.framed, "127.0.0.1", options.port, read=bodies.read)
    async with told as mes, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(inspector.send(parts(40)), name="inspector")
        for acknowledged in (8, 22):
            await _kill_after(path, inspector, acknowledged)
        async with open_bridge(path):
            await sending
            await until(lambda: delivered(config, 40))
    made = {decision.key: decision for decision in journal(config)}
    assert len(journal(config)) == len(made) == len(inspector.acknowledged) == 40
    assert max(inspector.sent.values()) > 1, "nothing was on the wire when it was killed"
    for key, answer in inspector.acknowledged.items():
        assert (answer["id"], answer["verdict"]) == (made[key].id, made[key].final)
    assert set(mes.documents) == {decision.id for decision in made.values()}
    assert not mes.duplicated()
    assert all(len(set(copies)) == 1 for copies in bodies.by_id.values()), "a document changed when it was resent"
    for decision in made.values():
        assert mes.documents[decision.id] == json.loads(json.dumps(decision.document()))


async def _kill_after(path: Path, inspector: Insisting, acknowledged: int) -> None:
    """Run the bridge until so many parts are acknowledged, then kill it; its workers go with it."""
    async with open_bridge(path) as process:
        await until(lambda: len(inspector.acknowledged) >= acknowledged)
        workers = await asyncio.to_thread(psutil.Process(process.pid).children, recursive=True)
        process.kill()
        await process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, timeout=30)
    assert not alive, "a worker outlived its gateway"


async def test_the_mes_is_away_at_start_and_once_more(tmp_path: Path, bundle: Path) -> None:
    """The line does not wait for its MES, which then gets everything, in order."""
    path, config = await configured(tmp_path, bundle, a_line(goal=1))
    async with open_neighbours(config, tmp_path / "neighbours") as [stand]:
        mes = mes_of(stand)
        mes.die()
        async with open_bridge(path):
            await until(lambda: state(config, "plc") == "up")
            await stand.play(parts(8, "A"), RATE)
            assert not mes.documents
            await mes.start()
            await until(lambda: delivered(config, 8))
            mes.die()
            await stand.play(parts(8, "B"), RATE)
            assert len(mes.documents) == 8
            await mes.start()
            await until(lambda: delivered(config, 16))
    decisions = journal(config)
    assert [shown.answer for shown in stand.shown] == [decision.final for decision in decisions]
    assert [shown.taken and shown.taken.verdict for shown in stand.shown] == [d.final for d in decisions]
    assert not any(decision.degraded for decision in decisions)
    assert list(mes.documents) == [decision.id for decision in decisions]
    assert [shown.part.serial for shown in stand.shown] == [d["part"] for d in mes.documents.values()]


async def test_the_plc_is_away_and_comes_back(tmp_path: Path, bundle: Path) -> None:
    """Parts go on to journal and MES; the PLC that comes back is told of new parts only."""
    path, config = await configured(tmp_path, bundle, a_line(goal=3))
    source = config.line[0].source.options
    told_plc, told_mes = (told.options for told in config.line[0].reporter)
    async with tcp.open_inspector(source) as inspector, tcp.open_mes(told_mes) as mes:
        stand = Stand(config.line[0], inspector, mes=mes)
        async with open_bridge(path):
            await stand.play(parts(4, "A"), RATE)
            async with serve_plc(told_plc) as stand.plc:
                first = await _told_to_the_plc(config, stand, parts(4, "B"))
                assert quiet(plc_of(stand))
            stand.plc = None
            await stand.play(parts(4, "C"), RATE)
            async with serve_plc(told_plc) as stand.plc:
                second = await _told_to_the_plc(config, stand, parts(4, "D"))
                assert quiet(plc_of(stand))
            await until(lambda: delivered(config, 16))
    assert first == second == [shown.part.truth for shown in stand.shown[:4]]
    assert [d["part"] for d in mes.documents.values()] == [shown.part.serial for shown in stand.shown]
    for shown in stand.shown:
        told = outcomes(config, shown.part.serial)
        away = shown.part.serial[0] in "AC"
        assert len(told) == 1
        assert told[0] in ({"unavailable", "late"} if away else {"accepted"})


async def _told_to_the_plc(config: Config, stand: Stand, played: list[Played]) -> list[Verdict | None]:
    """Play parts once the bridge has its PLC; return what the PLC took."""
    await until(lambda: state(config, "plc") == "up")
    before = len(stand.shown)
    await stand.play(played, RATE)
    await until(lambda: all(outcomes(config, one.serial) for one in played))
    return [shown.taken.verdict if shown.taken else None for shown in stand.shown[before:]]


async def test_a_part_that_has_left_is_not_told(tmp_path: Path, bundle: Path) -> None:
    """Where the PLC shows another part, or none any more, it sees nothing valid; journal and MES have it all."""
    path, config = await configured(tmp_path, bundle, a_line(goal=3, deadline_ms=600))
    left, overtaken = parts(2)
    async with open_neighbours(config, tmp_path / "neighbours") as [stand]:
        plc = plc_of(stand)
        async with open_bridge(path):
            await until(lambda: state(config, "plc") == "up")
            await plc.present(left.serial, 0.01)
            await stand.inspector(left.inspection())
            await until(lambda: outcomes(config, left.serial))
            standing = asyncio.create_task(plc.present("ANOTHER", 60))
            await stand.inspector(overtaken.inspection())
            await until(lambda: outcomes(config, overtaken.serial))
            assert not standing.done()
            standing.cancel()
            await asyncio.wait([standing])
            await until(lambda: delivered(config, 2))
    assert quiet(plc)
    assert [taken.verdict for taken in plc.taken] == [None]
    for part in (left, overtaken):
        assert outcomes(config, part.serial)[0] in {"refused", "late"}
    assert [d["part"] for d in mes_of(stand).documents.values()] == [left.serial, overtaken.serial]


async def test_a_shadow_beside_a_tap_is_silent(tmp_path: Path, bundle: Path) -> None:
    """No connection to PLC or MES is even opened; every part is judged and recorded all the same."""
    path, config = await configured(tmp_path, bundle, a_line(goal=3, stage="shadow", topology="tap"))
    [line], played = config.line, parts(8)
    plc, mes = (told.options.port for told in line.reporter)
    async with (
        doorbell(plc) as at_plc,
        doorbell(mes) as at_mes,
        tcp.open_inspector(line.source.options) as inspector,
    ):
        async with open_bridge(path):
            answers = [await inspector(part.inspection()) for part in played]
            await until(lambda: sum(tally.seconds for tally in Reader(config.data).lines()) >= len(played))
        assert at_plc.rung == at_mes.rung == 0
    decisions = journal(config)
    assert answers == [d.final for d in decisions] == [part.legacy for part in played]
    assert {(d.stage, d.origin) for d in decisions} == {(Stage.SHADOW, Origin.LEGACY)}
    for decision, part in zip(decisions, played, strict=True):
        [second] = Reader(config.data).seconds(decision.id)
        assert (second.kind, second.model) == ("shadow", part.truth)
        assert second.goals[Goal.REPLACE] is part.truth
        assert not Reader(config.data).reports(decision.id)


async def test_what_a_share_brings_back_is_backlog(tmp_path: Path, bundle: Path) -> None:
    """Parts written while the share was away reach journal and MES, but no PLC; the next part is told again."""
    path, config = await configured(tmp_path, bundle, a_line(goal=3, source=BY_FOLDER))
    before, *meanwhile, after = parts(6)
    share, away = tmp_path / "aoi", tmp_path / "away"
    elsewhere = config.line[0].source.options.model_copy(update={"path": away})
    async with open_neighbours(config, tmp_path / "neighbours") as [stand]:
        async with open_bridge(path):
            await until(lambda: state(config, "plc") == "up")
            await stand.play([before], RATE)
            await until(lambda: delivered(config, 1))
            await asyncio.to_thread(share.rename, away)
            await until(lambda: state(config, "source") not in {"up", "degraded"})
            await _write(elsewhere, meanwhile)
            await asyncio.to_thread(away.rename, share)
            await until(lambda: delivered(config, 5))
            await stand.play([after], RATE)
            await until(lambda: delivered(config, 6))
        assert [taken.verdict for taken in plc_of(stand).taken] == [before.truth, after.truth]
        assert quiet(plc_of(stand))
    found = {decision.part: decision for decision in journal(config)}
    assert len(journal(config)) == len(found) == 6
    assert {name for name, d in found.items() if d.backlog} == {part.serial for part in meanwhile}
    for part in (before, *meanwhile, after):
        assert found[part.serial].final is part.truth
        assert outcomes(config, part.serial) == ([] if part in meanwhile else ["accepted"])
    documents = mes_of(stand).documents.values()
    assert {d["part"]: d["backlog"] for d in documents} == {name: d.backlog for name, d in found.items()}


async def _write(options: HotfolderOptions, played: list[Played]) -> None:
    """Let the inspector write parts into a folder that the bridge does not see."""
    async with open_inspector(options) as inspector:
        for part in played:
            await inspector(part.inspection())


async def test_each_goal_changes_what_it_may_and_nothing_else(tmp_path: Path, bundle: Path) -> None:
    """A line per goal: inspector, PLC, MES and journal all hold the same verdict, and it is the goal's."""
    lines = [a_line(f"goal-{int(goal)}", goal=goal) for goal in Goal]
    path, config = await configured(tmp_path, bundle, *lines)
    played = parts(12)
    async with open_neighbours(config, tmp_path / "neighbours") as stands, open_bridge(path):
        await until(lambda: all(state(config, "plc", stand.config.name) == "up" for stand in stands))
        await asyncio.gather(*(stand.play(played, RATE) for stand in stands))
        await until(lambda: delivered(config, len(played) * len(stands)))
    for stand in stands:
        goal = Goal(stand.config.goal)
        wanted = [part.truth if left_to_us(goal, part.legacy) else part.legacy for part in played]
        assert [shown.answer for shown in stand.shown] == wanted
        assert [shown.taken and shown.taken.verdict for shown in stand.shown] == wanted
        assert [d["verdict"] for d in mes_of(stand).documents.values()] == wanted
        assert [decision.final for decision in journal(config, stand.config.name)] == wanted
