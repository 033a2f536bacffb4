"""SIGHUP: the running gateway reads its file again, as ``aoi-bridge reload`` has it do."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from bridge.config import load
from bridge.errors import BridgeError
from bridge.gateway import Gateway
from bridge.log import logger

WHO = "SIGHUP"


def hangups() -> asyncio.Event:
    """Return an event that each SIGHUP sets; from now on it no longer ends the process."""
    again = asyncio.Event()
    if hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, again.set)
    return again


async def reload_at(again: asyncio.Event, gateway: Gateway, path: Path) -> None:
    """Reload the file each time; what stands against it is logged line by line, and everything stays as it was."""
    while True:
        await again.wait()
        again.clear()
        try:
            config = await asyncio.to_thread(load, path)
            changes = await gateway.reload(config, who=WHO)
        except BridgeError as exc:
            for line in str(exc).splitlines():
                logger().error("not reloaded", reason=line)
        except Exception:  # noqa: BLE001 - the lines go on, whatever a reload comes to
            logger().exception("reload failed")
        else:
            logger().info("reloaded", config=config.fingerprint, changes=len(changes))
