"""A host that decides at once, a source that runs while a test talks to it, and raw requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.plugin import Decision, Fetch, Goal, Inspection, Stage
from bridge_http import HttpSourceOptions, open_source
from bridge_http.source import _started

PATIENCE_SECONDS = 20.0
"""Of everything that is waited for; an idle machine needs milliseconds."""
JPEG = b"\xff\xd8picture\r\n--\r\n\xff\xd9"


def decision_of(part: Inspection, number: int = 1, *, recorded: bool = True) -> Decision:
    return Decision(
        id=f"{number:032x}",
        line="L",
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part=part.part,
        key=part.key,
        legacy=part.legacy,
        final=part.legacy,
        number=number if recorded else 0,
        recorded=recorded,
    )


@dataclass
class Decider:
    """What the host does for a source: takes each part, answers with its legacy verdict."""

    recorded: bool = True
    hold: Callable[[Inspection], Awaitable[object]] | None = None
    """Awaited before a part is answered."""
    parts: list[Inspection] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    most: int = 0
    """The most parts that were under way at once."""
    _inside: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        task = asyncio.create_task(self._decide(part, fetch))
        return await asyncio.shield(task)  # as a line does: cancelling the wait never cancels the part

    async def _decide(self, part: Inspection, fetch: Fetch | None) -> Decision:
        self.parts.append(part)
        number = len(self.parts)
        self._inside += 1
        self.most = max(self.most, self._inside)
        self._changed.set()
        if self.hold is not None:
            await self.hold(part)
        if fetch is not None:
            for view in part.views:
                self.images[view.name] = await fetch(view)
        self._inside -= 1
        self.answered.append(part.part)
        self._changed.set()
        return decision_of(part, number, recorded=self.recorded)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be true of this host, looked at whenever a part comes or goes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - counts and files tell nobody when they change
            await asyncio.sleep(0.005)


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
            return await _started(server)
        finally:
            tried.set()

    patch.setattr("bridge_http.source._started", start)
    return tried


@asynccontextmanager
async def running(decider: Decider, home: Path, port: int, **options: Any) -> AsyncIterator[Running]:
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
