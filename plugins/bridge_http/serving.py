"""A port that takes requests for as long as there is a desk for them."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeAlias

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.plugin import Unavailable, count, listening
from bridge_http.codec import write_problem
from bridge_http.connections import Connections, connection_of
from bridge_http.desk import Desk, respond
from bridge_http.gate import AGAIN
from bridge_http.options import PortOptions

WAITING_FOR_EACH = 2
"""For each connection that is served, one more may be agreeing on TLS or closing."""
GOODBYE_SECONDS = 1.0
"""How long parts under way may take to be answered once the source closes."""
LINGERING_SECONDS = 2.0
"""How long the rest of a request that was turned away is read and dropped, so that its sender sees why."""
READ_BYTES = 1 << 16
"""About how much of a body is held while nobody takes it."""

Serve: TypeAlias = Callable[[Desk], Awaitable[None]]
"""Takes requests to a desk until cancelled; raises Unavailable where the port cannot be had after all."""


@asynccontextmanager
async def open_port(options: PortOptions) -> AsyncIterator[Serve]:
    """Bind the port.

    Raises:
        ConfigError: a file of the TLS table is not what it should be.
        Unavailable: the port cannot be had.
    """
    tls = await asyncio.to_thread(options.tls.context) if options.tls else None
    reception = _Reception()
    http = web.Server(
        reception.receive,
        access_log=None,
        logger=_ours,
        auto_decompress=False,
        keepalive_timeout=options.idle_timeout_seconds,
        lingering_time=LINGERING_SECONDS,
        read_bufsize=READ_BYTES,
    )
    connections = Connections(http, options.connections_max, options.head_timeout_seconds)
    async with _bound(connections, options, tls) as server:

        async def serve(desk: Desk) -> None:
            reception.desk = desk
            try:
                failure = await started(server)
                if failure is None:
                    await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                reception.desk = None  # who comes now is told to come again
                try:
                    http.pre_shutdown()  # idle connections end at once
                    await http.shutdown(GOODBYE_SECONDS)
                finally:
                    connections.drop_all()
                    reception.cancel()
            raise Unavailable(f"cannot listen on {options.host}:{options.port}: {failure}")

        yield serve


@asynccontextmanager
async def _bound(
    connections: Connections, options: PortOptions, tls: ssl.SSLContext | None
) -> AsyncIterator[asyncio.Server]:
    async with AsyncExitStack() as stack:
        door = listening(
            connections,
            options.host,
            options.port,
            allow=options.allow,
            most=WAITING_FOR_EACH * options.connections_max,
            tls=tls,
            start_serving=False,
        )
        try:
            server = await stack.enter_async_context(door)
        except OSError as exc:
            place = f"{options.host}:{options.port}"
            raise Unavailable(f"cannot listen on {place}: {exc.strerror or exc}") from exc
        yield server


async def started(server: asyncio.Server) -> str | None:
    """Begin to take connections; return why that failed."""
    try:
        await server.start_serving()
    except OSError as exc:
        return exc.strerror or str(exc)
    return None


class _Reception:
    """Takes every request to the desk, while there is one."""

    def __init__(self) -> None:
        self.desk: Desk | None = None
        self._answering: set[asyncio.Task[Any]] = set()

    def cancel(self) -> None:
        """Wait for no answer any more; the parts themselves go their way."""
        for task in self._answering:
            task.cancel()

    async def receive(self, request: web.BaseRequest) -> web.Response:
        """Answer one request, whatever it is."""
        connection, task = connection_of(request), asyncio.current_task()
        if connection is None or task is None:  # it was gone before we looked
            return _gone()
        self._answering.add(task)
        try:
            response = await self._answered(request, connection.begin(request))
        except ConnectionError:
            return _gone()
        finally:
            self._answering.discard(task)
            connection.end()
        if connection.ended:
            response.force_close()
        return response

    async def _answered(self, request: web.BaseRequest, event: float) -> web.Response:
        if self.desk is None:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return respond(status, write_problem(status, "it is closing; come again"), AGAIN)
        return await self.desk.answer(request, event)


def _gone() -> web.Response:
    """Return a response that nobody hears."""
    status = HTTPStatus.BAD_REQUEST
    return respond(status, write_problem(status, "the request was cut short"))


def _is_ours(record: logging.LogRecord) -> bool:
    """Keep our own mistakes; garbage is counted: a log that a stranger can fill is a disk that he can fill."""
    fault = record.exc_info[1] if record.exc_info else None
    if isinstance(fault, HttpProcessingError):
        count("garbage")
    return not isinstance(fault, (HttpProcessingError, ConnectionError))


_ours = logging.getLogger("aiohttp.bridge_http")
_ours.addFilter(_is_ours)
_ours.setLevel(logging.DEBUG)  # what is no HTTP at all is told there, and must be counted
