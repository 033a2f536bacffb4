"""``aoi-bridge run``: the gateway, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bridge.cli.hangup import hangups, reload_at
from bridge.config import Config, load
from bridge.errors import BridgeError, Unavailable
from bridge.gateway import Gateway, open_gateway
from bridge.log import configure, logger
from bridge.notify import Notify, in_words
from bridge.priority import keep_rank
from bridge.store import user
from bridge.tasks import Tasks

LEAVE_SECONDS = 4.8
"""So long after the signal the process ends, even if a plugin's thread hangs on a dead share and would keep it.

Nothing is lost by it: what was acknowledged is committed, and what was not comes again.
"""
OPENING_SECONDS = 15.0
"""So long the service manager waits for the first openings; a peer that is merely slow is no reason to kill us."""
GOODBYE_SECONDS = 0.5
REFUSED = 2
AWAY = 3
"""The exit status where the disk refused: unlike a mistake, that may be over the next time."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
    parser.add_argument(
        "--override", default="", metavar="REASON", help="why a live line may be another than it was"
    )
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])


def run(args: argparse.Namespace) -> int:
    """Run until told to stop; exit status 2 for what a person must mend, 3 for a disk that refuses."""
    keep_rank()
    config = load(args.config)
    configure(config.log, args.log_level)
    try:
        return _run(args, config)
    except Unavailable as exc:
        print(f"aoi-bridge: {exc}", file=sys.stderr)
        return AWAY


def _run(args: argparse.Namespace, config: Config) -> int:
    with _leaving() as leave:
        asyncio.run(serve(config, leave, path=args.config, override=args.override))
    return 0


@contextlib.contextmanager
def _leaving() -> Iterator[Callable[[int], None]]:
    """Yield what is called when the end begins, with the exit status; then no thread keeps the process long."""
    timers: list[threading.Timer] = []

    def leave(status: int) -> None:
        timers.append(threading.Timer(LEAVE_SECONDS, os._exit, (status,)))
        timers[-1].daemon = True
        timers[-1].start()

    try:
        yield leave
    finally:
        for timer in timers:
            timer.cancel()


async def serve(
    config: Config, stopping: Callable[[int], None] = lambda _: None, *, path: Path, override: str = ""
) -> None:
    """Run the gateway and its control port until SIGTERM or SIGINT; then call ``stopping`` and stop cleanly.

    SIGHUP has it read the file of ``path`` again; ``override`` says why a live line may be another than it was.

    Raises:
        BridgeError: the gateway shall not start like this; everything that was opened is closed again.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)
    again = hangups()
    for line in config.line:
        if line.stage == "live" and line.live_because.strip():
            logger(line=line.name).warning("live without a recorded approval", because=line.live_because)
    opening = open_gateway(config, override=override, who=await asyncio.to_thread(user))
    async with opening as gateway, contextlib.AsyncExitStack() as ends:
        # The judges' workers load meanwhile, so importing a web server now costs no time to readiness.
        control = await asyncio.to_thread(import_module, "bridge.control")
        url = await ends.enter_async_context(control.open_control(gateway))
        logger().info("started", control=url, lines=len(config.line), config=config.fingerprint)
        notify = Notify.from_environment()
        telling = Tasks()
        telling.run("tell ready", _tell_ready(gateway))
        telling.run("reload", reload_at(again, gateway, path))
        try:
            await _run_on(gateway, stop, notify, telling)
        except BridgeError as exc:
            logger().error("refused to start", reason=str(exc))
            stopping(REFUSED)
            raise
        finally:
            notify.stopping()
            await telling.end(GOODBYE_SECONDS)
        stopping(0)
        logger().info("stopping")
    logger().info("stopped")


async def _run_on(gateway: Gateway, stop: asyncio.Event, notify: Notify, telling: Tasks) -> None:
    """Tell the service manager how it goes, until the word to stop comes; raises what refuses the start."""
    opened = asyncio.create_task(gateway.until_opened(), name="until opened")
    stopped = asyncio.create_task(stop.wait(), name="until stopped")
    try:
        either: set[asyncio.Task[Any]] = {opened, stopped}
        await asyncio.wait(either, timeout=OPENING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set() and (not opened.done() or opened.exception() is None):
            notify.ready()
            if notify.wanted:
                told = notify.keep_telling(gateway.journal.alive, lambda: in_words(gateway.readiness()))
                telling.run("notify", told)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if opened.done():
            opened.result()
        await stopped
    finally:
        opened.cancel()
        stopped.cancel()


async def _tell_ready(gateway: Gateway) -> None:
    await gateway.until_ready()
    # What is there now stays for good; without this the collector walks through it again and again, for
    # milliseconds in which every line waits.
    gc.collect()
    gc.freeze()
    logger().info("ready")
