"""What a plugin has left behind: tasks, open files and sockets, threads, processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.plugin.testkit.rules import Broken

LINGER_SECONDS = 1.0
"""What is closed may take so long to be gone: a loop closes its sockets in its own time."""
_LOOP_THREADS = "asyncio_"
_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class Held:
    """What this process holds at one moment."""

    tasks: frozenset[asyncio.Task[object]]
    threads: frozenset[threading.Thread]
    files: frozenset[str]
    children: frozenset[str]

    def beyond(self, before: Held) -> str:
        """Return what is there that was not there before, in words; empty if nothing is."""
        if running := [task for task in self.tasks - before.tasks if not task.done()]:
            what = getattr(running[0].get_coro(), "__qualname__", "?")
            return f"the task {running[0].get_name()!r} ({what}) runs on"
        if threads := [one for one in self.threads - before.threads if one.is_alive()]:
            return f"the thread {threads[0].name!r} runs on"
        if children := self.children - before.children:
            return f"the process {min(children)} runs on"
        if files := self.files - before.files:
            return f"{min(files)} is still open"
        return ""


@asynccontextmanager
async def leaving_nothing(closing: str = "after it was closed") -> AsyncIterator[None]:
    """Hold a plugin to leaving nothing behind of what it began inside.

    Raises:
        Broken: something is left.
    """
    before = await _held()
    yield
    left = ""
    loop = asyncio.get_running_loop()
    until = loop.time() + LINGER_SECONDS
    while (left := (await _held()).beyond(before)) and loop.time() < until:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.005)
    if left:
        raise Broken(f"{closing} {left}")


async def _held() -> Held:
    """Return what this process holds now; the loop's own helpers do not count."""
    tasks = frozenset(asyncio.all_tasks())
    files = await asyncio.to_thread(_files)
    children = await asyncio.to_thread(_children)
    threads = frozenset(one for one in threading.enumerate() if not one.name.startswith(_LOOP_THREADS))
    return Held(tasks, threads, files, children)


def _files() -> frozenset[str]:
    """Return each open descriptor with what it stands for; nothing on systems that do not tell."""
    found = set()
    try:
        names = os.listdir(_DESCRIPTORS)  # noqa: PTH208 - names are what is wanted
    except OSError:
        return frozenset()
    for name in names:
        try:
            found.add(f"{os.readlink(_DESCRIPTORS / name)} (descriptor {name})")  # noqa: PTH115 - no path, a name
        except OSError:
            continue  # the one that listed the folder
    return frozenset(one for one in found if "/proc/" not in one)


def _children() -> frozenset[str]:
    """Return the processes that this one has started, by number and command."""
    return frozenset(f"{pid} ({_command(pid)})" for pid in started())


def started() -> frozenset[int]:
    """Return the numbers of the processes that this one has started and that live; blocks on the disk."""
    found = {child.pid for child in multiprocessing.active_children() if child.pid is not None}
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(map(int, path.read_text(encoding="ascii").split()))
        except OSError:
            continue  # that thread has just ended
    return frozenset(found)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "ended"
