"""What clients do to their uploads on a bad day, and an MES to its answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from bridge.plugin import MES_HABITS, PART_HABITS, Habit, Mood

PIECES = 5
PARTS_BETWEEN = 10
"""After so many parts or documents comes the next spell of something that lasts."""
GARBAGE = b"\xff\x00 noise \xfe"

AOI_HABITS: Mapping[str, Habit] = {
    **PART_HABITS,
    "partial": Habit(f"each request is sent in chunks, {PIECES} pieces so many seconds apart", 0.02),
    "garbage": Habit("one request in so many comes after one that means nothing", 3),
    "drop": Habit("the connection is cut in the middle of one request in so many, which is then sent anew", 5),
    "vanish": Habit(f"after every {PARTS_BETWEEN}th part the machine is gone for so many seconds", 60),
}
HOOK_HABITS: Mapping[str, Habit] = {
    **MES_HABITS,
    "busy": Habit("one document in so many is answered 503, and to come again in a second", 3),
}


def spoilt(body: bytes, mood: Mood) -> bytes | AsyncIterator[bytes]:
    """Return a body as the mood wants it sent."""
    cut = mood.strikes("drop")
    if not cut and "partial" not in mood.habits:
        return body
    return _dribble(body[: len(body) // 2] if cut else body, mood.habits.get("partial", 0.0), cut=cut)


async def _dribble(body: bytes, pause: float, *, cut: bool) -> AsyncIterator[bytes]:
    step = -(-len(body) // PIECES)
    for at in range(0, len(body), step):
        yield body[at : at + step]
        await asyncio.sleep(pause)
    if cut:
        raise ConnectionAbortedError("cut by a habit")
