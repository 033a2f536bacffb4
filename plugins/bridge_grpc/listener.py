"""A gRPC server that is bound before it serves, and whose every goodbye has a timeout."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import grpc

from bridge.plugin import Unavailable, why
from bridge_grpc.wire import Arguments, endpoint, hold_poller

GOODBYE_SECONDS = 1.0
"""How long calls under way may take to be answered when the server stops."""


@asynccontextmanager
async def bound(
    host: str,
    port: int,
    credentials: grpc.ServerCredentials | None,
    arguments: Arguments,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    goodbye_seconds: float | None = GOODBYE_SECONDS,
) -> AsyncIterator[tuple[grpc.aio.Server, int]]:
    """Hold a server and its port, 0 for a free one; whoever calls waits until it is started.

    ``goodbye_seconds`` is how long calls under way may take at the end; None cuts them off.

    Raises:
        Unavailable: the port cannot be had.
    """
    hold_poller()
    server = grpc.aio.server(options=arguments, interceptors=list(interceptors))
    try:
        yield server, await _bind(server, host, port, credentials)
    finally:
        with suppress(grpc.aio.UsageError):  # it was started already; one that never was would keep its port
            await started(server)
        await server.stop(goodbye_seconds)


async def started(server: grpc.aio.Server) -> None:
    """Start a server; a start that is cancelled still ends by itself, as gRPC cannot take it back."""
    await asyncio.shield(server.start())


async def _bind(server: grpc.aio.Server, host: str, port: int, credentials: grpc.ServerCredentials | None) -> int:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise Unavailable(f"cannot listen on {endpoint(host, port)}: {exc.strerror or exc}") from exc
    address = endpoint(str(found[0][4][0]), port)
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as exc:  # gRPC keeps the reason to itself
        reason = await asyncio.to_thread(_tried, found[0], port)
        raise Unavailable(f"cannot listen on {endpoint(host, port)}: {reason}") from exc


def _tried(found: tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]], port: int) -> str:
    """Return why a port cannot be had, by trying it."""
    try:
        with socket.create_server((str(found[4][0]), port), family=found[0]):
            return "it could not be had a moment ago"
    except OSError as exc:
        return why(exc)
