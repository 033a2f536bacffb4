"""One camera, kept open: its worker is started, watched, ended and started again, with growing pauses.

A camera that is away costs the views that are asked of it meanwhile, and nothing else. While it is away every
picture of it is missing at once, and the log says once why.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from bridge.plugin import Unavailable, count, logger, together
from bridge_camera.codec import Shot
from bridge_camera.host import PROGRAM, Worker, start
from bridge_camera.options import Camera, CameraSourceOptions

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
STEADY_SECONDS: Final = 10.0
"""A camera that stayed open this long is tried again with the shortest pause."""
LATE_SECONDS: Final = 0.05
"""What a worker may take to say that a picture did not come in time."""

log = logger()


class KeptCamera:
    """One camera, whether it is there or not."""

    def __init__(self, options: Camera, open_seconds: float, program: Sequence[str] = PROGRAM) -> None:
        self.options = options
        self.worker: Worker | None = None
        """The worker, while the camera is open."""
        self.said = ""
        """What the camera is, by its own word, once it was open."""
        self.tried = asyncio.Event()
        """Set once it was opened, or could not be."""
        self.why = "is not open yet"
        """Why it is away, while it is."""
        self._open_seconds, self._program = open_seconds, program

    async def keep(self) -> None:
        """Keep it open until cancelled."""
        clock, pause = asyncio.get_running_loop().time, FIRST_PAUSE_SECONDS
        while True:
            began = clock()
            try:
                await self._serve()
            except Unavailable as exc:
                self._away(str(exc))
            if clock() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - so that no two are in step
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _serve(self) -> None:
        async with start(self._program) as worker:
            try:
                self.said = await worker.open(self.options, self._open_seconds)
                log.info("camera open", camera=self.options.name, is_a=self.said)
                self.worker, self.why = worker, ""
                self.tried.set()
                await worker.serve()
            except Unavailable as exc:
                self._away(str(exc))  # at once: ending a worker that hangs takes a moment
            finally:
                self.worker = None

    def _away(self, why: str) -> None:
        count("camera_away")
        if why != self.why:
            log.warning("camera away", camera=self.options.name, reason=why)
        self.worker, self.why = None, why
        self.tried.set()

    async def shoot(self, at: float) -> tuple[bytes, Shot]:
        """Return a picture whose exposure began after this instant (monotonic seconds).

        Raises:
            Unavailable: there is none within the camera's time, and why.
        """
        try:
            return await self._shot(at)
        except Unavailable as exc:
            count("picture_missing")
            raise Unavailable(f"camera {self.options.name}: {exc}") from exc

    async def _shot(self, at: float) -> tuple[bytes, Shot]:
        if self.worker is None:
            raise Unavailable(f"is away: {self.why}")
        until = at + self.options.timeout_ms / 1000
        try:
            async with asyncio.timeout_at(until + LATE_SECONDS):
                return await self.worker.shoot(at, until)
        except TimeoutError as exc:
            raise Unavailable("did not answer in time") from exc


@asynccontextmanager
async def kept(options: CameraSourceOptions) -> AsyncIterator[list[KeptCamera]]:
    """Keep every camera open while the context lasts, which begins once each was opened, or could not be.

    Raises:
        Unavailable: a camera is away, and the user wants no start without it.
    """
    cameras = [KeptCamera(camera, options.open_timeout_seconds) for camera in options.camera]
    async with together() as tasks:
        keeping = [tasks.create_task(one.keep(), name=f"camera {one.options.name}") for one in cameras]
        for camera in cameras:
            await camera.tried.wait()
        if options.when_unreachable == "stop" and (away := [one for one in cameras if one.worker is None]):
            raise Unavailable(f"camera {away[0].options.name}: {away[0].why}")
        yield cameras
        for task in keeping:
            task.cancel()
