"""One set of options tells both sides where they meet: what the simulator plays, the source understands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from adapter_host import decision_of
from mqtt_kit import Line, broker, needs_mosquitto, reporter_options, running, source_options, until

from bridge.plugin import Inspection, Unavailable, Verdict, View
from bridge_mqtt import open_reporter
from bridge_mqtt.peer import open_inspector, open_mes

pytestmark = needs_mosquitto
JPEG = b"\xff\xd8picture\xff\xd9"
PART = Inspection(part="P1", legacy=Verdict.NG, defect="scratch", views=(View(name="1", image=JPEG),))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"answer_topic": ""},
        {"topics": ["aoi/+/result", "other/#"], "ok_words": ["GUT"], "ng_words": ["SCHLECHT"]},
        {"protocol": "3.1.1"},
    ],
)
async def test_the_simulated_inspector_is_understood(tmp_path: Path, values: dict[str, Any]) -> None:
    """With and without answers, by any topic: part, verdict and picture arrive."""
    (tmp_path / "share").mkdir()
    line = Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, images=tmp_path / "share", image_poll_ms=1, **values)
        async with running(options, line), open_inspector(options) as play:
            answer = await play(PART)
            await line.until(lambda: bool(line.decided))
    (part,) = line.parts
    assert (part.part, part.legacy, part.defect, line.images) == ("P1", Verdict.NG, "scratch", {"1": JPEG})
    assert answer is (Verdict.NG if options.answer_topic else None)


async def test_an_inspector_with_habits(tmp_path: Path) -> None:
    """A part handed over twice comes twice."""
    line = Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, answer_topic="")
        async with running(options, line), open_inspector(options, {"duplicate": 1}) as play:
            await play(PART)
            await line.until(lambda: len(line.parts) == 2)


async def test_nobody_who_listens_is_no_bridge(tmp_path: Path) -> None:
    """The part may be played again, to the same inspector, when the bridge is there."""
    line = Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path)
        async with open_inspector(options) as play:
            with pytest.raises(Unavailable, match="nobody who hears"):
                await play(PART)
            async with running(options, line):
                assert await play(PART) is Verdict.NG


async def test_without_a_broker_both_say_so(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto:
        mosquitto.kill()
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with open_inspector(source_options(mosquitto, tmp_path)):
                pass
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with open_mes(reporter_options(mosquitto)):
                pass


async def test_an_mes_that_stalls_or_dies_misses_nothing(tmp_path: Path) -> None:
    """The broker keeps it; and the habit brings the MES back by itself."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto)
        async with open_mes(options, {"die": 0.05}) as mes, open_reporter(options) as report:
            mes.stall()
            for number in range(1, 6):
                await report(decision_of(Inspection(part=f"P{number}"), number))
            assert not mes.documents
            mes.resume()
            for number in range(6, 31):
                await report(decision_of(Inspection(part=f"P{number}"), number))
            await until(lambda: len(mes.documents) == 30)
    assert mes.duplicated() == 0


async def test_an_mes_that_is_alive_is_started_once(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto)
        async with open_mes(options) as mes, open_reporter(options) as report:
            await mes.start()
            await report(decision_of(Inspection(part="P1")))
            await until(lambda: len(mes.documents) == 1)
