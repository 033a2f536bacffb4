"""What a shadow line writes down while the old machine goes on as if nobody were there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from flow_kit import Insisting, a_line, configured, delivered, journal, parts, tiny_bundle, until

from bridge.config import Config
from bridge.messages import Goal, Inspection, Verdict
from bridge.plugin.documents import DEFAULT_WORDS
from bridge.shadow.sampling import drawn
from bridge.simulate.factory import open_bridge
from bridge.simulate.parts import Played
from bridge.store import Reader, Stratum
from bridge_tcp import peer as tcp

OK, NG = Verdict.OK, Verdict.NG
SHADOW = """
shadow.labels_per_day = 4
shadow.parts_per_day = 8
shadow.audit_ng = 0
topology ="""
COUNT = 24


class OfALot(Played):
    """A part whose machine tells its lot, and its own number of it."""

    def inspection(self) -> Inspection:
        return replace(super().inspection(), lot="L7", counter=int(self.serial[1:]))


def played() -> list[OfALot]:
    return [OfALot(**{name: getattr(one, name) for name in Played.__slots__}) for one in parts(COUNT)]


def judged(config: Config) -> bool:
    reader = Reader(config.data)
    return all(reader.seconds(one.id) for one in journal(config)) and bool(reader.pulses("line", 0, 4e9))


def as_planned(config: Config, one: Played, answer: str) -> None:
    """Hold what is recorded of a part against what it is."""
    reader, kept = Reader(config.data), {decision.part: decision for decision in journal(config)}
    decision = kept[one.serial]
    (second,) = reader.seconds(decision.id)
    assert answer == DEFAULT_WORDS.word(one.legacy)
    assert (decision.final, decision.lot, decision.counter) == (one.legacy, "L7", int(one.serial[1:]))
    assert second.model is one.truth, "the model is never wrong here"
    assert second.fallbacks == {Goal.CUT_FALSE_CALLS: one.legacy, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: NG}
    agreed = Stratum.AGREED_OK if one.legacy is OK else Stratum.AGREED_NG
    stratum = agreed if one.truth is one.legacy else Stratum.DISAGREED
    chance = {Stratum.DISAGREED: 1.0, Stratum.AGREED_OK: 2 / 8, Stratum.AGREED_NG: 0.0}[stratum]
    assert (second.stratum, second.chance, second.in_time) == (stratum, chance, True)
    assert second.drawn == drawn(decision.id, chance)


@pytest.mark.parametrize("topology", ["inline", "tap"])
async def test_the_old_machine_is_forwarded_unchanged_and_every_part_is_judged_and_drawn(
    tmp_path: Path, topology: str
) -> None:
    bundle = await asyncio.to_thread(tiny_bundle, tmp_path / "model")
    line = a_line(stage="shadow", topology=topology).replace("topology =", SHADOW.strip())
    path, config = await configured(tmp_path, bundle, line)
    inspector = Insisting(config.line[0].source.options.port)
    options = config.line[0].reporter[1].options
    sent = played()
    async with tcp.serve_mes(options.framed, "127.0.0.1", options.port) as mes, open_bridge(path):
        await inspector.send(sent)
        await until(lambda: delivered(config, COUNT) and judged(config))
    for one in sent:
        await asyncio.to_thread(as_planned, config, one, inspector.acknowledged[one.serial]["verdict"])
    told = {document["part"]: document["verdict"] for document in mes.documents.values()}
    assert told == ({one.serial: one.legacy for one in sent} if topology == "inline" else {})


async def test_the_line_and_its_peers_are_in_the_papers_from_start_to_stop(tmp_path: Path) -> None:
    """No PLC is there; the MES is. After a clean stop nobody is taken for up; after a kill nobody for stopped."""
    bundle = await asyncio.to_thread(tiny_bundle, tmp_path / "model")
    path, config = await configured(tmp_path, bundle, a_line(stage="shadow"))
    options, reader = config.line[0].reporter[1].options, Reader(config.data)

    def states(name: str) -> list[str]:
        return [one.state for one in reader.peers("line", 0, 4e9) if one.name == name and one.state != "degraded"]

    async with tcp.serve_mes(options.framed, "127.0.0.1", options.port):
        async with open_bridge(path) as process:
            await until(lambda: "up" in states("mes") and "down" in states("plc"))
            process.terminate()
            await process.wait()
        for name in ("source", "mes", "judge brightness"):
            assert await asyncio.to_thread(states, name) == ["starting", "up", "stopped"]
        assert await asyncio.to_thread(states, "plc") == ["starting", "down", "stopped"]
        changes = await asyncio.to_thread(reader.peers, "line", 0, 4e9)
        assert [bool(one.said) for one in changes if one.state == "down"] == [True]
        async with open_bridge(path) as process:
            await until(lambda: states("source")[-1] == "up" and len(reader.pulses("line", 0, 4e9)) > 1)
            process.kill()
            await process.wait()
    assert await asyncio.to_thread(states, "source") == ["starting", "up", "stopped", "starting", "up"]
    first, *_, last = await asyncio.to_thread(reader.pulses, "line", 0, 4e9)
    assert first.at < last.at
    assert (first.queued, first.skipped, first.late, first.backlog) == (0, 0, 0, 0)
    assert first.disk_free > 0
