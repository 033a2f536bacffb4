"""Calls on a share, each in a thread of its own."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Iterator

import pytest

from bridge_hotfolder.disk import off_loop

PATIENCE_SECONDS = 20.0


class Tree:
    """Something large that a failed reading has made."""


@pytest.fixture
def no_collections() -> Iterator[None]:
    """Let nothing be freed but what nobody refers to."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
async def test_what_a_failure_has_made_is_freed_at_once() -> None:
    """An error takes nothing with it that only a collection would free: trees of bad files would pile up."""
    trees: list[weakref.ref[Tree]] = []

    def fail() -> None:
        tree = Tree()
        trees.append(weakref.ref(tree))
        raise ValueError("is no result")

    for _ in range(20):
        with pytest.raises(ValueError, match="is no result") as caught:
            await off_loop(PATIENCE_SECONDS, fail)
        del caught
    until = time.monotonic() + PATIENCE_SECONDS
    while any(tree() for tree in trees) and time.monotonic() < until:  # noqa: ASYNC110 - a thread's end tells nobody
        await asyncio.sleep(0.01)
    assert not any(tree() for tree in trees)
