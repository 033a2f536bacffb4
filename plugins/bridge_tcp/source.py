"""The source: an old inspector dials us, or we dial it; its parts go to the host as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import Fetch, Inspect, Source, Unavailable, context_of, dial, listen
from bridge_tcp.connection import Connection, taking_in
from bridge_tcp.door import Door
from bridge_tcp.options import TcpSourceOptions

__all__ = ["TcpSourceOptions", "open_source"]

WAITING_FOR_EACH = 2
"""For each connection that is served, one more may be agreeing on TLS or closing."""


@asynccontextmanager
async def open_source(options: TcpSourceOptions) -> AsyncIterator[Source]:
    """Bind the port, or dial the machine; the source then feeds parts until cancelled.

    Raises:
        Unavailable: the port cannot be had, or the machine does not answer.
    """
    async with options.share() as fetch:
        opening = _serving if options.role == "server" else _dialling
        async with opening(options, fetch) as run:
            yield run


@asynccontextmanager
async def _serving(options: TcpSourceOptions, fetch: Fetch | None) -> AsyncIterator[Source]:
    tls = await asyncio.to_thread(options.tls.server().context) if options.tls else None
    door = Door(options.connections_max)
    most = WAITING_FOR_EACH * options.connections_max
    async with listen(options.host, options.port, door.accept, tls, options.allow, most) as server:

        async def run(inspect: Inspect) -> None:
            async with taking_in(options, inspect, fetch) as intake:
                door.intake = intake
                try:
                    failure = await _started(server)
                    if failure is None:
                        await asyncio.get_running_loop().create_future()  # until cancelled
                finally:
                    door.intake = None  # who comes now is sent away, and comes again
            raise Unavailable(f"cannot listen on {options.host}:{options.port}: {failure}")

        yield run


async def _started(server: asyncio.Server) -> str | None:
    """Begin to take connections; return why that failed, which is no error of any task."""
    try:
        await server.start_serving()
    except OSError as exc:
        return exc.strerror or str(exc)
    return None


@asynccontextmanager
async def _dialling(options: TcpSourceOptions, fetch: Fetch | None) -> AsyncIterator[Source]:
    tls, named = await context_of(options.tls), options.tls.server_name if options.tls else None
    async with dial(options.host, options.port, options.dial_timeout_seconds, tls, named) as link:

        async def run(inspect: Inspect) -> None:
            async with taking_in(options, inspect, fetch) as intake:
                await Connection(link, intake).serve()
            raise Unavailable(f"{link.peer} closed the connection")

        yield run
