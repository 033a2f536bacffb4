"""One connection of a source: frames in, each part to the host at once, replies out in order of arrival."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bridge.plugin import (
    CHUNK_BYTES,
    Decision,
    Fetch,
    Inspect,
    Inspection,
    Link,
    Rejects,
    Unreadable,
    count,
    logger,
    rejecting,
)
from bridge_tcp.codec import Parts
from bridge_tcp.framing import Frame, Framing, Item
from bridge_tcp.options import TcpSourceOptions
from bridge_tcp.templates import Replies

UNREADABLE_IN_A_ROW = 3
"""Where no boundary shows in the bytes, so many unreadable records mean that the boundary is lost."""
log = logger()


@dataclass
class Intake:
    """What all connections of one source share."""

    options: TcpSourceOptions
    inspect: Inspect
    fetch: Fetch | None
    tasks: asyncio.TaskGroup
    parts: Parts
    replies: Replies
    rejects: Rejects


@asynccontextmanager
async def taking_in(options: TcpSourceOptions, inspect: Inspect, fetch: Fetch | None) -> AsyncIterator[Intake]:
    """Hold the tasks of a source: its connections, its parts, its quarantine; leaving waits for all of them."""
    async with rejecting(options.home) as rejects, asyncio.TaskGroup() as tasks:
        yield Intake(options, inspect, fetch, tasks, options.parts(), options.replies(), rejects)


class Connection:
    """Serves one peer until it goes.

    The peer may send ahead: ``in_flight`` parts are under way at once, then nothing more is read. A dropped
    connection cancels no part, and a peer that closed only its own direction still gets its replies.
    """

    def __init__(self, link: Link, intake: Intake) -> None:
        self._link = link
        self._intake = intake
        self._options = intake.options
        self._framing: Framing = intake.options.framed()
        self._slots = asyncio.Semaphore(intake.options.in_flight)
        self._answers: asyncio.Queue[tuple[Inspection, asyncio.Task[Decision]] | None] = asyncio.Queue()
        self._clock = asyncio.get_running_loop().time
        self._begun = 0.0  # when the first byte of the unfinished frame arrived
        self._patience = 0.0  # when the wait for its end began: a wait of ours is not the peer's fault
        self._held: float | None = None  # since when we did not read for want of a slot
        self._unreadable = 0  # in a row
        self.understood = False
        """Whether anything that came was understood."""

    async def serve(self) -> None:
        """Read until the peer is done or gone, answer what is under way, close."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._reply(), name=f"tcp-reply {self._link.peer}")
                await self._read()
                self._answers.put_nowait(None)
            await self._link.close()
        finally:
            self._link.writer.close()

    def drop(self) -> None:
        """Cut the connection; what is under way is finished all the same."""
        self._link.writer.transport.abort()

    async def _read(self) -> None:
        while not self._lost:
            items = await self._receive()
            if items is None:
                break
            await self._take(items)
        while self._framing.pending:
            await self._take([(item, self._begun) for item in self._framing.expire()])
        if self._lost:
            log.warning("no frame is found any more, connection closed", peer=self._link.peer)
            count("desynchronised")

    @property
    def _lost(self) -> bool:
        adrift = not self._framing.realigns and self._unreadable >= UNREADABLE_IN_A_ROW
        return adrift or self._framing.lost

    async def _receive(self) -> Sequence[tuple[Item, float]] | None:
        """Return what the next read completes, each with the instant of its first byte; None at the end."""
        try:
            async with asyncio.timeout_at(self._limit()):
                data = await self._link.reader.read(CHUNK_BYTES)
        except TimeoutError:
            return self._silence()
        except OSError:
            return None
        if not data:
            return None
        now = self._clock()
        arrived, self._held = (now if self._held is None else self._held), None
        fresh = not self._framing.pending
        first = arrived if fresh else self._begun
        items = self._framing.feed(data)
        if fresh or items:
            self._begun, self._patience = arrived, now
        return [(item, arrived if at else first) for at, item in enumerate(items)]

    def _limit(self) -> float | None:
        """Return the instant until which the next bytes are awaited; None for ever."""
        if self._framing.pending:
            return self._patience + self._options.frame_timeout_seconds
        idle = self._options.idle_timeout_seconds
        return self._clock() + idle if idle else None

    def _silence(self) -> Sequence[tuple[Item, float]] | None:
        """Give up an unfinished frame; without one the peer was idle for too long."""
        if not self._framing.pending:
            count("idle")
            return None
        items = self._framing.expire()
        begun, self._patience = self._begun, self._clock()
        return [(item, begun) for item in items]

    async def _take(self, items: Sequence[tuple[Item, float]]) -> None:
        for item, event in items:
            if isinstance(item, Frame):
                if item.damaged:
                    count("image_damaged", item.damaged)
                await self._understand(item, event)
            else:
                count("garbage")
                self._intake.rejects.put(item.data, f"{item.reason} ({item.size} bytes)", self._link.peer)

    async def _understand(self, frame: Frame, event: float) -> None:
        try:
            part = self._intake.parts(frame, event)
        except Unreadable as exc:
            count("unreadable")
            self._intake.rejects.put(frame.payload, str(exc), self._link.peer)
            self._unreadable += 1
            return
        self._unreadable = 0
        self.understood = True
        if part is not None:
            await self._hand_in(part)

    async def _hand_in(self, part: Inspection) -> None:
        """Start the part in a task of the source, so that it outlives this connection."""
        if self._slots.locked():
            count("full")
            self._held = self._clock() if self._held is None else self._held
        await self._slots.acquire()
        self._patience = self._clock()
        task = self._intake.tasks.create_task(self._inspect(part), name=f"tcp-part {part.part}")
        self._answers.put_nowait((part, task))

    async def _inspect(self, part: Inspection) -> Decision:
        awaited = any(view.reference for view in part.views)
        return await self._intake.inspect(part, self._intake.fetch if awaited else None)

    async def _reply(self) -> None:
        while (answer := await self._answers.get()) is not None:
            part, task = answer
            await self._send(part, await task)
            self._slots.release()

    async def _send(self, part: Inspection, decision: Decision) -> None:
        """Tell the peer; one that is gone or does not read loses its replies, never its parts."""
        try:
            payload = self._intake.replies(part, decision)
            data = self._framing.encode(payload) if payload is not None else b""
        except ValueError as exc:
            count("reply_unsendable")
            log.warning("reply cannot be sent", part=part.part, error=str(exc))
            return
        if not data:
            return
        if self._link.writer.is_closing():
            count("reply_lost")
            return
        self._link.writer.write(data)
        try:
            async with asyncio.timeout(self._options.write_timeout_seconds):
                await self._link.writer.drain()
        except (OSError, TimeoutError):
            count("reply_lost")
            self._link.writer.transport.abort()
