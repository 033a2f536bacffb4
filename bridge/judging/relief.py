"""One worker at a time, and a fresh one in its place when it has outgrown its memory.

The fresh one is loaded and warmed beside the old and takes over between two parts, so nobody waits. For a moment
there are two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeAlias

from bridge.errors import BridgeError
from bridge.health import count
from bridge.judging.asked import Picture
from bridge.judging.frames import Opinion
from bridge.judging.host import Worker
from bridge.log import logger
from bridge.supervise import back_off

Hire: TypeAlias = Callable[[], AbstractAsyncContextManager[Worker]]
"""Starts a worker and ends it; it is loaded and warm."""


class Post:
    """Where the worker on duty is asked; made by ``manned``."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        """The one on duty."""
        self._outgrown = asyncio.Event()

    async def judge(self, pictures: Sequence[Picture]) -> list[Opinion]:
        """Ask the worker on duty, see ``Worker.judge``."""
        worker = self.worker
        opinions = await worker.judge(pictures)
        if worker is self.worker and worker.outgrown:
            self._outgrown.set()
        return opinions

    async def keep(self, hire: Hire, stack: AsyncExitStack) -> None:
        """Relieve the worker whenever it has outgrown its memory, until the one on duty goes away.

        Args:
            hire: how.
            stack: ends the worker on duty when it is closed; a fresh one is put into it.

        Raises:
            Unavailable: the worker on duty went away.
        """
        pauses = back_off()
        while True:
            await self._served_until(self._outgrown.wait())
            old = stack.pop_all()
            try:
                fresh = await stack.enter_async_context(hire())
            except BridgeError as exc:
                stack.push_async_exit(old)
                logger().warning("judge not relieved", reason=str(exc))
                await self._served_until(asyncio.sleep(next(pauses)))
                continue
            except BaseException:
                await old.aclose()
                raise
            await self._hand_over(fresh, old)
            pauses = back_off()

    async def _hand_over(self, fresh: Worker, stack: AsyncExitStack) -> None:
        async with stack:  # closes the old one, cancelled or not
            old, self.worker = self.worker, fresh
            self._outgrown.clear()
            count("judge relieved")
            logger().warning("judge relieved", memory_bytes=old.memory_bytes, limit_bytes=old.limit_bytes)
            await old.idle()

    async def _served_until(self, event: Awaitable[object]) -> None:
        serving = asyncio.create_task(self.worker.serve())
        waiting = asyncio.ensure_future(event)
        try:
            await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            serving.cancel()
            waiting.cancel()


@asynccontextmanager
async def manned(hire: Hire) -> AsyncIterator[Post]:
    """Keep a worker on duty; ends with ``Unavailable`` when it goes away."""
    async with AsyncExitStack() as stack:
        post = Post(await stack.enter_async_context(hire()))
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(post.keep(hire, stack), name="judge relief")
            try:
                yield post
            finally:
                keeping.cancel()
