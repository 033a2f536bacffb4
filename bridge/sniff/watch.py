"""Recording a folder: which files appear, in which order and how they are written, without touching any.

Files are only listed, and read once two looks in a row found them the same. Nothing is opened for writing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bridge.errors import ConfigError
from bridge.sniff.capture import Event, How
from bridge.sniff.tap import Tap

LOOK_SECONDS = 0.1
FILES = 50_000
"""So many files are looked at; a folder with more is told of, once."""
OLD_FILES = 50
"""Of the files that lie there at the start so many, the newest, are read; of the others the names are kept."""
WHOLE_BYTES = 256 << 10
"""Larger files are kept by their beginning and their end."""
HEAD_BYTES, TAIL_BYTES = 4096, 64


@dataclass(frozen=True, slots=True)
class Mark:
    """What a listing says of a file."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Change:
    """What is different since the look before."""

    path: str
    how: How
    mark: Mark
    before: str = ""


def changes(before: Mapping[str, Mark], now: Mapping[str, Mark]) -> Iterator[Change]:
    """Yield what two looks differ in: renames first, then what is gone, then what is new or different."""
    gone = {path: mark for path, mark in before.items() if path not in now}
    moved = {}
    for path, mark in now.items():
        if path not in before and (old := next((p for p, m in gone.items() if m == mark), None)):
            del gone[old]
            moved[path] = old
            yield Change(path, "renamed", mark, old)
    for path, mark in gone.items():
        yield Change(path, "gone", mark)
    for path, mark in now.items():
        if path in moved:
            continue
        if path not in before:
            yield Change(path, "new", mark)
        elif before[path] != mark:
            yield Change(path, "growing", mark)


@dataclass
class Watch:
    """Looks at a folder and tells what happened; blocks on the disk."""

    folder: Path
    marks: dict[str, Mark] = field(default_factory=dict)
    crowded: bool = False
    """Whether the folder holds more files than are looked at."""
    _unread: dict[str, How] = field(default_factory=dict)  # what changed, and was not read since
    _read: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # how much was read of it, and how it begins

    def first(self) -> Sequence[Event]:
        """Tell what lies there at the start, the oldest first."""
        self.marks = self._listed()
        aged = sorted(self.marks, key=lambda path: self.marks[path].mtime_ns)
        newest = set(aged[-OLD_FILES:])
        return [
            self._content(path, "there") if path in newest else _event(path, "there", self.marks[path])
            for path in aged
        ]

    def look(self) -> Sequence[Event]:
        """Tell what happened since the last look."""
        now = self._listed()
        told: list[Event] = []
        settled = dict(self._unread)
        for change in changes(self.marks, now):
            settled.pop(change.path, None)
            told.append(_event(change.path, change.how, change.mark, change.before))
            self._follow(change)
        self.marks = now
        for path, how in settled.items():
            if self._unread.pop(path, None) and path in now:
                told.append(self._content(path, how))
        return told

    def _follow(self, change: Change) -> None:
        if change.how == "renamed":
            self._read.pop(change.path, None)
            if change.before in self._read:
                self._read[change.path] = self._read.pop(change.before)
            if self._unread.pop(change.before, None):
                self._unread[change.path] = "new"
        elif change.how == "gone":
            self._unread.pop(change.path, None)
            self._read.pop(change.path, None)
        else:
            self._unread.setdefault(change.path, "changed" if change.path in self._read else "new")

    def _content(self, path: str, how: How) -> Event:
        """Read a file, of one that has grown what came behind."""
        mark, (size, start) = self.marks[path], self._read.get(path, (0, b""))
        try:
            with (self.folder / path).open("rb") as file:
                head = file.read(HEAD_BYTES)
                if start and mark.size > size and head.startswith(start):
                    file.seek(size)
                    how, data, tail = "grown", file.read(WHOLE_BYTES), b""
                else:
                    size, (data, tail) = 0, _whole(file, head, mark.size)
        except OSError:
            return _event(path, how, mark)
        self._read[path] = mark.size, head[: mark.size]
        return _event(path, how, mark, data=data, offset=size, tail=tail)

    def _listed(self) -> dict[str, Mark]:
        found: dict[str, Mark] = {}
        for path, mark in _files(self.folder, ""):
            found[path] = mark
            if len(found) >= FILES:
                self.crowded = True
                break
        return found


async def watch(tap: Tap, folder: Path, looked: Callable[[], None]) -> None:
    """Record a folder until cancelled; ``looked`` is called once what lies there already is known.

    Raises:
        ConfigError: it is no folder, or cannot be read.
    """
    if not await asyncio.to_thread(folder.is_dir):
        raise ConfigError(f"--folder {folder}", "is no folder that can be read here")
    eye = Watch(folder)
    events = await asyncio.to_thread(eye.first)
    looked()
    while True:
        for event in events:
            await tap.note(event)
        await asyncio.sleep(LOOK_SECONDS)
        events = await asyncio.to_thread(eye.look)


def _files(folder: Path, below: str) -> Iterator[tuple[str, Mark]]:
    """Yield the regular files of a folder and of those in it; what vanishes meanwhile is left out."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name = below + entry.name
        try:
            name.encode()
            if entry.is_dir(follow_symlinks=False):
                yield from _files(folder / entry.name, f"{name}/")
            elif entry.is_file(follow_symlinks=False):
                facts = entry.stat(follow_symlinks=False)
                yield name, Mark(facts.st_size, facts.st_mtime_ns, facts.st_ino)
        except (OSError, UnicodeEncodeError):
            continue


def _whole(file: IO[bytes], head: bytes, size: int) -> tuple[bytes, bytes]:
    """Return a file and nothing, or its beginning and its end where it is too large to be kept."""
    if size <= WHOLE_BYTES:
        return head + file.read(WHOLE_BYTES - len(head)), b""
    file.seek(-TAIL_BYTES, os.SEEK_END)
    return head, file.read(TAIL_BYTES)


def _event(
    path: str, how: How, mark: Mark, before: str = "", data: bytes = b"", offset: int = 0, tail: bytes = b""
) -> Event:
    return Event(
        what="file",
        path=path,
        how=how,
        before=before,
        size=mark.size,
        mtime=mark.mtime_ns / 1e9,
        data=data,
        offset=offset,
        tail=tail,
    )
