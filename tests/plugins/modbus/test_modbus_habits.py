"""A soft PLC with bad habits, told by the reporter: it takes its verdict, or nothing; never a wrong one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.plugin import (
    ConfigError,
    Decision,
    Goal,
    Inspection,
    Play,
    Refused,
    Stage,
    Taken,
    Unavailable,
    Verdict,
)
from bridge_modbus import ModbusOptions, ModbusSourceOptions, open_reporter, open_source
from bridge_modbus.peer import open_plc
from bridge_modbus.plc_habits import OF_THE_PROGRAM, PLC_HABITS
from bridge_modbus.plc_station import SoftPlc
from bridge_modbus.plc_trigger import open_inspector

QUICK: dict[str, float] = {"slow-scan": 0.05, "slow-answer": 0.02, "late-ack": 0.05, "busy": 3}
TOLD = sorted(set(PLC_HABITS) - {"illegal", "drop", "wrong-unit"})
"""Habits under which a part is told all the same."""


@pytest.fixture
def options() -> ModbusOptions:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return ModbusOptions(name="plc", host="127.0.0.1", port=port, timeout_ms=1000)


def decision(part: str, final: Verdict) -> Decision:
    return Decision(id="0" * 32, line="L", goal=Goal.REPLACE, stage=Stage.LIVE, part=part, final=final)


async def told(options: ModbusOptions, plc: Any, part: str, final: Verdict) -> Taken:
    """Let a part stand at the station while a bridge tells its verdict, on a new connection where one is lost."""
    standing: asyncio.Task[Taken] = asyncio.create_task(plc.present(part, 20))
    async with asyncio.timeout(20):
        while not standing.done():
            try:
                async with open_reporter(options) as report:
                    await report(decision(part, final))
                    return await standing
            except (Unavailable, Refused):
                await asyncio.sleep(0.01)
    return await standing


@pytest.mark.parametrize("habit", [*TOLD, "drop"])
async def test_the_verdict_arrives_all_the_same(options: ModbusOptions, habit: str) -> None:
    """Slow, busy, alone, silent about acknowledgements, cut now and then: each part gets its own verdict."""
    habits = {habit: QUICK.get(habit, PLC_HABITS[habit].number or 0)}
    async with open_plc(options, habits) as plc:
        assert isinstance(plc, SoftPlc)
        for number, final in enumerate([Verdict.OK, Verdict.NG, Verdict.OK]):
            taken = await told(options, plc, f"S{number}", final)
            assert (taken.verdict, taken.passed) == (final, final is Verdict.OK)
        assert not plc.wrong_part


async def test_a_busy_plc_is_asked_again_on_the_same_connection(options: ModbusOptions) -> None:
    """Exception 6 means that nothing was done; giving the connection up for it cost every verdict."""
    async with open_plc(options, {"busy": 3}) as plc, open_reporter(options) as report:
        standing = asyncio.create_task(plc.present("S1", 20))
        await report(decision("S1", Verdict.OK))
        assert (await standing).passed


async def test_a_plc_that_is_always_busy_is_away(options: ModbusOptions) -> None:
    brief = options.model_copy(update={"timeout_ms": 100})
    async with open_plc(options, {"busy": 1}):
        with pytest.raises(Unavailable, match="is busy"):
            async with open_reporter(brief):
                pass


async def test_another_unit_id_gets_no_answer(options: ModbusOptions) -> None:
    brief = options.model_copy(update={"timeout_ms": 100})
    async with open_plc(options, {"wrong-unit": 17}):
        with pytest.raises(Unavailable, match="does not answer"):
            async with open_reporter(brief):
                pass
        async with open_reporter(options.model_copy(update={"unit": 17})):
            pass


async def test_a_second_connection_is_closed_at_once(options: ModbusOptions) -> None:
    async with open_plc(options, {"one-connection": 1}), open_reporter(options):
        with pytest.raises(Unavailable):
            async with open_reporter(options):
                pass


async def answer(part: Inspection, _: object = None) -> Decision:
    """Be a line that says what the inspector said."""
    return replace(decision(part.part, part.legacy or Verdict.NG), expires=asyncio.get_running_loop().time() + 10)


async def bridged(options: ModbusSourceOptions) -> None:
    """Keep the source open, as the host does."""
    while True:
        with suppress(Unavailable):
            async with open_source(options) as run:
                await run(answer)
        await asyncio.sleep(0.01)


async def insisted(play: Play, part: Inspection) -> Verdict | None:
    """Present a part until it gets a verdict."""
    async with asyncio.timeout(40):
        while True:
            with suppress(Unavailable):
                if (verdict := await play(part)) is not None:
                    return verdict


@pytest.mark.parametrize(
    ("role", "habit"),
    [*(("client", habit) for habit in [*TOLD, "drop"]), *(("server", habit) for habit in sorted(OF_THE_PROGRAM))],
)
async def test_a_plc_that_triggers_gets_its_verdict_all_the_same(
    options: ModbusOptions, tmp_path: Path, role: str, habit: str
) -> None:
    """Whichever side dials, and whatever the PLC does: never another part's verdict."""
    facts = {"role": role, "port": options.port, "home": tmp_path, "timeout_ms": 1000, "ack_timeout_ms": 300}
    source = ModbusSourceOptions.model_validate(facts)
    number = QUICK.get(habit, PLC_HABITS[habit].number or 0)
    async with open_inspector(source, {habit: number}) as play:
        bridge = asyncio.create_task(bridged(source))
        for at, legacy in enumerate([Verdict.OK, Verdict.NG, Verdict.OK]):
            assert await insisted(play, Inspection(part=f"S{at}", legacy=legacy, deadline_ms=10_000)) is legacy
        bridge.cancel()
        await asyncio.wait([bridge])


async def test_a_plc_that_dials_has_no_habits_of_a_server(tmp_path: Path) -> None:
    source = ModbusSourceOptions.model_validate({"role": "server", "home": tmp_path})
    with pytest.raises(ConfigError, match="--habit busy: is for a PLC that is dialled"):
        async with open_inspector(source, {"busy": 5}):
            pass
