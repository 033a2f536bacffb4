"""Evidence: images as files, each stored once under the hash of its content.

A crash may lose an image, never a decision: files are not forced to the disk, but each appears whole, by rename.
A folder that is full or away costs images, which are counted, and no part any time. Images never take the last of
a disk, for the journal needs it. Which of them are kept says ``retention``; what goes again, ``sweeping``.

The thread works in small steps and rests between them, instead of running at a low priority: a thread that is not
let run while it holds the interpreter's lock would hold up every line.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from prometheus_client import Counter

from bridge import health
from bridge.health import count
from bridge.log import logger
from bridge.messages import Decision
from bridge.store.records import Second
from bridge.store.retention import Need, Retention, needed
from bridge.store.sweeping import Protected, Sweeper, nobody, place

QUEUE_BYTES = 64 << 20
"""So much may wait for the disk; further images are dropped and counted."""
LOOP_BYTES = 256 << 10
"""Up to this size hashing in the event loop is cheaper than asking a thread (0.15 ms at most)."""
HOLD_SECONDS = 0.02
"""A picture that comes alone waits so long: just now its part is told to the PLC, and a picture can wait."""
GOODBYE_SECONDS = 3.0
STEP_SECONDS = 0.01
"""The rest between two steps of sweeping, in which what is queued comes first."""
QUIET_SECONDS = 600.0
"""So long nothing more is said of images that are dropped; they are counted meanwhile."""
LOOK_SECONDS = 10.0
"""How often the disk's room is looked at while nothing happens."""

