"""``aoi-bridge check`` on a PLC that triggers: what the reporter's check finds; as a server, the port."""

from __future__ import annotations

import asyncio

from bridge.plugin import Finding, Unavailable
from bridge_modbus.check import check_blocks
from bridge_modbus.options import ModbusSourceOptions
from bridge_modbus.plc_memory import Memory, serve


async def check(options: ModbusSourceOptions, *, write_test: bool = False) -> list[Finding]:
    """Try the PLC, or the port on which we are to listen for it; nothing is triggered."""
    if options.role == "client":
        return await check_blocks(options, write_test=write_test)
    tls = await asyncio.to_thread(options.tls.server().context) if options.tls else None
    try:
        async with serve(Memory(holding=[0]), options.host, options.port, lambda: None, tls=tls):
            pass
    except Unavailable as exc:
        return [Finding("can listen", good=False, said=str(exc))]
    who = ", ".join(options.allow) or "anybody who reaches it"
    return [
        Finding("can listen", good=True, said=f"{options.host}:{options.port}, for {who}"),
        Finding("PLC", good=None, said="it dials us; see aoi-bridge status while the bridge runs"),
    ]
