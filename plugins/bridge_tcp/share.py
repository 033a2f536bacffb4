"""Images that lie on a share: found below one root, awaited until complete, read in threads of their own."""

from __future__ import annotations

import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bridge.plugin import Refused, Unavailable, View

THREADS = 4
"""Of each share its own: one that hangs must not hold up the disk of another line."""


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
