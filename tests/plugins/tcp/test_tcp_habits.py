"""An inspector and an MES with bad habits, over real sockets: every part comes, every decision is taken."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from adapter_host import Host, decision_of, until
from conftest import Run

from bridge.plugin import MES_HABITS, Inspection, Refused, Unavailable, Verdict
from bridge_tcp import TcpReporterOptions, open_reporter
from bridge_tcp.habits import AOI_HABITS
from bridge_tcp.peer import open_inspector, open_mes

FRAMINGS: list[dict[str, Any]] = [
    {"framing": "crlf"},
    {"framing": "stx_etx"},
    {"framing": "fixed", "length_bytes": 32},
    {"framing": "len32be"},
]
PARTS = [f"P{number}" for number in range(6)]


@pytest.mark.parametrize("values", FRAMINGS, ids=lambda values: str(values["framing"]))
@pytest.mark.parametrize("habit", sorted(set(AOI_HABITS) - {"vanish", "no-barcode", "reused-serial", "code-page"}))
async def test_every_part_comes(running: Run, habit: str, values: dict[str, Any]) -> None:
    """Dribbled, garbled, cut, twice or out of order: what was inspected is handed in."""
    host, number = Host(), {"partial": 0.001, "drop": 2, "garbage": 2}.get(habit, AOI_HABITS[habit].number or 0)
    async with running(host, **values) as source, open_inspector(source.options, {habit: number}) as play:
        for name in PARTS:
            await _insist(play, Inspection(part=name, legacy=Verdict.NG))
        await host.until(lambda: {part.part for part in host.parts} >= set(PARTS[:-1]))
    assert {part.part for part in host.parts} <= set(PARTS)
    assert all(part.legacy is Verdict.NG for part in host.parts)


async def _insist(play: Any, part: Inspection) -> None:
    """Play a part as a real machine does, again until it was taken."""
    for _ in range(5):
        try:
            await play(part)
        except Unavailable:
            continue
        return
    raise AssertionError(f"{part.part} was never taken")


async def test_a_machine_that_has_vanished_plays_nothing(running: Run) -> None:
    host = Host()
    async with running(host) as source, open_inspector(source.options, {"vanish": 3600}) as play:
        for number in range(9):
            await play(Inspection(part=f"P{number}", legacy=Verdict.OK))
        with pytest.raises(Unavailable, match="vanished"):
            await play(Inspection(part="P9", legacy=Verdict.OK))
        await host.until(lambda: len(host.parts) == 9)


@pytest.mark.parametrize("habit", sorted(MES_HABITS))
async def test_an_mes_takes_every_decision_in_the_end(port: int, habit: str) -> None:
    """Told again on a new connection as the host does; what is refused is refused once and for all."""
    number = {"stall": 0.05, "die": 0.05}.get(habit, MES_HABITS[habit].number or 0)
    options = TcpReporterOptions(name="mes", host="127.0.0.1", port=port, ack_timeout_seconds=0.2)
    refused = 0
    async with open_mes(options, {habit: number}) as mes:
        for count in range(1, 13):
            refused += await _tell(options, count)
        await until(lambda: len(mes.documents) + len(mes.refused) == 12)
        assert refused == len(mes.refused) == (4 if habit == "refuse" else 0)


async def test_an_mes_waits_for_its_port_where_another_has_got_it(port: int) -> None:
    """While it is gone the system may lend its port to anybody, even to who dials it."""
    options = TcpReporterOptions(name="mes", host="127.0.0.1", port=port, ack_timeout_seconds=0.2)
    async with open_mes(options) as mes:
        await _tell(options, 1)
        mes.die()
        with socket.create_server(("127.0.0.1", port)):
            mes._revive()
            await asyncio.sleep(0.1)
        await _tell(options, 2)
        assert len(mes.documents) == 2


async def _tell(options: TcpReporterOptions, number: int) -> int:
    """Tell one decision until it is taken or refused; return how often it was refused."""
    decision = decision_of(Inspection(part=f"P{number}", legacy=Verdict.OK), number)
    async with asyncio.timeout(20):
        while True:
            try:
                async with open_reporter(options) as report:
                    await report(decision)
            except Refused:
                return 1
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return 0
