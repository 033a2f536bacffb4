"""A host that decides at once, free ports, and a source that runs while a test talks to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.plugin import Decision, Fetch, Goal, Inspection, Stage
from bridge_tcp import TcpSourceOptions, open_source
from bridge_tcp.source import _started

PATIENCE_SECONDS = 20.0
"""Of everything that is waited for; an idle machine needs milliseconds."""
LINE = r"(?P<part>[^,]*),(?P<verdict>[^,]*)(,(?P<image>[^,]*))?"


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def decision_of(part: Inspection, number: int = 1, *, recorded: bool = True) -> Decision:
    return Decision(
        id=f"{number:032x}",
        line="L",
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part=part.part,
        legacy=part.legacy,
        final=part.legacy,
        number=number,
        recorded=recorded,
    )


@dataclass
class Host:
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
    options: TcpSourceOptions

    @property
    def quarantined(self) -> list[Path]:
        """The entries whose reason, written last, is there."""
        reasons = (self.options.home / "quarantine").glob("*.json")
        return sorted(path.with_suffix(".bin") for path in reasons if path.stat().st_size)


Run = Callable[..., AbstractAsyncContextManager[Running]]


def _listening(patch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return an event that is set once the source has tried to listen."""
    tried = asyncio.Event()

    async def start(server: asyncio.Server) -> str | None:
        try:
            return await _started(server)
        finally:
            tried.set()

    patch.setattr("bridge_tcp.source._started", start)
    return tried


@pytest.fixture
def running(port: int, tmp_path: Path) -> Run:
    """Open a source for a host and run it until the block ends."""

    @asynccontextmanager
    async def run(host: Host, **options: Any) -> AsyncIterator[Running]:
        options.setdefault("port", port)
        options.setdefault("pattern", LINE)
        checked = TcpSourceOptions(home=tmp_path / "home", **options)
        async with open_source(checked) as source:
            with pytest.MonkeyPatch.context() as patch:
                listening = asyncio.create_task(_listening(patch).wait())
                task = asyncio.create_task(source(host))  # type: ignore[arg-type]
                if checked.role == "server":
                    await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
                listening.cancel()
            try:
                yield Running(task, checked)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return run
