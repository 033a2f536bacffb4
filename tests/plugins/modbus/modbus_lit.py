"""A third party's plugins for a line that a PLC triggers: a camera around the source, and judges of one mind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

from bridge.plugin import (
    Decision,
    Fetch,
    Inspect,
    Inspection,
    Judge,
    Judgement,
    JudgeOptions,
    Source,
    SourceOptions,
    Verdict,
    View,
)
from bridge.plugin.discovery import AnySource

_pictures = count()


class LitOptions(SourceOptions):
    """A camera that takes a picture of every part that is asked for."""

    trigger: AnySource
    """the source that asks"""


@asynccontextmanager
async def open_lit(options: LitOptions) -> AsyncIterator[Source]:
    """Open the source inside."""
    trigger: Any = options.trigger
    async with trigger.open(Path(options.home)) as inner:

        async def run(inspect: Inspect) -> None:
            async def triggered(part: Inspection, fetch: Fetch | None = None) -> Decision:
                view = View(image=f"picture {next(_pictures)}".encode(), legacy=part.legacy)
                return await inspect(replace(part, views=(view,)), fetch)

            await inner(triggered)

        yield run


class MindOptions(JudgeOptions):
    """A judge that finds the same of everything."""

    verdict: Literal["OK", "NG"]
    """OK or NG"""


@asynccontextmanager
async def open_mind(options: MindOptions) -> AsyncIterator[Judge]:
    """Open the judge."""

    async def judge(views: Sequence[View]) -> Sequence[Judgement]:
        return [Judgement(verdict=Verdict(options.verdict), bundle="mind 1") for _ in views]

    yield judge
