"""Handing parts in: read, inspect, and remember only what is recorded."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from bridge.plugin import Inspect, Inspection, Quarantine, count, logger
from bridge_hotfolder.assembly import Assembled, Unfit, assemble, read_images, tie
from bridge_hotfolder.codec import line_header, read_line
from bridge_hotfolder.completion import Candidate
from bridge_hotfolder.disk import off_loop
from bridge_hotfolder.disposal import dispose
from bridge_hotfolder.fetching import fetcher
from bridge_hotfolder.formats import ParseError
from bridge_hotfolder.listing import Listing
from bridge_hotfolder.names import flag_name
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.reading import Images
from bridge_hotfolder.seen import Seen, SeenFile
from bridge_hotfolder.tail import Line

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Marks:
    """What all parts of one file are handed in under."""

    key: str
    event: float
    backlog: bool


class Presenter:
    """Turns what is whole into calls of ``inspect``.

    Both verbs return True once there is nothing left to do for a file or a line: all its parts are recorded, or
    it is in the quarantine with its reason.
    """

    def __init__(self, options: HotfolderOptions, seen: Seen, inspect: Inspect) -> None:
        self._options = options
        self._seen = seen
        self._inspect = inspect
        self._images = Images(options)
        self._quarantine = Quarantine(options.home / "quarantine")

    async def candidate(self, candidate: Candidate, listing: Listing) -> bool:
        """Hand in the parts of one result file, or of one group of images.

        Raises:
            ChangedError: if it is not whole yet after all.
            Unavailable: if the share does not answer.
            OSError: if it cannot be read now.
        """
        try:
            assembled = await self._off_loop(partial(assemble, candidate, listing, self._options, self._images))
        except Unfit as exc:
            await self._unfit(candidate, exc)
            return True
        if candidate.touched and await self._digest(assembled) == self._known_digest(candidate):
            count("touched")
            await self._mark(candidate, self._known_digest(candidate))
            return True
        marks = _Marks(_key(candidate), candidate.event, candidate.backlog)
        digest = await self._hand_in(assembled, marks, candidate.path)
        if digest is None:
            return False
        await self._mark(candidate, digest)
        await self._clear_up(candidate, assembled)
        return True

    async def line(self, line: Line, listing: Listing) -> bool:
        """Hand in the part of one appended line.

        Raises:
            Unavailable: if the share does not answer.
            OSError: if an image cannot be read now.
        """
        try:
            header = None if line.header is None else line_header(line.header, self._options)
            told = read_line(line.data, line.path, header, self._options)
            assembled = tie([told], line.path, listing, self._options, line.data)
        except ParseError as exc:
            await self._set_aside(line.data, str(exc), f"{line.path} at byte {line.start}")
            return True
        marks = _Marks(line.key, line.event, line.backlog)
        return await self._hand_in(assembled, marks, line.path) is not None

    async def _hand_in(self, assembled: Assembled, marks: _Marks, origin: str) -> bytes | None:
        """Hand in the parts in the file's order; return the digest of all, or None if one is not recorded."""
        problems = list(assembled.problems)
        found = hashlib.sha256(assembled.data)
        fetch = fetcher(self._images, self._options, marks.event)
        recorded = True
        for number, named in enumerate(assembled.parts):
            part = await self._with_images(named, problems)
            key = marks.key if len(assembled.parts) == 1 else f"{marks.key}#{number}"
            part = replace(part, key=key, event=marks.event, backlog=marks.backlog)
            decision = await self._inspect(part, fetch)
            recorded = recorded and decision.recorded
            _add(found, await self._with_late_images(part))
        if not recorded:
            count("not_recorded")
            return None
        for problem in problems:
            await self._set_aside(assembled.data, problem, origin)
        return found.digest()

    async def _with_images(self, part: Inspection, problems: list[str]) -> Inspection:
        """Read the images, unless there are so many that only those asked for shall be read.

        Where files are cleared away afterwards a later reading would find nothing, so all are read now.
        """
        if len(part.views) > self._options.fetch_above_views and self._options.after == "leave":
            return part
        return await self._off_loop(partial(read_images, part, self._images, problems))

    async def _with_late_images(self, part: Inspection) -> Inspection:
        """Read what came while the part was inspected: else the same result written again would look new."""
        missing = any(view.reference and view.image is None for view in part.views)
        return await self._with_images(part, []) if missing else part

    async def _digest(self, assembled: Assembled) -> bytes:
        found = hashlib.sha256(assembled.data)
        for part in assembled.parts:
            _add(found, await self._with_images(part, []))
        return found.digest()

    def _known_digest(self, candidate: Candidate) -> bytes:
        known = self._seen.get(candidate.path)
        return known.digest if known else b""

    async def _unfit(self, candidate: Candidate, why: Unfit) -> None:
        digest = hashlib.sha256(why.data).digest()
        if not (candidate.touched and digest == self._known_digest(candidate)):
            await self._set_aside(why.data, str(why), ", ".join(path for path, _ in candidate.files))
        await self._mark(candidate, digest)

    async def _set_aside(self, data: bytes, reason: str, origin: str) -> None:
        logger().warning("put into quarantine", path=origin, reason=reason)
        try:
            await asyncio.to_thread(self._quarantine.put, data, reason, origin)
        except OSError as exc:
            logger().error("the quarantine cannot be written", path=origin, reason=str(exc))

    async def _mark(self, candidate: Candidate, digest: bytes) -> None:
        flags = dict(candidate.flags)
        files = {path: SeenFile(stat, digest, flags.get(path, "")) for path, stat in candidate.files}
        try:
            await asyncio.to_thread(self._seen.mark, files)
        except sqlite3.Error as exc:  # a full disk: known in memory, and offered again after a restart
            count("seen_set_unwritten")
            logger().error("the seen-set cannot be written", path=candidate.path, reason=str(exc))

    async def _clear_up(self, candidate: Candidate, assembled: Assembled) -> None:
        if self._options.after == "leave":
            return
        await self._off_loop(lambda: dispose(self._belongings(candidate, assembled), self._options))

    def _belongings(self, candidate: Candidate, assembled: Assembled) -> Iterable[str]:
        for path, _ in candidate.files:
            yield path
            if self._options.complete == "flag":
                yield flag_name(path, self._options)
        for part in assembled.parts:
            for view in part.views:
                if view.reference and (found := self._images.find(view.reference)):
                    yield (
                        str(found.relative_to(self._options.path))
                        if found.is_relative_to(self._options.path)
                        else str(found)
                    )

    async def _off_loop(self, work: Callable[[], Result]) -> Result:
        return await off_loop(self._options.share_seconds, work)


def _add(found: hashlib._Hash, part: Inspection) -> None:
    """Add a part's images: they tell a new writing of the same words from a mere touch of the file."""
    for view in part.views:
        found.update(b"\0" + hashlib.sha256(view.image or b"").digest())


def _key(candidate: Candidate) -> str:
    """Return the identity of this presentation: paths, sizes and times of change."""
    marks = [f"{path}:{stat.mtime_ns}:{stat.size}" for path, stat in candidate.files]
    if len(marks) == 1:
        return marks[0]
    return f"{candidate.path}:+{len(marks) - 1}:{hashlib.sha256('|'.join(marks).encode()).hexdigest()[:32]}"
