"""A sound label road over TCP, a line of JSON each, and what may be wrong with one: flaws for the kit to find."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import count

from pydantic import Field

from bridge.plugin import (
    Label,
    LabelOptions,
    LabelRoad,
    ListenOptions,
    Place,
    Port,
    Say,
    Tell,
    Trial,
    Unavailable,
    Verdict,
    as_key,
    dial,
    read_label,
)
from bridge.plugin.discovery import Plugin
from bridge.plugin.testkit import Subject

FLAWS: set[str] = set()
"""What is wrong at the moment."""
NOW = 2e9
_numbers = count()


class StationOptions(ListenOptions, LabelOptions):
    """A station that dials us."""

    port: Port = Field(default=9999)
    """a port from 1 to 65535"""


@asynccontextmanager
async def open_labels(options: StationOptions) -> AsyncIterator[LabelRoad]:
    """Listen, as soundly as the flaws allow."""

    async def run(tell: Tell) -> None:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, Unavailable):
                if line := await reader.readline():
                    if "acknowledges too early" in FLAWS:
                        writer.write(b"taken\n")
                    await tell([_label(json.loads(line), options)])
                    writer.write(b"taken\n")
            writer.close()

        server = await asyncio.start_server(take, options.host, options.port)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()

    yield run


def _label(facts: dict[str, str], options: LabelOptions) -> Label:
    key = str(next(_numbers)) if "numbers what comes" in FLAWS else as_key(facts)
    label = read_label(facts, options, NOW, key)
    return replace(label, verdict=Verdict.OK) if "turns NG into OK" in FLAWS else label


@asynccontextmanager
async def open_station(options: StationOptions) -> AsyncIterator[Say]:
    """Play the station: dial, say, wait for the acknowledgement."""

    async def say(label: Label) -> None:
        facts = {
            "part": label.part,
            "verdict": options.words().word(label.verdict),
            "who": label.who,
            "defect": label.defect,
            "time": str(label.at),
        }
        async with dial(options.host, options.port, 1.0) as link:
            link.writer.write(json.dumps(facts).encode() + b"\n")
            answer = b""
            with suppress(OSError):
                answer = await link.reader.read(64)
        if not answer:
            raise Unavailable("it was not acknowledged")

    yield say


def _options(place: Place) -> dict[str, object]:
    return {"port": place.port}


TRIAL = Trial(options=_options, road="listens", seconds=2, close_seconds=0.5)


def labels() -> Subject:
    """Return the label road on trial."""
    return Subject(Plugin("labels", "station", StationOptions, open_labels, ""), TRIAL, open_station)
