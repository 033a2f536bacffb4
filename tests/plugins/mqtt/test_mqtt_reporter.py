"""A decision counts as told once the broker has it and somebody listens, or once the MES itself has said so."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from adapter_host import decision_of
from mqtt_kit import BASE, BOTH, broker, needs_mosquitto, reporter_options, subscriber, until

from bridge.plugin import Decision, Failure, Inspection, Refused, Unavailable, Verdict, counted
from bridge_mqtt import open_reporter
from bridge_mqtt.peer import open_mes

pytestmark = needs_mosquitto


def decision(number: int = 1) -> Decision:
    return decision_of(Inspection(part=f"P{number}", legacy=Verdict.NG), number)


@BOTH
async def test_the_whole_decision_arrives(tmp_path: Path, protocol: str) -> None:
    """What the MES holds is the decision's own document, on the station's topic, not retained."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, protocol=protocol)
        async with open_mes(options) as mes, open_reporter(options) as report:
            await report(decision())
            await until(lambda: bool(mes.documents))
    assert mes.documents == {decision().id: json.loads(json.dumps(decision().document()))}
    assert mes.topics == {decision().id: f"{BASE}/aoi/result"}


async def test_results_are_not_retained(tmp_path: Path) -> None:
    """Who comes later must not take the last part for the one that stands there."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, unheard="accepted")
        async with open_reporter(options) as report:
            await report(decision())
        async with subscriber(mosquitto) as heard:
            await until(lambda: bool(heard.messages))
    assert [message.topic for message in heard.messages] == [f"{BASE}/aoi/status"]


async def test_what_did_not_go_as_planned_is_a_fault_too(tmp_path: Path) -> None:
    """A fallback, an unusable verdict: on a topic of its own, under the same id."""
    spoilt = replace(decision(), failures=(Failure.DEADLINE,), degraded=True)
    async with (
        broker(tmp_path) as mosquitto,
        subscriber(mosquitto, f"{BASE}/aoi/+") as heard,
        open_reporter(reporter_options(mosquitto)) as report,
    ):
        await report(decision(2))
        await report(spoilt)
        await until(lambda: bool(heard.on(f"{BASE}/aoi/fault")))
    assert [said["id"] for said in heard.on(f"{BASE}/aoi/result")] == [decision(2).id, spoilt.id]
    (fault,) = heard.on(f"{BASE}/aoi/fault")
    assert (fault["id"], fault["failures"], fault["degraded"]) == (spoilt.id, ["deadline"], True)


async def test_a_result_that_nobody_hears_is_not_told(tmp_path: Path) -> None:
    """MQTT 5 says so: the decision stays with the host until an MES subscribes."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto)
        async with open_reporter(options) as report:
            with pytest.raises(Unavailable, match=f"nobody has subscribed to {BASE}/aoi/result"):
                await report(decision())
        async with open_mes(options) as mes, open_reporter(options) as report:
            await report(decision())
            await until(lambda: list(mes.documents) == [decision().id])


async def test_an_mes_that_is_dead_gets_everything_later(tmp_path: Path) -> None:
    """Its session lasts, so the broker keeps what it is owed."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto)
        async with open_mes(options) as mes, open_reporter(options) as report:
            mes.die()
            for number in range(1, 40):
                await report(decision(number))
            assert not mes.documents
            await mes.start()
            await until(lambda: len(mes.documents) == 39)
    assert [document["part"] for document in mes.documents.values()] == [f"P{at}" for at in range(1, 40)]


@BOTH
async def test_the_mes_itself_may_acknowledge(tmp_path: Path, protocol: str) -> None:
    """With ack_topic the broker's word is not enough: taken, refused for ever, or silent."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, ack_topic="mes/ack", protocol=protocol, ack_timeout_seconds=0.3)
        async with open_mes(options) as mes, open_reporter(options) as report:
            await report(decision(1))
            mes.refuse_all("unknown part")
            with pytest.raises(Refused, match="unknown part"):
                await report(decision(2))
            mes.accept_all()
            mes.lose(1)
            with pytest.raises(Unavailable, match="the MES did not acknowledge"):
                await report(decision(3))
            await report(decision(3))
    assert [document["part"] for document in mes.documents.values()] == ["P1", "P3"]
    assert mes.resent == 1


@pytest.mark.parametrize(
    "noise", [b"hello", b"[]", b'{"id": 1}', b'{"id": "x", "status": "accepted"}', b"[" * 60_000, b"\xff"]
)
async def test_chatter_on_the_acknowledgements_is_counted_and_ignored(tmp_path: Path, noise: bytes) -> None:
    before = counted("unreadable") + counted("ack_unmatched")
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, ack_topic="mes/ack")
        chatty = reporter_options(mosquitto, result_topic="mes/ack", unheard="accepted", name="chatty")
        async with open_mes(options), open_reporter(options) as report, subscriber(mosquitto, "mes/ack") as heard:
            async with open_reporter(chatty) as chat:
                desk: Any = chat.__self__  # type: ignore[attr-defined]
                await desk.session.send("mes/ack", noise, 5)
            await until(lambda: bool(heard.messages))
            await report(decision())
    assert counted("unreadable") + counted("ack_unmatched") == before + 1


