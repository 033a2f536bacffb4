"""Playing parts at a station: a PLC shows the part, the inspector hands it over, the verdict comes or does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bridge.errors import Unavailable
from bridge.messages import Verdict
from bridge.plugin.peers import Play, Station, Taken
from bridge.simulate.parts import Played

AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What happened to one part."""

    part: Played
    sent_at: float
    """The instant (monotonic seconds) at which the inspector began to hand it over."""
    taken: Taken | None
    """What the PLC did; None where there is no PLC."""
    answer: Verdict | None
    """What the source's own road answered."""


async def play(
    parts: Sequence[Played],
    inspector: Play,
    plc: Station | None = None,
    *,
    rate: float,
    seconds: float = 1.0,
    waits: Callable[[Played], bool] = lambda _: True,
) -> AsyncIterator[Shown]:
    """Play parts one after the other at a rate in parts per second; yields each when it has left the station.

    The PLC stops a part for at most so many seconds, and only if it ``waits`` for a verdict on it. Where the
    bridge is away the part is presented again until it is taken, as a real machine would stand still.
    """
    due = time.monotonic()
    for part in parts:
        due = max(due + 1 / rate, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
        yield await _show(part, inspector, plc if waits(part) else None, seconds)


async def _show(part: Played, inspector: Play, plc: Station | None, seconds: float) -> Shown:
    sent_at = time.monotonic()
    standing = asyncio.create_task(plc.present(part.serial, seconds)) if plc else None
    try:
        if standing:
            await asyncio.sleep(0)  # the part stands there before the inspector has its picture
        answer = await _hand_over(part, inspector)
        return Shown(part=part, sent_at=sent_at, taken=await standing if standing else None, answer=answer)
    finally:
        if standing:
            standing.cancel()


async def _hand_over(part: Played, inspector: Play) -> Verdict | None:
    while True:
        try:
            return await inspector(part.inspection())
        except Unavailable:
            await asyncio.sleep(AGAIN_SECONDS)
