"""A PLC triggers parts of a whole gateway: journal, judges by RECIPE_ID, bypass, and an MES that hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from bridge.config import Config, load
from bridge.gateway import Gateway, open_gateway
from bridge.messages import Decision, Inspection, Origin, Verdict
from bridge.simulate.factory import free_ports
from bridge.store import Reader
from bridge_modbus import ModbusSourceOptions
from bridge_modbus.codec import CommandBlock, Control, Status
from bridge_modbus.plc_trigger import TriggeringPlc, as_client, as_server

PATIENCE_SECONDS = 30.0
"""For everything that is waited for here; an idle machine needs a second."""
ROLES = ("client", "server")
CONFIG = """
data = "var"

[http]
port = 0

[judge.mild]
type = "mind"
verdict = "OK"

[judge.strict]
type = "mind"
verdict = "NG"

[[line]]
name = "line"
goal = 1
stage = "live"
live_because = "a test, no real line"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 20000
judge = "mild"

[line.source]
type = "lit"

[line.source.trigger]
type = "modbus"
role = "{role}"
port = {port}
poll_ms = 5
timeout_ms = 5000
recipes = {{ 1 = "M10", 2 = "M12" }}

[line.recipe.M10]
judge = "mild"

[line.recipe.M12]
judge = "strict"

[line.bypass]
minutes = 10
because = "the model is being replaced"
"""


async def configured(folder: Path, role: str) -> tuple[Config, ModbusSourceOptions]:
    (port,) = free_ports(1)
    path = folder / "bridge.toml"
    path.write_text(CONFIG.format(role=role, port=port), encoding="utf-8")
    config = await asyncio.to_thread(load, path)
    options: ModbusSourceOptions = config.line[0].source.options.trigger.options
    return config, options


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Gateway]:
    async with open_gateway(config) as gateway:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await gateway.until_ready()
        yield gateway


def a_plc(options: ModbusSourceOptions) -> AbstractAsyncContextManager[TriggeringPlc]:
    return (as_server if options.role == "client" else as_client)(options)


def journal(config: Config) -> list[Decision]:
    return Reader(config.data).decisions()


def an_ng(part: str, recipe: str = "M10") -> Inspection:
    return Inspection(part=part, legacy=Verdict.NG, recipe=recipe, deadline_ms=20_000)


@pytest.mark.usefixtures("lit")
@pytest.mark.parametrize("role", ROLES)
async def test_recipe_id_picks_the_judge(role: str, tmp_path: Path) -> None:
    """The same NG is cleared by one judge and upheld by the other; an unknown recipe clears nothing."""
    config, options = await configured(tmp_path, role)
    async with a_plc(options) as plc, running(config):
        assert await plc.play(an_ng("A", "M10")) is Verdict.OK
        assert await plc.play(an_ng("B", "M12")) is Verdict.NG
        assert await plc.play(an_ng("C", "77")) is Verdict.NG
        assert await plc.play(an_ng("D", "M10")) is Verdict.OK
    said = await asyncio.to_thread(journal, config)
    assert [(one.part, one.recipe, one.sequence) for one in said] == [
        ("A", "M10", 1),
        ("B", "M12", 2),
        ("C", "77", 3),
        ("D", "M10", 4),
    ]
    assert all(one.recorded for one in said)


@pytest.mark.usefixtures("lit")
async def test_a_bypass_bit_lets_the_inspectors_verdict_stand(tmp_path: Path) -> None:
    config, options = await configured(tmp_path, "server")
    async with a_plc(options) as plc, running(config) as gateway:
        assert await plc.play(an_ng("A")) is Verdict.OK
        await plc.show(control=Control.ENABLE | Control.BYPASS)
        assert gateway.lines["line"].standing.bypassed.in_force
        plc.held = Control.ENABLE | Control.BYPASS
        assert await plc.play(an_ng("B")) is Verdict.NG
    first, second = await asyncio.to_thread(journal, config)
    assert (first.origin, first.bypassed) == (Origin.MODEL, False)
    assert (second.origin, second.bypassed) == (Origin.LEGACY, True)


@pytest.mark.usefixtures("lit")
@pytest.mark.parametrize("role", ROLES)
async def test_a_part_that_was_cut_short_by_a_restart_is_decided_once(role: str, tmp_path: Path) -> None:
    """The PLC asks again with the same CMD_SEQ after the gateway came back: one record, the same verdict."""
    config, options = await configured(tmp_path, role)
    async with a_plc(options) as plc:
        async with running(config):
            assert await plc.play(an_ng("A")) is Verdict.OK
            async with asyncio.timeout(PATIENCE_SECONDS):
                while Status.READY not in (await plc.registers.said()).status:  # noqa: ASYNC110 - its registers
                    await asyncio.sleep(0.005)
            await plc.show(sequence=2, serial="B", control=Control.ENABLE)
            await plc.show(control=Control.ENABLE | Control.TRIGGER)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(await asyncio.to_thread(journal, config)) < 2:  # noqa: ASYNC110 - a file
                    await asyncio.sleep(0.01)
        plc.command = CommandBlock(control=Control.ENABLE, sequence=1)
        async with running(config):
            assert await plc.play(an_ng("B")) is Verdict.OK
    said = await asyncio.to_thread(journal, config)
    assert [(one.part, one.sequence) for one in said] == [("A", 1), ("B", 2)]
