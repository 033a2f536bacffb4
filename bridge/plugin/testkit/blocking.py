"""Hearing of calls that block the event loop, with the line of the plugin that makes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from blockbuster import blockbuster as buster


@contextmanager
def nothing_blocks(package: str) -> Iterator[list[str]]:
    """Keep each blocking call that code of a package makes inside an event loop, and let it raise there.

    It is kept because a plugin may swallow what is raised.
    """
    heard: list[str] = []

    class Heard(buster.BlockingError):
        def __init__(self, func: str) -> None:
            super().__init__(func)
            heard.append(f"{func} blocks the event loop, called at {_caller(package)}")

    usual = buster.BlockingError
    buster.BlockingError = Heard  # type: ignore[misc]  # blockbuster tells nobody else
    try:
        with buster.blockbuster_ctx(package) as watching:
            watching.functions["io.TextIOWrapper.write"].can_block_in("bridge/log.py", {"write", "flush"})
            yield heard
    finally:
        buster.BlockingError = usual  # type: ignore[misc]


def _caller(package: str) -> str:
    """Return the innermost line of the package that is running."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the usual way to the caller's frame
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module == package or module.startswith(f"{package}."):
            return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return "an unknown place"
