"""A sound reporter of lines over TCP, and what may be wrong with one: each flaw is one that the kit must find."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from pydantic import Field

from bridge.plugin import (
    Decision,
    DialOptions,
    Exchange,
    Port,
    Refused,
    Report,
    ReporterOptions,
    StreamBook,
    Trial,
    Unavailable,
    serve_book,
)
from bridge.plugin.discovery import Plugin
from bridge.plugin.testkit import Subject

FLAWS: set[str] = set()
"""What is wrong at the moment."""
ROUGH = {
    "has no timeout",
    "lets OSError out",
    "does not take turns",
    "does not wait",
    "waits for a greeting",
    "takes an error for accepted",
}
_told = itertools.count()


class TellOptions(DialOptions, ReporterOptions):
    """An MES."""

    port: Port = Field(default=9998)
    """a port from 1 to 65535"""


def encode(decision: Decision) -> bytes:
    """Return the line of a decision."""
    verdict = "OK" if decision.final is None and "tells nothing as OK" in FLAWS else decision.final or ""
    times = next(_told) if "counts what it tells" in FLAWS else 0
    return f"{decision.id};{decision.part};{verdict};{times}\n".encode()


@asynccontextmanager
async def open_reporter(options: TellOptions) -> AsyncIterator[Report]:
    """Dial, as soundly as the flaws allow."""
    if ROUGH & FLAWS:
        async with _rough(options) as report:
            yield report
        return
    async with options.dialled() as peer:
        yield lambda decision: _report(peer, options, decision)


async def _report(peer: Exchange, options: TellOptions, decision: Decision) -> None:
    if "sends nothing" in FLAWS:
        return
    expires = float("inf") if "tells what is late" in FLAWS else options.expires(decision)
    await peer.ask(encode(decision), lambda reader: _settled(reader, decision), expires)


async def _settled(reader: asyncio.StreamReader, decision: Decision) -> None:
    word, name = (await reader.readuntil(b"\n")).decode().split()
    if name != decision.id:
        raise ValueError("of another")
    if word != "ACK" and "takes a refusal for accepted" not in FLAWS:
        raise Unavailable("try again") if "retries what is refused" in FLAWS else Refused("the MES will not")


@asynccontextmanager
async def _rough(options: TellOptions) -> AsyncIterator[Report]:
    """Be a reporter that was written in an afternoon."""
    try:
        reader, writer = await asyncio.open_connection(options.host, options.port)
    except OSError as exc:
        if "lets OSError out" in FLAWS:
            raise
        raise Unavailable("nobody answers") from exc
    if "waits for a greeting" in FLAWS:
        await reader.readline()

    turn = asyncio.Semaphore(1000 if "does not take turns" in FLAWS else 1)

    async def report(decision: Decision) -> None:
        async with turn:
            await told(decision)

    async def told(decision: Decision) -> None:
        try:
            writer.write(encode(decision))
            await writer.drain()
            if "does not wait" in FLAWS:
                return
            line = await reader.readline()
        except OSError as exc:
            line = b""
            if "takes an error for accepted" not in FLAWS:
                raise Unavailable("it has gone") from exc
        if not line and "takes an error for accepted" not in FLAWS:
            raise Unavailable("it has gone")

    try:
        yield report
    finally:
        writer.close()


@asynccontextmanager
async def open_book(options: TellOptions) -> AsyncIterator[StreamBook]:
    """Be the MES."""
    async with serve_book(options, {}, hear, say) as book:
        yield book


async def hear(reader: asyncio.StreamReader) -> Mapping[str, object]:
    """Read one line."""
    name, part, verdict, times = (await reader.readuntil(b"\n")).decode().strip().split(";")
    return {"id": name, "part": part, "verdict": verdict or None, "times": times}


def say(document: Mapping[str, object], refused: str | None) -> bytes:
    """Answer one line."""
    return f"{'ACK' if refused is None else 'NAK'} {document['id']}\n".encode()


TRIAL = Trial(
    options=lambda place: {"host": "127.0.0.1", "port": place.port, "answer_timeout_seconds": 0.3},
    road="dials",
    seconds=1.5,
    close_seconds=0.5,
)


def reporter() -> Subject:
    """Return the reporter on trial."""
    return Subject(Plugin("reporter", "tells", TellOptions, open_reporter, ""), TRIAL, open_book)
