"""How a long benchmark talks: progress on standard error, figures beside targets, JSON last, Ctrl-C heard."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from harness import finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One figure and whether it is what was promised."""

    name: str
    figure: object
    target: str
    held: bool
    timed: bool = False
    """Whether it depends on how fast, or how busy, the machine is."""


def none(name: str, figure: int) -> Promise:
    """Return the promise that something happened not once."""
    return Promise(name=name, figure=figure, target="0", held=figure == 0)


def none_timed(name: str, figure: int) -> Promise:
    """Return the promise that something happened not once, which a machine that is too busy breaks."""
    return Promise(name=name, figure=figure, target="0", held=figure == 0, timed=True)


def at_most(name: str, figure: float, most: float, unit: str) -> Promise:
    """Return the promise that a timed figure stays at or below a target."""
    return Promise(name=f"{name} ({unit})", figure=figure, target=f"≤ {most:g}", held=figure <= most, timed=True)


def at_least(name: str, figure: float, least: float, unit: str) -> Promise:
    """Return the promise that a timed figure reaches a target."""
    return Promise(name=f"{name} ({unit})", figure=figure, target=f"≥ {least:g}", held=figure >= least, timed=True)


def close(promises: Sequence[Promise], figures: dict[str, object]) -> int:
    """Print the promises as a table and all figures as JSON, last; return the exit status.

    Only a broken promise that has nothing to do with speed makes it 1: a busy machine is no bug.
    """
    for promise in promises:
        held = "held" if promise.held else "MISSED"
        print(f"{promise.name:<48} {promise.figure!s:>14}   target {promise.target:<8} {held}")
    finish({**figures, "missed": [promise.name for promise in promises if not promise.held]})
    return int(any(not promise.held and not promise.timed for promise in promises))


def progress(text: str) -> None:
    """Show how far the run is, on one line that is written over; on lines of their own where nobody watches."""
    sys.stderr.write(f"\r\033[K{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()


def interrupted() -> asyncio.Event:
    """Return an event that Ctrl-C and SIGTERM set: the run then ends early, with the figures so far."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for so long, or until Ctrl-C; return whether to go on."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return True
    return False
