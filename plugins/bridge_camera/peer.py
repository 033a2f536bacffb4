"""The other side of a station: what triggers is played by its own peer, each camera by pictures of the part.

Only folders that are told to shoot can be played, for only they say when: the part's picture is put into the
folder once the file ``shoot`` is written anew, so it is taken after the trigger, as by a real camera.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bridge.plugin import ConfigError, Habit, Habits, Inspection, Mood, Play, Verdict, open_peer, with_habits
from bridge_camera.folder_device import SHUTTER
from bridge_camera.options import CameraSourceOptions

POLL_SECONDS: Final = 0.003
_SUFFIXES: Final[Mapping[bytes, str]] = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"BM": ".bmp"}

CAMERA_HABITS: Mapping[str, Habit] = {
    "dark": Habit("the first camera takes no picture of one part in so many", 3),
    "repeat": Habit("the first camera hands over the picture of the part before, for one part in so many", 3),
    "slow": Habit("every picture comes so many seconds after it was asked for", 0.3),
}


def folders_of(options: CameraSourceOptions) -> dict[str, Path]:
    """Return the folder of each camera that has one, by its name."""
    return {camera.name: camera.path for camera in options.camera if camera.path is not None}


@with_habits(CAMERA_HABITS)
@asynccontextmanager
async def open_station(options: CameraSourceOptions, habits: Habits) -> AsyncIterator[Play]:
    """Play what triggers, and put each part's pictures where its cameras find them.

    Raises:
        ConfigError: a camera cannot be played, or what triggers brings no simulator.
        Unavailable: what triggers cannot be played here.
    """
    for index, camera in enumerate(options.camera):
        if (camera.kind, camera.trigger) != ("folder", "software"):
            raise ConfigError(
                f"camera[{index}]",
                f"a camera {camera.kind} with the trigger {camera.trigger} cannot be simulated",
                'write kind = "folder" and trigger = "software" to simulate',
            )
    folders = folders_of(options)
    await asyncio.to_thread(make, folders)
    opening = await asyncio.to_thread(open_peer, options.trigger, options.home / "trigger")  # loads its module
    async with opening as trigger:
        yield Station(trigger, folders, Mood(habits)).play


def make(folders: Mapping[str, Path]) -> None:
    """Make the folders that are not there."""
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)


@dataclass
class Station:
    """One part at a time stands before the cameras."""

    trigger: Play
    folders: Mapping[str, Path]
    mood: Mood = field(default_factory=lambda: Mood({}))
    _before: dict[str, bytes] = field(default_factory=dict)
    _put: dict[str, Path] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def play(self, part: Inspection) -> Verdict | None:
        """Trigger a part; its views are put into the folders of the same name, the others in their order."""
        pictures = self._spoilt(self._of(part))
        told = {name: await self._told(name) for name in pictures}
        shots = [
            asyncio.create_task(self._expose(name, picture, told[name]), name=f"camera {name}")
            for name, picture in pictures.items()
        ]
        try:
            return await self.trigger(replace(part, views=()))
        finally:
            for shot in shots:
                shot.cancel()
            await asyncio.gather(*shots, return_exceptions=True)

    def _of(self, part: Inspection) -> dict[str, bytes]:
        by_name = {view.name: view.image for view in part.views if view.image is not None}
        if set(by_name) <= set(self.folders):
            return by_name
        images = (view.image for view in part.views if view.image is not None)
        return dict(zip(self.folders, images, strict=False))

    def _spoilt(self, pictures: dict[str, bytes]) -> dict[str, bytes]:
        first, before = next(iter(self.folders)), self._before
        self._before = dict(pictures)
        if self.mood.strikes("dark"):
            pictures.pop(first, None)
        elif self.mood.strikes("repeat") and first in before:
            pictures[first] = before[first]
        return pictures

    async def _told(self, name: str) -> tuple[int, int] | None:
        return await asyncio.to_thread(_told, self.folders[name] / SHUTTER)

    async def _expose(self, name: str, picture: bytes, told: tuple[int, int] | None) -> None:
        """Wait until the camera is told to shoot, and let its picture appear whole."""
        while await self._told(name) == told:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(self.mood.habits.get("slow", 0))
        path = self.folders[name] / f"{os.getpid()}-{next(self._numbers)}{_SUFFIXES.get(picture[:2], '.tif')}"
        before = self._put.get(name)
        self._put[name] = path
        await asyncio.to_thread(_write, path, picture, before)


def _told(shutter: Path) -> tuple[int, int] | None:
    """Return what tells one shot from the next."""
    try:
        said = shutter.stat()
    except FileNotFoundError:
        return None
    return said.st_ino, said.st_mtime_ns


def _write(path: Path, picture: bytes, before: Path | None) -> None:
    """Write a picture under a name that nobody looks at, and give it its own at once; the one before goes."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(picture)
    fresh.replace(path)
    if before is not None:
        before.unlink(missing_ok=True)
