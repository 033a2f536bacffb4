"""A hint that it is worth looking now: what this computer's own file system says happened in the folder.

Nothing is decided by it. A share that another computer exports gives no notices, or only some (dotnet/runtime
76397), so the folder is looked at every ``poll_seconds`` all the same. Where the old machine writes to a share
that this computer exports, each part is only found sooner. Linux has it (inotify); elsewhere there are no notices.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from bridge.plugin import logger
from bridge_hotfolder.disk import entered

try:
    import inotify_simple
except ImportError:  # another system: there is polling
    inotify_simple = None

WATCHED_MOST = 512
"""So many folders are listened to; a tree that has more of them is polled."""
READ_BYTES = 1 << 16


class Notices:
    """Wakes whoever waits between two looks.

    ``follow`` is called from the thread that looks, the rest from the event loop.
    """

    def __init__(self, inotify: Any, in_progress: tuple[str, ...]) -> None:
        self._inotify, self._in_progress = inotify, in_progress
        self._woken = asyncio.Event()
        self._watched: set[int] = set()
        self._refused = False

    async def wait(self, seconds: float) -> None:
        """Return at the next notice, and at the latest after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    def follow(self, root: Path, below: Iterable[str]) -> None:
        """Listen to these folders and to no others; blocks on the disk.

        Each is asked for at every look: one of the same name may be another, which was made or moved there since.
        """
        if self._inotify is None or self._refused:
            return
        wanted = {root / name for name in below}
        wanted = wanted if len(wanted) <= WATCHED_MOST else {root}
        before, self._watched = self._watched, set()
        for folder in wanted:
            self._listen(folder)
        for number in before - self._watched:
            with suppress(OSError):  # it was removed, and the watch with it
                self._inotify.rm_watch(number)

    def _listen(self, folder: Path) -> None:
        flags = inotify_simple.flags
        mask = flags.CLOSE_WRITE | flags.MOVED_TO | flags.CREATE | flags.ONLYDIR
        try:
            self._watched.add(self._inotify.add_watch(folder, mask))
        except (FileNotFoundError, NotADirectoryError):
            return  # the old machine clears its folders while we look
        except OSError as exc:
            self._refused = True
            logger().info("the folder gives no notices, so it is only polled", folder=str(folder), reason=str(exc))

    def heard(self) -> None:
        """Take what the system has to say; a file that is still being written is no news."""
        with suppress(BlockingIOError):
            while data := os.read(self._inotify.fileno(), READ_BYTES):
                if any(map(self._is_news, inotify_simple.parse_events(data))):
                    self._woken.set()

    def _is_news(self, event: Any) -> bool:
        flags = inotify_simple.flags
        if event.mask & flags.CREATE and not event.mask & flags.ISDIR:
            return False
        return not event.name.lower().endswith(self._in_progress)


@asynccontextmanager
async def listening_for_notices(in_progress: tuple[str, ...]) -> AsyncIterator[Notices]:
    """Hold the system's notices, or nothing where it has none to give.

    Args:
        in_progress: suffixes, in lower case, of files that are still being written.
    """
    async with entered(_inotify()) as inotify:  # it looks for the C library on the disk
        notices = Notices(inotify, in_progress)
        if inotify is None:
            yield notices
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(inotify.fileno(), notices.heard)
        try:
            yield notices
        finally:
            loop.remove_reader(inotify.fileno())


@contextmanager
def _inotify() -> Iterator[Any]:
    if inotify_simple is None:
        yield None
        return
    try:
        inotify = inotify_simple.INotify(nonblocking=True)
    except OSError as exc:  # every place is taken
        logger().info("the folder gives no notices, so it is only polled", reason=str(exc))
        yield None
        return
    with inotify:
        yield inotify
