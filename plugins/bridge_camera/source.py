"""The source: whatever triggers hands in a part, every camera shoots at once, and the verdict goes back its way.

The deadline counts from the trigger's own event, and the pictures are fetched inside it. A part that is no longer
sure to stand before the cameras (backlog, a trigger that was heard too late) gets no pictures rather than those of
another part.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from math import isfinite

from bridge.plugin import Decision, Fetch, Inspect, Inspection, Source, View, count, logger
from bridge_camera.codec import Shot
from bridge_camera.keeping import KeptCamera, kept
from bridge_camera.options import CameraSourceOptions

__all__ = ["CameraSourceOptions", "open_source"]

log = logger()


@asynccontextmanager
async def open_source(options: CameraSourceOptions) -> AsyncIterator[Source]:
    """Open what triggers, and begin to keep the cameras open; while nothing triggers there is no use for them.

    Raises:
        Unavailable: what triggers is away; or a camera is, and the user wants no start without it.
    """
    async with options.trigger.open(options.home / "trigger") as trigger, kept(options) as cameras:

        async def run(inspect: Inspect) -> None:
            await trigger(Shooting(cameras, inspect, options.shoot_within_ms / 1000))

        yield run


class Shooting:
    """Stands between what triggers and the line: adds the pictures."""

    def __init__(self, cameras: Sequence[KeptCamera], inspect: Inspect, within_seconds: float) -> None:
        self._cameras, self._inspect, self._within = cameras, inspect, within_seconds

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        """Take the part's pictures and hand it in; pictures that the trigger brings are not used."""
        del fetch
        now = asyncio.get_running_loop().time()
        if part.backlog or now - (now if part.event is None else part.event) > self._within:
            count("triggered_too_late")
            log.warning("too late for pictures", part=part.part, backlog=part.backlog)
            return await self._inspect(replace(part, views=self._views(tied=False)))
        shots = {camera.options.name: self._shot(camera, now) for camera in self._cameras}

        async def developed(view: View) -> bytes:
            picture, _ = await asyncio.shield(shots[view.name])
            return picture

        decision = await self._inspect(replace(part, views=self._views(tied=True)), developed)
        await self._held(set(shots.values()), decision.expires)
        return decision

    @staticmethod
    async def _held(shots: set[asyncio.Task[tuple[bytes, Shot]]], expires: float) -> None:
        """Hold the part until it was photographed, where the answer came first, as it does in shadow.

        Who gets an answer lets the part go. At most half of what is left of the deadline is spent on it.
        """
        left = expires - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.wait(shots, timeout=left / 2 if isfinite(left) else None)

    def _views(self, *, tied: bool) -> tuple[View, ...]:
        return tuple(View(name=camera.options.name, tied=tied) for camera in self._cameras)

    def _shot(self, camera: KeptCamera, now: float) -> asyncio.Task[tuple[bytes, Shot]]:
        task = asyncio.create_task(camera.shoot(now), name=f"shot {camera.options.name}")
        task.add_done_callback(_heard)
        return task


def _heard(shot: asyncio.Task[tuple[bytes, Shot]]) -> None:
    """Take note of a failure that nobody fetches: the line may have its answer already."""
    if not shot.cancelled():
        shot.exception()
