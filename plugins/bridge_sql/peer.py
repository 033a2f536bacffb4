"""The other side: an old inspector that writes its results into tables, row first and verdict last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bridge.plugin import Habits, Inspection, Mood, Play, moody, with_habits
from bridge_sql.clerk import Clerk
from bridge_sql.database import database
from bridge_sql.habits import AOI_HABITS
from bridge_sql.options import SqlSourceOptions, split

__all__ = ["AoiTables", "Machine", "open_inspector"]


class AoiTables:
    """The inspector's tables, as a source's options describe them; every method blocks."""

    def __init__(self, options: SqlSourceOptions) -> None:
        self.options = options
        said = options.columns
        schema, name = split(options.table)
        others = {said.part, said.verdict, said.recipe, said.defect, said.ng_views, said.key}
        others |= {said.lot, said.counter} - {said.id}
        others |= {*options.views.values(), options.completed_by if options.complete != "at_once" else ""}
        metadata = sa.MetaData()
        self.results = sa.Table(
            name,
            metadata,
            sa.Column(said.id, sa.BigInteger, primary_key=True, autoincrement=False),
            *(sa.Column(column, sa.String(256)) for column in sorted(others - {""})),
            schema=schema,
        )
        self.details: sa.Table | None = None
        if (details := options.details) is not None:
            schema, name = split(details.table)
            texts = [details.view, details.verdict, details.defect, details.image]
            self.details = sa.Table(
                name,
                metadata,
                sa.Column(details.joined_by, sa.BigInteger, index=True),
                *(sa.Column(column, sa.String(256)) for column in filter(None, texts)),
                schema=schema,
            )
        self._metadata = metadata

    def make(self, connection: sa.Connection) -> int:
        """Make the tables where they are not there; return the highest id there is."""
        with connection.begin():
            self._metadata.create_all(connection)
            return int(connection.execute(sa.select(sa.func.max(self._id))).scalar() or 0)

    def appear(self, connection: sa.Connection, row: int, part: Inspection, paths: Mapping[str, str]) -> None:
        """Insert a row that says all but how it ended, where that can be said later."""
        said, options = self.options.columns, self.options
        values: dict[str, object] = {
            said.part: part.part,
            said.recipe: part.recipe,
            said.defect: part.defect,
            said.key: part.key,
            said.ng_views: part.ng_views,
            said.lot: part.lot,
            said.counter: part.counter,
        }
        for column, view in zip(options.views.values(), part.views, strict=False):
            values[column] = paths.get(view.name)
        if options.complete == "counted":
            values[options.complete_column] = len(part.views)
        if options.complete in {"at_once", "counted"}:
            values[said.verdict] = options.words().word(part.legacy)
        with connection.begin():
            connection.execute(self.results.insert(), self._known(values) | {said.id: row})

    def describe(self, connection: sa.Connection, row: int, part: Inspection, paths: Mapping[str, str]) -> None:
        """Insert the rows of the detail table, one after the other."""
        details, words = self.options.details, self.options.words()
        if self.details is None or details is None:
            return
        for view in part.views:
            values: dict[str, object] = {
                details.joined_by: row,
                details.view: view.name,
                details.verdict: words.word(view.legacy) or None,
                details.defect: view.defect,
                details.image: paths.get(view.name),
            }
            with connection.begin():
                connection.execute(self.details.insert(), {name: said for name, said in values.items() if name})

    def complete(self, connection: sa.Connection, row: int, part: Inspection) -> None:
        """Say how it ended."""
        options = self.options
        values: dict[str, object] = {}
        if options.complete == "word":
            values[options.completed_by] = options.complete_words[0]
        elif options.complete == "filled":
            values[options.completed_by] = "done"
        values[options.columns.verdict] = options.words().word(part.legacy)
        with connection.begin():
            connection.execute(self.results.update().where(self._id == row), self._known(values))

    def delete(self, connection: sa.Connection, row: int) -> None:
        """Delete a row."""
        with connection.begin():
            connection.execute(self.results.delete().where(self._id == row))

    @property
    def _id(self) -> sa.ColumnElement[Any]:
        return self.results.c[self.options.columns.id]

    @staticmethod
    def _known(values: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in values.items() if name}


@dataclass
class Machine:
    """Plays parts as rows; ids are its own count."""

    tables: AoiTables
    clerk: Clerk
    mood: Mood
    last: int
    """The highest id that was given out."""
    _held: list[tuple[int, Inspection]] = field(default_factory=list)

    async def play(self, part: Inspection) -> None:
        """Let one part's row appear, be described and become complete.

        Raises:
            Unavailable: the database is away.
        """
        self.last += 1
        if self.mood.strikes("late-commit") and not self._held:
            self._held.append((self.last, part))
            return
        await self.write(self.last, part)
        await self.release()

    async def release(self) -> None:
        """Write what was held back."""
        while self._held:
            await self.write(*self._held.pop())

    async def write(self, row: int, part: Inspection) -> None:
        """Write one part under an id, in as many transactions as such a machine makes."""
        tables, do = self.tables, self.clerk.do
        paths = await asyncio.to_thread(_leave, tables.options, row, part)
        if tables.options.complete == "at_once":
            await do(partial(tables.describe, row=row, part=part, paths=paths))
        await do(partial(tables.appear, row=row, part=part, paths=paths))
        if self.mood.strikes("deleted"):
            await do(partial(tables.delete, row=row))
            return
        await asyncio.sleep(self.mood.habits.get("slow", 0))
        if self.mood.strikes("never-complete"):
            return
        if tables.options.complete != "at_once":
            await do(partial(tables.describe, row=row, part=part, paths=paths))
        if tables.options.complete in {"filled", "word"}:
            await do(partial(tables.complete, row=row, part=part))


def _leave(options: SqlSourceOptions, row: int, part: Inspection) -> Mapping[str, str]:
    """Write a part's pictures on the share; return view → path in the machine's own terms."""
    if options.images is None:
        return {}
    options.images.mkdir(parents=True, exist_ok=True)
    paths = {}
    for view in part.views:
        if view.image is not None:
            name = f"{row}-{''.join(c if c.isalnum() else '-' for c in view.name)}.img"
            beside = Path(options.images, f".{name}")
            beside.write_bytes(view.image)
            beside.replace(options.images / name)
            paths[view.name] = f"{options.image_prefix}\\{name}" if options.image_prefix else name
    return paths


@with_habits(AOI_HABITS)
@asynccontextmanager
async def open_inspector(options: SqlSourceOptions, habits: Habits) -> AsyncIterator[Play]:
    """Be the inspector whose tables a source's options describe; they are made where they are not there.

    Raises:
        Unavailable: the database is away.
    """
    tables = AoiTables(options)
    async with database(options, "own") as clerk:
        machine = Machine(tables, clerk, Mood(habits), await clerk.do(tables.make))
        async with moody(machine.play, habits) as play:
            try:
                yield play
            finally:
                await machine.release()
