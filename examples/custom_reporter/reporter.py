"""A useful reporter in forty lines: one JSON line per decision, and the peer answers ``ok`` or why not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import Field

from bridge.plugin import Decision, Port, Refused, Report, ReporterOptions, Seconds, Unavailable


class JsonLineOptions(ReporterOptions):
    """Where the peer listens."""

    host: str = Field(examples=["192.168.0.20"])
    """the peer's name or address"""
    port: Port = 7001
    """a port from 1 to 65535"""
    timeout_seconds: Seconds = 5
    """seconds to wait for the peer"""


@asynccontextmanager
async def open_reporter(options: JsonLineOptions) -> AsyncIterator[Report]:
    """Dial the peer; whatever breaks later is Unavailable too, and the host opens anew."""
    try:
        async with asyncio.timeout(options.timeout_seconds):
            reader, writer = await asyncio.open_connection(options.host, options.port)
    except (OSError, TimeoutError) as exc:
        raise Unavailable(f"{options.host}:{options.port} does not answer ({exc})") from exc

    async def report(decision: Decision) -> None:
        try:
            async with asyncio.timeout(options.timeout_seconds):
                writer.write(json.dumps(decision.document()).encode() + b"\n")
                answer = (await reader.readline()).decode().strip()
        except (OSError, TimeoutError) as exc:
            raise Unavailable(f"no answer for {decision.id}") from exc
        if not answer:
            raise Unavailable("the peer hung up")
        if answer != "ok":
            raise Refused(answer)

    try:
        yield report
    finally:
        writer.close()