async def test_several_are_under_way_and_arrive_in_order(tmp_path: Path) -> None:
    """More than the broker takes at once: the rest waits with us, in order."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, window=200)
        async with open_mes(options) as mes, open_reporter(options) as report:
            await asyncio.gather(*(report(decision(number)) for number in range(1, 201)))
            await until(lambda: len(mes.documents) == 200)
    assert [document["part"] for document in mes.documents.values()] == [f"P{at}" for at in range(1, 201)]
    assert mes.resent == 0


async def test_a_broker_that_stalls_is_unavailable(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, unheard="accepted", ack_timeout_seconds=0.1)
        async with open_reporter(options) as report:
            mosquitto.freeze()
            try:
                with pytest.raises(Unavailable, match="did not acknowledge within"):
                    await report(decision())
            finally:
                mosquitto.thaw()


async def test_a_broker_that_dies_fails_what_is_under_way(tmp_path: Path) -> None:
    """Whoever waits hears at once, not after the time that an acknowledgement may take."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, unheard="accepted", ack_timeout_seconds=60, window=2)
        reports: list[asyncio.Task[Any]] = []

        async def use() -> None:
            async with open_reporter(options) as report:
                mosquitto.freeze()
                reports.extend(asyncio.ensure_future(report(decision(number))) for number in (1, 2))
                await asyncio.sleep(0.01)
                mosquitto.kill()
                await asyncio.Event().wait()

        with pytest.raises(Unavailable, match=f"127.0.0.1:{mosquitto.port}"):
            await asyncio.wait_for(use(), 20)
        outcomes = await asyncio.gather(*reports, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]


async def test_on_the_realtime_lane_nothing_leaves_late(tmp_path: Path) -> None:
    """What expired is not sent, and the connection goes on."""
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, lane="realtime")
        late = replace(decision(), expires=asyncio.get_running_loop().time() - 0.001)
        soon = replace(decision(2), expires=asyncio.get_running_loop().time() + 20)
        async with open_mes(options) as mes, open_reporter(options) as report:
            with pytest.raises(Refused, match="expired"):
                await report(late)
            await report(soon)
            await until(lambda: bool(mes.documents))
    assert list(mes.documents) == [soon.id]


async def test_a_realtime_result_that_the_broker_did_not_read_never_leaves(tmp_path: Path) -> None:
    """More than the system buffers for a stalled broker: cancelled at its deadline, the rest is thrown away."""
    big = replace(decision(), recipe="x" * 16_000_000)
    async with broker(tmp_path) as mosquitto, subscriber(mosquitto, f"{BASE}/aoi/result") as heard:
        options = reporter_options(mosquitto, lane="realtime")

        async def use() -> None:
            async with open_reporter(options) as report:
                mosquitto.freeze()
                try:
                    async with asyncio.timeout(0.2):
                        await report(big)
                except TimeoutError:
                    await asyncio.Event().wait()

        with pytest.raises(Unavailable, match="before it expired"):
            await asyncio.wait_for(use(), 20)
        mosquitto.thaw()
        async with open_reporter(options) as report:
            await report(decision(2))
        await until(lambda: bool(heard.messages))
    assert [said["id"] for said in heard.on(f"{BASE}/aoi/result")] == [decision(2).id]


async def test_everything_arrives_though_the_broker_is_killed_again_and_again(tmp_path: Path) -> None:
    """At least once, and nothing under a second id: the host reopens and tells again what was not acknowledged."""
    waiting, kills = [decision(number) for number in range(1, 41)], {5, 15, 16, 35}
    async with broker(tmp_path) as mosquitto:
        options = reporter_options(mosquitto, ack_topic="mes/ack", ack_timeout_seconds=5)
        async with open_mes(options) as mes:
            while waiting:
                try:
                    async with open_reporter(options) as report:
                        for each in list(waiting):
                            if each.number in kills:
                                kills.remove(each.number)
                                mosquitto.kill()
                            await report(each)
                            waiting.remove(each)
                except Unavailable:
                    mosquitto.kill()
                    await mosquitto.start()
    assert {document["part"] for document in mes.documents.values()} == {f"P{at}" for at in range(1, 41)}
    assert mes.duplicated() == 0
    assert not kills


async def test_a_decision_larger_than_the_broker_takes_is_parked(tmp_path: Path) -> None:
    """It would throw us out at every try."""
    async with broker(tmp_path, "max_packet_size 20000\n") as mosquitto:
        options = reporter_options(mosquitto)
        async with open_mes(options), open_reporter(options) as report:
            with pytest.raises(Refused, match="larger than"):
                await report(replace(decision(), recipe="x" * 20_000))
            await report(decision(2))
