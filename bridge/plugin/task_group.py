"""Tasks that stand and fall together, whose one error comes out as the host knows errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.errors import Unavailable


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Hold tasks; what ends them comes out as one error, as the host knows errors, not groups of them.

    A lost connection is noticed by several at once: then any of their words will do.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except ExceptionGroup as group:
        if len(group.exceptions) > 1 and not all(isinstance(exc, Unavailable) for exc in group.exceptions):
            raise
        raise group.exceptions[0] from None
