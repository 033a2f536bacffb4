"""A host that records what it is handed, standing where a line stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bridge.plugin import Decision, Fetch, Goal, Inspection, Stage, Unavailable, View

Watch: TypeAlias = Callable[..., AbstractAsyncContextManager[asyncio.Task[None]]]
Reasons: TypeAlias = Callable[[], list[str]]

FAST: dict[str, object] = {"poll_seconds": 0.01, "stable_seconds": 0.03, "image_wait_seconds": 0.5}


@dataclass
class Host:
    """Stands where the line stands: records each part, brings late images, and answers."""

    parts: list[Inspection] = field(default_factory=list)
    recorded: bool = True
    fetching: bool = True
    troubles: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    """Answers wait for it, where there is one."""
    running: int = 0
    most_running: int = 0

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.fetching and fetch:
                part = replace(part, views=tuple([await self._bring(view, fetch) for view in part.views]))
            self.parts.append(part)
            if self.gate:
                await self.gate.wait()
        finally:
            self.running -= 1
        return Decision(
            id="0" * 32,
            line="t",
            goal=Goal.REPLACE,
            stage=Stage.LIVE,
            part=part.part,
            key=part.key,
            recorded=self.recorded,
        )

    async def _bring(self, view: View, fetch: Fetch) -> View:
        if view.image is not None:
            return view
        try:
            return replace(view, image=await fetch(view))
        except Unavailable as exc:
            self.troubles.append(str(exc))
            return view

    async def until(self, true: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110 - what is waited for is of many kinds
                await asyncio.sleep(0.005)

    async def got(self, number: int) -> list[Inspection]:
        """Wait for so many parts."""
        await self.until(lambda: len(self.parts) >= number)
        return self.parts
