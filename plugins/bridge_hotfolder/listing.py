"""One look at the folder: one ``scandir`` per folder, no file is opened."""

from __future__ import annotations

import errno
import os
import re
import stat
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import NamedTuple, TypeAlias

from bridge.plugin import Unavailable, count
from bridge_hotfolder.names import ImageName, flag_pattern
from bridge_hotfolder.options import HotfolderOptions

_DATES = 1 << 63
"""Nanoseconds to the year 2262; some file systems know thousands of years more."""


class Stat(NamedTuple):
    """What tells one writing of a file from the next without reading it."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stat:
        """Take what matters from the system's answer; also a date so mad that 64 bits do not hold it."""
        mtime_ns = found.st_mtime_ns
        return cls(found.st_size, mtime_ns if -_DATES <= mtime_ns < _DATES else mtime_ns % _DATES)


_OF_ONE_NAME = frozenset({errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG})
"""Trouble with one name, as links make it; any other is the share's."""

Known: TypeAlias = Callable[[str, os.stat_result], bool]
"""Says whether a file, as it is now, was handed in already."""


@dataclass
class Listing:
    """What was in the folder at one look; paths are relative to it, with ``/``."""

    device: int
    """The file system's number; it changes when a share goes away or comes back."""
    files: dict[str, Stat] = field(default_factory=dict)
    """The files that tell of parts, results or images, and are not known to be done with."""
    present: set[str] = field(default_factory=set)
    """All files that tell of parts, known or not."""
    flags: dict[str, Stat] = field(default_factory=dict)
    """Done-flags, where they are asked for."""
    images: dict[str, list[str]] = field(default_factory=dict)
    """Folder → names of the images in it."""
    unreadable_names: set[str] = field(default_factory=set)
    """What is left alone because its name is no text here: bytes of another code page, or control characters."""
    no_files: set[str] = field(default_factory=set)
    """What is called like a file of ours and is none: a pipe, a device, a link that leads round or is closed."""
    _sorted: set[str] = field(default_factory=set)

    def views(self, wanted: ImageName) -> Iterator[tuple[str, str]]:
        """Yield view and path of each image that carries a wanted name."""
        names = self.images.get(wanted.folder, [])
        if wanted.folder not in self._sorted:
            names.sort()
            self._sorted.add(wanted.folder)
        for name in names[bisect_left(names, wanted.start) :]:
            if not name.startswith(wanted.start):
                return
            if (view := wanted.view(name)) is not None:
                yield view, f"{wanted.folder}/{name}" if wanted.folder else name


def look(options: HotfolderOptions, is_known: Known = lambda _path, _stat: False) -> Listing:
    """List the folder; blocks on the disk, so it runs in a thread.

    A file that ``is_known`` costs no memory beyond its path: old machines keep tens of thousands.

    Raises:
        Unavailable: if the folder is away or cannot be listed.
    """
    try:
        listing = Listing(device=options.path.stat().st_dev)
        _Walk(listing, options, is_known).walk(options.path, "")
    except OSError as exc:
        raise Unavailable(f"the folder {options.path} cannot be listed: {exc.strerror or exc}") from exc
    return listing


class _Walk:
    """One walk through the folders; what does not change from name to name is worked out once."""

    def __init__(self, listing: Listing, options: HotfolderOptions, is_known: Known) -> None:
        self._listing = listing
        self._options = options
        self._is_known = is_known
        self._moved = options.path / options.move_to if options.after == "move" else None
        self._in_progress = tuple(suffix.lower() for suffix in options.in_progress)
        self._is_result = re.compile("|".join(translate(name.lower()) for name in options.results)).match
        self._is_flag = flag_pattern(options.flag).fullmatch if options.complete == "flag" else None

    def walk(self, folder: Path, below: str) -> None:
        images: list[str] = []
        deeper: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    deeper.append(entry.name)
                else:
                    self._take(entry, below, images)
        self._listing.images[below.rstrip("/")] = images
        if self._options.folders == "all":
            for name in deeper:
                self._descend(folder / name, f"{below}{name}/")

    def _take(self, entry: os.DirEntry[str], below: str, images: list[str]) -> None:
        name = entry.name.lower()
        if name.endswith(self._in_progress):
            return
        if not name.isprintable():
            self._listing.unreadable_names.add(below + ascii(entry.name))
            return
        is_image = name.endswith(self._options.image_suffixes)
        if is_image:
            images.append(entry.name)
        if self._is_flag and self._is_flag(name):
            if (found := self._file(entry, below + entry.name)) is not None:
                self._listing.flags[below + entry.name] = Stat.of(found)
        elif is_image if self._options.verdict_in == "name" else self._is_result(name):
            self._keep(entry, below + entry.name)

    def _keep(self, entry: os.DirEntry[str], path: str) -> None:
        found = self._file(entry, path)
        if found is None:
            return
        self._listing.present.add(path)
        if not self._is_known(path, found):
            self._listing.files[path] = Stat.of(found)

    def _file(self, entry: os.DirEntry[str], path: str) -> os.stat_result | None:
        """Return what a file is; None of one that has gone, and of what is no file: opening a pipe never ends."""
        try:
            found = entry.stat()
        except FileNotFoundError:
            return None
        except OSError as exc:
            if exc.errno not in _OF_ONE_NAME:
                raise
            found = None
        if found is None or not stat.S_ISREG(found.st_mode):
            self._listing.no_files.add(path)
            return None
        return found

    def _descend(self, folder: Path, below: str) -> None:
        if folder == self._moved:
            return
        try:
            self.walk(folder, below)
        except FileNotFoundError:
            return  # the old machine clears its folders while we look
        except PermissionError:
            count("folders_forbidden")
