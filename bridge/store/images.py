"""Evidence: images as files, each stored once under the hash of its content.

A crash may lose an image, never a decision: files are not forced to the disk, but each appears whole, by rename.
A folder that is full or away costs images, which are counted, and no part any time. Images never take the last of
a disk, for the journal needs it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from bridge.health import count
from bridge.log import logger

QUEUE_BYTES = 64 << 20
"""So much may wait for the disk; further images are dropped and counted."""
LOOP_BYTES = 256 << 10
"""Up to this size hashing in the event loop is cheaper than asking a thread (0.15 ms at most)."""
GOODBYE_SECONDS = 3.0
FLOOR_BYTES = 256 << 20
"""So much of the disk is left to the journal: below it no image is kept."""

_MAGIC = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"BM", "bmp"),
    (b"II*\x00", "tif"),
    (b"MM\x00*", "tif"),
    (b"GIF8", "gif"),
)
_ENDINGS = ("jpg", "png", "bmp", "tif", "gif", "webp", "bin")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal, under which an image is kept."""
    return hashlib.sha256(data).hexdigest()


def ending(data: bytes) -> str:
    """Return the file ending that the first bytes ask for; ``bin`` for what is no known image."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), "bin")


def free_bytes(folder: Path) -> int:
    """Return how much of the disk is left to this user, where the folder is or will be."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(nearest).free


class Images:
    """The image folder of a data directory, with one thread that writes; ``async with`` starts and ends it.

    ``put`` and ``keep`` are called from the event loop and never block it; ``path`` and ``read`` look at the
    disk, so call them from a thread.
    """

    def __init__(
        self, folder: Path, floor_bytes: int = FLOOR_BYTES, free: Callable[[Path], int] = free_bytes
    ) -> None:
        self.folder = folder
        self.dropped = 0
        """Images that were not kept: the queue was full, the disk refused, or it is nearly full."""
        self._floor = floor_bytes
        self._free = free
        self._told = False  # that the disk is nearly full; said once, not for each image
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._taken = 0  # bytes ever queued, counted by the loop
        self._written = 0  # bytes ever dealt with, counted by the thread
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    digest = staticmethod(digest)

    async def put(self, data: bytes) -> str:
        """Queue an image to be kept, hashing a large one in a thread; return its hash."""
        name = digest(data) if len(data) <= LOOP_BYTES else await asyncio.to_thread(digest, data)
        self.keep(name, data)
        return name

    def keep(self, digest: str, data: bytes) -> None:
        """Queue an image whose hash is known. What cannot be kept is dropped and counted."""
        if self._taken - self._written + len(data) > QUEUE_BYTES:
            self._drop()
            return
        self._taken += len(data)
        self._submit(lambda: self._write(digest, data))

    def figures(self) -> dict[str, float]:
        """Return the counts since the start, for status."""
        return {"dropped": self.dropped}

    def path(self, digest: str) -> Path | None:
        """Return the file of an image, None if there is none or the hash is no hash."""
        if not _DIGEST.fullmatch(digest):
            return None
        paths = (self._place(digest, name) for name in _ENDINGS)
        return next((path for path in paths if path.is_file()), None)

    def read(self, digest: str) -> bytes | None:
        """Return an image, None if it is not there or not whole any more."""
        path = self.path(digest)
        if path is None:
            return None
        try:
            data = path.read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    async def flush(self) -> None:
        """Wait until everything queued so far is written or dropped."""
        loop = asyncio.get_running_loop()
        written = asyncio.Event()
        self._submit(lambda: _tell(loop, written))
        await written.wait()

    async def close(self) -> None:
        """Write what is queued and end the thread; give up on a disk that hangs."""
        if self._thread is None:
            return
        try:
            await asyncio.wait_for(self.flush(), GOODBYE_SECONDS)
        except TimeoutError:
            logger().error("the image folder's disk hangs; leaving without it", folder=str(self.folder))
        self._queue.put(None)
        self._thread = None

    def _submit(self, work: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="images", daemon=True)
            self._thread.start()
        self._queue.put(work)

    # From here on: the thread.

    def _run(self) -> None:
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)  # halves of images that a crash left
        while work := self._queue.get():
            work()

    def _write(self, digest: str, data: bytes) -> None:
        path = self._place(digest, ending(data))
        try:
            if not _whole(path, len(data)) and self._room(len(data)):
                self._store(path, data)
        except OSError as exc:
            self._drop()
            logger().warning("an image could not be kept", folder=str(self.folder), error=exc.strerror)
        finally:
            self._written += len(data)

    def _room(self, size: int) -> bool:
        """Return whether the disk has room for so many bytes above the floor; where not, the image is dropped."""
        room = self._free(self.folder) - size >= self._floor
        if not room:
            self._drop()
            if not self._told:
                said = "the disk is nearly full; no image is kept until there is room again"
                logger().warning(said, folder=str(self.folder), floor_bytes=self._floor)
        self._told = not room
        return room

    def _store(self, path: Path, data: bytes) -> None:
        half = self.folder / "tmp" / path.name
        try:
            half.write_bytes(data)
        except FileNotFoundError:
            half.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(data)
        try:
            half.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            half.replace(path)

    def _place(self, digest: str, name: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.{name}"

    def _drop(self) -> None:
        self.dropped += 1
        count("images dropped")


def _tell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has gone without waiting for its images
        loop.call_soon_threadsafe(event.set)


def _whole(path: Path, size: int) -> bool:
    """Return whether the file is there in its full size: a power cut can leave a name without its bytes."""
    with suppress(FileNotFoundError):
        return path.stat().st_size == size
    return False
