"""Modbus under TLS: the same handshake, and a PLC that is not who it should be is told nothing."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plant_tls import PASSWORD, Pair, Plant
from pydantic import ValidationError

from bridge.plugin import (
    ClientTls,
    ConfigError,
    Decision,
    Fetch,
    Goal,
    Inspection,
    Stage,
    Unavailable,
    Verdict,
    counted,
)
from bridge_modbus import ModbusOptions, open_reporter
from bridge_modbus.check import check
from bridge_modbus.client import connect
from bridge_modbus.options import ModbusSourceOptions
from bridge_modbus.peer import open_plc, serve_plc
from bridge_modbus.plc_trigger import open_inspector
from bridge_modbus.source import open_source

LATER = 60.0


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def options(port: int, **tls: Any) -> ModbusOptions:
    table = {"name": "plc", "host": "127.0.0.1", "port": port, "timeout_ms": 5000}
    return ModbusOptions.model_validate({**table, "tls": {key: str(value) for key, value in tls.items()}})


def told(part: str) -> Decision:
    clock = asyncio.get_running_loop().time
    return Decision(
        id="1" * 32,
        line="L",
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part=part,
        legacy=Verdict.NG,
        final=Verdict.OK,
        number=1,
        expires=clock() + LATER,
    )


def shown(plant: Plant, pair: Pair) -> dict[str, Path]:
    return {"ca": plant.ca, "cert": pair.cert, "key": pair.key}


async def test_a_plc_takes_its_verdict_over_mutual_tls(
    plant: Plant, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trigger, verdict, acknowledgement: all as without; the key of our certificate is under a password."""
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    ours = options(port, ca=plant.ca, cert=plant.bridge.cert, key=plant.encrypted, key_password="env:KEY_PASSWORD")
    async with open_plc(ours) as plc, open_reporter(ours) as report:
        standing = asyncio.create_task(plc.present("P1", 10))
        await report(told("P1"))
        taken = await standing
    assert (taken.passed, taken.verdict) == (True, Verdict.OK)


async def test_a_client_without_a_certificate_is_not_taken(plant: Plant, port: int) -> None:
    async with serve_plc(options(port, **shown(plant, plant.machine))):
        with pytest.raises(Unavailable):
            async with open_reporter(options(port, ca=plant.ca).model_copy(update={"timeout_ms": 1500})):
                await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("pair", "reason"),
    [("stranger", "unable to get local issuer"), ("elsewhere", "IP address mismatch"), ("expired", "has expired")],
)
async def test_a_plc_that_is_somebody_else_is_told_nothing(
    plant: Plant, port: int, pair: str, reason: str
) -> None:
    """The reason stands in the error, so that the engineer need not guess."""
    served = getattr(plant, pair)
    async with serve_plc(options(port, cert=served.cert, key=served.key)) as plc:
        with pytest.raises(Unavailable, match=f"cannot be reached .*its certificate is not believed: .*{reason}"):
            async with open_reporter(options(port, ca=plant.ca)):
                pass
        assert plc.memory.requests == 0


async def test_a_plc_may_have_another_name_than_its_address(plant: Plant, port: int) -> None:
    served = {"cert": plant.elsewhere.cert, "key": plant.elsewhere.key}
    async with serve_plc(options(port, **served)):
        found = await check(options(port, ca=plant.ca, server_name="plc-7.plant"))
        assert found[0].good
        assert not (await check(options(port, ca=plant.ca)))[0].good


async def test_plain_and_tls_do_not_meet(plant: Plant, port: int) -> None:
    """Whichever side has no TLS, there is an error and no verdict."""
    plain = ModbusOptions(name="plc", host="127.0.0.1", port=port)
    async with serve_plc(plain) as plc:
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with open_reporter(options(port, ca=plant.ca).model_copy(update={"timeout_ms": 300})):
                pass
        assert plc.memory.requests == 0


async def test_a_file_that_is_missing_is_the_users_to_mend(tmp_path: Path, port: int) -> None:
    with pytest.raises(ConfigError, match=r"tls\.ca .*none\.pem: cannot be read"):
        async with open_reporter(options(port, ca=tmp_path / "none.pem")):
            pass


async def test_a_plc_that_is_away_says_why(port: int) -> None:
    with pytest.raises(Unavailable, match=r"cannot be reached within 500 ms \(.*[Cc]onnect"):
        async with open_reporter(ModbusOptions(name="plc", host="127.0.0.1", port=port)):
            pass


def source(role: str, port: int, **more: Any) -> ModbusSourceOptions:
    return ModbusSourceOptions.model_validate({"role": role, "port": port, "timeout_ms": 5000, **more})


async def decided(part: Inspection, fetch: Fetch | None = None) -> Decision:
    del fetch
    return replace(told(part.part), legacy=part.legacy, final=Verdict.OK)


async def answered(options: ModbusSourceOptions, part: Inspection) -> Verdict | None:
    """Let the PLC of these options ask a real source about one part, and return what it took."""
    async with AsyncExitStack() as stack:
        ours, theirs = open_source(options), open_inspector(options)
        if options.role == "client":
            play = await stack.enter_async_context(theirs)
            run = await stack.enter_async_context(ours)
        else:
            run = await stack.enter_async_context(ours)
            play = await stack.enter_async_context(theirs)
        task = asyncio.create_task(run(decided))  # type: ignore[arg-type]
        try:
            return await play(part)
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.mark.parametrize("role", ["client", "server"])
async def test_a_plc_triggers_over_mutual_tls_in_both_roles(
    plant: Plant, port: int, tmp_path: Path, role: str
) -> None:
    """The whole handshake under TLS; the simulated PLC needs no table of its own."""
    tls = {key: str(value) for key, value in shown(plant, plant.bridge).items()}
    allow = ["127.0.0.0/8"] if role == "server" else []
    options = source(role, port, tls=tls, allow=allow, home=tmp_path)
    assert await answered(options, Inspection(part="P1", legacy=Verdict.NG)) is Verdict.OK


async def test_a_plc_that_is_not_named_may_not_write(port: int, tmp_path: Path) -> None:
    """The server's allow list: a stranger is dropped before a byte of it is read, and counted."""
    before = counted("strangers")
    options = source("server", port, allow=["192.0.2.0/24"], home=tmp_path, timeout_ms=500)
    with pytest.raises(Unavailable):
        await answered(options, Inspection(part="P1", legacy=Verdict.NG))
    assert counted("strangers") > before


async def test_a_server_wants_a_certificate_of_its_authority(plant: Plant, port: int, tmp_path: Path) -> None:
    """A PLC without one reads nothing and writes nothing."""
    tls = {key: str(value) for key, value in shown(plant, plant.bridge).items()}
    before = counted("tls_refused")
    async with open_source(source("server", port, tls=tls, home=tmp_path)):
        with pytest.raises(Unavailable):
            async with connect("127.0.0.1", port, 1, 1500, ClientTls(ca=plant.ca)) as link:
                await link.read_registers(0, 29)
    assert counted("tls_refused") == before + 1


@pytest.mark.parametrize(
    ("role", "table", "said"),
    [
        ("server", {"tls": {"ca": "ca.pem"}}, "tls: has no cert, which a listener must show; write cert and key"),
        ("client", {"allow": ["127.0.0.1"]}, "allow: nobody dials the role client"),
    ],
)
def test_tables_that_cannot_work_are_mistakes(role: str, table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        source(role, 502, **table)
