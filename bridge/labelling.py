"""What label roads tell, written down: in a thread, with a connection of its own, far from the parts' way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prometheus_client import Counter

from bridge import health
from bridge.clock import Clock
from bridge.labels import Label
from bridge.store import open_labels
from bridge.store.labels import Added

_taken = Counter(
    "aoi_bridge_labels",
    "Labels that came by a label road, and whether they had come before",
    ["line", "road", "was"],
    registry=health.registry,
)


async def take(folder: Path, line: str, road: str, clock: Clock, labels: Sequence[Label]) -> None:
    """Write down what came by a road of a line; returning means that it is on the disk.

    Cancelling the wait does not cancel the writing.

    Raises:
        ConfigError: the book of labels cannot be used.
        Unavailable: the disk refuses.
    """
    if not labels:
        return
    named = [replace(label, line=line, road=road) for label in labels]
    added = await asyncio.to_thread(_write, folder, clock, named)
    _taken.labels(line, road, "new").inc(added.new)
    _taken.labels(line, road, "known").inc(added.known)


def _write(folder: Path, clock: Clock, labels: Sequence[Label]) -> Added:
    with open_labels(folder, clock) as book:
        return book.add(labels)