kept_images = Counter(
    "aoi_bridge_images_kept", "Pictures written, by what they are kept for", ["need"], registry=health.registry
)
passed_over = Counter(
    "aoi_bridge_images_passed_over", "Pictures of agreement that are not in the sample", registry=health.registry
)

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

    ``put``, ``keep`` and ``keep_of`` are called from the event loop and never block it; ``path`` and ``read`` look
    at the disk, so call them from a thread.
    """

    def __init__(
        self,
        folder: Path,
        retention: Retention = Retention(),  # noqa: B008 - frozen
        free: Callable[[Path], int] = free_bytes,
        protected: Protected = nobody,
    ) -> None:
        self.folder = folder
        self.dropped = 0
        """Images that were not kept: the queue was full, the disk refused, or it is nearly full."""
        self._retention = retention
        self._quiet_until = 0.0
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._taken = 0  # bytes ever queued, counted by the loop
        self._dealt_with = 0  # bytes ever dealt with, counted by the thread
        self._written = 0  # bytes ever written, counted by the thread
        self._thread: threading.Thread | None = None
        self._sweeper = Sweeper(folder, retention, free, protected)  # the thread's, but for its figures

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    digest = staticmethod(digest)

    def open(self) -> None:
        """Begin to see to what is there already; the first image does so too."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="images", daemon=True)
            self._thread.start()

    def adopt(self, retention: Retention) -> None:
        """Keep to other limits from now on."""
        self._retention = self._sweeper.retention = retention

    async def put(self, data: bytes, need: Need = Need.EVIDENCE) -> str:
        """Queue an image to be kept, hashing a large one in a thread; return its hash."""
        name = digest(data) if len(data) <= LOOP_BYTES else await asyncio.to_thread(digest, data)
        self.keep(name, data, need)
        return name

    def keep_of(self, decision: Decision, second: Second | None, images: Mapping[str, bytes]) -> None:
        """Queue the images of a part, by their hashes, if the part is one whose images are kept."""
        need = needed(decision, second, self._retention.sample)
        if need is None:
            passed_over.inc(len(images))
            return
        for name, data in images.items():
            self.keep(name, data, need)

    def keep(self, digest: str, data: bytes, need: Need = Need.EVIDENCE) -> None:
        """Queue an image whose hash is known. What cannot be kept is dropped and counted."""
        if self._taken - self._dealt_with + len(data) > QUEUE_BYTES:
            self._drop()
            return
        self._taken += len(data)
        self._submit(lambda: self._write(digest, data, need))

    def figures(self) -> dict[str, float]:
        """Return how many pictures there are and how large; and, since the start, what came and went."""
        since = {"written_bytes": self._written, "dropped": self.dropped}
        return {**self._sweeper.figures(), "cap_bytes": self._retention.cap_bytes, **since}

    def path(self, digest: str) -> Path | None:
        """Return the file of an image, None if there is none or the hash is no hash."""
        if not _DIGEST.fullmatch(digest):
            return None
        paths = (place(self.folder, digest, name) for name in _ENDINGS)
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
        await self._done(lambda: None)

    async def swept(self) -> None:
        """Wait until everything queued so far is written, and all that must go is gone."""
        await self._done(self._sweep_all)

    async def close(self) -> None:
        """Write what is queued and end the thread; give up on a disk that hangs."""
        if self._thread is None:
            return
        try:
            await asyncio.wait_for(self._done(self._sweeper.close), GOODBYE_SECONDS)
        except TimeoutError:
            logger().error("the image folder's disk hangs; leaving without it", folder=str(self.folder))
        self._queue.put(None)
        self._thread = None

    async def _done(self, work: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def do() -> None:
            work()
            _tell(loop, done)

        self._submit(do)
        await done.wait()

    def _submit(self, work: Callable[[], None]) -> None:
        self.open()
        self._queue.put(work)

    # From here on: the thread.

    def _run(self) -> None:
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)  # halves of images that a crash left
        rest = STEP_SECONDS
        while True:
            try:
                work = self._queue.get(timeout=rest)
            except Empty:
                rest = STEP_SECONDS if self._sweep() else LOOK_SECONDS
                continue
            if self._queue.empty():
                time.sleep(HOLD_SECONDS)
            if work is None:
                return
            work()
            rest = STEP_SECONDS

    def _sweep(self) -> bool:
        """Take one step; return whether there is more to do."""
        try:
            return self._sweeper.step()
        except (OSError, sqlite3.Error) as exc:
            logger().warning("images could not be swept", folder=str(self.folder), error=str(exc))
            return False

    def _sweep_all(self) -> None:
        while self._sweep():
            pass

    def _write(self, digest: str, data: bytes, need: Need) -> None:
        try:
            if self._room(digest, data):
                with self._sweeper.catalogue() as catalogue, catalogue.change():
                    catalogue.note(digest, ending(data), len(data), need)
                    self._store(place(self.folder, digest, ending(data)), data)
                kept_images.labels(need.name.lower()).inc()
            self._sweeper.make_room()
        except (OSError, sqlite3.Error) as exc:
            self._drop()
            self._warn("an image could not be kept", error=str(exc))
        finally:
            self._dealt_with += len(data)

    def _room(self, digest: str, data: bytes) -> bool:
        """Return whether the disk has room above the floor for what is not there yet; else it is dropped."""
        if _whole(place(self.folder, digest, ending(data)), len(data)):
            return True
        room = self._sweeper.room(len(data))
        if not room:
            self._drop()
            said = "the disk is nearly full; images are dropped, and those of the sample go"
            self._warn(said, floor_bytes=self._retention.floor_bytes)
        return room

    def _warn(self, said: str, **facts: object) -> None:
        """Say what is wrong now and then, not for each image: the log may be on the same disk."""
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            logger().warning(said, folder=str(self.folder), **facts)

    def _store(self, path: Path, data: bytes) -> None:
        if _whole(path, len(data)):
            return
        half = self.folder / "tmp" / path.name
        for folder in (half.parent, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            half.write_bytes(data)
            half.replace(path)
        except OSError:
            half.unlink(missing_ok=True)  # it must not take the last of a full disk from the journal
            raise
        self._written += len(data)

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
