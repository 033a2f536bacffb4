"""A host that records what it is handed, and a join of a real TCP source and a real hot folder beside the test."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bridge import health
from bridge.plugin import Decision, Fetch, Goal, Inspection, Stage, Unavailable
from bridge.simulate.factory import free_ports
from bridge_hotfolder.listing import Listing, look
from bridge_join import JoinOptions, open_source
from bridge_tcp.framing import Crlf
from bridge_tcp.peer import Inspector, dial_bridge

PATIENCE_SECONDS = 20.0
PATTERN = r"^(?P<part>[^_/]+)_(?P<view>[^_/.]+)(?P<verdict>)\.jpg$"
LINE = r"(?P<part>[^,]*),(?P<verdict>[^,]*)(,(?P<key>[^,]*))?"
JPEG = b"\xff\xd8 %s \xff\xd9"


@dataclass
class Host:
    """Stands where the line stands: one decision for each key, pictures brought, answers held back if wanted."""

    parts: list[Inspection] = field(default_factory=list)
    """Every call, with the pictures that could be had."""
    decided: dict[str, Decision] = field(default_factory=dict)
    """What was answered is final, recorded or not."""
    recorded: bool = True
    gate: asyncio.Event | None = None
    """Answers wait for it, where there is one."""
    error: Exception | None = None

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        views = [replace(view, image=view.image or await _brought(fetch, view)) for view in part.views]
        self.parts.append(replace(part, views=tuple(views)))
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        if part.key in self.decided:
            return replace(self.decided[part.key], recorded=self.recorded)
        decision = Decision(
            id=f"{len(self.parts):032}",
            line="t",
            goal=Goal.CUT_FALSE_CALLS,
            stage=Stage.LIVE,
            part=part.part,
            key=part.key,
            final=part.legacy,
            recorded=self.recorded,
        )
        if part.key:
            self.decided[part.key] = decision
        return decision

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not true():  # noqa: ASYNC110 - what is waited for is of many kinds
                await asyncio.sleep(0.005)

    async def got(self, number: int) -> list[Inspection]:
        """Wait for so many calls."""
        await self.until(lambda: len(self.parts) >= number)
        return self.parts


async def _brought(fetch: Fetch | None, view: Any) -> bytes | None:
    try:
        return await fetch(view) if fetch and view.reference else None
    except Unavailable:
        return None


@dataclass
class Roads:
    """Both machines: a line of text by TCP, a picture dropped into a folder."""

    folder: Path
    port: int
    pictures: dict[str, Any]
    """The table of the pictures' road."""
    task: asyncio.Task[None]
    aoi: Inspector | None = None

    async def tell(self, line: str) -> None:
        """Say a verdict."""
        if self.aoi is None:
            raise AssertionError("nobody has dialled")
        await self.aoi.send_raw(line.encode() + b"\r\n")

    async def reply(self) -> str:
        """Return the next answer to a verdict."""
        assert self.aoi is not None
        return (await self.aoi.reply(PATIENCE_SECONDS)).payload.decode()

    async def drop(self, name: str, picture: bytes = b"") -> None:
        """Leave a picture, as a machine that renames it into its place."""
        await asyncio.to_thread(self._drop, name, picture or JPEG % name.encode())

    def _drop(self, name: str, picture: bytes) -> None:
        writing = self.folder / f"{name}.tmp"
        writing.write_bytes(picture)
        writing.rename(self.folder / f"{name}.jpg")


def options(folder: Path, port: int, **more: Any) -> dict[str, Any]:
    """Return the table of a join of both roads in a test's own folder."""
    tcp = {"type": "tcp", "port": port, "pattern": LINE, "reply": "{part},{verdict},{key}"}
    pictures: dict[str, Any] = {"type": "hotfolder", "path": folder / "aoi", "verdict_in": "name"}
    pictures |= {"pattern": PATTERN, "complete": "renamed", "poll_seconds": 0.01}
    table = {"verdicts": tcp, "pictures": pictures, "window_ms": 300_000, "home": folder / "home"}
    return table | more


@asynccontextmanager
async def running(inspect: Any, folder: Path, *, dialled: bool = True, **more: Any) -> AsyncIterator[Roads]:
    """Run a join until the block ends; the folder's first look is over by then, so what comes is live."""
    (folder / "aoi").mkdir(exist_ok=True)
    [port] = await asyncio.to_thread(free_ports, 1)
    chosen = await asyncio.to_thread(JoinOptions.model_validate, options(folder, port, **more))
    with health.instance(folder.name, "source"):
        async with open_source(chosen) as source:
            with pytest.MonkeyPatch.context() as patch:
                looked = _first_look(patch)
                task = asyncio.create_task(source(inspect))
                roads = Roads(folder / "aoi", port, options(folder, port)["pictures"], task)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await looked.wait()
            try:
                if dialled:
                    async with _dialling(port) as roads.aoi:
                        yield roads
                else:
                    yield roads
            finally:
                roads.task.cancel()
                await asyncio.gather(roads.task, return_exceptions=True)


def _first_look(patch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return an event that is set once the hot folder has looked: what comes later is live."""
    loop, looked = asyncio.get_running_loop(), asyncio.Event()

    def seen(*given: Any) -> Listing:
        try:
            return look(*given)
        finally:
            loop.call_soon_threadsafe(looked.set)

    patch.setattr("bridge_hotfolder.source.look", seen)
    return looked


@asynccontextmanager
async def _dialling(port: int) -> AsyncIterator[Inspector]:
    """Dial until the road is open."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                dialling = dial_bridge("127.0.0.1", port, Crlf(4096))
                aoi = await dialling.__aenter__()
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                break
    try:
        yield aoi
    finally:
        await dialling.__aexit__(None, None, None)


def counts(folder: Path, plugin: str = "source") -> Callable[[str], float]:
    """Return how a running join's counts stand."""
    return lambda event: health.counted(event, folder.name, plugin)


def marked(folder: Path) -> list[str]:
    """Return the files that the hot folder is done with."""
    with closing(sqlite3.connect(folder / "home" / "pictures" / "seen.db")) as seen:
        return [path for (path,) in seen.execute("SELECT path FROM files")]
