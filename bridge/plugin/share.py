"""Images that lie on a share: found below one root, awaited until complete, read in threads of their own."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field

from bridge.errors import Refused, Unavailable
from bridge.messages import Inspection, View
from bridge.plugin.api import Fetch
from bridge.plugin.options import Milliseconds, Options

THREADS = 4
"""Of each share its own: one that hangs must not hold up the disk of another line."""


class ShareOptions(Options):
    """Where a machine leaves the pictures that its words only name."""

    images: Path | None = Field(default=None, examples=["/mnt/aoi"])
    """the root folder of the share that image paths lie below; without it paths are not followed"""
    image_prefix: str = ""
    """the beginning of the machine's own paths that stands for the root, for instance D:\\AOI\\images"""
    max_image_bytes: Annotated[int, Field(ge=1, le=1 << 30)] = 32 << 20
    """a number of bytes from 1 to 1073741824: the largest image that is read from the share"""
    image_poll_ms: Milliseconds = 20
    """milliseconds between two looks for an image that is not there yet"""
    image_settle_ms: Milliseconds = 200
    """milliseconds that an image of an unknown format must stay unchanged before it counts as complete"""
    image_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 10
    """seconds up to 3600 that an image is waited for; the part's deadline may end the wait earlier"""

    @asynccontextmanager
    async def share(self) -> AsyncIterator[Fetch | None]:
        """Give the share threads of its own, and yield what brings a picture; None where there is no share.

        Leaving waits for none of the threads.
        """
        if self.images is None:
            yield None
            return
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="share")
        share = Share(
            root=self.images,
            threads=threads,
            prefix=self.image_prefix,
            max_bytes=self.max_image_bytes,
            poll_seconds=self.image_poll_ms / 1000,
            settle_seconds=self.image_settle_ms / 1000,
            timeout_seconds=self.image_timeout_seconds,
        )
        try:
            yield share.fetch
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Look:
    """What was found at one look at a file."""

    data: bytes
    mark: tuple[int, int]
    """Size and modification time; the same at two looks means that nobody writes any more."""


@dataclass(frozen=True)
class Share:
    """A folder tree in which a machine leaves its images, read only, often mounted from elsewhere."""

    root: Path
    threads: ThreadPoolExecutor
    prefix: str = ""
    max_bytes: int = 32 << 20
    poll_seconds: float = 0.02
    settle_seconds: float = 0.2
    timeout_seconds: float = 10

    async def fetch(self, view: View) -> bytes:
        """Return the image once it is complete.

        Complete is a file that ends as its format says, or one that stayed unchanged for the settling time.

        Raises:
            Refused: the path leads out of the root, to no regular file, or to one that is too large.
            Unavailable: no complete image came in time.
        """
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self._await(view.reference)
        except TimeoutError as exc:
            raise Unavailable(f"image {view.reference!r} did not come") from exc
        except RuntimeError as exc:  # the part outlived its source, whose threads are gone
            raise Unavailable(f"image {view.reference!r} is not followed any more: the share is closed") from exc

    async def _await(self, reference: str) -> bytes:
        loop = asyncio.get_running_loop()
        mark, since = (-1, -1), loop.time()
        while True:
            look = await loop.run_in_executor(self.threads, self.look, reference)
            if look is not None and whole(look.data):
                return look.data
            if look is None or look.mark != mark:
                mark, since = (look.mark if look else (-1, -1)), loop.time()
            elif look.data and loop.time() - since >= self.settle_seconds:
                return look.data
            await asyncio.sleep(self.poll_seconds)

    def look(self, reference: str) -> Look | None:
        """Read the file as it is now; None while it is not there. Blocks on the disk."""
        try:
            path = self.locate(reference)
            facts = path.stat()
            if not stat.S_ISREG(facts.st_mode):
                raise Refused(f"image {reference!r} is no regular file")
            if facts.st_size > self.max_bytes:
                raise Refused(f"image {reference!r} has {facts.st_size} bytes, more than {self.max_bytes}")
            with path.open("rb") as file:
                data = file.read(self.max_bytes + 1)
        except OSError:
            return None
        return Look(data, (facts.st_size, facts.st_mtime_ns)) if len(data) == facts.st_size else None

    def locate(self, reference: str) -> Path:
        """Return the place of an image in the machine's own terms. Blocks on the disk.

        Raises:
            Refused: it is not below the root, links followed.
        """
        text, prefix = reference.replace("\\", "/"), self.prefix.replace("\\", "/").rstrip("/")
        if prefix and f"{text}/".casefold().startswith(f"{prefix}/".casefold()):
            text = text[len(prefix) :].lstrip("/")
        inside = PurePosixPath(text)
        if "\0" in text or not text or inside.is_absolute() or ".." in inside.parts:
            raise Refused(f"image {reference!r} does not lie below the share")
        path = (self.root / inside).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise Refused(f"image {reference!r} leads out of the share")
        return path


def whole(data: bytes) -> bool:
    """Return whether the bytes are an image of a known format up to its very end."""
    if data.startswith(b"\xff\xd8"):
        return data.endswith(b"\xff\xd9")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data.endswith(b"IEND\xaeB`\x82")
    return data.startswith(b"BM") and data[2:6] == len(data).to_bytes(4, "little")


def leave_pictures(root: Path, part: Inspection) -> Inspection:
    """Write a part's pictures on the share, and return the part as its words tell of it; the inspector's side.

    Blocks on the disk.
    """
    views = []
    for view in part.views:
        name = f"{part.part}-{view.name}.img" if view.image else ""
        if view.image:
            (root / name).write_bytes(view.image)
        views.append(replace(view, image=None, reference=name))
    return replace(part, views=tuple(views))
