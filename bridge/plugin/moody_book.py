"""A simulated MES with bad habits: it loses acknowledgements, goes deaf, stalls, dies and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.plugin.habits import DOCUMENTS_BETWEEN, Mood
from bridge.plugin.ledger import Ledger

AGAIN_SECONDS = 0.05
"""Pause before a port that another has is tried again."""


@dataclass(kw_only=True)
class MoodyBook(Ledger):
    """What an MES got, and how it behaves; every knob may be turned while it runs.

    A subclass says how it listens (``start``) and how it ends (``die``), waits with ``going`` before it answers,
    and asks ``spoilt`` about each document.
    """

    tasks: asyncio.TaskGroup
    mood: Mood = field(default_factory=lambda: Mood({}))
    """Its bad habits, out of ``MES_HABITS``."""
    _going: asyncio.Event = field(default_factory=asyncio.Event)

    def stall(self) -> None:
        """Read nothing and answer nothing, but keep connections open."""
        self._going.clear()

    def resume(self) -> None:
        """Go on after ``stall``."""
        self._going.set()

    async def going(self) -> None:
        """Wait while it stalls."""
        await self._going.wait()

    def die(self) -> None:
        """Cut every connection without a goodbye and refuse new ones."""
        raise NotImplementedError

    async def start(self) -> None:
        """Listen; after ``die`` on the same port as before, with all that was kept; alive, go on.

        Raises:
            OSError: the port cannot be had.
        """
        raise NotImplementedError

    def spoilt(self, half_close: Callable[[], None]) -> str | None:
        """Do what the habits want when a document comes; return why it is refused, if it is.

        Args:
            half_close: sends nothing more on the connection that it came on.
        """
        mood, later = self.mood, asyncio.get_running_loop().call_later
        if mood.strikes("ack-lost"):
            self.lose_acks += 1
        if mood.strikes("half-close"):
            half_close()
        if mood.strikes("stall", DOCUMENTS_BETWEEN):
            self.stall()
            later(mood.habits["stall"], self.resume)
        if mood.strikes("die", DOCUMENTS_BETWEEN):
            self.die()
            later(mood.habits["die"], self._revive)
        return "refused by a habit" if mood.strikes("refuse") else None

    def _revive(self) -> None:
        self.tasks.create_task(self._come_back(), name="mes-back")

    async def _come_back(self) -> None:
        """Listen again; while nobody did, another may have got the port for a moment, even who dials it."""
        while True:
            try:
                return await self.start()
            except OSError:
                await asyncio.sleep(AGAIN_SECONDS)
