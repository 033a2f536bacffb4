"""What is done with a file beside reading it: remembered, put aside with its reason, cleared away."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from typing import TypeVar

from bridge.plugin import Quarantine, count, logger
from bridge_hotfolder.assembly import Unfit
from bridge_hotfolder.completion import Candidate
from bridge_hotfolder.disk import off_loop
from bridge_hotfolder.disposal import dispose
from bridge_hotfolder.names import flag_name
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.seen import Seen, SeenFile

Result = TypeVar("Result")


class Keeper:
    """Keeps the seen-set and the quarantine of one folder."""

    def __init__(self, options: HotfolderOptions, seen: Seen) -> None:
        self.options = options
        self._seen = seen
        self._quarantine = Quarantine(options.home / "quarantine")

    def known_digest(self, candidate: Candidate) -> bytes:
        """Return the digest under which a file was seen, empty if it was not."""
        known = self._seen.get(candidate.path)
        return known.digest if known else b""

    async def unfit(self, candidate: Candidate, why: Unfit) -> None:
        """Put a file aside that will never be understood."""
        digest = hashlib.sha256(why.data).digest()
        if not (candidate.touched and digest == self.known_digest(candidate)):
            await self.set_aside(why.data, str(why), ", ".join(path for path, _ in candidate.files))
        await self.mark(candidate, digest)

    async def set_aside(self, data: bytes, reason: str, origin: str) -> None:
        """Put what was not understood into the quarantine; a full disk is told of."""
        logger().warning("put into quarantine", path=origin, reason=reason)
        try:
            await asyncio.to_thread(self._quarantine.put, data, reason, origin)
        except OSError as exc:
            logger().error("the quarantine cannot be written", path=origin, reason=str(exc))

    async def mark(self, candidate: Candidate, digest: bytes) -> None:
        """Remember a file as done with."""
        flags = dict(candidate.flags)
        files = {path: SeenFile(stat, digest, flags.get(path, "")) for path, stat in candidate.files}
        try:
            await asyncio.to_thread(self._seen.mark, files)
        except sqlite3.Error as exc:  # a full disk: known in memory, and offered again after a restart
            count("seen_set_unwritten")
            logger().error("the seen-set cannot be written", path=candidate.path, reason=str(exc))

    async def clear_up(self, candidate: Candidate, more: Callable[[], Iterable[str]] = tuple) -> None:
        """Delete or move what is done with, and what else belongs to it, where the folder is ours."""
        if self.options.after != "leave":
            await self.off_loop(lambda: dispose([*self._files(candidate), *more()], self.options))

    def _files(self, candidate: Candidate) -> Iterable[str]:
        for path, _ in candidate.files:
            yield path
            if self.options.complete == "flag":
                yield flag_name(path, self.options)

    async def off_loop(self, work: Callable[[], Result]) -> Result:
        """Do in a thread what blocks on the share; raises Unavailable where that does not answer."""
        return await off_loop(self.options.share_seconds, work)


def key_of(candidate: Candidate) -> str:
    """Return the identity of this presentation: paths, sizes and times of change."""
    marks = [f"{path}:{stat.mtime_ns}:{stat.size}" for path, stat in candidate.files]
    if len(marks) == 1:
        return marks[0]
    return f"{candidate.path}:+{len(marks) - 1}:{hashlib.sha256('|'.join(marks).encode()).hexdigest()[:32]}"
