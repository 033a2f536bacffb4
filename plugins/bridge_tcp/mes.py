"""A simulated MES: keeps what it is told, acknowledges it, and can be told to refuse, stall, go deaf or die."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from bridge.plugin import (
    CHUNK_BYTES,
    MES_HABITS,
    ConfigError,
    Habits,
    LedgerDocument,
    Link,
    Mood,
    StreamBook,
    serving,
    with_habits,
)
from bridge_tcp.framing import Frame, Framing
from bridge_tcp.options import TcpReporterOptions
from bridge_tcp.templates import template_pattern

Document: TypeAlias = LedgerDocument
Answer: TypeAlias = Callable[[Document, str | None], Sequence[bytes]]
"""What an MES sends for a document, a frame each; the second argument says why it refuses, None if it does not."""


def as_json(frame: Frame) -> Document:
    """Return a frame's document."""
    document: Document = frame.header if frame.header is not None else json.loads(frame.payload)
    return document


def acknowledge(document: Document, reason: str | None) -> Sequence[bytes]:
    """Return the MES's answer, one payload: accepted, or refused with a reason."""
    status = {"status": "accepted"} if reason is None else {"status": "refused", "reason": reason}
    return [json.dumps({"id": document["id"], **status}).encode()]


@dataclass(kw_only=True)
class Mes(StreamBook):
    """An MES that is told in frames; every knob may be turned while it runs."""

    framed: Callable[[], Framing]
    read: Callable[[Frame], Document] = as_json
    """How a document is read; it must have an ``id``."""
    answer: Answer = acknowledge

    async def converse(self, link: Link) -> None:
        """Take the frames of one connection, and answer each."""
        framing = self.framed()
        while data := await link.reader.read(CHUNK_BYTES):
            await self.going()
            for item in framing.feed(data):
                if isinstance(item, Frame):
                    self._told(item, framing, link)
                else:
                    self.garbage += 1
            await link.writer.drain()

    def _told(self, frame: Frame, framing: Framing, link: Link) -> None:
        document = self.read(frame)
        answered, refused = self.enter(document, link)
        for payload in self.answer(document, refused) if answered else ():
            link.writer.write(framing.encode(payload))


@asynccontextmanager
async def serve_mes(
    framed: Callable[[], Framing],
    host: str = "127.0.0.1",
    port: int = 0,
    read: Callable[[Frame], Document] = as_json,
    answer: Answer = acknowledge,
    mood: Mood | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Mes]:
    """Be an MES that takes and acknowledges documents; port 0 takes a free one.

    Raises:
        Unavailable: the port cannot be had.
    """

    def make(tasks: asyncio.TaskGroup) -> Mes:
        mind = mood or Mood({})
        return Mes(framed=framed, tasks=tasks, host=host, port=port, tls=tls, read=read, answer=answer, mood=mind)

    async with serving(make) as mes:
        yield mes


@with_habits(MES_HABITS)
@asynccontextmanager
async def open_mes(options: TcpReporterOptions, habits: Habits) -> AsyncIterator[Mes]:
    """Be the MES that a reporter's options tell of, listening where the reporter dials.

    Raises:
        ConfigError: the options ask for acknowledgements that this MES cannot write.
        Unavailable: the port cannot be had.
    """
    if options.ack_pattern:
        raise ConfigError("ack_pattern", "the simulated MES acknowledges in JSON only", "leave it out")
    read = reads_template(options) if options.template and "{json" not in options.template else as_json
    tls = await asyncio.to_thread(options.tls.peer_context) if options.tls else None
    async with serve_mes(options.framed, options.host, options.port, read, mood=Mood(habits), tls=tls) as mes:
        yield mes


def reads_template(options: TcpReporterOptions) -> Callable[[Frame], Document]:
    """Return how an MES reads the texts that a reporter's template writes."""
    pattern = template_pattern(options.template)

    def read(frame: Frame) -> Document:
        match = pattern.fullmatch(frame.payload.decode(options.encoding).strip())
        return match.groupdict() if match else {}

    return read
