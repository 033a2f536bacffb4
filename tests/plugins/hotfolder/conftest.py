"""A hot folder that runs beside the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hotfolder_host import FAST, Host, Reasons, Watch

from bridge_hotfolder import HotfolderOptions, open_source


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
            task = asyncio.create_task(source(inspect))
            await asyncio.sleep(0.05)  # the first look, which finds backlog, is over
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return running


@pytest.fixture
def reasons(tmp_path: Path) -> Reasons:
    """Return why things were put into quarantine, oldest first."""
    folder = tmp_path / "home" / "quarantine"

    def read() -> list[str]:
        texts = [path.read_text() for path in sorted(folder.glob("*.json"))]
        return [json.loads(text)["reason"] for text in texts if text.endswith("\n")]  # others are being written

    return read
