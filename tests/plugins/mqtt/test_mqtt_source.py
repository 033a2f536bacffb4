"""A part is acknowledged to the broker once its decision is recorded, and not a moment before."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiomqtt
import pytest
from mqtt_kit import BASE, BOTH, Line, broker, needs_mosquitto, payload, running, source_options, subscriber, until
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.plugin import Inspection, Unavailable, Verdict, View, counted
from bridge_mqtt.peer import machine

pytestmark = needs_mosquitto
JPEG = b"\xff\xd8picture\xff\xd9"


@BOTH
async def test_a_part_comes_in_and_its_answer_goes_out(tmp_path: Path, protocol: str) -> None:
    """The inspector's words become a part, the decision becomes the answer under the same key."""
    line = Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, protocol=protocol)
        async with running(options, line), machine(options) as inspector:
            verdict = await inspector.play(Inspection(part="P1", key="k1", legacy=Verdict.NG, defect="scratch"))
    (part,) = line.parts
    assert (part.part, part.key, part.legacy, part.defect) == ("P1", "k1", Verdict.NG, "scratch")
    assert not part.backlog
    assert verdict is Verdict.NG


async def test_a_picture_on_the_share_is_brought_when_it_is_asked_for(tmp_path: Path) -> None:
    """The message names it, the share has it."""
    line = Line()
    (tmp_path / "share").mkdir()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, images=tmp_path / "share", image_poll_ms=1)
        async with running(options, line), machine(options) as inspector:
            await inspector.play(Inspection(part="P1", key="k", views=(View(name="top", image=JPEG),)))
    assert line.images == {"top": JPEG}


@BOTH
async def test_what_was_not_recorded_is_delivered_again(tmp_path: Path, protocol: str) -> None:
    """The broker keeps it for us, whoever we are when we come back; told late, it never reaches a PLC."""
    dying, after = Line(recorded=False), Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, protocol=protocol, answer_topic="")
        async with machine(options) as inspector:
            async with running(options, dying):
                await inspector.publish(Inspection(part="P1", key="k1"))
                await dying.until(lambda: dying.names == ["P1"])
            async with running(options, after):
                await after.until(lambda: after.names == ["P1"])
                await inspector.publish(Inspection(part="P2", key="k2"))
                await after.until(lambda: after.names == ["P1", "P2"])
    assert [part.backlog for part in [dying.parts[0], *after.parts]] == [False, True, False]


@BOTH
async def test_what_was_recorded_is_not_delivered_again(tmp_path: Path, protocol: str) -> None:
    """Once the answer is out the broker has forgotten the part."""
    line, after = Line(), Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, protocol=protocol)
        async with machine(options) as inspector:
            async with running(options, line):
                await inspector.play(Inspection(part="P1", key="k1"))
            async with running(options, after):
                await inspector.play(Inspection(part="P2", key="k2"))
    assert (line.names, after.names) == (["P1"], ["P2"])


