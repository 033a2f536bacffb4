"""A host that decides at once, a database to play with, and tables as an old machine has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import adapter_host
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from bridge.plugin import Decision, Fetch, Inspection, Verdict
from bridge_sql import SqlReporterOptions, SqlSourceOptions, open_source

PATIENCE_SECONDS = 20.0
"""Of everything that is waited for; an idle machine needs milliseconds."""
RESULTS = (
    'CREATE TABLE "TB_AOIResult" ("ResultID" INTEGER PRIMARY KEY, "Barcode" VARCHAR(40), "Model" VARCHAR(40), '
    '"Result" VARCHAR(10), "ImagePath" VARCHAR(200), "NgCount" INTEGER)'
)
DETAILS = (
    'CREATE TABLE "TB_AOIDefect" ("ResultID" INTEGER, "CompName" VARCHAR(40), "Judge" VARCHAR(10), '
    '"DefectCode" VARCHAR(40), "Image" VARCHAR(200))'
)
COLUMNS = {"id": "ResultID", "part": "Barcode", "verdict": "Result", "recipe": "Model", "ng_views": "NgCount"}
DETAIL_COLUMNS = {
    "table": "TB_AOIDefect",
    "joined_by": "ResultID",
    "view": "CompName",
    "verdict": "Judge",
    "defect": "DefectCode",
    "image": "Image",
}


def decision_of(part: Inspection, number: int = 1, *, recorded: bool = True) -> Decision:
    """Return a decision that fills every column of an MES table."""
    final = part.legacy or Verdict.NG
    return adapter_host.decision_of(part, number, recorded=recorded, final=final, event_at=1_700_000_000.25)


@dataclass
class Place:
    """A database, and a way into it for the test itself."""

    kind: str
    url: str
    user: str = ""

    def __post_init__(self) -> None:
        self.engine = sa.create_engine(sa.make_url(self.url).set(username=self.user or None), poolclass=NullPool)

    async def do(self, *statements: str) -> list[Any]:
        """Carry out statements in one transaction; return the rows of the last one."""
        return await asyncio.to_thread(self._do, statements)

    def _do(self, statements: Sequence[str]) -> list[Any]:
        with self.engine.begin() as connection:
            for statement in statements[:-1]:
                connection.exec_driver_sql(statement)
            result = connection.exec_driver_sql(statements[-1])
            return list(result) if result.returns_rows else []

    async def insert(self, row: int, part: str, verdict: str | None) -> None:
        said = "NULL" if verdict is None else f"'{verdict}'"
        await self.do(
            f'INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "Result") VALUES ({row}, \'{part}\', {said})'
        )

    async def complete(self, row: int, verdict: str) -> None:
        await self.do(f'UPDATE "TB_AOIResult" SET "Result" = \'{verdict}\' WHERE "ResultID" = {row}')

    def source(self, home: Path, **options: Any) -> SqlSourceOptions:
        """Return options for reading ``TB_AOIResult``."""
        told: dict[str, Any] = {"table": "TB_AOIResult", "columns": COLUMNS, "poll_ms": 5} | options
        return SqlSourceOptions(home=home, url=self.url, user=self.user, **told)

    def reporter(self, **options: Any) -> SqlReporterOptions:
        """Return options for writing ``decisions``."""
        told: dict[str, Any] = {"name": "mes", "table": "decisions", "create": "missing"} | options
        return SqlReporterOptions(url=self.url, user=self.user, **told)


@dataclass
class SqlHost:
    """What the host does for a source: takes each part, answers with its legacy verdict; a key is known again."""

    hold: Callable[[Inspection], Awaitable[object]] | None = None
    recorded: Callable[[Inspection], bool] = lambda _: True
    parts: list[Inspection] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    """By key, as the journal keeps them."""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        self.parts.append(part)
        if self.hold is not None:
            await self.hold(part)
        if fetch is not None:
            for view in part.views:
                self.images[view.name] = await fetch(view)
        decision = decision_of(part, len(self.decisions) + 1, recorded=self.recorded(part))
        if decision.recorded:
            decision = self.decisions.setdefault(part.key or "", decision)
        async with self._changed:
            self._changed.notify_all()
        return decision

    @property
    def names(self) -> list[str]:
        return [part.part for part in self.parts]

    async def until(self, *names: str) -> None:
        """Wait until these parts were answered."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(
                lambda: set(names) <= {decision.part for decision in self.decisions.values()}
            )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - files and databases tell nobody when they change
            await asyncio.sleep(0.005)


@asynccontextmanager
async def reading(host: SqlHost, options: SqlSourceOptions) -> AsyncIterator[asyncio.Task[None]]:
    """Open a source for a host and run it until the block ends."""
    async with open_source(options) as source:
        task = asyncio.create_task(source(host))  # type: ignore[arg-type]
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
