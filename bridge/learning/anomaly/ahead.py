"""What the next steps are shown is made while this one learns; in their order, whatever is made first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from bridge.learning.backend import on_gpu

T = TypeVar("T")
_AHEAD: Final = 8


def made(make: Callable[[int], T], first: int, last: int) -> Iterator[T]:
    """Yield ``make(step)`` of each step from ``first`` up to, not including, ``last``.

    Args:
        make: follows from its step alone; runs in other threads where a GPU does the learning.
        first: the step to begin with.
        last: where to end.

    Raises:
        Exception: whatever ``make`` raises, at its step.
    """
    if not on_gpu():  # the learning needs every core itself
        yield from map(make, range(first, last))
        return
    with ThreadPoolExecutor(_AHEAD // 2, "shown") as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for step in range(first, last):
                while len(waiting) < _AHEAD and step + len(waiting) < last:
                    waiting.append(pool.submit(make, step + len(waiting)))
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
