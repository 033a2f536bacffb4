"""The other side: an old inspector that tells its verdicts by one road and leaves its pictures on another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from bridge.plugin import (
    PART_HABITS,
    Habit,
    Habits,
    Inspection,
    Mood,
    Play,
    Verdict,
    moody,
    open_peer,
    together,
    with_habits,
)
from bridge_join.options import JoinOptions

AHEAD_WINDOWS, LATE_WINDOWS = 0.1, 1.5
"""How far the pictures are before or behind their verdict where a habit wants it."""

JOIN_HABITS: Mapping[str, Habit] = {
    **PART_HABITS,
    "pictures-behind": Habit("the pictures come so many seconds after the verdict", 0.1),
    "pictures-late": Habit("the pictures of one part in so many come after the window", 3),
    "pictures-lost": Habit("the pictures of one part in so many never come", 3),
    "verdict-lost": Habit("the verdict of one part in so many never comes", 3),
    "pictures-first": Habit("the pictures of one part in so many come before its verdict", 2),
}


@with_habits(JOIN_HABITS)
@asynccontextmanager
async def open_inspector(options: JoinOptions, habits: Habits) -> AsyncIterator[Play]:
    """Be the machine whose two roads these options join; each half goes out as its own road's simulator does it.

    Raises:
        ConfigError: one of the roads has no simulator, or none for its options.
        Unavailable: one cannot be opened.
    """
    sides = [await asyncio.to_thread(open_peer, road, options.home / name) for name, road in options.roads.items()]
    async with (
        sides[0] as verdicts,
        sides[1] as pictures,
        moody(_Machine(options, verdicts, pictures, Mood(habits)).play, habits) as machine,
    ):
        yield machine


@dataclass
class _Machine:
    """Splits parts in two."""

    options: JoinOptions
    verdicts: Play
    pictures: Play
    mood: Mood
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def play(self, part: Inspection) -> Verdict | None:
        """Tell the verdict, leave the pictures; return the answer that the verdict's road gives, if it does.

        Raises:
            Unavailable: the bridge is away on one of the roads.
        """
        behind = self._behind()
        lost = {road for road in ("verdict", "pictures") if self.mood.strikes(f"{road}-lost")}
        async with together() as both:
            if "pictures" not in lost:
                both.create_task(self._shown(part, max(0.0, behind)), name="join pictures")
            if "verdict" in lost:
                return None
            told = both.create_task(self._told(part, max(0.0, -behind)), name="join verdict")
        return told.result()

    def _behind(self) -> float:
        """Return how many seconds the pictures are behind the verdict, negative where they come first."""
        if self.mood.strikes("pictures-late"):
            return LATE_WINDOWS * self.options.window
        if self.mood.strikes("pictures-first"):
            return -AHEAD_WINDOWS * self.options.window
        return self.mood.habits.get("pictures-behind", 0.0)

    async def _told(self, part: Inspection, wait: float) -> Verdict | None:
        await asyncio.sleep(wait)
        return await self.verdicts(replace(part, views=tuple(replace(view, image=None) for view in part.views)))

    async def _shown(self, part: Inspection, wait: float) -> None:
        await asyncio.sleep(wait)
        for delivery in _deliveries(part, apart=self.options.pictures_per_part > 1):
            await self.pictures(delivery)


def _deliveries(part: Inspection, *, apart: bool) -> Sequence[Inspection]:
    """Return the pictures as their road brings them: all at once, or each as a part of its own."""
    views = tuple(replace(view, legacy=None, defect="") for view in part.views)
    bare = replace(part, legacy=None, defect="", ng_views=None, views=views)
    return [replace(bare, views=(view,)) for view in views] if apart else [bare]
