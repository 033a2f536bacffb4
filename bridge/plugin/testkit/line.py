"""The line of a trial: takes parts and answers as it is told to; decisions for a reporter; who takes labels."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.errors import Refused, Unavailable
from bridge.labels import Label
from bridge.messages import Decision, Goal, Inspection, Origin, Stage, Verdict
from bridge.plugin.api import Fetch


def decided(part: Inspection, number: int, final: Verdict | None, *, recorded: bool = True) -> Decision:
    """Return the decision of a line on a part."""
    return Decision(
        id=f"{number:032x}",
        line="trial",
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part=part.part,
        key=part.key,
        recipe=part.recipe,
        legacy=part.legacy,
        final=final,
        origin=Origin.LEGACY if final is part.legacy else Origin.MODEL,
        number=number if recorded else 0,
        recorded=recorded,
        sequence=part.sequence,
        lot=part.lot,
        counter=part.counter,
        event_at=time.time(),
    )


@dataclass
class Line:
    """What a source hands its parts to."""

    final: Callable[[Inspection], Verdict | None] = lambda part: part.legacy
    recorded: Callable[[Inspection], bool] = lambda _: True
    parts: list[Inspection] = field(default_factory=list)
    images: list[tuple[str, ...]] = field(default_factory=list)
    """For each part, the SHA-256 of each view's picture; empty where it had none."""
    answered: list[Decision] = field(default_factory=list)
    most: int = 0
    """The most parts that were under way at once."""
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _inside: int = 0

    def __post_init__(self) -> None:
        self._going.set()

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        """Take one part."""
        self.parts.append(part)
        number = len(self.parts)
        self.images.append(())
        self._inside += 1
        self.most = max(self.most, self._inside)
        self._change()
        try:
            self.images[number - 1] = await _pictures(part, fetch)
            await self._going.wait()
            decision = decided(part, number, self.final(part), recorded=self.recorded(part))
            self.answered.append(decision)
            return decision
        finally:
            self._inside -= 1
            self._change()

    def hold(self) -> None:
        """Answer nothing until released."""
        self._going.clear()

    def release(self) -> None:
        """Answer again."""
        self._going.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be true of this line, looked at whenever a part comes or goes."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def of(self, name: str) -> list[Inspection]:
        """Return the parts of this serial number."""
        return [part for part in self.parts if part.part == name]

    def _change(self) -> None:
        self._changed.set()


@dataclass
class Listener:
    """What a label road tells its labels to."""

    labels: list[Label] = field(default_factory=list)
    """Those that were written down."""
    refused: list[Label] = field(default_factory=list)
    """Those that the disk refused."""
    refusing: int = 0
    """So many tellings more are refused."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, labels: Sequence[Label]) -> None:
        """Write labels down."""
        await asyncio.sleep(0)
        if self.refusing:
            self.refusing -= 1
            self.refused += labels
            self._changed.set()
            raise Unavailable("the disk is full")
        self.labels += labels
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be true of it, looked at whenever something is told."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()


async def _pictures(part: Inspection, fetch: Fetch | None) -> tuple[str, ...]:
    """Return the fingerprints of a part's pictures; those that are still on their way are fetched."""
    found = []
    for view in part.views:
        image = view.image
        if image is None and fetch is not None:
            try:
                image = await fetch(view)
            except (Unavailable, Refused):
                image = None
        found.append(hashlib.sha256(image).hexdigest() if image else "")
    return tuple(found)
