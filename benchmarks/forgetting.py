"""What is left on a disk after a power cut: files and folders in memory, each as seen and as on the platter.

The data of a file is on the platter once the file was fsynced. A name (created, renamed, removed) is on the
platter once its *folder* was fsynced: POSIX promises no more, and ext4, XFS and btrfs keep more than that, so what
survives here survives there.

A torn cut: each sector of 512 bytes stands as it was at some moment since the last fsync, each for itself, and of
the unsynced names a random number of the first ones are there.
"""

from __future__ import annotations

import errno
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

SECTOR = 512


@dataclass(eq=False, slots=True)
class File:
    """One file: as running programs see it, and as the platter has it."""

    mode: int = 0o644
    seen: bytearray = field(default_factory=bytearray)
    kept: bytearray = field(default_factory=bytearray)
    changes: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Since the last fsync, in order: bytes written at an offset, or None where it was cut to this length."""
    changed_at: float = field(default_factory=time.time)

    def write(self, data: bytes, offset: int) -> None:
        """Write, in memory only."""
        put(self.seen, offset, data)
        self.changes.append((offset, data))
        self.changed_at = time.time()

    def truncate(self, length: int) -> None:
        """Cut or lengthen, in memory only."""
        resize(self.seen, length)
        self.changes.append((length, None))
        self.changed_at = time.time()

    def fsync(self) -> None:
        """Bring the data to the platter."""
        for offset, data in self.changes:
            if data is None:
                resize(self.kept, offset)
            else:
                put(self.kept, offset, data)
        self.changes.clear()

    def cut(self, chance: random.Random | None) -> int:
        """Forget what is not on the platter, or by chance some of it; return how many bytes were at stake."""
        lost = sum(len(data) for _, data in self.changes if data)
        if chance and self.changes:
            torn(self.kept, self.changes, chance)
        self.changes.clear()
        self.seen = bytearray(self.kept)
        return lost


@dataclass(eq=False, slots=True)
class Folder:
    """One folder: the names that running programs see, and those on the platter."""

    mode: int = 0o755
    seen: dict[str, Node] = field(default_factory=dict)
    kept: dict[str, Node] = field(default_factory=dict)
    changed_at: float = field(default_factory=time.time)


Node: TypeAlias = File | Folder
Names: TypeAlias = tuple[tuple[Folder, str, "Node | None"], ...]
"""What one system call did to names; None removed one."""


class Disk:
    """The tree of files, with what is still to reach the platter."""

    def __init__(self) -> None:
        self.root = Folder()
        self._names: list[Names] = []

    def find(self, path: str) -> Node:
        """Return what is at a path.

        Raises:
            OSError: nothing is.
        """
        node: Node = self.root
        for name in filter(None, path.split("/")):
            if isinstance(node, File):
                raise OSError(errno.ENOTDIR, path)
            if name not in node.seen:
                raise OSError(errno.ENOENT, path)
            node = node.seen[name]
        return node

    def place(self, path: str) -> tuple[Folder, str]:
        """Return the folder that a path's last name stands in, and that name."""
        above, _, name = path.rpartition("/")
        folder = self.find(above)
        if isinstance(folder, File):
            raise OSError(errno.ENOTDIR, path)
        return folder, name

    def set(self, *names: tuple[Folder, str, Node | None]) -> None:
        """Change names, in memory only; what one call changes reaches the platter together."""
        self._names.append(names)
        for folder, name, node in names:
            folder.changed_at = time.time()
            _name(folder.seen, name, node)

    def fsync_folder(self, folder: Folder) -> None:
        """Bring the names in a folder to the platter, in the order in which they were changed."""
        for names in [names for names in self._names if any(where is folder for where, _, _ in names)]:
            self._names.remove(names)
            _keep(names)

    def cut(self, chance: random.Random | None = None) -> dict[str, int]:
        """Let the power fail; return how many bytes and name changes were not yet on the platter."""
        names = len(self._names)
        for unsynced in self._names[: chance.randint(0, names) if chance else 0]:
            _keep(unsynced)
        self._names.clear()
        return {"bytes": _cut(self.root, chance), "names": names}


def put(into: bytearray, offset: int, data: bytes) -> None:
    """Write at an offset; a gap before it is filled with zeros."""
    if offset > len(into):
        into.extend(bytes(offset - len(into)))
    into[offset : offset + len(data)] = data


def resize(into: bytearray, length: int) -> None:
    """Give it this length, with zeros where it grows."""
    del into[length:]
    into.extend(bytes(length - len(into)))


def torn(kept: bytearray, changes: list[tuple[int, bytes | None]], chance: random.Random) -> None:
    """Bring each sector to the state after some of its changes, each for itself, and so the length."""
    sizes = [len(kept)]
    moments: dict[int, int] = {}
    for number, (offset, data) in enumerate(changes):
        sizes.append(offset if data is None else max(sizes[-1], offset + len(data)))
        for place, piece in _sectors(offset, data or b""):
            if number < moments.setdefault(place // SECTOR, chance.randint(0, len(changes))):
                put(kept, place, piece)
    resize(kept, chance.choice(sizes))


def _sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        room = SECTOR - (offset + at) % SECTOR
        yield offset + at, data[at : at + room]
        at += room


def _name(names: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _keep(names: Names) -> None:
    for folder, name, node in names:
        _name(folder.kept, name, node)


def _cut(folder: Folder, chance: random.Random | None) -> int:
    """Forget below a folder; what the platter has no name for is gone as a whole."""
    lost = 0
    gone = [node for name, node in folder.seen.items() if folder.kept.get(name) is not node]
    for node in itertools.chain(folder.kept.values(), gone):
        lost += node.cut(chance) if isinstance(node, File) else _cut(node, chance)
    folder.seen = dict(folder.kept)
    return lost
