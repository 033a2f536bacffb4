"""What old inspectors do to their files on a bad day.

Everything here is asynchronous outside and blocks inside threads, as the machine's own disk does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.plugin import PART_HABITS, Habit, Habits, Mood

STEPS = 4
PARTS_BETWEEN = 10
"""After so many parts the share vanishes again."""

AOI_HABITS: Mapping[str, Habit] = {
    **PART_HABITS,
    "partial": Habit(f"every file grows in {STEPS} steps, so many seconds apart", 0.05),
    "race": Habit("a result is there so many seconds before its pictures", 0.2),
    "rename-over": Habit("a picture is first there cut short, and the whole one is renamed over it"),
    "away-and-back": Habit("a result is renamed to something else for so many seconds, and back", 0.1),
    "clock-jump": Habit("files are dated so many seconds ahead, then as many back, in turn", 86_400),
    "vanish": Habit(f"after every {PARTS_BETWEEN}th part the share is away for so many seconds", 60),
}


@dataclass
class Hand:
    """Writes files as badly as the mood wants it."""

    folder: Path
    """Where the hot folder is, unless it has vanished."""
    mood: Mood
    _ahead: bool = False
    _coming_back: asyncio.Task[None] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a part is written, so that no share vanishes under a file."""

    @property
    def habits(self) -> Habits:
        """What is played now."""
        return self.mood.habits

    @property
    def place(self) -> Path:
        """Where the machine writes now: a machine whose share is away goes on writing."""
        return self._elsewhere if self._coming_back else self.folder

    @property
    def _elsewhere(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.vanished")

    async def write(self, path: Path, data: bytes, mode: str = "wb") -> None:
        """Write a file in place, in steps where it grows."""
        seconds = self.habits.get("partial")
        step = len(data) if seconds is None else -(-len(data) // STEPS)
        for at in range(0, max(len(data), 1), step or 1):
            await asyncio.to_thread(_write, path, data[at : at + step], mode if at == 0 else "ab")
            await asyncio.sleep(seconds or 0)

    async def write_renamed(self, path: Path, data: bytes) -> None:
        """Write a file beside its place, and rename it there when it is whole."""
        writing = path.with_name(f"{path.name}.tmp")
        await self.write(writing, data)
        await asyncio.to_thread(writing.replace, path)

    async def picture(self, path: Path, data: bytes, *, renamed: bool) -> None:
        """Write a picture."""
        if "rename-over" in self.habits and not renamed:
            await self.write_renamed(path, data[: len(data) // 2])
        put = self.write if "partial" in self.habits and not renamed else self.write_renamed
        await put(path, data)
        await self._date(path)

    async def wrote(self, path: Path) -> None:
        """Do what the machine does after a result."""
        await self._date(path)
        if (seconds := self.habits.get("away-and-back")) is not None:
            aside = path.with_name(f"{path.name}.tmp")
            await asyncio.to_thread(path.replace, aside)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(aside.replace, path)

    async def vanish(self) -> None:
        """Let the share go, if its time has come; it comes back by itself."""
        if self._coming_back is None and self.mood.strikes("vanish", PARTS_BETWEEN):
            await asyncio.to_thread(self.folder.replace, self._elsewhere)
            back = self._come_back(self.habits["vanish"])
            self._coming_back = asyncio.create_task(back, name="hotfolder share comes back")

    async def close(self) -> None:
        """Bring the share back at once."""
        if self._coming_back is not None:
            self._coming_back.cancel()
            await asyncio.wait([self._coming_back])
            await asyncio.to_thread(self._return)

    async def _come_back(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        async with self.turn:
            await asyncio.to_thread(self._return)
            self._coming_back = None

    def _return(self) -> None:
        if self._elsewhere.exists():
            self._elsewhere.replace(self.folder)

    async def _date(self, path: Path) -> None:
        jump = self.habits.get("clock-jump")
        if jump is not None:
            self._ahead = not self._ahead
            await asyncio.to_thread(_shift, path, jump if self._ahead else -jump)


def _shift(path: Path, seconds: float) -> None:
    dated = path.stat().st_mtime_ns + round(seconds * 1e9)
    os.utime(path, ns=(dated, dated))


def _write(path: Path, data: bytes, mode: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode) as file:
        file.write(data)
