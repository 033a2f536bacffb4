"""The source: a port to which an old inspector, or whoever speaks for it, posts its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import Inspect, Source, host, rejecting
from bridge_http.desk import PartDesk
from bridge_http.options import HttpSourceOptions
from bridge_http.serving import open_port

__all__ = ["HttpSourceOptions", "open_source"]


@asynccontextmanager
async def open_source(options: HttpSourceOptions) -> AsyncIterator[Source]:
    """Bind the port; the source then feeds parts until cancelled.

    Raises:
        ConfigError: a file of the TLS table is not what it should be.
        Unavailable: the port cannot be had.
    """
    async with options.share() as fetch, open_port(options) as serve:

        async def run(inspect: Inspect) -> None:
            async with rejecting(options.home) as rejects:
                await serve(PartDesk(options, rejects, host(), inspect, fetch))

        yield run
