"""``aoi-bridge run``: the gateway, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from bridge.config import Config, load
from bridge.gateway import Gateway, open_gateway
from bridge.log import configure, logger

LEAVE_SECONDS = 4.8
"""So long after the signal the process ends, even if a plugin's thread hangs on a dead share and would keep it.

Nothing is lost by it: what was acknowledged is committed, and what was not comes again.
"""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])


def run(args: argparse.Namespace) -> int:
    """Run until told to stop."""
    config = load(args.config)
    configure(config.log, args.log_level)
    leave = threading.Timer(LEAVE_SECONDS, os._exit, (0,))
    leave.daemon = True
    try:
        asyncio.run(serve(config, leave.start))
    finally:
        leave.cancel()
    return 0


async def serve(config: Config, stopping: Callable[[], None] = lambda: None) -> None:
    """Run the gateway and its control port until SIGTERM or SIGINT; then call ``stopping`` and stop cleanly."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)
    for line in config.line:
        if line.stage == "live":
            logger(line=line.name).warning("live without a recorded approval", because=line.live_because)
    async with open_gateway(config) as gateway, contextlib.AsyncExitStack() as ends:
        # The judges' workers load meanwhile, so importing a web server now costs no time to readiness.
        control = await asyncio.to_thread(import_module, "bridge.control")
        url = await ends.enter_async_context(control.open_control(gateway))
        logger().info("started", control=url, lines=len(config.line), config=config.fingerprint)
        told = asyncio.create_task(_tell_ready(gateway), name="tell ready")
        await stop.wait()
        told.cancel()
        stopping()
        logger().info("stopping")
    logger().info("stopped")


async def _tell_ready(gateway: Gateway) -> None:
    await gateway.until_ready()
    # What is there now stays for good; without this the collector walks through it again and again, for
    # milliseconds in which every line waits.
    gc.collect()
    gc.freeze()
    logger().info("ready")
