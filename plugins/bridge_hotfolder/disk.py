"""Blocking calls on a share, each in a thread that can be left behind.

A hung network mount keeps a thread for minutes and no signal wakes it. Such a thread must neither occupy the
event loop's common pool, which other lines use, nor hold up the end of the process: so these are daemon threads,
one per call, and the caller goes on after its timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from bridge.plugin import Unavailable

Result = TypeVar("Result")


async def off_loop(seconds: float, work: Callable[[], Result]) -> Result:
    """Return what ``work`` returns, or raise what it raises.

    Raises:
        Unavailable: if it takes longer than ``seconds``; the thread is then left to itself.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()
    within = partial(contextvars.copy_context().run, work)
    threading.Thread(target=_run, args=(loop, future, within), name="hotfolder", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError as exc:
        raise Unavailable(f"the share does not answer within {seconds:g} s") from exc
    finally:
        del future  # an error holds this frame: with the future in it, a ring that only a collection would free


@contextlib.asynccontextmanager
async def entered(what: contextlib.AbstractContextManager[Result]) -> AsyncIterator[Result]:
    """Hold something whose opening and closing block on our own disk.

    Whatever is cancelled, what was opened is closed: neither thread is called back, nor forgotten before it began.
    """
    entering = asyncio.ensure_future(asyncio.to_thread(what.__enter__))
    try:
        await asyncio.wait({entering})
        yield entering.result()
    finally:
        if not entering.done():
            await asyncio.wait({entering})
        if entering.exception() is None:
            leaving = asyncio.ensure_future(asyncio.to_thread(what.__exit__, None, None, None))
            await asyncio.wait({leaving})


def _run(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Result], work: Callable[[], Result]) -> None:
    outcome: tuple[Result | None, BaseException | None]
    try:
        outcome = work(), None
    except BaseException as exc:  # noqa: BLE001 - raised again in the caller's task
        outcome = None, exc
    with contextlib.suppress(RuntimeError):  # the loop ended while the share hung
        loop.call_soon_threadsafe(_settle, future, *outcome)
    del future, outcome  # the same ring, from this side


def _settle(future: asyncio.Future[Result], result: Result | None, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type] # without an error there is a result
