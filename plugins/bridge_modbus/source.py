"""The source: a PLC asks for a verdict on the part at its station and is answered, whichever side dials.

The PLC is the inspector's messenger here: LEGACY in CMD is what the inspector said. It brings no pictures; a
source that wraps this one adds them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import Source, host
from bridge_modbus.last_request import LastRequest
from bridge_modbus.options import ModbusSourceOptions
from bridge_modbus.polling import open_polling
from bridge_modbus.presenting import Presenting
from bridge_modbus.serving import open_serving

__all__ = ["ModbusSourceOptions", "open_source"]


@asynccontextmanager
async def open_source(options: ModbusSourceOptions) -> AsyncIterator[Source]:
    """Connect to the PLC, or listen for it; withdraw what stands in STS; and yield a source that answers it.

    Raises:
        Unavailable: the PLC does not answer, or not any more; or the port cannot be had.
    """
    presenting = Presenting(options, host(), await LastRequest.recall(options.home))
    opened = open_polling if options.role == "client" else open_serving
    async with opened(options, presenting) as run:
        yield run
