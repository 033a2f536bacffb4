"""The source: a server that old inspectors call, with health, reflection and an allow-list beside the service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bridge.plugin import Inspect, Source, host, rejecting
from bridge_grpc.credentials import listener_credentials
from bridge_grpc.desk import SERVICE, Desk
from bridge_grpc.door import Door
from bridge_grpc.listener import GOODBYE_SECONDS, bound, started
from bridge_grpc.options import GrpcSourceOptions
from bridge_grpc.vitals import Vitals
from bridge_grpc.wire import listener_arguments

__all__ = ["GrpcSourceOptions", "open_source"]


@asynccontextmanager
async def open_source(options: GrpcSourceOptions) -> AsyncIterator[Source]:
    """Bind the port; the source then answers calls until cancelled.

    Raises:
        ConfigError: a file of the TLS table is not what it should be.
        Unavailable: the port cannot be had.
    """
    vitals = Vitals(host(), SERVICE)
    credentials = await listener_credentials(options.tls)
    doors = [Door(options.allow)] if options.allow else []
    arguments = listener_arguments(options)
    async with (
        options.share() as fetch,
        bound(options.host, options.port, credentials, arguments, doors) as (server, _),
    ):

        async def run(inspect: Inspect) -> None:
            async with rejecting(options.home) as rejects:
                desk = Desk(options, inspect, fetch, rejects)
                _furnish(server, desk, vitals, options)
                await started(server)
                try:
                    await vitals.keep()
                finally:
                    await vitals.end()
                    await server.stop(GOODBYE_SECONDS)
                    await desk.close()

        yield run


def _furnish(server: grpc.aio.Server, desk: Desk, vitals: Vitals, options: GrpcSourceOptions) -> None:
    """Put the services into the server."""
    server.add_generic_rpc_handlers([desk.handler()])
    health_pb2_grpc.add_HealthServicer_to_server(vitals.servicer, server)
    if options.reflection:
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
