"""The label road: a repair station's table, of which each row is a label as soon as somebody has decided.

A row counts as done only after its label is on the disk; until then it is told again under the same key. A row
that is changed later is not seen again: where people correct themselves the station must write another one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import (
    BridgeError,
    Label,
    LabelRoad,
    Rejects,
    Tell,
    Unreadable,
    logger,
    read_label,
)
from bridge_sql.codec import text, word
from bridge_sql.lanes import Job, Lanes
from bridge_sql.options import SqlLabelOptions
from bridge_sql.position import Position
from bridge_sql.source import open_table

__all__ = ["SqlLabelOptions", "open_labels"]

_FACTS = {"part": "part", "id": "inspection", "who": "who", "defect": "defect", "note": "note", "time": "time"}
"""Fact → what it is called in a row."""


@asynccontextmanager
async def open_labels(options: SqlLabelOptions) -> AsyncIterator[LabelRoad]:
    """Connect, check that table and columns are there, and find where to go on.

    Raises:
        ConfigError: user, password, database, the table or a column are wrong.
        Unavailable: the database is away.
    """
    async with open_table(options.watched()) as watch:

        async def run(tell: Tell) -> None:
            def listen(position: Position, rejects: Rejects, tasks: asyncio.TaskGroup) -> Lanes:
                return Telling(options, tell, position, rejects, tasks)

            await watch(listen)

        yield run


class Telling(Lanes):
    """Turns rows into labels that are told."""

    def __init__(
        self, told: SqlLabelOptions, tell: Tell, position: Position, rejects: Rejects, tasks: asyncio.TaskGroup
    ) -> None:
        self._told, self._tell, self._words = told, tell, told.words()
        super().__init__(told.watched(), position, rejects, tasks)

    async def take(self, job: Job) -> bool:
        """Tell the label of one row; raises Unreadable where it is none."""
        label = self._label(job)
        try:
            await self._tell([label])
        except BridgeError as exc:
            logger().warning(
                "a label is not written down, and told again", table=self._told.table, reason=str(exc)
            )
            return False
        return True

    def _label(self, job: Job) -> Label:
        if not job.found.complete:
            raise Unreadable(f"nobody decided within {self._told.pending_hours:g} hours")
        row = job.found.row
        facts = {fact: text(row.get(name)) for fact, name in _FACTS.items()}
        facts["verdict"] = word(row.get("verdict"), self._words)
        key = f"{self._told.table}:{job.generation}:{job.found.id}"
        return read_label(facts, self._told, time.time(), key)
