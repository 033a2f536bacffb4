"""What becomes of a request: room first, then its body within its time and size, then the part's answer."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

from aiohttp.web import BaseRequest, RequestPayloadError, Response

from bridge.plugin import Fetch, Host, Inspect, Rejects, Unreadable, count
from bridge_http.codec import Understood, read_document, read_form, read_wishes, write_answer
from bridge_http.form import DOCUMENT_BYTES, Form
from bridge_http.gate import (
    AGAIN,
    DOCUMENT,
    HEALTH,
    INSPECTIONS,
    Turned,
    asks_first,
    boundary_of,
    known,
    routed,
    too_large,
)
from bridge_http.multipart import FormReader, TooLarge
from bridge_http.options import HttpSourceOptions, PortOptions

PROBLEM = "application/problem+json"
SAMPLE_BYTES = 1 << 16
"""How much of a body is kept for the quarantine."""


@dataclass
class Desk(ABC):
    """Answers the requests to one port; what is posted there, a subclass knows."""

    options: PortOptions
    rejects: Rejects
    line: Host
    _room: asyncio.Semaphore = field(init=False)
    place: ClassVar[str]
    """Where it is posted to."""
    things: ClassVar[str]
    """What it is called."""

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.options.in_flight)

    async def answer(self, request: BaseRequest, event: float) -> Response:
        """Answer a request whose head is there; ``event`` is the instant of its first byte.

        Raises:
            ConnectionError: the sender went in the middle of its request.
        """
        try:
            routed(request.method, request.path, self.place)
            return self._health() if request.path == HEALTH else await self.taken(request, event)
        except Turned as exc:
            if exc.event:
                count(exc.event)
            return respond(exc.status, exc.body, exc.headers)

    def _health(self) -> Response:
        health = {"status": "ok", "ready": self.line.ready(), "error": self.line.error}
        return respond(HTTPStatus.OK, json.dumps(health).encode())

    @abstractmethod
    async def taken(self, request: BaseRequest, event: float) -> Response:
        """Answer what is posted; raises Turned where it comes to nothing."""

    def known(self, request: BaseRequest) -> None:
        """Let a request pass that shows the token; raises Turned where it does not."""
        token = self.options.token
        known(request.headers, token.get_secret_value() if token else None)

    async def told_to_send(self, request: BaseRequest) -> None:
        """Give the word that some senders wait for before the body."""
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # of the answer itself nothing is sent yet

    def unreadable(self, body: Body, why: Exception, request: BaseRequest) -> Turned:
        """Put a body aside that is not understood; return what its sender is told."""
        self.rejects.put(body.sample, str(why), request.remote or "")
        return Turned(HTTPStatus.BAD_REQUEST, str(why), "unreadable")

    @asynccontextmanager
    async def within(self) -> AsyncIterator[None]:
        """Hold one of the places for what is under way.

        A burst waits with its bodies unread, so that the machine is slowed on the wire and loses nothing; who
        finds no place in time is told to come again, so that the machine knows that the part is still its own.
        """
        if self._room.locked():
            count("full")
        try:
            async with asyncio.timeout(self.options.room_timeout_seconds):
                await self._room.acquire()
        except TimeoutError as exc:
            detail = f"{self.options.in_flight} {self.things} are under way; keep this one and send it again"
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, detail, "turned_away", AGAIN) from exc
        try:
            yield
        finally:
            self._room.release()


@dataclass
class PartDesk(Desk):
    """Takes parts."""

    options: HttpSourceOptions
    inspect: Inspect
    fetch: Fetch | None
    place = INSPECTIONS
    things = "parts"

    async def taken(self, request: BaseRequest, event: float) -> Response:
        """Answer a part."""
        self.known(request)
        boundary = boundary_of(request.headers, request.content_length, self.options.max_request_bytes)
        first = asks_first(request.headers)
        async with self.within():
            if first:
                await self.told_to_send(request)
            said = await self._understood(request, boundary, event)
            awaited = any(view.reference for view in said.part.views)
            decision = await self.inspect(said.part, self.fetch if awaited else None)
        status, body = write_answer(said.part, decision, self.options.words())
        return respond(status, body, {} if decision.recorded else AGAIN)

    async def _understood(self, request: BaseRequest, boundary: str, event: float) -> Understood:
        body = Body(request, self.options)
        words = self.options.words()
        try:
            key, limit = (request.headers.get(name, "") for name in ("Idempotency-Key", "X-Deadline-Ms"))
            wishes = read_wishes(key, limit)
            if boundary:
                said = read_form(await self._form(body, boundary), wishes, words, event)
            else:
                said = read_document(await body.whole(DOCUMENT_BYTES), wishes, words, event)
        except TooLarge as exc:
            raise too_large(str(exc)) from exc
        except Unreadable as exc:
            raise self.unreadable(body, exc, request) from exc
        if said.damaged:
            count("image_damaged", said.damaged)
        return said

    async def _form(self, body: Body, boundary: str) -> Form:
        reader, form = FormReader(boundary, self.options.fields_max), Form(self.options.max_image_bytes)
        async for data in body.pieces():
            for event in reader.feed(data):
                form.take(event)
        reader.finish()
        return form


class Body:
    """The body of one request, as it comes."""

    def __init__(self, request: BaseRequest, options: PortOptions) -> None:
        self._content = request.content
        self._most = options.max_request_bytes
        self._seconds = options.body_timeout_seconds
        self.sample = bytearray()
        """Its beginning, for the quarantine."""

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield it piece by piece, within its time and its size.

        Raises:
            TooLarge: it has more bytes than a request may have.
            Turned: it did not come in time.
            Unreadable: it is framed in a way that HTTP does not know.
            ConnectionError: the sender is gone.
        """
        size, limit = 0, asyncio.get_running_loop().time() + self._seconds
        while data := await self._next(limit):
            size += len(data)
            if size > self._most:
                raise TooLarge(f"the request has more than {self._most} bytes")
            self.sample += data[: SAMPLE_BYTES - len(self.sample)]
            yield data

    async def whole(self, most: int) -> bytes:
        """Return all of it, where it has no more than ``most`` bytes; raises as ``pieces`` does."""
        kept = bytearray()
        async for data in self.pieces():
            kept += data
            if len(kept) > most:
                raise TooLarge(f"the document has more than {most} bytes")
        return bytes(kept)

    async def _next(self, limit: float) -> bytes:
        try:
            async with asyncio.timeout_at(limit):
                return await self._content.readany()
        except TimeoutError as exc:
            detail = f"the body did not come within {self._seconds:g} s"
            raise Turned(HTTPStatus.REQUEST_TIMEOUT, detail, "slow", {"Connection": "close"}) from exc
        except RequestPayloadError as exc:
            raise Unreadable("the body is not framed as HTTP says") from exc
        except ConnectionError:
            count("upload_lost")
            raise


def respond(status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response: a document, or what went wrong."""
    said = {"Server": "aoi-bridge", "Cache-Control": "no-store", **(headers or {})}
    media = DOCUMENT if status is HTTPStatus.OK else PROBLEM
    return Response(status=status, body=body, content_type=media, headers=said)
