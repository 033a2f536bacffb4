"""The pictures of one part by their hash, and whether one of them is the previous part's again.

A camera or a share can hand over the previous part's picture again; byte for byte the same means that this view
is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bridge.messages import View
from bridge.store import Images

INLINE_BYTES = 1 << 18
"""Hashing this much takes well under a millisecond; more goes to a thread."""

_hashing = ThreadPoolExecutor(2, thread_name_prefix="hash")
"""Threads of our own: those of the loop may all hang on one source's dead share."""


class Album:
    """The pictures of one part."""

    def __init__(self, before: Album | None = None) -> None:
        # The set itself, not a copy: the previous part's pictures may still be on their way.
        self._before: set[str] = before.seen if before else set()
        self.seen: set[str] = set()
        self.digests: dict[int, str] = {}
        self.images: dict[int, bytes] = {}
        self.repeated: set[int] = set()

    async def paste(self, views: Sequence[View]) -> None:
        """Note every picture that came with the part."""
        at_hand = {index: view.image for index, view in enumerate(views) if view.image is not None}
        for (index, image), digest in zip(at_hand.items(), await _digests([*at_hand.values()]), strict=True):
            self._note(index, image, digest)

    async def note(self, index: int, image: bytes) -> bool:
        """Note one view's picture; return whether it is the previous part's again."""
        (digest,) = await _digests([image])
        self._note(index, image, digest)
        return index in self.repeated

    def _note(self, index: int, image: bytes, digest: str) -> None:
        self.digests[index] = digest
        self.images[index] = image
        self.seen.add(digest)
        if digest in self._before:
            self.repeated.add(index)


async def _digests(images: Sequence[bytes]) -> list[str]:
    if sum(map(len, images)) <= INLINE_BYTES:
        return [Images.digest(image) for image in images]
    return await asyncio.get_running_loop().run_in_executor(
        _hashing, lambda: [Images.digest(image) for image in images]
    )
