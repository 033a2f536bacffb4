"""A soft PLC: the other side of the Modbus reporter, a real Modbus TCP server that passes or ejects parts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType

from bridge.plugin import Habits, Station, with_habits
from bridge_modbus.codec import COMMAND_WORDS, STATUS_WORDS
from bridge_modbus.options import ModbusOptions, SimpleMap
from bridge_modbus.plc_habits import PLC_HABITS
from bridge_modbus.plc_memory import Memory, serve
from bridge_modbus.plc_simple import SimplePlc, simple_memory
from bridge_modbus.plc_station import ACK_SECONDS, STALE_SECONDS, SoftPlc
from bridge_modbus.words import WordOrder

__all__ = ["SimplePlc", "SoftPlc", "open_plc", "serve_plc", "serve_simple_plc"]


@with_habits(PLC_HABITS)
@asynccontextmanager
async def open_plc(options: ModbusOptions, habits: Habits) -> AsyncIterator[Station]:
    """Be the PLC that a reporter's options tell of, listening where the reporter dials.

    Raises:
        Unavailable: the port cannot be had.
    """
    if options.map is None:
        opened: AbstractAsyncContextManager[Station] = serve_plc(options, habits=habits)
    else:
        opened = serve_simple_plc(options, options.map, habits=habits)
    async with opened as plc:
        yield plc


@asynccontextmanager
async def serve_plc(
    options: ModbusOptions,
    *,
    native: WordOrder | None = None,
    stale_seconds: float = STALE_SECONDS,
    ack_seconds: float = ACK_SECONDS,
    habits: Habits = MappingProxyType({}),
) -> AsyncIterator[SoftPlc]:
    """Be a PLC with register map v1; ``native`` is its own word order, the options' if left out.

    Raises:
        Unavailable: the port cannot be had.
    """
    status = range(options.status_address, options.status_address + STATUS_WORDS)
    memory = Memory(holding=[0] * max(status.stop, options.command_address + COMMAND_WORDS), bridge_holding=status)
    plc = SoftPlc(
        memory=memory,
        order=native or options.word_order,
        command_at=options.command_address,
        status_at=options.status_address,
        stale_seconds=stale_seconds,
        ack_seconds=ack_seconds,
        clock=asyncio.get_running_loop().time,
        habits=habits,
    )
    async with serve(memory, options.host, options.port, plc.heard, habits, await _shown(options)):
        beating = asyncio.create_task(plc.beat(), name="plc-heartbeat")
        try:
            yield plc
        finally:
            plc.close()
            beating.cancel()
            await asyncio.wait([beating])


@asynccontextmanager
async def serve_simple_plc(
    options: ModbusOptions, simple: SimpleMap, *, habits: Habits = MappingProxyType({})
) -> AsyncIterator[SimplePlc]:
    """Be an old PLC with this simple map.

    Raises:
        Unavailable: the port cannot be had.
    """
    memory = simple_memory(simple)
    plc = SimplePlc(memory=memory, map=simple, clock=asyncio.get_running_loop().time)
    async with serve(memory, options.host, options.port, plc.heard, habits, await _shown(options)):
        yield plc


async def _shown(options: ModbusOptions) -> ssl.SSLContext | None:
    """Return how the PLC speaks TLS, as the other side of the bridge's table; its files are read in a thread."""
    return None if options.tls is None else await asyncio.to_thread(options.tls.peer_context)
