"""A simulated MES that takes webhooks: verifies, keeps and answers, or refuses, stalls, goes deaf or dies."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bridge.plugin import ConfigError, Habits, Mood, MoodyBook, Unavailable, together, with_habits
from bridge_http.codec import write_problem
from bridge_http.habits import HOOK_HABITS
from bridge_http.options import HttpReporterOptions, where
from bridge_http.signature import verify

GOODBYE_SECONDS = 0.1
"""How long an answer under way may take at the end."""


@dataclass(kw_only=True)
class Mes(MoodyBook):
    """What an MES got, and how it behaves; every knob may be turned while it runs."""

    host: str = "127.0.0.1"
    port: int = 0
    path: str = "/"
    tls: ssl.SSLContext | None = None
    key: bytes | None = None
    """The key that webhooks are signed with; None where they are not."""
    token: str | None = None
    """The token that is to be shown; None where none is."""
    forged: int = 0
    """How many requests had no good signature or token."""
    _muted: list[asyncio.Transport] = field(default_factory=list)
    _http: web.Server | None = None
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Return where it takes webhooks."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}{self.path}"

    @property
    def open(self) -> list[asyncio.Transport]:
        """Return the connections that are open."""
        transports = (connection.transport for connection in (self._http.connections if self._http else ()))
        return [transport for transport in transports if isinstance(transport, asyncio.Transport)]

    def half_close(self) -> None:
        """Stop sending on every open connection, but go on reading."""
        for transport in self.open:
            self._mute(transport)

    def die(self) -> None:
        """Cut every connection without a goodbye and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for transport in self.open:
            transport.abort()

    async def start(self) -> None:
        """Listen; after ``die`` on the same port as before, with all that was kept; alive, go on.

        Raises:
            OSError: the port cannot be had.
        """
        self._going.set()
        if self._server is not None and self._server.is_serving():
            return
        self._http = web.Server(self._receive, access_log=None, handler_cancellation=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._http, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Die, and leave no task behind."""
        self.die()
        if self._http is not None:
            await self._http.shutdown(GOODBYE_SECONDS)

    async def _receive(self, request: web.BaseRequest) -> web.StreamResponse:
        await self.going()
        body = await request.read()
        if mistake := self._mistake(request.headers, body):
            self.forged += 1
            return _problem(HTTPStatus.UNAUTHORIZED, mistake)
        if self.mood.strikes("busy"):
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy by a habit", {"Retry-After": "1"})
        transport = request.transport
        answer = self.take(json.loads(body), self.spoilt(partial(self._mute, transport)))
        if transport is not None and answer.silent:
            transport.abort()
        if transport in self._muted:
            await asyncio.get_running_loop().create_future()  # until the connection ends
        if answer.refused is not None:
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, answer.refused)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    def _mistake(self, headers: Mapping[str, str], body: bytes) -> str:
        """Return why a request is not believed; empty where it is."""
        if self.token is not None and headers.get("Authorization") != f"Bearer {self.token}":
            return "the token is missing or wrong"
        if self.key is None:
            return ""
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        name, timestamp, signatures = (headers.get(each, "") for each in names)
        return verify(self.key, name, timestamp, body, signatures, time.time())

    def _mute(self, transport: asyncio.Transport | None) -> None:
        """Send nothing more on a connection, and say so where the protocol below can."""
        if transport is None:
            return
        self._muted.append(transport)
        if transport.can_write_eof():
            transport.write_eof()


def _problem(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = write_problem(status, detail)
    return web.Response(status=status, body=body, content_type="application/problem+json", headers=headers)


@asynccontextmanager
async def serve_mes(**facts: Any) -> AsyncIterator[Mes]:
    """Be an MES with these fields; port 0 takes a free one."""
    async with together() as tasks:
        mes = Mes(tasks=tasks, **facts)
        await mes.start()
        try:
            yield mes
        finally:
            await mes.stop()


@with_habits(HOOK_HABITS)
@asynccontextmanager
async def open_mes(options: HttpReporterOptions, habits: Habits) -> AsyncIterator[Mes]:
    """Be the MES that a reporter's options tell of, listening where the reporter dials.

    Raises:
        ConfigError: it cannot show whom the reporter expects.
        Unavailable: the port cannot be had.
    """
    name, port = where(options.place)
    try:
        async with serve_mes(
            host=name,
            port=port,
            path=options.place.path or "/",
            tls=await _context(options),
            key=options.key,
            token=options.token.get_secret_value() if options.token else None,
            mood=Mood(habits),
        ) as mes:
            yield mes
    except OSError as exc:
        raise Unavailable(f"cannot listen on {name}:{port}: {exc.strerror or exc}") from exc


async def _context(options: HttpReporterOptions) -> ssl.SSLContext | None:
    if options.place.scheme == "http":
        return None
    if options.tls is None:
        raise ConfigError("tls", "is missing, and a simulator of an https service must show a certificate")
    return await asyncio.to_thread(options.tls.peer_context)
