"""The judges of a gateway: each kept open on the model it was given, and replaced between two parts.

A pointer to a model is followed once. What breaks and is opened again is the same model, whatever the pointer says
by then; another one comes only through a reload or a promotion, which open it beside the old one first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from bridge.clock import Clock
from bridge.errors import ConfigError
from bridge.judging.turns import Turns
from bridge.plugin.api import Judge
from bridge.plugin.discovery import Plugged
from bridge.pulse import STOPPED
from bridge.supervise import Slot, keep
from bridge.tasks import Tasks
from bridge.watched import Watched

AUDITION_SECONDS = 100.0
"""Loading and warming a new judge; each plugin has a shorter limit of its own."""
RETIRE_SECONDS = 10.0
"""For the parts that began with a judge that is replaced; every live one has its answer by then."""
GOODBYE_SECONDS = 1.0

Notice: TypeAlias = Callable[[Watched, str], None]
"""Is told of each change of a judge's state."""


class Sitting:
    """One judge that is kept open, on one model."""

    def __init__(
        self,
        name: str,
        plugged: Plugged,
        home: Path,
        clock: Clock,
        identity: str = "",
        aimed: Plugged | None = None,
        notice: Notice = lambda *_: None,
    ) -> None:
        self.name, self.plugged = name, plugged
        self.identity = identity
        """Which model it is; any where it is empty, and then the first one found."""
        self.slot: Slot[Judge] = Slot(
            Watched(
                "",
                f"judge {name}",
                clock,
                shown=False,
                notice=notice,
                insists=plugged.options.when_unreachable == "stop",
            )
        )
        self._home, self._pinned = home, aimed or plugged
        self._tasks = Tasks()

    def open(self) -> None:
        """Begin to keep it open."""
        self._tasks.run(f"judge {self.name}", keep(self.slot.watched, self._opened, self.slot.offer))

    async def tried(self) -> None:
        """Wait until it was opened, or has failed to open once."""
        await self.slot.watched.tried()

    async def close(self) -> None:
        """Keep it open no more."""
        await self._tasks.end(GOODBYE_SECONDS)

    @property
    def ms_per_view(self) -> float | None:
        """What one view takes, where the judge is open and says so."""
        return getattr(self.slot.verb, "ms_per_view", None)

    @property
    def best_bad(self) -> float | None:
        """The highest score of a picture known to be bad, where the judge is open and has one."""
        return getattr(self.slot.verb, "best_bad", None)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Judge]:
        self._pinned, found = await asyncio.to_thread(pinned, self._pinned, self._home)
        if self.identity and found != self.identity:
            raise ConfigError(
                f"judge {self.name}",
                f"its model was {self.identity} and is now {found}",
                "put the old one back, or take the new one with aoi-bridge models promote",
            )
        self.identity = found
        async with self._pinned.open(self._home) as verb:
            yield verb


class Judges:
    """Who judges under which name."""

    def __init__(self, models: Path, clock: Clock, notice: Notice = lambda *_: None) -> None:
        self.turns: dict[str, Turns] = {}
        """By name: where lines ask; stays the same while the judge behind it is replaced."""
        self.sitting: dict[str, Sitting] = {}
        self.models = models
        """The folder of models."""
        self._clock, self._notice = clock, notice

    @property
    def watched(self) -> list[Watched]:
        """How each of them does."""
        return [sitting.slot.watched for sitting in self.sitting.values()]

    @property
    def identities(self) -> dict[str, str]:
        """Which model judges under which name; empty where none was found yet."""
        return {name: sitting.identity for name, sitting in self.sitting.items()}

    def open(self, name: str, plugged: Plugged, identity: str = "", *, live: bool = False) -> None:
        """Begin to keep a judge open; one that is away is tried again in the background."""
        sitting = Sitting(name, plugged, self.models, self._clock, identity, notice=self._notice)
        sitting.slot.watched.live = live
        sitting.open()
        self._seat(sitting)

    async def audition(self, name: str, plugged: Plugged, aimed: Plugged, identity: str) -> Sitting:
        """Open a judge beside whoever sits there now; it is heard by nobody yet.

        Args:
            name: the judge's name.
            plugged: what the configuration says of it.
            aimed: the same, its pointer followed.
            identity: which model that is.

        Raises:
            ConfigError: it does not open.
        """
        candidate = Sitting(name, plugged, self.models, self._clock, identity, aimed, self._notice)
        candidate.open()
        opened = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(AUDITION_SECONDS):
                    await candidate.tried()
            opened = candidate.slot.verb is not None
        finally:
            if not opened:
                await candidate.close()
        if not opened:
            why = candidate.slot.watched.error or f"did not open within {AUDITION_SECONDS:g} s"
            raise ConfigError(f"judge.{name}", why)
        return candidate

    async def take_over(self, candidate: Sitting) -> None:
        """Let an open judge be heard from the next part on; the one before ends its parts and is closed."""
        old, turns = self.sitting.get(candidate.name), self.turns.get(candidate.name)
        self._seat(candidate)
        if old is not None and turns is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETIRE_SECONDS):
                    await turns.swap(candidate.slot)
            await old.close()

    async def dismiss(self, name: str) -> None:
        """Close a judge that no line asks any more."""
        del self.turns[name]
        sitting = self.sitting.pop(name)
        await sitting.close()
        sitting.slot.watched.noticed(STOPPED)
        sitting.slot.watched.forget()

    async def close(self) -> None:
        """Close all of them."""
        await asyncio.gather(*(sitting.close() for sitting in self.sitting.values()))
        for watched in self.watched:
            watched.noticed(STOPPED)

    def _seat(self, sitting: Sitting) -> None:
        self.sitting[sitting.name] = sitting
        self.turns.setdefault(sitting.name, Turns(sitting.slot))
        sitting.slot.watched.show()


def pinned(plugged: Plugged, models: Path) -> tuple[Plugged, str]:
    """Follow a judge's pointer to its model, and say which one that is; blocks on the disk.

    Raises:
        ConfigError: there is none.
    """
    options, identity = plugged.options.model_copy(update={"home": models}).pinned()
    return replace(plugged, options=options), identity
