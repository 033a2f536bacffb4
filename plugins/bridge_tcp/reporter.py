"""The reporter: one connection to the MES, a frame for each decision, accepted only by its acknowledgement."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import (
    CHUNK_BYTES,
    Decision,
    Link,
    Refused,
    Report,
    Unavailable,
    Unreadable,
    context_of,
    count,
    dial,
    together,
    why,
)
from bridge_tcp.acks import Ack
from bridge_tcp.framing import Frame
from bridge_tcp.options import TcpReporterOptions
from bridge_tcp.templates import document_fields

__all__ = ["TcpReporterOptions", "open_reporter"]


@asynccontextmanager
async def open_reporter(options: TcpReporterOptions) -> AsyncIterator[Report]:
    """Dial the MES; yield a report that returns once the MES has said that it took the decision.

    Several reports may be under way; acknowledgements find theirs by the inspection id, in any order.

    Raises:
        Unavailable: nobody answers there, or the connection ended, also while nothing was reported.
    """
    tls, named = await context_of(options.tls), options.tls.server_name if options.tls else None
    async with dial(options.host, options.port, options.dial_timeout_seconds, tls, named) as link:
        desk = _Desk(options, link)
        async with together() as tasks:
            reading = tasks.create_task(desk.read(), name=f"tcp-acks {link.peer}")
            yield desk.report
            reading.cancel()


class _Desk:
    """Matches acknowledgements with the reports that wait for them."""

    def __init__(self, options: TcpReporterOptions, link: Link) -> None:
        self._options = options
        self._link = link
        self._framing = options.framed()
        self._acks = options.acks()
        self._waiting: dict[str, asyncio.Future[Ack]] = {}

    async def report(self, decision: Decision) -> None:
        """Send one decision and wait until the MES has answered for it.

        Cancelling the wait leaves the connection in step: a late acknowledgement finds nobody and is counted.
        """
        data = self._encode(decision)
        waiting: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting[decision.id] = waiting
        answered = False
        try:
            async with asyncio.timeout(self._options.ack_timeout_seconds):
                self._write(data, decision)
                await self._link.writer.drain()
                ack = await waiting
                answered = True
        except TimeoutError as exc:
            raise Unavailable(f"{self._link.peer} did not acknowledge {decision.id} in time") from exc
        except OSError as exc:
            raise Unavailable(f"{self._link.peer} is gone: {why(exc)}") from exc
        finally:
            if self._waiting.get(decision.id) is waiting:
                del self._waiting[decision.id]
            self._unsend(answered=answered)
        _settle(ack)

    async def read(self) -> None:
        """Hand out acknowledgements until the connection ends.

        Raises:
            Unavailable: it ended; so does every report that still waits.
        """
        reason = "closed the connection"
        try:
            while not self._framing.lost and (data := await self._link.reader.read(CHUNK_BYTES)):
                self._hand_out(data)
        except OSError as exc:
            reason = f"is gone: {why(exc)}"
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Unavailable(f"{self._link.peer} {reason}"))
        raise Unavailable(f"{self._link.peer} {reason}")

    def _hand_out(self, data: bytes) -> None:
        for item in self._framing.feed(data):
            if not isinstance(item, Frame):
                count("garbage")
                continue
            try:
                ack = self._acks(item)
            except Unreadable:
                count("unreadable")
                continue
            waiting = self._waiting.get(ack.id)
            if waiting is None or waiting.done():
                count("ack_unmatched")
            else:
                waiting.set_result(ack)

    def _encode(self, decision: Decision) -> bytes:
        """Return the frame; the same decision gives the same bytes at every resend."""
        document = decision.document()
        try:
            if not self._options.template:
                return self._framing.encode(json.dumps(document).encode())
            fields = dict(document_fields(document))
            if "{json" in self._options.template:
                fields["json"] = json.dumps(document)
            return self._framing.encode(self._options.template.format_map(fields).encode(self._options.encoding))
        except ValueError as exc:
            raise Refused(f"decision {decision.id} cannot be written: {exc}") from exc

    def _write(self, data: bytes, decision: Decision) -> None:
        if self._link.writer.is_closing():
            raise Unavailable(f"{self._link.peer} closed the connection")
        if self._realtime and asyncio.get_running_loop().time() >= decision.expires:
            raise Refused(f"decision {decision.id} expired before it was sent")
        self._link.writer.write(data)

    def _unsend(self, *, answered: bool) -> None:
        """Drop the connection rather than let bytes that a realtime peer did not read leave late.

        Under TLS nobody can see how much is left to send, so there whatever was not answered counts as left.
        """
        transport = self._link.writer.transport
        secured = transport.get_extra_info("sslcontext") is not None
        if self._realtime and (transport.get_write_buffer_size() or (secured and not answered)):
            transport.abort()

    @property
    def _realtime(self) -> bool:
        return self._options.lane == "realtime"


def _settle(ack: Ack) -> None:
    """Turn the MES's answer into the verb's: return, Refused or Unavailable."""
    if ack.accepted is False:
        raise Refused(ack.reason or "refused without a reason")
    if ack.accepted is None:
        raise Unavailable(ack.reason or "the acknowledgement's status means neither accepted nor refused")
