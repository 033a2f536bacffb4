"""A real journal in a folder of its own, and a line around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from core_kit import Stand

from bridge.store import Images, Journal, open_journal


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with open_journal(tmp_path) as opened:
        yield opened


@pytest.fixture
async def stand(tmp_path: Path, journal: Journal) -> AsyncIterator[Stand]:
    async with Images(tmp_path / "images") as images, asyncio.TaskGroup() as tasks:
        made = Stand(tmp_path, journal, images, tasks)
        try:
            yield made
        finally:
            await made.stop()


@pytest.fixture
def plugins(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install ``core_plugins`` as a distribution of its own; return the folder to put on a child's path."""
    site = tmp_path_factory.mktemp("site")
    info = site / "core_plugins-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: core-plugins\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    return site


ENTRY_POINTS = """
[aoi_bridge.sources]
feed = core_plugins:open_feed
gone = core_plugins_that_is_not_there:open_it
untyped = core_plugins:broken
absent = core_plugins:no_such_name

[aoi_bridge.reporters]
tell = core_plugins:open_tell

[aoi_bridge.judges]
opinion = core_plugins:open_opinion

[aoi_bridge.labels]
say = core_plugins:open_say

[aoi_bridge.commands]
greet = core_command
lost = core_plugins_that_is_not_there
"""
