"""What every adapter's tests stand a source in front of: a host that decides at once, and patience."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bridge.plugin import Decision, Fetch, Goal, Inspection, Stage

PATIENCE_SECONDS = 20.0
"""Of everything that is waited for; an idle machine needs milliseconds."""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def decision_of(part: Inspection, number: int = 1, **more: Any) -> Decision:
    """Return a decision that leaves the inspector's verdict as it is; recorded, unless told otherwise."""
    facts: dict[str, Any] = {
        "id": f"{number:032x}",
        "line": "L",
        "goal": Goal.CUT_FALSE_CALLS,
        "stage": Stage.LIVE,
        "part": part.part,
        "key": part.key,
        "legacy": part.legacy,
        "final": part.legacy,
        "number": number,
        "recorded": True,
    }
    return Decision(**facts | more)


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
        """Take one part; as with a line, cancelling the wait never cancels the part."""
        return await asyncio.shield(asyncio.create_task(self._decide(part, fetch)))

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
