"""What has happened already and belongs into the audit log: written in its order, and tried until it is there.

A machine that asks for a bypass is not refused because the disk is full, so its entry may have to wait. It waits
in memory; every entry is in the gateway's own log as well, before it is here. More than WAITING entries are not
kept: how many were lost is an entry of its own, in their place. What a stop finds unwritten stays in the gateway's
log only, and is named there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bridge.errors import Unavailable
from bridge.health import count
from bridge.log import logger
from bridge.store.audit import Entry

WAITING = 1000
RETRY_SECONDS = 1.0
GOODBYE_SECONDS = 0.5


class Trail:
    """The entries of one journal that are on their way; belongs to the event loop."""

    def __init__(self, write: Callable[[Entry], Awaitable[object]]) -> None:
        self._write = write
        self._waiting: deque[Entry] = deque()
        self._lost = 0
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def note(self, entry: Entry) -> None:
        """Queue an entry; never waits."""
        if self._ended:
            _name(entry)
            return
        if len(self._waiting) >= WAITING:
            self._lose(entry)
            return
        self._waiting.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="audit")

    async def written(self) -> None:
        """Wait until everything is written; name what is not after GOODBYE_SECONDS, and what comes after."""
        self._ended = True
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=GOODBYE_SECONDS)
            self._task.cancel()
        for entry in self._waiting:
            _name(entry)
        self._waiting.clear()

    async def _run(self) -> None:
        while self._waiting:
            try:
                await self._write(self._waiting[0])
            except (Unavailable, RuntimeError) as exc:  # the disk, or the journal's own thread
                logger().error("the audit log cannot be written; trying on", reason=str(exc))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._waiting.popleft()

    def _lose(self, entry: Entry) -> None:
        """Count an entry that is one too many, in an entry that takes the place of the last."""
        count("audit entries lost")
        self._lost = self._lost + 1 if self._waiting[-1].what == "entries lost" else 2
        said = f"{self._lost} entries; the disk refused, and they stand in the gateway's log only"
        self._waiting[-1] = replace(entry, what="entries lost", who="", line="", old="", new=said, why="")


def _name(entry: Entry) -> None:
    facts = {"what": entry.what, "line": entry.line, "old": entry.old, "new": entry.new, "who": entry.who}
    logger().error("not in the audit log", **facts, why=entry.why)
