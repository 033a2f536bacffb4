"""Joined roads through the gateway: killed at any moment, no part is lost, doubled or cleared wrongly."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from flow_kit import Insisting, a_line, configured, delivered, journal, parts, tiny_bundle, until

from bridge.plugin import Inspection, Verdict
from bridge.simulate.factory import open_bridge, open_neighbours
from bridge_tcp.codec import write_part
from bridge_tcp.peer import Inspector

KILLS = 3
JOINED = """type = "join"
window_ms = 4000

[line.source.verdicts]
type = "tcp"
framing = "len32be"
reply = "{{json}}"
reply_unrecorded = "{{json}}"
in_flight = 64
port = {port}

[line.source.pictures]
type = "hotfolder"
path = "aoi"
verdict_in = "name"
pattern = '^(?P<part>[^_/]+)_(?P<view>[^_/.]+)(?P<verdict>)\\.png$'
complete = "renamed"
poll_seconds = 0.02
in_flight = 64
"""

pytestmark = pytest.mark.timeout(180)


@dataclass
class TwoRoads(Insisting):
    """An inspector that tells each verdict until it is acknowledged, and leaves its picture once, soon or late."""

    folder: Path = field(default_factory=Path)
    dice: random.Random = field(default_factory=random.Random)
    dropping: set[asyncio.Task[None]] = field(default_factory=set)

    async def _put(self, link: Inspector, part: Inspection) -> None:
        if not self.sent[str(part.key)]:
            self.dropping.add(asyncio.create_task(self._drop(part, self.dice.uniform(0, 0.1))))
            await asyncio.sleep(self.dice.choice([0, 0.05]))
        self.sent[str(part.key)] += 1
        await link.send(*write_part(replace(part, views=())))

    async def _drop(self, part: Inspection, behind: float) -> None:
        await asyncio.sleep(behind)
        for view in part.views:
            writing = self.folder / f"{part.part}_{view.name}.tmp"
            await asyncio.to_thread(writing.write_bytes, view.image or b"")
            await asyncio.to_thread(writing.rename, writing.with_suffix(".png"))


async def test_killed_at_any_moment_no_half_is_lost_and_no_part_comes_twice(tmp_path: Path) -> None:
    """Every verdict is acknowledged; every part is decided once, of both its halves, and told to the MES once."""
    dice = random.Random(4)  # noqa: S311 - moments, no secrets
    bundle = await asyncio.to_thread(tiny_bundle, tmp_path / "model")
    path, config = await configured(tmp_path, bundle, a_line(source=JOINED))
    played = parts(60)
    port = config.line[0].source.options.verdicts.options.port
    aoi = TwoRoads(port, folder=tmp_path / "aoi", dice=dice)
    async with open_neighbours(config, tmp_path / "neighbours") as [stand], asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(aoi.send(played))
        for kill in range(1, KILLS + 1):
            async with open_bridge(path) as process:
                await until(lambda kill=kill: len(aoi.acknowledged) >= kill * len(played) // (KILLS + 2))
                await asyncio.sleep(dice.uniform(0, 0.05))
                process.kill()
                await process.wait()
            if kill % 2:  # as after a power cut: every picture is offered again, its verdict never
                await asyncio.to_thread(shutil.rmtree, config.data / "lines/line/source/pictures")
        async with open_bridge(path):
            await sending
            await until(lambda: delivered(config, len(played)))
        told = list(stand.mes.documents.values()) if stand.mes else []
    decided = journal(config)
    assert Counter(decision.key for decision in decided) == Counter(f"verdict:{one.serial}" for one in played)
    ids = {decision.part: decision.id for decision in decided}
    assert {answer["part"]: answer["id"] for answer in aoi.acknowledged.values()} == ids
    assert Counter(document["id"] for document in told) == Counter(ids.values())
    truth = {one.serial: one for one in played}
    cleared = {decision.part for decision in decided if decision.final is Verdict.OK}
    assert cleared == {name for name, one in truth.items() if Verdict.OK in (one.truth, one.legacy)}
    assert max(aoi.sent.values()) > 1
