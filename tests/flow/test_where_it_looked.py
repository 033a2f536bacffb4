"""Where the judge saw the defect, from the pixels to the MES and into the journal, over a kill -9."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from flow_kit import Insisting, a_line, configured, delivered, journal, tiny_bundle, until

from bridge.judging.trial import write_detector
from bridge.messages import Verdict
from bridge.simulate.factory import open_bridge
from bridge.simulate.parts import Played
from bridge_tcp import peer as tcp


def spotted(serial: str, left: int, top: int) -> Played:
    """A part that is bad at one place: dark, with a darker square of 20 x 20 pixels; bright and good at -1."""
    picture = np.full((80, 80, 3), 250 if left < 0 else 132, np.uint8)
    if left >= 0:
        picture[top : top + 20, left : left + 20] = 0
    picture[0, 0] = int(serial[1:])  # no two pictures alike
    truth = Verdict.OK if left < 0 else Verdict.NG
    image: bytes = cv2.imencode(".png", picture)[1].tobytes()
    return Played(serial=serial, truth=truth, oddness=0.0, images={"top": image}, legacy=Verdict.OK)


async def test_an_mes_hears_where_the_defect_is_also_after_a_kill(tmp_path: Path) -> None:
    """The journal keeps boxes and map; what is told after the restart is what was decided before."""
    bundle = await asyncio.to_thread(tiny_bundle, tmp_path / "model", explained=True)
    path, config = await configured(tmp_path, bundle, a_line(goal=3))
    inspector = Insisting(config.line[0].source.options.port)
    played = [spotted("P001", 20, 40), spotted("P002", -1, -1), spotted("P003", 60, 0)]
    async with open_bridge(path) as process:  # no MES is there
        await inspector.send(played)
        process.kill()
        await process.wait()
    options = config.line[0].reporter[1].options
    async with tcp.serve_mes(options.framed, "127.0.0.1", options.port) as mes, open_bridge(path):
        await until(lambda: delivered(config, 3))
    kept = {decision.part: decision for decision in journal(config)}
    told = {document["part"]: document["views"][0] for document in mes.documents.values()}
    for decision in kept.values():
        assert mes.documents[decision.id] == json.loads(json.dumps(decision.document()))
    for part, (cx, cy) in {"P001": (30, 50), "P003": (70, 10)}.items():
        (box,) = told[part]["boxes"]
        assert (told[part]["verdict"], told[part]["label"]) == ("NG", "dark")
        assert (box["cx"], box["cy"]) == pytest.approx((cx, cy), abs=3)
        judged = kept[part].views[0].judgement
        assert judged is not None
        assert judged.heat_map is not None
        assert (judged.heat_map.label, len(judged.heat_map.values)) == ("dark", 16)
    assert (told["P002"]["verdict"], told["P002"]["label"], told["P002"]["boxes"]) == ("OK", "lit", [])


async def test_an_mes_hears_what_a_detector_found_with_its_class_and_how_sure_it_is(tmp_path: Path) -> None:
    """And the journal keeps it: the same after all is closed."""
    await asyncio.to_thread(write_detector, tmp_path / "model")
    path, config = await configured(tmp_path, tmp_path / "model", a_line(goal=3))
    text = await asyncio.to_thread(path.read_text, "utf-8")
    await asyncio.to_thread(path.write_text, text.replace('type = "classifier"', 'type = "detector"'), "utf-8")
    dark = np.zeros((40, 60, 3), np.uint8)
    image: bytes = cv2.imencode(".png", dark)[1].tobytes()
    bad = Played(serial="P004", truth=Verdict.NG, oddness=0.0, images={"top": image}, legacy=Verdict.OK)
    options = config.line[0].reporter[1].options
    async with tcp.serve_mes(options.framed, "127.0.0.1", options.port) as mes, open_bridge(path):
        await Insisting(config.line[0].source.options.port).send([spotted("P002", -1, -1), bad])
        await until(lambda: delivered(config, 2))
    told = {document["part"]: document["views"][0] for document in mes.documents.values()}
    assert (told["P002"]["verdict"], told["P002"]["label"], told["P002"]["boxes"]) == ("OK", "ok", [])
    (box,) = told["P004"]["boxes"]
    assert (told["P004"]["verdict"], told["P004"]["score"]) == ("NG", pytest.approx(1 - box["score"]))
    assert box == {
        "cx": 30,
        "cy": 20,
        "w": 60,
        "h": 40,
        "label": "dark",
        "score": pytest.approx(1 - 5 / 16 * 114 / 255),
    }
    for decision in journal(config):
        assert mes.documents[decision.id] == json.loads(json.dumps(decision.document()))
