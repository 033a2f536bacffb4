"""Everybody can see whether the bridge is there; who is wrong about the broker is told in one line."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from mqtt_kit import (
    BASE,
    BOTH,
    Heard,
    Line,
    broker,
    decision_of,
    mosquitto_process,
    needs_mosquitto,
    reporter_options,
    running,
    source_options,
    subscriber,
    until,
)
from plant_tls import Plant

from bridge.plugin import ConfigError, Inspection, Unavailable
from bridge_mqtt import open_reporter, open_source
from bridge_mqtt.peer import machine

pytestmark = needs_mosquitto
STATUS = f"{BASE}/inspector/status"
CLOSED = mosquitto_process.SETTINGS.replace("allow_anonymous true", "")


def states(heard: Heard, topic: str) -> list[tuple[str, str]]:
    return [(said["state"], said["reason"]) for said in heard.on(topic)]


@BOTH
async def test_online_while_it_runs_and_offline_by_a_goodbye(tmp_path: Path, protocol: str) -> None:
    """Retained, so that who comes later knows it too."""
    async with broker(tmp_path) as mosquitto, subscriber(mosquitto, STATUS) as heard:
        options = source_options(mosquitto, tmp_path, protocol=protocol)
        async with running(options, Line()):
            await until(lambda: bool(heard.messages))
            async with subscriber(mosquitto, STATUS) as later:
                await until(lambda: bool(later.messages))
        await until(lambda: len(heard.messages) == 2)
    assert states(heard, STATUS) == [("online", ""), ("offline", "stopped")]
    assert [message.retained for message in later.messages] == [True]
    assert len({said["session"] for said in heard.on(STATUS)}) == 1


async def test_the_last_will_speaks_for_who_was_killed(tmp_path: Path) -> None:
    """The connection is cut without a goodbye, as by a kill: the broker says offline, retained."""
    async with broker(tmp_path) as mosquitto, subscriber(mosquitto, f"{BASE}/aoi/status") as heard:

        async def use() -> None:
            async with open_reporter(reporter_options(mosquitto)) as report:
                desk: Any = report.__self__  # type: ignore[attr-defined]
                desk.session._client.socket().shutdown(socket.SHUT_RDWR)
                await asyncio.Event().wait()

        with pytest.raises(Unavailable):
            await asyncio.wait_for(use(), 20)
        await until(lambda: len(heard.messages) == 2)
        async with subscriber(mosquitto, f"{BASE}/aoi/status") as later:
            await until(lambda: bool(later.messages))
    assert states(heard, f"{BASE}/aoi/status") == [("online", ""), ("offline", "lost")]
    assert states(later, f"{BASE}/aoi/status") == [("offline", "lost")]


async def test_status_comes_back_with_a_broker_that_forgot_everything(tmp_path: Path) -> None:
    """Each opening subscribes and says online anew."""
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path)
        async with running(options, Line()) as task:
            mosquitto.kill()
            with pytest.raises(Unavailable):
                await asyncio.wait_for(task, 20)
        (tmp_path / "broker" / "mosquitto.db").unlink()
        await mosquitto.start()
        line = Line()
        async with running(options, line), subscriber(mosquitto, STATUS) as heard, machine(options) as inspector:
            await inspector.play(Inspection(part="P1"))
            assert states(heard, STATUS) == [("online", "")]
    assert line.names == ["P1"]


@BOTH
@pytest.mark.parametrize("password", ["wrong", None])
async def test_a_wrong_password_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, password: str | None
) -> None:
    more = mosquitto_process.password_file(tmp_path / "passwords", "bridge", "right")
    account = {}
    if password:
        monkeypatch.setenv("MQTT_PASSWORD", password)
        account = {"user": "bridge", "password": "env:MQTT_PASSWORD"}
    async with broker(tmp_path, more, settings=CLOSED) as it:
        options = reporter_options(it, protocol=protocol, **account)
        with pytest.raises(ConfigError, match=r"does not let us in .*; correct user and password"):
            async with open_reporter(options):
                pass


async def test_the_right_password_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = mosquitto_process.password_file(tmp_path / "passwords", "bridge", "right")
    monkeypatch.setenv("MQTT_PASSWORD", "right")
    async with broker(tmp_path, more, settings=CLOSED) as it:
        options = reporter_options(it, user="bridge", password="env:MQTT_PASSWORD")
        async with open_reporter(options) as report:
            assert report is not None


async def test_a_result_that_the_broker_does_not_allow_is_said(tmp_path: Path) -> None:
    """MQTT 5 gives the reason; nothing is taken for told."""
    (tmp_path / "acl").write_text("topic readwrite v1/#\n")
    (tmp_path / "acl").chmod(0o644)
    async with (
        broker(tmp_path, f"acl_file {tmp_path / 'acl'}\n") as mosquitto,
        open_reporter(reporter_options(mosquitto, result_topic="secret/result")) as report,
    ):
        with pytest.raises(Unavailable, match="does not take secret/result: not authorized"):
            await report(decision_of(Inspection(part="P1")))


def secured(plant: Plant) -> str:
    return (
        "listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\nrequire_certificate true\n"
        f"cafile {plant.ca}\ncertfile {plant.machine.cert}\nkeyfile {plant.machine.key}\n"
    )


async def test_over_tls_with_certificates_on_both_sides(tmp_path: Path, plant: Plant) -> None:
    """Parts, answers and a large message pass; whoever is not believed is told so."""
    line = Line()
    async with broker(tmp_path, settings=secured(plant)) as mosquitto:
        tls = {"ca": str(plant.ca)} | plant.bridge.table
        options = source_options(mosquitto, tmp_path, tls=tls, host="localhost")
        async with running(options, line), machine(options) as inspector:
            for number in range(3):
                await inspector.publish_raw(b'{"part": "' + b"x" * 300_000)
                await inspector.play(Inspection(part=f"P{number}", key=f"k{number}"))
        for bad, said in [
            (tls | {"ca": str(plant.strange_ca)}, "its certificate is not believed"),
            (tls | {"server_name": "plc-7.plant"}, "its certificate is not believed"),
        ]:
            with pytest.raises(Unavailable, match=said):
                async with open_reporter(reporter_options(mosquitto, tls=bad)):
                    pass
    assert line.names == ["P0", "P1", "P2"]


async def test_a_broker_that_wants_tls_is_one_clear_line(tmp_path: Path, plant: Plant) -> None:
    async with broker(tmp_path, settings=secured(plant)) as mosquitto:
        with pytest.raises(Unavailable, match="hung up before it greeted"):
            async with open_reporter(reporter_options(mosquitto)):
                pass


async def test_a_broker_that_is_away_is_one_clear_line(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto:
        mosquitto.kill()
        with pytest.raises(Unavailable, match="cannot be reached: Connection refused"):
            async with open_source(source_options(mosquitto, tmp_path)):
                pass


async def test_somebody_else_on_the_port_is_one_clear_line(tmp_path: Path) -> None:
    """A server that takes the connection and says nothing."""
    del tmp_path
    with socket.create_server(("127.0.0.1", 0)) as mute:

        class Port:
            port = mute.getsockname()[1]

        with pytest.raises(Unavailable, match=r"does not answer as a broker within 0\.2 s"):
            async with open_reporter(reporter_options(Port, dial_timeout_seconds=0.2)):
                pass


async def test_a_loop_that_cannot_watch_sockets_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' default event loop is one."""
    loop = type(asyncio.get_running_loop())
    monkeypatch.setattr(loop, "add_reader", asyncio.AbstractEventLoop.add_reader)

    class Port:
        port = 1

    with pytest.raises(ConfigError, match="use the selector event loop"):
        async with open_reporter(reporter_options(Port)):
            pass
