"""When the gateway came and when it went, in the audit log: start, clean stop, and the crash that a start finds.

A crash cannot write; it is found where the newest of all starts and stops is a start. Whether the disk takes the
entry never decides whether parts are answered: a start is tried on until it is written, and a stop that cannot be
written is a crash to the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version

from bridge.config import Config
from bridge.config import Line as LineConfig
from bridge.errors import Unavailable
from bridge.log import logger
from bridge.store import Entry, Journal, user

START, STOP, CRASH = "start", "stop", "crash found"
STOP_SECONDS = 0.5
"""How long a stop waits for the disk."""


async def came(journal: Journal, config: Config, models: Mapping[str, str]) -> None:
    """Write that the gateway starts and with what, and before that a crash, if the last one did not stop.

    ``models`` is the identity of each judge's model, empty where it cannot be found.
    """
    try:
        last = await journal.newest_audit(START, STOP)
    except Unavailable as exc:
        logger().error("the audit log cannot be read", reason=str(exc))
        last = None
    if last is not None and last.what == START:
        when = f"running since {datetime.fromtimestamp(last.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
        logger().warning("the last run did not end with a clean stop", entry=last.number)
        journal.note(Entry(what=CRASH, old=when, why=f"no clean stop after entry {last.number}"))
    who, what = await asyncio.to_thread(lambda: (user(), f"aoi-bridge {version('aoi-bridge')}"))
    journal.note(Entry(what=START, who=who, new="; ".join([what, *_declared(config, models)])))


async def went(journal: Journal, why: str = "") -> None:
    """Write that the gateway stopped cleanly, and why if nobody asked it to, behind all that waits."""
    await journal.written()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await journal.audit(Entry(what=STOP, why=why))
    except (Unavailable, TimeoutError) as exc:
        logger().error("the stop is not in the audit log", reason=str(exc))


def _declared(config: Config, models: Mapping[str, str]) -> Iterator[str]:
    """Return what the configuration says of verdicts, for people."""
    yield f"configuration {config.fingerprint}"
    yield from map(_line, config.line)
    for name, judge in config.judge.items():
        yield f"judge {name}: {judge.plugin.name}, model {models.get(name) or 'unknown'}"


def _line(line: LineConfig) -> str:
    threshold = "the bundle's" if line.threshold is None else f"{line.threshold:g}"
    because = f" because {line.live_because}" if line.stage == "live" and line.live_because else ""
    return f"line {line.name}: goal {line.goal}, {line.stage}{because}, judge {line.judge}, threshold {threshold}"
