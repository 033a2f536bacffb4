"""A host that decides at once, and a gRPC source that runs while a test talks to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.plugin import Decision, Fetch, Goal, Inspection, Stage, Verdict, View
from bridge_grpc import GrpcSourceOptions, open_source

PATIENCE_SECONDS = 20.0
"""Of everything that is waited for; an idle machine needs milliseconds."""
PICTURE = b"\xff\xd8" + bytes(range(256)) * 273 + b"\xff\xd9"
"""70 kB, as a camera of a line makes them."""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def a_part(name: str = "P1", image: bytes = PICTURE, **more: Any) -> Inspection:
    return Inspection(
        part=name, legacy=Verdict.NG, views=(View(name="top", image=image, legacy=Verdict.NG),), **more
    )


def decision_of(part: Inspection, number: int = 1, **more: Any) -> Decision:
    return Decision(
        id=f"{number:032x}",
        line="L",
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part=part.part,
        legacy=part.legacy,
        final=part.legacy,
        number=number,
        **more,
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


@asynccontextmanager
async def running(host: Host, home: Path, **options: Any) -> AsyncIterator[GrpcSourceOptions]:
    """Run a source for a host until the block ends; a call waits until it serves."""
    checked = GrpcSourceOptions.model_validate({"home": home, "port": free_port(), **options})
    async with open_source(checked) as source:
        task = asyncio.create_task(source(host))
        try:
            yield checked
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
