"""For how long the disk holds while nobody takes what is owed: from the journal's own growth. Pure.

While an MES is away nothing leaves the journal, and with every part it grows by what a part has taken so far:
rows, indices and the outbox. The log beside it has a bound of its own and is set aside beforehand. Pictures are
not counted, for they give way: below ``images.floor_bytes`` none is kept any more and old ones go.
"""

from __future__ import annotations

from dataclasses import dataclass

DAY_SECONDS = 86_400.0
LOG_BYTES = 64 << 20
"""The most that the write-ahead log takes beside the journal."""
ENOUGH_PARTS = 100
ENOUGH_SECONDS = 3600.0
"""Less says nothing about a day."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How the journal has grown."""

    used_bytes: int
    """What is written in it, free pages left out."""
    parts: int
    """How many parts it holds."""
    recent_parts: int
    """How many of them are of the last day."""
    recent_seconds: float
    """How long ago the oldest of those was recorded; at most a day."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the disk will do at today's rate."""

    free_bytes: int
    bytes_per_part: float | None
    """None: unknown yet, there are too few parts."""
    parts_per_day: float | None
    """None: unknown yet, the parts are of too short a time."""
    days: float | None
    """None where any of the two is unknown, or no part came today."""


def forecast(growth: Growth, free_bytes: int) -> Forecast:
    """Return for how many days the disk holds, at the rate of the last day (or of the hours there were)."""
    size = growth.used_bytes / growth.parts if growth.parts >= ENOUGH_PARTS else None
    enough = growth.recent_seconds >= ENOUGH_SECONDS
    rate = growth.recent_parts / growth.recent_seconds * DAY_SECONDS if enough else None
    room = max(0, free_bytes - LOG_BYTES)
    return Forecast(free_bytes, size, rate, room / (size * rate) if size and rate else None)
