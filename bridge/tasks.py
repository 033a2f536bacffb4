"""Tasks that begin one by one and end together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from bridge.log import logger


class Tasks:
    """A group of named tasks; a bug in one is logged and ends no other."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin one."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_loudly)
        self._tasks.append(task)

    async def end(self, seconds: float) -> None:
        """Cancel them all and wait so long; what will not stop is left behind, and named in the log."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                logger().error("would not stop", task=task.get_name())


def _loudly(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger().error("task failed", task=task.get_name(), exc_info=error)
