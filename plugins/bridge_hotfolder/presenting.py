"""Handing parts in: read, inspect, and remember only what is recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from bridge.plugin import Inspect, Inspection, count
from bridge_hotfolder.assembly import Assembled, Unfit, assemble, read_images, tie
from bridge_hotfolder.codec import line_header, read_line
from bridge_hotfolder.completion import Candidate
from bridge_hotfolder.fetching import fetcher
from bridge_hotfolder.formats import ParseError
from bridge_hotfolder.keeping import Keeper, key_of
from bridge_hotfolder.listing import Listing
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.reading import Images
from bridge_hotfolder.seen import Seen
from bridge_hotfolder.tail import Line


@dataclass(frozen=True, slots=True)
class _Marks:
    """What all parts of one file are handed in under."""

    key: str
    event: float
    backlog: bool


class Presenter(Keeper):
    """Turns what is whole into calls of ``inspect``.

    Both verbs return True once there is nothing left to do for a file or a line: all its parts are recorded, or
    it is in the quarantine with its reason.
    """

    def __init__(self, options: HotfolderOptions, seen: Seen, inspect: Inspect) -> None:
        super().__init__(options, seen)
        self._inspect = inspect
        self._images = Images(options)

    async def candidate(self, candidate: Candidate, listing: Listing) -> bool:
        """Hand in the parts of one result file, or of one group of images.

        Raises:
            ChangedError: if it is not whole yet after all.
            Unavailable: if the share does not answer.
            OSError: if it cannot be read now.
        """
        try:
            assembled = await self.off_loop(partial(assemble, candidate, listing, self.options, self._images))
        except Unfit as exc:
            await self.unfit(candidate, exc)
            return True
        if candidate.touched and await self._digest(assembled) == self.known_digest(candidate):
            count("touched")
            await self.mark(candidate, self.known_digest(candidate))
            return True
        marks = _Marks(key_of(candidate), candidate.event, candidate.backlog)
        digest = await self._hand_in(assembled, marks, candidate.path)
        if digest is None:
            return False
        await self.mark(candidate, digest)
        await self.clear_up(candidate, lambda: self._pictures(assembled))
        return True

    async def line(self, line: Line, listing: Listing) -> bool:
        """Hand in the part of one appended line.

        Raises:
            Unavailable: if the share does not answer.
            OSError: if an image cannot be read now.
        """
        try:
            header = None if line.header is None else line_header(line.header, self.options)
            told = read_line(line.data, line.path, header, self.options)
            assembled = tie([told], line.path, listing, self.options, line.data)
        except ParseError as exc:
            await self.set_aside(line.data, str(exc), f"{line.path} at byte {line.start}")
            return True
        marks = _Marks(line.key, line.event, line.backlog)
        return await self._hand_in(assembled, marks, line.path) is not None

    async def _hand_in(self, assembled: Assembled, marks: _Marks, origin: str) -> bytes | None:
        """Hand in the parts in the file's order; return the digest of all, or None if one is not recorded."""
        problems = list(assembled.problems)
        found = hashlib.sha256(assembled.data)
        fetch = fetcher(self._images, self.options, marks.event)
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
            await self.set_aside(assembled.data, problem, origin)
        return found.digest()

    async def _with_images(self, part: Inspection, problems: list[str]) -> Inspection:
        """Read the images, unless there are so many that only those asked for shall be read.

        Where files are cleared away afterwards a later reading would find nothing, so all are read now.
        """
        if len(part.views) > self.options.fetch_above_views and self.options.after == "leave":
            return part
        return await self.off_loop(partial(read_images, part, self._images, problems))

    async def _with_late_images(self, part: Inspection) -> Inspection:
        """Read what came while the part was inspected: else the same result written again would look new."""
        missing = any(view.reference and view.image is None for view in part.views)
        return await self._with_images(part, []) if missing else part

    async def _digest(self, assembled: Assembled) -> bytes:
        found = hashlib.sha256(assembled.data)
        for part in assembled.parts:
            _add(found, await self._with_images(part, []))
        return found.digest()

    def _pictures(self, assembled: Assembled) -> Iterable[str]:
        for part in assembled.parts:
            for view in part.views:
                if view.reference and (found := self._images.find(view.reference)):
                    yield (
                        str(found.relative_to(self.options.path))
                        if found.is_relative_to(self.options.path)
                        else str(found)
                    )


def _add(found: hashlib._Hash, part: Inspection) -> None:
    """Add a part's images: they tell a new writing of the same words from a mere touch of the file."""
    for view in part.views:
        found.update(b"\0" + hashlib.sha256(view.image or b"").digest())
