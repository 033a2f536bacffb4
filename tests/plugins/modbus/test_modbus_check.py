"""The check against a real Modbus server: what it finds, and that it changes nothing it was not asked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.plugin import Finding
from bridge_modbus import ModbusOptions, check
from bridge_modbus.codec import STATUS_WORDS, CommandBlock, WordOrder, commissioning_words, encode_command
from bridge_modbus.plc_memory import Memory, serve


@asynccontextmanager
async def standing(memory: Memory, **options: object) -> AsyncIterator[ModbusOptions]:
    async with serve(memory, "127.0.0.1", 0, lambda: None) as port:
        facts: dict[str, object] = {"name": "plc", "host": "127.0.0.1", "port": port}
        yield ModbusOptions.model_validate(facts | options)


def memory_of(**command: object) -> Memory:
    words = encode_command(CommandBlock(**command))  # type: ignore[arg-type]
    holding = words + [0] * (100 + STATUS_WORDS - len(words))
    return Memory(holding=holding, coils=[False] * 16, bridge_holding=range(100, 100 + STATUS_WORDS))


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for the PLC's heartbeat after a moment; its period is the PLC's own affair."""
    monkeypatch.setattr(check, "HEARTBEAT_SECONDS", 0.03)


async def test_a_plc_as_it_should_be_is_good_throughout() -> None:
    memory = memory_of(echo=commissioning_words(WordOrder.ABCD))

    async def beat() -> None:
        while True:
            memory.holding[1] += 1
            await asyncio.sleep(0.005)

    beating = asyncio.create_task(beat())
    async with standing(memory) as options:
        found = by_name(await check.check(options, write_test=True))
    beating.cancel()
    assert list(found) == ["reachable", "unit answers", "STS can be written", "word order", "PLC heartbeat"]
    assert all(finding.good for finding in found.values())
    assert tuple(memory.holding[153:158]) == commissioning_words(WordOrder.ABCD)


async def test_without_a_write_test_nothing_is_written() -> None:
    memory = memory_of()
    before = list(memory.holding)
    async with standing(memory) as options:
        found = by_name(await check.check(options))
    assert memory.holding == before
    assert found["STS can be written"].good is None


@pytest.mark.parametrize("order", [order for order in WordOrder if order is not WordOrder.ABCD])
async def test_another_word_order_is_named_with_what_to_write(order: WordOrder) -> None:
    async with standing(memory_of(echo=commissioning_words(order))) as options:
        found = by_name(await check.check(options))["word order"]
    assert found.good is False
    assert f'word_order = "{order}"' in found.said


@pytest.mark.parametrize(("echo", "good"), [((0, 0, 0, 0, 0), None), ((1, 2, 3, 4, 5), False)])
async def test_an_echo_that_is_no_constant_proves_nothing(echo: tuple[int, ...], good: bool | None) -> None:  # noqa: FBT001 - a column of the table above
    async with standing(memory_of(echo=echo)) as options:
        assert by_name(await check.check(options))["word order"].good is good


async def test_a_plc_whose_heartbeat_stands_still_is_found() -> None:
    async with standing(memory_of(heartbeat=9)) as options:
        found = by_name(await check.check(options))["PLC heartbeat"]
    assert (found.good, found.said) == (False, "HB_PLC stands still at 9")


async def test_a_plc_that_is_away_is_one_finding() -> None:
    async with standing(memory_of()) as options:
        pass
    (found,) = await check.check(options)
    assert (found.what, found.good) == ("reachable", False)


async def test_registers_that_the_plc_keeps_for_itself_are_found() -> None:
    async with standing(memory_of(), status_address=40) as options:
        found = by_name(await check.check(options, write_test=True))["STS can be written"]
    assert found.good is False
    assert "has no such address" in found.said


async def test_each_place_of_a_simple_map_is_tried_by_itself() -> None:
    places = {"ok": "coil 3", "done": "register 100"}
    memory = memory_of()
    before = list(memory.holding)
    async with standing(memory, map=places) as options:
        found = by_name(await check.check(options, write_test=True))
    assert found["coil 3"].good
    assert found["register 100"].good
    assert found["write test"].good is None
    assert memory.holding == before


async def test_a_place_that_the_plc_lacks_is_named() -> None:
    async with standing(memory_of(), map={"ok": "register 9000"}) as options:
        found = by_name(await check.check(options))["register 9000"]
    assert found.good is False
