"""How a line and its plugins did, for the month's paper: a pulse once a minute, and each change of a state.

All of it rides along with other commits and delays no part. What the disk cannot take is lost, and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.clock import Clock
from bridge.errors import Unavailable
from bridge.store import Change, Journal, Pulse
from bridge.store.images import free_bytes
from bridge.watched import Watched

PULSE_SECONDS = 60.0
CHANGES_A_PULSE = 20
"""A plugin that comes and goes more often than so many times a minute is noted with the next pulse again."""
STOPPED = "stopped"
"""The state of a plugin after a clean stop; one that a crash ended is left in the state that it had."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a line counts, without looking anywhere."""

    queued: int
    skipped: int
    late: int


class Peers:
    """Notes the states of all plugins of a gateway."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._noted: dict[tuple[str, str], tuple[float, int]] = {}  # since when, and how many since then
        self._behind: dict[tuple[str, str], Watched] = {}

    def note(self, watched: Watched, state: str) -> None:
        """Note that a plugin is in another state now."""
        name, now = (watched.line, watched.name), self._clock.monotonic()
        since, times = self._noted.get(name, (now, 0))
        if now - since >= PULSE_SECONDS:
            since, times = now, 0
        self._noted[name] = since, times + 1
        if times >= CHANGES_A_PULSE and state != STOPPED:
            self._behind[name] = watched
            return
        self._behind.pop(name, None)
        self._write(watched, state)

    def catch_up(self) -> None:
        """Note how those do now that changed too often."""
        while self._behind:
            _, watched = self._behind.popitem()
            self._write(watched, watched.state)

    def _write(self, watched: Watched, state: str) -> None:
        said = watched.error if watched.ill else ""
        change = Change(self._clock.wall(), watched.line, watched.name, str(state), said)
        with suppress(RuntimeError):  # the journal is closed: somebody who was left behind at the stop
            self._journal.changed(change)


class Heart:
    """Notes once a minute how one line does."""

    def __init__(
        self, line: str, count: Callable[[], Counts], journal: Journal, peers: Peers, data: Path, clock: Clock
    ) -> None:
        self._line, self._count = line, count
        self._journal, self._peers, self._data, self._clock = journal, peers, data, clock

    async def run(self) -> None:
        """Do so until cancelled, at once for the first time."""
        while True:
            with suppress(Unavailable, RuntimeError):  # a disk that refuses, a journal that is closed
                await self.beat()
            self._peers.catch_up()
            await asyncio.sleep(PULSE_SECONDS)

    async def beat(self) -> None:
        """Note one pulse."""
        owed = await self._journal.backlog()
        backlog = sum(queued for (line, _), (queued, _) in owed.items() if line == self._line)
        free = await asyncio.to_thread(_free, self._data)
        counts = self._count()
        self._journal.pulse(
            Pulse(self._clock.wall(), self._line, counts.queued, counts.skipped, counts.late, backlog, free)
        )


def _free(folder: Path) -> int:
    """Return how many bytes of the disk are free: none where it cannot be asked."""
    try:
        return free_bytes(folder)
    except OSError:
        return 0
