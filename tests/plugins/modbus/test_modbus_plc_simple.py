"""An old PLC with a simple map over real Modbus TCP: coils or one register, cleared by the PLC."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from bridge.plugin import Verdict
from bridge_modbus.options import ModbusOptions
from bridge_modbus.peer import SimplePlc, open_plc

SOON = 20.0
BRIEF = 0.05
OK_DONE = {"ok": "coil 0", "done": "coil 17"}
REGISTER = {"verdict": "register 100", "ok_value": 1, "ng_value": 2}


@asynccontextmanager
async def facing(**simple: Any) -> AsyncIterator[tuple[SimplePlc, AsyncModbusTcpClient]]:
    """Open an old PLC with this map and connect to it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    options = ModbusOptions.model_validate({"name": "plc", "host": "127.0.0.1", "port": port, "map": simple})
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=10, retries=0)
    async with open_plc(options) as plc:
        assert isinstance(plc, SimplePlc)
        assert await client.connect()
        try:
            yield plc, client
        finally:
            client.close()


@asynccontextmanager
async def stood(plc: SimplePlc, seconds: float = SOON) -> AsyncIterator[asyncio.Task[Any]]:
    """Let a part stand at the station, with all places cleared."""
    standing = asyncio.create_task(plc.present("P1", seconds))
    await asyncio.sleep(0)
    yield standing
    await standing


@pytest.mark.parametrize(("ok", "verdict"), [(True, Verdict.OK), (False, Verdict.NG)])
async def test_done_takes_what_ok_says(*, ok: bool, verdict: Verdict) -> None:
    """The verdict is read when done comes, and both coils are cleared by the PLC."""
    async with facing(**OK_DONE) as (plc, client):
        async with stood(plc) as standing:
            await client.write_coil(0, value=ok)
            assert not standing.done()
            await client.write_coil(17, value=True)
        assert (await client.read_coils(0, count=1)).bits[0] is False
        assert (await client.read_coils(17, count=1)).bits[0] is False
        assert [(one.part, one.passed, one.verdict) for one in plc.taken] == [("P1", ok, verdict)]


async def test_an_ok_that_stood_before_the_part_counts_for_nothing() -> None:
    """What is left over from before is cleared when a part comes: a done alone then is no OK."""
    async with facing(**OK_DONE) as (plc, client):
        await client.write_coil(0, value=True)
        async with stood(plc):
            await client.write_coil(17, value=True)
        assert [one.passed for one in plc.taken] == [False]


async def test_a_done_without_a_part_is_late() -> None:
    """A verdict that comes when nothing stands there is cleared and counted, and passes nothing afterwards."""
    async with facing(**OK_DONE) as (plc, client):
        await client.write_coil(0, value=True)
        await client.write_coil(17, value=True)
        async with stood(plc, BRIEF):
            pass
        assert plc.late == 1
        assert [(one.passed, one.why) for one in plc.taken] == [(False, "nothing reported")]


@pytest.mark.parametrize(
    ("value", "verdict", "why"),
    [(1, Verdict.OK, ""), (2, Verdict.NG, "NG"), (3, None, "no clear verdict in the simple map")],
)
async def test_a_verdict_register_is_read_by_its_numbers(value: int, verdict: Verdict | None, why: str) -> None:
    """Only the numbers in the map are verdicts; any other number ejects. The register is cleared after it."""
    async with facing(**REGISTER) as (plc, client):
        async with stood(plc):
            assert not (await client.write_register(100, value)).isError()
        assert (await client.read_holding_registers(100)).registers == [0]
        assert [(one.verdict, one.why, one.readable_at is not None) for one in plc.taken] == [(verdict, why, True)]


async def test_ok_and_ng_together_eject() -> None:
    """Two coils that contradict each other are no verdict."""
    async with facing(ok="coil 0", ng="coil 1") as (plc, client):
        async with stood(plc):
            await client.write_coils(0, [True, True])
        assert [(one.passed, one.verdict) for one in plc.taken] == [(False, None)]


@pytest.mark.parametrize(
    ("simple", "passed"),
    [
        ({"ng": "coil 0", "ok_by_silence": "accepted"}, True),
        ({"ok": "coil 0"}, False),
    ],
)
async def test_silence_passes_only_where_the_map_says_so(simple: dict[str, str], *, passed: bool) -> None:
    """A part that is told nothing is ejected, but passes a PLC that knows only NG."""
    async with facing(**simple) as (plc, _):
        taken = await plc.present("P1", BRIEF)
    assert (taken.passed, taken.verdict, taken.readable_at) == (passed, None, None)


async def test_only_the_places_of_the_map_may_be_written() -> None:
    """A coil or register that the map does not name is not the bridge's."""
    async with facing(**OK_DONE) as (_, client):
        assert (await client.write_coil(1, value=True)).isError()
        assert (await client.write_register(0, 1)).isError()
