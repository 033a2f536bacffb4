"""Pictures over which a worker died: none of them may take a judge down a second time.

A death costs a second of judging for every line that shares the judge, and a part that is presented again, or that
shadow tries again, would cost it each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from bridge.store import Images

KEPT: Final = 256
"""The latest so many are remembered, for as long as the gateway runs."""


class Poison:
    """Remembers pictures by size and SHA-256; a picture of another size costs no hash."""

    def __init__(self) -> None:
        self._digests: dict[tuple[int, str], None] = {}  # the order of insertion is the age

    async def add(self, pictures: Sequence[bytes]) -> None:
        """Remember these, the oldest giving way."""
        for picture in pictures:
            key = len(picture), await _digest(picture)
            self._digests.pop(key, None)
            self._digests[key] = None
        while len(self._digests) > KEPT:
            del self._digests[next(iter(self._digests))]

    async def has(self, picture: bytes) -> bool:
        """Return whether a worker died over this very picture."""
        size = len(picture)
        return any(size == one for one, _ in self._digests) and (size, await _digest(picture)) in self._digests


async def _digest(picture: bytes) -> str:
    return await asyncio.to_thread(Images.digest, picture)
