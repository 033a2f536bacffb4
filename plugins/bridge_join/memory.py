"""Which part each half became, kept over restarts: a half that comes again alone is no second part.

Appended to a file of our own, a line for each part. A line is *written* before its part is handed in, so that a
killed process loses none, and *kept* (forced to the disk) before either half is acknowledged, so that a power cut
loses none that will not come again with its partner. Two generations of ``most`` parts bound memory and disk: when
the newer is full, the older goes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from bridge.plugin import Unavailable
from bridge_join.halves import Before

NEWER, OLDER = "joined.log", "joined.old.log"
CLOSE_SECONDS = 2.0
"""A disk that hangs is left behind."""
_DIGEST_BYTES = 12


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


@dataclass
class _Generation:
    """What was noted since the file was begun."""

    halves: dict[bytes, Before] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    recorded: set[str] = field(default_factory=set)
    """Of these, what stands so in the file."""
    parts: int = 0

    def note(self, digests: Iterable[bytes], before: Before) -> None:
        self.parts += 1
        self.halves.update(dict.fromkeys(digests, before))


@dataclass
class _Turn:
    """One forcing of the disk, for all that was written when it begins."""

    begun: bool = False
    done: asyncio.Future[None] = field(init=False)


class Memory:
    """What became of the halves; asking never waits, noting is done in threads."""

    def __init__(self, files: _Files, older: _Generation, newer: _Generation, most: int) -> None:
        self._files, self._older, self._newer, self._most = files, older, newer, most
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="join-write")
        self._forcing = ThreadPoolExecutor(1, thread_name_prefix="join-sync")
        self._turn = _Turn(begun=True)

    def recall(self, name: str) -> Before | None:
        """Return how a half was handed in before; None where it is new."""
        digest = _digest(name)
        return self._newer.halves.get(digest) or self._older.halves.get(digest)

    def answered(self, key: str) -> bool:
        """Return whether the part of this key was answered, so that only its answer is wanted."""
        return key in self._newer.answered or key in self._older.answered

    def note(self, names: Iterable[str], before: Before) -> asyncio.Future[None]:
        """Note of which part these halves are; the future is done once that is written.

        It raises OSError where the disk refuses; what was noted is known all the same until the process ends.
        """
        digests = [_digest(name) for name in names]
        turned = self._newer.parts >= self._most
        if turned:
            self._older, self._newer = self._newer, _Generation()
        self._newer.note(digests, before)
        halves = [digest.hex() for digest in digests]
        line = {"key": before.key, "halves": halves, "of": before.halves, "tied": before.tied}
        return self._append(line, turned=turned)

    def kept(self) -> asyncio.Future[None]:
        """Return a future that is done once all that was written is on the disk; OSError where that refuses."""
        if self._turn.begun:
            self._turn = _Turn()
            done = asyncio.get_running_loop().run_in_executor(self._forcing, self._force, self._turn)
            done.add_done_callback(_heard)
            self._turn.done = done
        return self._turn.done

    def answer(self, key: str, *, recorded: bool) -> None:
        """Note that a part was answered; only what is recorded is written, once, and known after a restart."""
        self._newer.answered.add(key)
        if recorded and key not in self._newer.recorded:
            self._newer.recorded.add(key)
            self._append({"answered": key}, turned=False)

    def close(self) -> None:
        """End, once what was noted is written; blocks."""
        self._writing.shutdown()
        self._forcing.shutdown()
        self._files.close()

    def _append(self, line: Mapping[str, Any], *, turned: bool) -> asyncio.Future[None]:
        data = json.dumps(line).encode() + b"\n"
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(self._writing, self._files.append, data, turned)
        written.add_done_callback(_heard)
        return written

    def _force(self, turn: _Turn) -> None:
        """Force the disk, in a thread; whoever asks once it has begun waits for the next turn."""
        turn.begun = True
        self._files.force()


def _heard(future: asyncio.Future[None]) -> None:
    """Let nobody complain of an error that whoever waits has been told, or nobody need be."""
    if not future.cancelled():
        future.exception()


class _Files:
    """The file that is appended to, and the one before it; all of it blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._retired: FileIO | None = None
        self._file, self._torn = self._opened()

    def append(self, data: bytes, turned: bool) -> None:  # noqa: FBT001 - an executor passes no keywords
        """Write one line; begin a new file before it where a generation is over."""
        if turned:
            self._turn()
        line = b"\n" + data if self._torn else data
        self._torn = True  # unless it is written whole
        if self._file.write(line) != len(line):
            raise OSError("the disk took half a line")
        self._torn = False

    def force(self) -> None:
        """Force what was written to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        for file in (self._file, self._retired):
            if file is not None:
                file.close()

    def _turn(self) -> None:
        os.fsync(self._file.fileno())
        (self._folder / NEWER).replace(self._folder / OLDER)
        if self._retired is not None:
            self._retired.close()
        self._retired = self._file  # still open, for it may be being forced
        self._file, self._torn = self._opened()

    def _opened(self) -> tuple[FileIO, bool]:
        path = self._folder / NEWER
        file = FileIO(path, "ab+")
        torn = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return file, torn


@asynccontextmanager
async def remembering(folder: Path, most: int) -> AsyncIterator[Memory]:
    """Open the memory in a folder of its own; whatever is cancelled, what was opened is closed.

    Raises:
        Unavailable: the disk refuses.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(_open, folder, most))
    try:
        await asyncio.wait({opening})
        if isinstance(refused := opening.exception(), OSError):
            raise Unavailable(f"{folder} cannot be written ({refused.strerror or refused})") from refused
        yield opening.result()
    finally:
        if not opening.done():
            await asyncio.wait({opening}, timeout=CLOSE_SECONDS)
        if opening.done() and opening.exception() is None:
            closing = asyncio.ensure_future(asyncio.to_thread(opening.result().close))
            await asyncio.wait({closing}, timeout=CLOSE_SECONDS)


def _open(folder: Path, most: int) -> Memory:
    files = _Files(folder)
    return Memory(files, _read(folder / OLDER), _read(folder / NEWER), most)


def _read(path: Path) -> _Generation:
    """Read a generation; a line that was cut short is none."""
    found = _Generation()
    with suppress(FileNotFoundError):
        for line in _lines(path):
            with suppress(KeyError, TypeError, ValueError):
                if "answered" in line:
                    found.answered.add(str(line["answered"]))
                    found.recorded.add(str(line["answered"]))
                    continue
                digests = [bytes.fromhex(half) for half in line["halves"]]
                before = Before(
                    key=str(line["key"]), halves=int(line["of"]), known=len(digests), tied=line["tied"] is True
                )
                found.note(digests, before)
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    yield said
