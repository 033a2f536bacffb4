"""Free ports, and a source that runs while a test talks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from adapter_host import Host, free_port

from bridge_tcp import TcpSourceOptions, open_source
from bridge_tcp.source import _started

LINE = r"(?P<part>[^,]*),(?P<verdict>[^,]*)(,(?P<image>[^,]*))?"


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    return free_port()


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
