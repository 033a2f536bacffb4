"""A third party's plugins that misbehave on demand; found by entry point, like anybody's.

What they do is an option; what they saw is kept here under the option ``tag``.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from bridge.plugin import (
    Decision,
    Inspect,
    Inspection,
    Judge,
    Judgement,
    JudgeOptions,
    Label,
    LabelOptions,
    LabelRoad,
    Report,
    ReporterOptions,
    Source,
    SourceOptions,
    Tell,
    Unavailable,
    Verdict,
    View,
)

answered: defaultdict[str, list[Decision]] = defaultdict(list)
told: defaultdict[str, list[Decision]] = defaultdict(list)
told_at: dict[str, float] = {}
"""When a reporter was last told something (monotonic seconds)."""
closed_at: dict[str, float] = {}
"""When a reporter was closed."""
opened: defaultdict[str, list[Path]] = defaultdict(list)
release: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


class FeedOptions(SourceOptions):
    """A source that hands in so many NG parts."""

    tag: str
    """a name under which the test finds it"""
    parts: int = 0
    """how many parts to hand in"""
    trouble: Literal["none", "opening", "hanging", "crashing", "stubborn", "blocking", "ending"] = "none"
    """what goes wrong"""


@asynccontextmanager
async def open_feed(options: FeedOptions) -> AsyncIterator[Source]:
    """Open the source."""
    opened[options.tag].append(options.home)
    if options.trouble == "opening":
        raise Unavailable("the share is away")
    if options.trouble == "hanging":
        await asyncio.Event().wait()

    async def run(inspect: Inspect) -> None:
        if options.trouble == "crashing":
            raise ZeroDivisionError("a bug of the source")
        for number in range(options.parts):
            part = f"{options.tag} {number}"
            view = View(legacy=Verdict.NG, image=part.encode())
            answered[options.tag].append(
                await inspect(Inspection(part=part, key=part, legacy=Verdict.NG, views=(view,)))
            )
        match options.trouble:
            case "ending":
                return
            case "blocking":
                await asyncio.to_thread(time.sleep, 30)
            case "stubborn":
                await deaf(options.tag)
        await asyncio.Event().wait()

    yield run


async def deaf(tag: str) -> None:
    """Ignore every cancellation until the test releases it."""
    while not release[tag].is_set():
        try:
            await release[tag].wait()
        except asyncio.CancelledError:
            continue


class TellOptions(ReporterOptions):
    """A reporter that remembers."""

    tag: str
    """a name under which the test finds it"""
    trouble: Literal["none", "away", "crashing", "hanging", "stubborn"] = "none"
    """what goes wrong"""


@asynccontextmanager
async def open_tell(options: TellOptions) -> AsyncIterator[Report]:
    """Open the reporter."""
    if options.trouble == "away":
        raise Unavailable("connection refused")

    async def report(decision: Decision) -> None:
        if options.trouble == "crashing":
            raise ZeroDivisionError("a bug of the reporter")
        if options.trouble == "hanging":
            await asyncio.Event().wait()
        if options.trouble == "stubborn":
            await deaf(options.tag)
        told[options.tag].append(decision)
        told_at[options.tag] = time.monotonic()

    try:
        yield report
    finally:
        closed_at[options.tag] = time.monotonic()
        if options.trouble == "stubborn":
            await deaf(options.tag)


class SayOptions(LabelOptions):
    """A label road that tells one label."""

    trouble: Literal["none", "away", "crashing", "stubborn"] = "none"
    """what goes wrong"""


@asynccontextmanager
async def open_say(options: SayOptions) -> AsyncIterator[LabelRoad]:
    """Open the label road."""
    opened[options.name].append(options.home)
    if options.trouble == "away":
        raise Unavailable("the station is switched off")

    async def run(tell: Tell) -> None:
        await tell([Label(verdict=Verdict.NG, who="Kim", at=1_700_000_000.0, part="B-1", key="1")])
        if options.trouble == "crashing":
            raise ZeroDivisionError("a bug of the label road")
        if options.trouble == "stubborn":
            await deaf(options.name)
        await asyncio.Event().wait()

    yield run


class OpinionOptions(JudgeOptions):
    """A judge that finds everything OK."""

    trouble: Literal["none", "away", "opening", "crashing", "hanging"] = "none"
    """what goes wrong"""


@asynccontextmanager
async def open_opinion(options: OpinionOptions) -> AsyncIterator[Judge]:
    """Open the judge."""
    if options.trouble == "away":
        raise Unavailable("no such model server")
    if options.trouble == "opening":
        await asyncio.Event().wait()

    async def judge(views: Sequence[View]) -> Sequence[Judgement]:
        if options.trouble == "crashing":
            raise ZeroDivisionError("a bug of the judge")
        if options.trouble == "hanging":
            await asyncio.Event().wait()
        return [Judgement(verdict=Verdict.OK, bundle="opinion 1") for _ in views]

    yield judge


def broken(*_: object) -> None:
    """Stand for an opener that does not follow the contract."""


PID = os.getpid()