async def test_an_unrecorded_part_is_answered_as_such_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine has its verdict at once; the part is handed in until the disk takes it."""
    monkeypatch.setattr("bridge_mqtt.intake.AGAIN_SECONDS", 0.01)
    line = Line(recorded=False)
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path)
        async with (
            running(options, line),
            subscriber(mosquitto, options.answer_topic) as heard,
            machine(options) as inspector,
        ):
            await inspector.publish(Inspection(part="P1"))
            await line.until(lambda: len(line.parts) == 3)
            line.recorded = True
            await inspector.answer(Inspection(part="P1"))
            await until(lambda: bool(heard.messages) and heard.on(options.answer_topic)[-1]["recorded"])
    assert [answer["recorded"] for answer in heard.on(options.answer_topic)][:2] == [False, False]
    assert len({part.key for part in line.parts}) == 1
    assert [part.backlog for part in line.parts][:2] == [False, True]


async def test_what_came_in_our_absence_is_backlog(tmp_path: Path) -> None:
    """The broker kept it, in order; only what comes after it is live."""
    before, after = Line(), Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path)
        async with machine(options) as inspector:
            async with running(options, before):
                await inspector.play(Inspection(part="P0", key="k0"))
            for number in range(1, 60):
                await inspector.publish(Inspection(part=f"P{number}", key=f"k{number}"))
            async with running(options, after):
                await after.until(lambda: len(after.parts) == 59)
                await inspector.play(Inspection(part="P60", key="k60"))
    assert after.names == [f"P{number}" for number in range(1, 61)]
    assert [part.backlog for part in after.parts] == [True] * 59 + [False]


@pytest.mark.parametrize(
    "garbage", [b"", b"hello", b"[]", b'{"part": 7}', b"\xff\xfe", b'{"part": "' + b"x" * 5000]
)
async def test_garbage_is_quarantined_and_acknowledged(tmp_path: Path, garbage: bytes) -> None:
    """It would come again for ever; what follows it is taken."""
    line, after, before = Line(), Line(), counted("unreadable")
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, max_bytes=2000)
        async with machine(options) as inspector:
            async with running(options, line):
                await inspector.publish_raw(garbage)
                await inspector.play(Inspection(part="P1", key="k1"))
            async with running(options, after):
                await inspector.play(Inspection(part="P2", key="k2"))
    assert (line.names, after.names) == (["P1"], ["P2"])
    assert counted("unreadable") == before + 1
    (reason,) = (tmp_path / "quarantine").glob("*.json")
    assert json.loads(reason.read_text())["origin"] == f"{BASE}/inspector/part"


async def test_a_message_that_is_far_too_large_costs_little_memory_and_no_connection(tmp_path: Path) -> None:
    """Only its beginning is kept, whatever its size; the connection goes on."""
    line, before = Line(), counted("unreadable")
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, max_bytes=1000)
        async with running(options, line) as task, machine(options) as inspector:
            await inspector.publish_raw(b'{"part": "' + b"x" * 30_000_000)
            await inspector.play(Inspection(part="P1", key="k1"))
            assert not task.done()
    assert line.names == ["P1"]
    assert counted("unreadable") == before + 1


async def test_a_message_with_properties_that_are_far_too_large_costs_no_connection(tmp_path: Path) -> None:
    """The broker would deliver it again to each connection that it broke: the line would be deaf for ever."""
    line, before = Line(), counted("unreadable")
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [(str(number), "x" * 60_000) for number in range(5)]
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, max_bytes=1000)
        five = aiomqtt.ProtocolVersion.V5
        async with (
            running(options, line) as task,
            aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=five) as somebody,
        ):
            await somebody.publish(f"{BASE}/inspector/part", payload("P0"), qos=1, properties=properties)
            await somebody.publish(f"{BASE}/inspector/part", payload("P1"), qos=1)
            await until(lambda: line.names == ["P1"] or task.done())
            assert not task.done()
    assert counted("unreadable") == before + 1


async def test_retained_messages_are_old_news(tmp_path: Path) -> None:
    """What was told before we subscribed is no part; the same told while we listen is one."""
    line, before = Line(), counted("retained")
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, topics=["aoi/+/result"], protocol="3.1.1")
        async with machine(options) as inspector:
            await inspector.publish_raw(payload("old"), retain=True)
            async with running(options, line):
                await until(lambda: counted("retained") == before + 1)
                await inspector.publish_raw(payload("new"), retain=True)
                await line.until(lambda: line.names == ["new"])


async def test_more_than_may_be_under_way_waits_in_the_broker(tmp_path: Path) -> None:
    """With MQTT 5 the broker is told; nothing is lost. Mosquitto may send one more than it is told."""
    go = asyncio.Event()
    line = Line(hold=lambda _: go.wait())
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, in_flight=3, answer_topic="")
        async with running(options, line), machine(options) as inspector:
            for number in range(10):
                await inspector.publish(Inspection(part=f"P{number}", key=f"k{number}"))
            await line.until(lambda: len(line.parts) >= 3)
            go.set()
            await line.until(lambda: len(line.decided) == 10)
    assert line.most in {3, 4}
    assert line.names == [f"P{number}" for number in range(10)]


async def test_an_old_broker_that_sends_too_much_is_not_read_meanwhile(tmp_path: Path) -> None:
    """MQTT 3.1.1 cannot tell it to wait: reading stops above the bound and goes on below it."""
    go, before = asyncio.Event(), counted("full")
    line = Line(hold=lambda _: go.wait())
    async with broker(tmp_path, "max_inflight_messages 0\n") as mosquitto:
        options = source_options(mosquitto, tmp_path, in_flight=3, protocol="3.1.1")
        async with running(options, line), machine(options) as inspector:
            parts = [Inspection(part=f"P{number}", key=f"k{number}") for number in range(50)]
            for part in parts:
                await inspector.publish(part)
            await until(lambda: counted("full") > before)
            assert len(line.parts) == 4
            go.set()
            for part in parts:
                await asyncio.wait_for(inspector.answer(part), 20)
    assert line.most == 4
    assert line.names == [part.part for part in parts]


async def test_a_part_that_waited_for_room_is_as_old_as_its_wait(tmp_path: Path) -> None:
    """The deadline counts from when there was no room any more, not from when we got round to it."""
    go = asyncio.Event()
    line = Line(hold=lambda _: go.wait())
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, in_flight=1, answer_topic="")
        async with running(options, line), machine(options) as inspector:
            await inspector.publish(Inspection(part="P1", key="k1"))
            await line.until(lambda: len(line.parts) == 1)
            full = asyncio.get_running_loop().time()
            await inspector.publish(Inspection(part="P2", key="k2"))
            await asyncio.sleep(0.2)
            go.set()
            await line.until(lambda: len(line.parts) == 2)
    assert line.parts[1].event == pytest.approx(full, abs=0.15)


async def test_a_broker_that_falls_silent_is_noticed(tmp_path: Path) -> None:
    """No sign within the keep-alive: the source ends as unavailable, and the host opens it anew."""
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, keepalive_seconds=1)
        async with running(options, Line()) as task:
            mosquitto.freeze()
            try:
                with pytest.raises(Unavailable, match="fell silent"):
                    await asyncio.wait_for(task, 20)
            finally:
                mosquitto.thaw()


async def test_a_broker_that_dies_is_noticed_at_once(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, keepalive_seconds=3600)
        async with running(options, Line()) as task:
            mosquitto.kill()
            with pytest.raises(Unavailable, match=f"127.0.0.1:{mosquitto.port}"):
                await asyncio.wait_for(task, 20)


async def test_two_lines_on_one_broker_leave_each_other_alone(tmp_path: Path) -> None:
    """Each has a session of its own; none is thrown out by the other."""
    first, second = Line(), Line()
    async with broker(tmp_path) as mosquitto:
        one = source_options(mosquitto, tmp_path / "1", line="l1", answer_topic="l1/answer")
        two = source_options(mosquitto, tmp_path / "2", line="l2", answer_topic="l2/answer")
        async with (
            running(one, first) as alive,
            running(two, second) as too,
            machine(one) as a,
            machine(two) as b,
        ):
            for number in range(3):
                await a.play(Inspection(part=f"A{number}", key=f"a{number}"))
                await b.play(Inspection(part=f"B{number}", key=f"b{number}"))
            assert not alive.done()
            assert not too.done()
    assert (first.names, second.names) == (["A0", "A1", "A2"], ["B0", "B1", "B2"])


async def test_the_same_client_id_twice_is_noticed(tmp_path: Path) -> None:
    """Two gateways with one file: the broker throws out the first, which does not go on as if nothing were."""
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path)
        async with running(options, Line()) as task, running(options, Line()):
            with pytest.raises(Unavailable, match=f"127.0.0.1:{mosquitto.port}"):
                await asyncio.wait_for(task, 20)
