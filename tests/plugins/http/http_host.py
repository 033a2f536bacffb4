"""A host that decides at once, a source that runs while a test talks to it, and raw requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from adapter_host import PATIENCE_SECONDS, Host

from bridge_http import HttpSourceOptions, open_source
from bridge_http.serving import started

JPEG = b"\xff\xd8picture\r\n--\r\n\xff\xd9"


@dataclass
class Running:
    """A source that runs."""

    task: asyncio.Task[None]
    options: HttpSourceOptions

    @property
    def url(self) -> str:
        scheme = "https" if self.options.tls else "http"
        return f"{scheme}://127.0.0.1:{self.options.port}/v1/inspections"

    @property
    def reasons(self) -> list[str]:
        """Why each entry of the quarantine is there."""
        files = sorted((self.options.home / "quarantine").glob("*.json"))
        return [json.loads(file.read_text())["reason"] for file in files if file.stat().st_size]


def _listening(patch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return an event that is set once the source has tried to listen."""
    tried = asyncio.Event()

    async def start(server: asyncio.Server) -> str | None:
        try:
            return await started(server)
        finally:
            tried.set()

    patch.setattr("bridge_http.serving.started", start)
    return tried


@asynccontextmanager
async def running(decider: Host, home: Path, port: int, **options: Any) -> AsyncIterator[Running]:
    """Open a source for a host and run it until the block ends."""
    checked = HttpSourceOptions(home=home, port=port, **options)
    async with open_source(checked) as source:
        with pytest.MonkeyPatch.context() as patch:
            listening = asyncio.create_task(_listening(patch).wait())
            task = asyncio.create_task(source(decider))  # type: ignore[arg-type]
            await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
            listening.cancel()
        try:
            yield Running(task, checked)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


Run = Callable[..., AbstractAsyncContextManager[Running]]


@dataclass(frozen=True)
class Answered:
    """What came back on a raw connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Hold a connection to a source."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> Answered:
    """Read one response, as its Content-Length says."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answered(int(head[0].split()[1]), headers, body)


def request(body: bytes, media: str = "application/json", headers: str = "") -> bytes:
    """Return a whole POST; ``headers`` are lines that end in CRLF."""
    head = f"POST /v1/inspections HTTP/1.1\r\nHost: bridge\r\nContent-Type: {media}\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
