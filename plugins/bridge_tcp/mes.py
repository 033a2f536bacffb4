"""A simulated MES: keeps what it is told, acknowledges it, and can be told to refuse, stall, go deaf or die."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from bridge.plugin import ConfigError, Habits, Ledger, LedgerDocument, Mood, Unavailable, together, with_habits
from bridge_tcp.framing import Frame, Framing
from bridge_tcp.habits import MES_HABITS, PARTS_BETWEEN
from bridge_tcp.options import TcpReporterOptions
from bridge_tcp.templates import template_pattern
from bridge_tcp.wire import CHUNK_BYTES, Link

Document: TypeAlias = LedgerDocument
Answer: TypeAlias = Callable[[Document, str | None], Sequence[bytes]]
"""What an MES sends for a document, a frame each; the second argument says why it refuses, None if it does not."""
AGAIN_SECONDS = 0.05
"""Pause before a port that another has is tried again."""


def as_json(frame: Frame) -> Document:
    """Return a frame's document."""
    document: Document = frame.header if frame.header is not None else json.loads(frame.payload)
    return document


def acknowledge(document: Document, reason: str | None) -> Sequence[bytes]:
    """Return the MES's answer, one payload: accepted, or refused with a reason."""
    status = {"status": "accepted"} if reason is None else {"status": "refused", "reason": reason}
    return [json.dumps({"id": document["id"], **status}).encode()]


@dataclass(kw_only=True)
class Mes(Ledger):
    """What an MES got, and how it behaves; every knob may be turned while it runs."""

    framed: Callable[[], Framing]
    tasks: asyncio.TaskGroup
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    read: Callable[[Frame], Document] = as_json
    """How a document is read; it must have an ``id``."""
    answer: Answer = acknowledge
    garbage: int = 0
    """How many stretches were no document."""
    mood: Mood = field(default_factory=lambda: Mood({}))
    """Its bad habits."""
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    _muted: list[Link] = field(default_factory=list)
    _open: dict[asyncio.Task[None], Link] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def stall(self) -> None:
        """Read nothing and answer nothing, but keep connections open."""
        self._going.clear()

    def resume(self) -> None:
        """Go on after ``stall``."""
        self._going.set()

    def half_close(self) -> None:
        """Stop sending on every open connection, but go on reading."""
        for link in self._open.values():
            self._mute(link)

    def die(self) -> None:
        """Cut every connection without a goodbye and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for task, link in self._open.items():
            link.writer.transport.abort()
            task.cancel()

    async def start(self) -> None:
        """Listen; after ``die`` on the same port as before, with all that was kept; alive, go on.

        Raises:
            OSError: the port cannot be had.
        """
        self._going.set()
        if self._server is not None and self._server.is_serving():
            return
        self._server = await asyncio.start_server(
            lambda reader, writer: self._accept(Link(reader, writer, "bridge")),
            self.host,
            self.port,
            limit=CHUNK_BYTES,
            ssl=self.tls,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self, link: Link) -> None:
        task = self.tasks.create_task(self._serve(link), name="mes-connection")
        self._open[task] = link
        task.add_done_callback(self._open.pop)

    async def _serve(self, link: Link) -> None:
        framing = self.framed()
        try:
            while data := await link.reader.read(CHUNK_BYTES):
                await self._going.wait()
                for item in framing.feed(data):
                    if isinstance(item, Frame):
                        self._enter(item, framing, link)
                    else:
                        self.garbage += 1
                await link.writer.drain()
        except OSError:
            return  # the bridge is gone; it will dial again
        finally:
            link.writer.close()

    def _enter(self, frame: Frame, framing: Framing, link: Link) -> None:
        document = self.read(frame)
        answer = self.take(document, self._spoilt(link))
        if answer.silent:
            return
        if link in self._muted:
            return
        for payload in self.answer(document, answer.refused):
            link.writer.write(framing.encode(payload))

    def _spoilt(self, link: Link) -> str | None:
        """Do what the habits want when a document comes; return why it is refused, if it is."""
        mood, later = self.mood, asyncio.get_running_loop().call_later
        if mood.strikes("ack-lost"):
            self.lose_acks += 1
        if mood.strikes("half-close"):
            self._mute(link)
        if mood.strikes("stall", PARTS_BETWEEN):
            self.stall()
            later(mood.habits["stall"], self.resume)
        if mood.strikes("die", PARTS_BETWEEN):
            self.die()
            later(mood.habits["die"], self._revive)
        return "refused by a habit" if mood.strikes("refuse") else None

    def _mute(self, link: Link) -> None:
        """Send nothing more on a connection, and say so where the protocol below can."""
        self._muted.append(link)
        if link.writer.can_write_eof():
            link.writer.write_eof()

    def _revive(self) -> None:
        self.tasks.create_task(self._come_back(), name="mes-back")

    async def _come_back(self) -> None:
        """Listen again; while nobody did, another may have got the port for a moment, even who dials it."""
        while True:
            try:
                return await self.start()
            except OSError:
                await asyncio.sleep(AGAIN_SECONDS)


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
    """Be an MES that takes and acknowledges documents; port 0 takes a free one."""
    async with together() as tasks:
        mood = mood or Mood({})
        mes = Mes(framed=framed, tasks=tasks, host=host, port=port, tls=tls, read=read, answer=answer, mood=mood)
        await mes.start()
        try:
            yield mes
        finally:
            mes.die()


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
    try:
        tls = await asyncio.to_thread(options.tls.peer_context) if options.tls else None
        async with serve_mes(options.framed, options.host, options.port, read, mood=Mood(habits), tls=tls) as mes:
            yield mes
    except OSError as exc:
        raise Unavailable(f"cannot listen on {options.host}:{options.port}: {exc.strerror or exc}") from exc


def reads_template(options: TcpReporterOptions) -> Callable[[Frame], Document]:
    """Return how an MES reads the texts that a reporter's template writes."""
    pattern = template_pattern(options.template)

    def read(frame: Frame) -> Document:
        match = pattern.fullmatch(frame.payload.decode(options.encoding).strip())
        return match.groupdict() if match else {}

    return read
