"""``aoi-bridge replay``: a month's archived pictures judged again, with another bundle or threshold."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.cli.numbers import count, nonzero_share
from bridge.cli.shown import ago
from bridge.clock import SystemClock
from bridge.config import Config, load
from bridge.errors import ConfigError
from bridge.log import configure
from bridge.messages import Goal
from bridge.store import lock

if TYPE_CHECKING:
    from bridge.replay.run import Told
    from bridge.replay.target import Outcome

NICENESS = 10
"""A replay takes what the line leaves."""
SAID_SECONDS = 10.0
"""How often it is said where there is no terminal."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add("line", metavar="LINE", help="whose parts")
    add("--bundle", default="", help="a model's version, as pins@3 or pins@candidate, or a bundle's folder")
    add(
        "--threshold",
        type=nonzero_share,
        help="another threshold; without --bundle the journal's scores are held against it: no picture is judged",
    )
    add("--from", dest="since", metavar="TIME", default="", help="from this day or time on (2026-10-01)")
    add("--to", dest="until", metavar="TIME", default="", help="up to the end of this day, or up to this time")
    add("--goal", type=int, choices=(1, 2, 3), help="the goal that the report is for (default: that of the parts)")
    add("--name", type=_name, help="of the folder under replays (default: line, bundle and threshold)")
    add("--workers", type=count, help="how many processes judge (default: one for each core)")
    add("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")


def run(args: argparse.Namespace) -> int:
    """Replay, or go on with a replay that was interrupted; print what came of it."""
    from bridge.replay import manifest, order  # noqa: PLC0415 - the help needs none of these
    from bridge.replay.run import replay  # noqa: PLC0415 - same

    configure(level="error")
    config, clock = load(args.config), SystemClock()
    since, until = _span(args, config)
    wanted = order.Wanted(
        line=args.line,
        bundle=args.bundle,
        threshold=args.threshold,
        since=since,
        until=until,
        goal=Goal(args.goal) if args.goal else None,
        name=args.name or "",
        workers=args.workers,
    )
    job, what, folder = order.prepared(wanted, config, clock)
    with lock(folder):
        if what.finished_at is None:
            manifest.write(folder, what)
        os.nice(NICENESS)
        started = clock.monotonic()
        try:
            with _bar(started) as told:
                outcome = asyncio.run(replay(job, folder, told))
        except KeyboardInterrupt:
            print("The same command goes on with it.", file=sys.stderr)
            raise
        if what.finished_at is None:
            manifest.write(folder, replace(what, finished_at=clock.wall(), outcome=asdict(outcome)))
    _report(outcome, folder, clock.monotonic() - started)
    print(f"its report: aoi-bridge shadow report {args.line} --data {folder}")
    return 0


def _report(outcome: Outcome, folder: Path, seconds: float) -> None:
    print(
        f"{outcome.judged:,} of {outcome.parts:,} parts judged, {outcome.views:,} views, {ago(seconds)}: {folder}"
    )
    if outcome.without_picture:
        print(f"{outcome.without_picture:,} parts are not judged, for their pictures are not kept")
    if outcome.passed_over:
        print(f"{outcome.passed_over:,} parts were not judged in the month either")
    for why, amount in outcome.failures.items():
        print(f"{amount:,} views are not judged: {why}")
    if outcome.drawn:
        print(f"of {outcome.drawn:,} parts drawn for labelling {outcome.drawn_judged:,} are judged")


def _span(args: argparse.Namespace, config: Config) -> tuple[float | None, float | None]:
    zones = [line.shadow.timezone for line in config.line if line.name == args.line]
    zone = ZoneInfo(zones[0] if zones else "UTC")
    since = _instant("--from", args.since, zone) if args.since else None
    until = _instant("--to", args.until, zone, end=True) if args.until else None
    if since is not None and until is not None and until <= since:
        raise ConfigError("--to", "is not after --from", "write a later day")
    return since, until


def _instant(flag: str, text: str, zone: ZoneInfo, *, end: bool = False) -> float:
    """Return the Unix time of a day or a time in the plant's time zone."""
    try:
        found = datetime.fromisoformat(text)
        if end and _DAY.fullmatch(text):
            found += timedelta(days=1)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError) as exc:
        raise ConfigError(flag, f"{text} is no time", "write 2026-10-01 or 2026-10-01T06:00") from exc


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text} is no name; write letters, digits, points and dashes")
    return text


@contextmanager
def _bar(started: float) -> Iterator[Told]:
    """Show on standard error how far it is, how fast, and how much time is left; or say so in lines."""
    console, pace = Console(file=sys.stderr), _Pace(started)
    if not console.is_terminal:
        yield pace.line
        return
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("judging", rate="")

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, rate=f"{pace.rate(done):,.0f} parts/s")

        yield told


class _Pace:
    """How fast it is since it was begun or taken up again."""

    def __init__(self, started: float) -> None:
        self._started, self._first, self._said = started, -1, started

    def rate(self, done: int) -> float:
        """Return the parts a second."""
        if self._first < 0:
            self._first, self._started = done, time.monotonic()
        return (done - self._first) / max(1e-9, time.monotonic() - self._started)

    def line(self, done: int, total: int) -> None:
        """Print a line now and then."""
        rate = self.rate(done)
        if time.monotonic() - self._said >= SAID_SECONDS and rate:
            self._said = time.monotonic()
            left = ago((total - done) / rate)
            print(f"{done:,} of {total:,} parts, {rate:,.0f} parts/s, {left} left", file=sys.stderr)
