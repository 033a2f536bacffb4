"""A sound source of lines over TCP, and what may be wrong with one: each flaw is one that the kit must find."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pydantic import Field, field_validator

from bridge.plugin import (
    Inspect,
    Inspection,
    Link,
    ListenOptions,
    Place,
    Play,
    Port,
    Source,
    SourceOptions,
    Trial,
    Unavailable,
    Verdict,
    dial,
)
from bridge.plugin.discovery import Plugin
from bridge.plugin.testkit import Subject

FLAWS: set[str] = set()
"""What is wrong at the moment."""
STOP = threading.Event()
"""Ends the thread that a flaw leaves behind."""
WORDS = {"OK": Verdict.OK, "NG": Verdict.NG}
LEFT: list[asyncio.Task[None]] = []


class LineOptions(ListenOptions, SourceOptions):
    """A machine that dials us."""

    port: Port = Field(default=9999)
    """a port from 1 to 65535"""
    answers: bool = True
    """true where each part is answered"""

    @field_validator("answers")
    @classmethod
    def _curious(cls, answers: bool) -> bool:  # noqa: FBT001 - pydantic's own form
        if "reads a file while it is checked" in FLAWS:
            Path("/etc/hostname").read_bytes()
        return answers


@asynccontextmanager
async def open_source(options: LineOptions) -> AsyncIterator[Source]:
    """Listen, as soundly as the flaws allow."""
    if "lets OSError out" in FLAWS:
        (await asyncio.start_server(lambda *_: None, options.host, options.port)).close()
    if "takes any number of connections" in FLAWS:
        options = options.model_copy(update={"connections_max": 1000})
    async with options.bound() as reception:
        if "leaves a thread" in FLAWS:
            threading.Thread(target=STOP.wait, name="left-over", daemon=True).start()
        if "leaves a task" in FLAWS:
            LEFT.append(asyncio.create_task(asyncio.Event().wait(), name="left-over"))  # type: ignore[arg-type]

        async def run(inspect: Inspect) -> None:
            try:
                await reception.serve(lambda link: _converse(link, options, inspect))
            except asyncio.CancelledError:
                if "swallows its cancellation" not in FLAWS:
                    raise
            except Unavailable:
                raise

        try:
            yield run
        finally:
            await asyncio.sleep(60 if "closes slowly" in FLAWS else 0)


async def _converse(link: Link, options: LineOptions, inspect: Inspect) -> None:
    while line := await _line(link):
        if "blocks" in FLAWS:
            time.sleep(0.001)  # noqa: ASYNC251 - the flaw
        part = _part(line)
        if part is None:
            continue
        decision = await _inspected(link, part, inspect)
        if "hands in twice" in FLAWS:
            await inspect(part)
        final = part.legacy if "answers the old verdict" in FLAWS else decision.final
        if options.answers and (decision.recorded or "answers what is not recorded" in FLAWS):
            link.writer.write(f"{part.part};{final or ''}\n".encode())
            await link.writer.drain()


async def _line(link: Link) -> bytes:
    if {"takes a packet for a part", "takes the first of a packet"} & FLAWS:
        data = await link.reader.read(1 << 16)
        return data.splitlines(keepends=True)[0] if data and "takes the first of a packet" in FLAWS else data
    if "is impatient" in FLAWS:
        first = await link.reader.readexactly(1)
        async with asyncio.timeout(0.01):
            return first + await link.reader.readline()
    line = await link.reader.readline()
    return line if line.endswith(b"\n") or "takes half a line" in FLAWS else b""


def _part(line: bytes) -> Inspection | None:
    if "takes anything for an OK" in FLAWS and b";" not in line:
        return Inspection(part=line[:8].decode("latin-1"), legacy=Verdict.OK)
    try:
        name, word = line.decode("ascii").strip().split(";")
    except ValueError:
        if "dies of garbage" in FLAWS:
            raise RuntimeError("what is this") from None
        return None
    legacy = WORDS.get(word)
    if legacy is None and "takes silence for OK" in FLAWS:
        legacy = Verdict.OK
    if legacy is Verdict.NG and "turns NG into OK" in FLAWS:
        legacy = Verdict.OK
    return Inspection(part=name, legacy=legacy, key="always this" if "has one key for all" in FLAWS else None)


async def _inspected(link: Link, part: Inspection, inspect: Inspect) -> object:
    if "cancels the part of who has gone" not in FLAWS:
        return await inspect(part)
    work = asyncio.ensure_future(inspect(part))
    gone = asyncio.ensure_future(link.reader.read(1))
    await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if not work.done():
        work.cancel()
    return await work


@asynccontextmanager
async def open_machine(options: LineOptions) -> AsyncIterator[Play]:
    """Dial for each part; wait for its answer where there is one."""
    links: list[Link] = []

    async def play(part: Inspection) -> Verdict | None:
        if not options.answers:
            return await told(part)
        async with dial(options.host, options.port, 1.0) as link:
            link.writer.write(f"{part.part};{part.legacy or ''}\n".encode())
            with suppress(OSError, EOFError):
                async with asyncio.timeout(1.0):
                    answer = await link.reader.readuntil(b"\n")
                return WORDS.get(answer.decode().strip().partition(";")[2])
            raise Unavailable("no answer")

    async def told(part: Inspection) -> None:
        if not links:
            links.append(await dialled.__aenter__())
        links[0].writer.write(f"{part.part};{part.legacy or ''}\n".encode())
        await links[0].writer.drain()

    dialled = dial(options.host, options.port, 1.0)
    try:
        yield play
    finally:
        if links:
            await dialled.__aexit__(None, None, None)


def _options(place: Place) -> dict[str, object]:
    return {"port": place.port}


TRIAL = Trial(options=_options, road="listens", stream=True, under_way=8, seconds=2, close_seconds=0.5)
UNANSWERED = Trial(
    options=lambda place: {"port": place.port, "answers": False},
    road="listens",
    stream=True,
    under_way=8,
    seconds=2,
    close_seconds=0.5,
)


def source(trial: Trial = TRIAL) -> Subject:
    """Return the source on trial."""
    return Subject(Plugin("source", "lines", LineOptions, open_source, ""), trial, open_machine)
