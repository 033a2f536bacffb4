"""A gRPC source that runs while a test talks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapter_host import Host, free_port

from bridge.plugin import Inspection, Verdict, View
from bridge_grpc import GrpcSourceOptions, open_source

PICTURE = b"\xff\xd8" + bytes(range(256)) * 273 + b"\xff\xd9"
"""70 kB, as a camera of a line makes them."""


def a_part(name: str = "P1", image: bytes = PICTURE, **more: Any) -> Inspection:
    return Inspection(
        part=name, legacy=Verdict.NG, views=(View(name="top", image=image, legacy=Verdict.NG),), **more
    )


@asynccontextmanager
async def running(host: Host, home: Path, **options: Any) -> AsyncIterator[GrpcSourceOptions]:
    """Run a source for a host until the block ends; a call waits until it serves."""
    checked = GrpcSourceOptions.model_validate({"home": home, "port": free_port(), **options})
    async with open_source(checked) as source:
        task = asyncio.create_task(source(host))
        try:
            yield checked
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
