"""``aoi-bridge check`` on a PLC: what can be seen without running a part, each as one finding.

Reading changes nothing. A write test writes the commissioning constants at the end of STS and nothing else, so
that the PLC programmer can compare them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bridge.plugin import Finding, Unavailable
from bridge_modbus.client import Link, connect
from bridge_modbus.codec import COMMAND_WORDS, CONSTANTS_AT, ECHO_AT, HB_PLC_AT, commissioning_words, order_of
from bridge_modbus.options import MapOptions, ModbusOptions, ModbusSourceOptions, Place, SimpleMap

HEARTBEAT_SECONDS = 2.0
"""A heartbeat that stands still for so long is stale."""
LOOK_SECONDS = 0.05


async def check(options: ModbusOptions, *, write_test: bool = False) -> list[Finding]:
    """Try a PLC and return what was found; a PLC that is away is a finding, not an error."""
    if (places := options.map) is None:
        return await check_blocks(options, write_test=write_test)
    return await _tried(options, lambda link: _places(link, places, write_test=write_test))


async def check_blocks(options: ModbusOptions | ModbusSourceOptions, *, write_test: bool) -> list[Finding]:
    """Try a PLC with register map v1, as the same for a source and a reporter."""
    return await _tried(options, lambda link: _blocks(link, options, write_test=write_test))


async def _tried(
    options: ModbusOptions | ModbusSourceOptions, look: Callable[[Link], Awaitable[list[Finding]]]
) -> list[Finding]:
    findings: list[Finding] = []
    try:
        async with connect(options.host, options.port, options.unit, options.timeout_ms, options.tls) as link:
            findings.append(Finding("reachable", good=True, said=link.peer))
            findings += await look(link)
    except Unavailable as exc:
        findings.append(Finding("unit answers" if findings else "reachable", good=False, said=str(exc)))
    return findings


async def _blocks(link: Link, options: MapOptions, *, write_test: bool) -> list[Finding]:
    """Read CMD twice, and try STS."""
    first = await link.read_registers(options.command_address, COMMAND_WORDS)
    findings = [Finding("unit answers", good=True, said=f"unit {options.unit} shows CMD")]
    if write_test:
        findings.append(await _constants(link, options))
    else:
        findings.append(Finding("STS can be written", good=None, said="only tried with a write test"))
    second = await _moved(link, options, first)
    return [*findings, _word_order(second[ECHO_AT:], options), _heartbeat(first[HB_PLC_AT], second[HB_PLC_AT])]


async def _moved(link: Link, options: MapOptions, first: list[int]) -> list[int]:
    """Return CMD as it is once HB_PLC has moved, or when it should have."""
    clock = asyncio.get_running_loop().time
    last = clock() + HEARTBEAT_SECONDS
    while True:
        await asyncio.sleep(min(LOOK_SECONDS, HEARTBEAT_SECONDS))
        words = await link.read_registers(options.command_address, COMMAND_WORDS)
        if words[HB_PLC_AT] != first[HB_PLC_AT] or clock() >= last:
            return words


async def _constants(link: Link, options: MapOptions) -> Finding:
    where = options.status_address + CONSTANTS_AT
    try:
        await link.write_registers(where, commissioning_words(options.word_order))
    except Unavailable as exc:
        return Finding("STS can be written", good=False, said=str(exc))
    return Finding("STS can be written", good=True, said=f"constants at {where} in {options.word_order}")


def _word_order(echo: list[int], options: MapOptions) -> Finding:
    """Compare the PLC's echo of the constants with the order that is configured."""
    order = order_of(echo)
    if order is options.word_order:
        return Finding("word order", good=True, said=f"{order}")
    if order:
        return Finding("word order", good=False, said=f'the PLC uses {order}; write word_order = "{order}"')
    where = options.command_address + ECHO_AT
    if any(echo):
        shown = " ".join(f"{word:04X}" for word in echo)
        return Finding("word order", good=False, said=f"{shown} at {where} are the constants in no order")
    return Finding("word order", good=None, said=f"the PLC echoes no constants at {where}")


def _heartbeat(before: int, after: int) -> Finding:
    if before == after:
        return Finding("PLC heartbeat", good=False, said=f"HB_PLC stands still at {after}")
    return Finding("PLC heartbeat", good=True, said=f"HB_PLC went from {before} to {after}")


async def _places(link: Link, places: SimpleMap, *, write_test: bool) -> list[Finding]:
    """Read every place of a simple map; a write test would move something on the line, so there is none."""
    findings = [await _place(link, place) for place in places.places()]
    if write_test:
        findings.append(Finding("write test", good=None, said="a simple map has no place that means nothing"))
    return findings


async def _place(link: Link, place: Place) -> Finding:
    try:
        if place.kind == "coil":
            value = int((await link.read_coils(place.address, 1))[0])
        else:
            value = (await link.read_registers(place.address, 1))[0]
    except Unavailable as exc:
        return Finding(str(place), good=False, said=str(exc))
    return Finding(str(place), good=True, said=f"reads {value}")
