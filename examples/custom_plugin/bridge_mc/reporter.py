"""The reporter: the whole result first, then the word that makes it valid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import Decision, Report
from bridge_mc.codec import accepted, result, write
from bridge_mc.options import McOptions


@asynccontextmanager
async def open_reporter(options: McOptions) -> AsyncIterator[Report]:
    """Dial the PLC and take back what was valid before: it was meant for a part that has gone.

    Raises:
        Unavailable: the PLC does not answer.
    """
    valid, turn = options.first_register, asyncio.Lock()
    async with options.dialled() as plc:
        await plc.ask(write(valid, [0]), accepted)

        async def report(decision: Decision) -> None:
            async with turn:
                await plc.ask(write(valid, result(decision)), accepted, options.expires(decision))
                await plc.ask(write(valid, [1]), accepted, options.expires(decision))

        yield report
