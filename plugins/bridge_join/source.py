"""The source: two roads, each kept open for itself, and the junction where their halves meet.

A road that is away stops nothing on the other: what it would have brought is missing, and is answered as such when
the window ends. So the join itself is always open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import ConfigError, Inspect, Source, Unavailable, kept_open, together
from bridge_join.halves import Side
from bridge_join.junction import Junction
from bridge_join.memory import remembering
from bridge_join.options import JoinOptions

__all__ = ["JoinOptions", "open_source"]

SIDES = {"verdicts": Side.VERDICT, "pictures": Side.PICTURES}


@asynccontextmanager
async def open_source(options: JoinOptions) -> AsyncIterator[Source]:
    """Open the memory of what became of halves; the roads are opened when parts can be taken.

    Raises:
        ConfigError: a road's mistake that only opening shows; only where the bridge shall not start without them.
        Unavailable: the disk refuses, or, there again, a road is away.
    """
    if options.when_unreachable == "stop":
        await _tried(options)
    async with remembering(options.home, options.remembered) as memory:

        async def run(inspect: Inspect) -> None:
            async with together() as tasks:
                junction = Junction(options, memory, inspect, tasks)
                try:
                    await _kept(options, junction)
                finally:
                    junction.close()

        yield run


async def _kept(options: JoinOptions, junction: Junction) -> None:
    """Keep both roads open until cancelled, or until neither will ever bring another part."""
    async with asyncio.TaskGroup() as roads:
        for name, road in options.roads.items():
            take = junction.road(SIDES[name])

            async def use(source: Source, take: Inspect = take) -> None:
                await source(take)

            roads.create_task(kept_open(road, options.home / name, name, use), name=f"join {name}")


async def _tried(options: JoinOptions) -> None:
    """Open and close each road once."""
    for name, road in options.roads.items():
        try:
            async with road.open(options.home / name):
                pass
        except ConfigError as exc:
            raise ConfigError(f"{name}.{exc.where}", exc.found, exc.write) from exc
        except Unavailable as exc:
            raise Unavailable(f"{name}: {exc}") from exc
