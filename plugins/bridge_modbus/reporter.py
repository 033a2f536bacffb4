"""The reporter: one connection to the PLC, by register map v1 or by a simple map."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import Decision, Refused, Report, host
from bridge_modbus.blocks import Blocks
from bridge_modbus.client import connect
from bridge_modbus.options import ModbusOptions
from bridge_modbus.simple import Simple

__all__ = ["ModbusOptions", "open_reporter"]


@asynccontextmanager
async def open_reporter(options: ModbusOptions) -> AsyncIterator[Report]:
    """Connect to the PLC, take back whatever stands there, and yield a report.

    A report returns once the PLC has the result, by the register map with the CMD_SEQ that it answers; nothing is
    ever written for a part whose time is over.

    Raises:
        Unavailable: the PLC does not answer, or not any more, also while nothing is reported.
    """
    line = host()
    async with connect(options.host, options.port, options.unit, options.timeout_ms, options.tls) as link:
        teller = Simple(options, options.map, line, link) if options.map else Blocks(options, line, link)

        async def report(decision: Decision) -> str | None:
            if decision.backlog:
                raise Refused("backlog is never told to a PLC")
            return await teller.report(decision)

        async with teller.telling():
            yield report
