"""A running gateway hears what people say, by HTTP and out of a folder, and its parts do not notice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import numpy as np
from flow_kit import Insisting, a_line, configured, journal, parts, tiny_bundle, until

from bridge.gateway import open_gateway
from bridge.messages import Verdict
from bridge.shadow import labelled, todo
from bridge.simulate.factory import free_ports
from bridge.store import Reader
from bridge.store.labels import labels

ROADS = """
[[line.labels]]
type = "http"
name = "verification"
port = {port}
shown = "pictures"

[[line.labels]]
type = "hotfolder"
name = "repair"
path = "repair"
columns = {{ part = "Barcode", verdict = "Result", who = "Operator" }}
poll_seconds = 0.02
stable_seconds = 0.05

[[line.labels]]
type = "hotfolder"
name = "away"
path = "not-mounted"
"""
PARTS = 40


async def test_labels_come_in_beside_the_parts(tmp_path: Path) -> None:
    """Each is written down once and belongs to its inspection; a road that is away holds up nobody."""
    (port,) = free_ports(1)
    bundle = await asyncio.to_thread(tiny_bundle, tmp_path / "bundle")
    line = a_line("smt-3", stage="shadow", topology="tap") + ROADS.format(port=port)
    await asyncio.to_thread((tmp_path / "repair").mkdir)
    _, config = await configured(tmp_path, bundle, line)
    async with open_gateway(config) as gateway:
        await gateway.until_opened()
        shown = parts(PARTS)
        await Insisting(config.line[0].source.options.port).send(shown)
        ids = {one.part: one.id for one in await asyncio.to_thread(journal, config)}
        await until(lambda: sum(len(Reader(config.data).seconds(one)) for one in ids.values()) == PARTS)
        said = [{"id": ids[one.serial], "verdict": one.truth, "who": "Kim"} for one in shown[: PARTS // 2]]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            for _ in range(2):
                async with session.post("/v1/labels", json=said, headers={"Idempotency-Key": "batch 1"}) as answer:
                    assert (answer.status, await answer.json()) == (200, {"taken": PARTS // 2})
        rows = [f"{one.serial},{one.truth},Lee\n" for one in shown[PARTS // 4 :]] + ["P000,unclear,Lee\n"]
        draft = tmp_path / "repair" / "day.csv.tmp"
        await asyncio.to_thread(draft.write_text, "Barcode,Result,Operator\n" + "".join(rows))
        draft.rename(tmp_path / "repair" / "day.csv")
        await until(lambda: len(labels(config.data)) == PARTS // 2 + PARTS * 3 // 4)
        states = {watched.name: str(watched.state) for watched in gateway.watched}
        assert gateway.ready
    assert (states["labels verification"], states["labels repair"], states["labels away"]) == ("up", "up", "down")
    await asyncio.to_thread(_held, config.data, {one.serial: one.truth for one in shown})


def _held(data: Path, truth: dict[str, Verdict]) -> None:
    known = labelled.read(data, "smt-3", 24)
    assert (known.truth.belongs >= 0).all()
    assert len(known.truth.pairs.part) == PARTS // 4
    told = dict(zip(known.said.part, known.said.verdict, strict=True))
    assert {"OK" if verdict == 1 else "NG" for verdict in told.values()} == {"OK", "NG"}
    names = [decision.part for decision in Reader(data).decisions("smt-3")]
    expected = [1 if truth[name] is Verdict.OK else 2 for name in names]
    assert np.array_equal(known.truth.verdict[known.parts.distinct], expected)
    assert {one.line for one in labels(data)} == {"smt-3"}
    assert {(one.road, one.who, one.blind) for one in labels(data)} == {
        ("verification", "Kim", True),
        ("repair", "Lee", False),
    }
    work = todo.work(data, "smt-3", 24)
    assert len(work.drawn) > 0
    assert todo.todo(work) == []
    quarantine = data / "lines" / "smt-3" / "labels" / "repair" / "quarantine"
    (why,) = [json.loads(path.read_text())["reason"] for path in quarantine.glob("*.json")]
    assert "'unclear' is in neither" in why
