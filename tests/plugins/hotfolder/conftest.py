"""A hot folder that runs beside the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hotfolder_host import FAST, Host, Reasons, Watch

from bridge_hotfolder import HotfolderOptions, open_source
from bridge_hotfolder.listing import Listing, look

PATIENCE_SECONDS = 20.0


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def watch(tmp_path: Path, host: Host) -> Watch:
    """Run a hot folder over tmp_path/"in", its own state in tmp_path/"home", until the block ends."""
    (tmp_path / "in").mkdir(exist_ok=True)

    @asynccontextmanager
    async def running(inspect: Host = host, **settings: object) -> AsyncIterator[asyncio.Task[None]]:
        chosen = {"path": tmp_path / "in", "home": tmp_path / "home", **FAST, **settings}
        async with open_source(HotfolderOptions.model_validate(chosen)) as source:
            with pytest.MonkeyPatch.context() as patch:
                looked = asyncio.create_task(_first_look(patch).wait())
                task = asyncio.create_task(source(inspect))
                # The first look finds backlog; what comes later is live.
                await asyncio.wait({task, looked}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_SECONDS)
                looked.cancel()
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return running


def _first_look(patch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return an event that is set once the source has looked at its folder."""
    loop, looked = asyncio.get_running_loop(), asyncio.Event()

    def seen(*given: Any) -> Listing:
        try:
            return look(*given)
        finally:
            loop.call_soon_threadsafe(looked.set)

    patch.setattr("bridge_hotfolder.source.look", seen)
    return looked


@pytest.fixture
def reasons(tmp_path: Path) -> Reasons:
    """Return why things were put into quarantine, oldest first."""
    folder = tmp_path / "home" / "quarantine"

    def read() -> list[str]:
        texts = [path.read_text() for path in sorted(folder.glob("*.json"))]
        return [json.loads(text)["reason"] for text in texts if text.endswith("\n")]  # others are being written

    return read
