"""The source: looks at the folder again and again, and hands in what is whole.

A part is marked as seen only after its decision is recorded; until then it is offered again, under the same
key. When the share goes away ``Unavailable`` ends the source: the parts under way are answered first, the host
opens it anew, and what the first look then finds is backlog.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from bridge.plugin import ConfigError, Inspect, Source, Unavailable, count, logger
from bridge_hotfolder.completion import Candidate, Completion
from bridge_hotfolder.disk import entered, off_loop
from bridge_hotfolder.lanes import Lanes
from bridge_hotfolder.listing import Listing, look
from bridge_hotfolder.notices import Notices, listening_for_notices
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.presenting import Presenter
from bridge_hotfolder.reading import ChangedError
from bridge_hotfolder.seen import Seen, open_seen
from bridge_hotfolder.tail import Line, Tails

_TIDY_SECONDS = 20.0
_RETRY_SECONDS = 1.0


@asynccontextmanager
async def open_source(options: HotfolderOptions) -> AsyncIterator[Source]:
    """Open a hot folder.

    Raises:
        ConfigError: if the path is there and no folder.
        Unavailable: if it is away.
    """
    async with open_folder(options) as (folder, _):
        yield folder.run


@asynccontextmanager
async def open_folder(options: HotfolderOptions) -> AsyncIterator[tuple[HotFolder, Seen]]:
    """Open a folder, whatever its files tell of; raises as ``open_source`` does."""
    await off_loop(options.share_seconds, partial(_reach, options))
    async with entered(open_seen(options.home / "seen.db")) as seen:
        yield await asyncio.to_thread(HotFolder, options, seen), seen  # reads how far appended files were read


def _reach(options: HotfolderOptions) -> None:
    if options.path.is_file():
        raise ConfigError("path", f"{options.path} is a file", "write the folder that the inspector writes to")
    if not options.path.is_dir():
        raise Unavailable(f"the folder {options.path} is away")


@dataclass(frozen=True, slots=True)
class _Job:
    what: Candidate | Line
    listing: Listing


class Presents(Protocol):
    """What becomes of a file, or of a line, that is whole; both return True once nothing is left to do for it."""

    async def candidate(self, candidate: Candidate, listing: Listing) -> bool:
        """Take a file."""
        ...

    async def line(self, line: Line, listing: Listing) -> bool:
        """Take a line of a growing file."""
        ...


class HotFolder:
    """One opened folder; ``run`` is its source."""

    def __init__(self, options: HotfolderOptions, seen: Seen) -> None:
        self._options = options
        self._seen = seen
        self._completion = Completion(options, seen)
        self._tails = Tails(options, seen) if options.complete == "appended" else None
        self._lanes: Lanes[_Job] = Lanes(options.in_flight)
        self._device: int | None = None
        self._unreadable_names: set[str] = set()
        self._no_files: set[str] = set()
        self._troubled: dict[str, str] = {}  # what was said of files that are tried again and again
        self._tidy_at = 0.0

    async def run(self, inspect: Inspect) -> None:
        """Feed parts until cancelled.

        Raises:
            Unavailable: when the share is away; what was under way has been answered then.
        """
        await self.present(Presenter(self._options, self._seen, inspect))

    async def present(self, presenter: Presents) -> None:
        """Hand what is whole to a presenter until cancelled; raises as ``run`` does."""
        async with listening_for_notices(tuple(map(str.lower, self._options.in_progress))) as notices:
            away = await self._feed(presenter, notices)
        raise away

    async def _feed(self, presenter: Presents, notices: Notices) -> Unavailable:
        async with asyncio.TaskGroup() as parts:
            serving = parts.create_task(
                self._lanes.serve(parts, partial(self._work, presenter)), name="hotfolder lanes"
            )
            away = await self._poll(notices)
            serving.cancel()
        return away

    async def _poll(self, notices: Notices) -> Unavailable:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                jobs = await off_loop(self._options.share_seconds, partial(self._look, notices))
            except Unavailable as exc:
                return exc
            for job in jobs:
                self._lanes.put(job, backlog=job.what.backlog)
            # A folder so full that looking takes long is given as long a rest, whatever is noticed meanwhile.
            rest = loop.time() - began
            await asyncio.sleep(rest)
            await notices.wait(max(0.0, self._options.poll_seconds - rest))

    def _look(self, notices: Notices) -> list[_Job]:
        """Look once; runs in a thread, one look after the other."""
        listing = look(self._options) if self._tails else look(self._options, self._seen.has)
        if self._device not in (None, listing.device):
            raise Unavailable(
                f"another file system stands at {self._options.path}: the share went away or came back"
            )
        self._device = listing.device
        notices.follow(self._options.path, listing.images)
        self._complain(listing)
        self._tidy(listing)
        steps = self._tails or self._completion
        try:
            return [_Job(each, listing) for each in steps.step(listing, time.monotonic())]
        except OSError as exc:
            raise Unavailable(f"the folder {self._options.path} cannot be read: {exc.strerror or exc}") from exc

    def _complain(self, listing: Listing) -> None:
        """Say once of each name that it cannot be used: such a part would be lost without a word."""
        for name in sorted(listing.unreadable_names - self._unreadable_names):
            count("name_unreadable")
            logger(folder=str(self._options.path)).error(
                "a file is left alone, for its name is no text; mount the share with its code page", name=name
            )
        for name in sorted(listing.no_files - self._no_files):
            count("no_file")
            logger(folder=str(self._options.path)).error(
                "something is left alone, for it is no file that we can read; remove it, or mend its link",
                name=name,
            )
        self._unreadable_names, self._no_files = listing.unreadable_names, listing.no_files
        self._troubled = {path: why for path, why in tuple(self._troubled.items()) if path in listing.present}

    def _tidy(self, listing: Listing) -> None:
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + _TIDY_SECONDS
            try:
                self._seen.tidy(listing.present, time.time(), self._options.forget_days * 86_400)
            except (
                sqlite3.ProgrammingError
            ):  # closed meanwhile: the source has ended, and this thread is left over
                return
            except sqlite3.Error as exc:  # a full disk: what vanished is noted at the next start
                count("seen_set_unwritten")
                logger().error("the seen-set cannot be written", reason=str(exc))

    async def _work(self, presenter: Presents, job: _Job) -> None:
        if isinstance(job.what, Line):
            await self._line(presenter, job, job.what)
        else:
            await self._candidate(presenter, job.what, job.listing)

    async def _candidate(self, presenter: Presents, candidate: Candidate, listing: Listing) -> None:
        try:
            done = await presenter.candidate(candidate, listing)
        except ChangedError:
            self._completion.again(candidate)
        except (OSError, Unavailable) as exc:  # held by its writer, or the share is going: the next look tells
            self._trouble(candidate.path, exc)
            self._completion.again(candidate, time.monotonic() + _RETRY_SECONDS)
        else:
            if done:
                self._completion.done(candidate)
            else:
                self._completion.again(candidate, time.monotonic() + _RETRY_SECONDS, told=True)

    async def _line(self, presenter: Presents, job: _Job, line: Line) -> None:
        done = False
        try:
            done = await presenter.line(line, job.listing)
        except (OSError, Unavailable) as exc:
            self._trouble(line.path, exc)
        if done and self._tails:
            await asyncio.to_thread(self._tails.done, line)
        elif not done:
            again = replace(job, what=replace(line, backlog=True))
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, partial(self._lanes.put, again, backlog=True))

    def _trouble(self, path: str, why: Exception) -> None:
        count("vanished" if isinstance(why, FileNotFoundError) else "unreadable")
        if self._troubled.get(path) != str(why):  # once: it is tried every second, and may be one of thousands
            logger().warning("a file cannot be read now", path=path, reason=str(why))
        self._troubled[path] = str(why)
