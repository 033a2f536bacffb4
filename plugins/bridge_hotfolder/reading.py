"""Reading files of the old machine: opened for reading only, bounded, and only if they hold still.

Everything here blocks and runs in a thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bridge_hotfolder import pictures
from bridge_hotfolder.formats import ParseError
from bridge_hotfolder.listing import Stat
from bridge_hotfolder.options import HotfolderOptions


class ChangedError(Exception):
    """A file is not, or no longer, what the last look at the folder found: look again."""


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, while the context lasts.

    Raises:
        ParseError: if it is no file: it was one when the folder was listed.
        OSError: if it cannot be opened.
    """
    with open(path, "rb", opener=_opened_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ParseError(f"{path} is no file")
        yield file


def _opened_at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe that nobody writes to would keep the thread for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_steady(path: Path, limit: int, expected: Stat | None = None) -> tuple[bytes, Stat]:
    """Return a file's bytes and what it was while they were read.

    Raises:
        ChangedError: if it was changed while it was read, or is not as expected.
        ParseError: if it is larger than ``limit``; nothing was read then.
        OSError: if it cannot be read.
    """
    with open_file(path) as file:
        before = Stat.of(os.fstat(file.fileno()))
        if expected is not None and before != expected:
            raise ChangedError(f"{path} was changed since it was listed")
        if before.size > limit:
            raise ParseError(f"has {before.size} bytes, more than {limit}")
        data = file.read(before.size + 1)
        if len(data) != before.size or Stat.of(os.fstat(file.fileno())) != before:
            raise ChangedError(f"{path} was changed while it was read")
    return data, before


class Images:
    """Finds and reads images below the hot folder, or below a folder that ``path_prefix`` names."""

    def __init__(self, options: HotfolderOptions) -> None:
        self._options = options
        mapped = [Path(here) for here in options.path_prefix.values() if Path(here).is_absolute()]
        self._roots = [options.path, *mapped]

    def find(self, reference: str) -> Path | None:
        """Return the file that a reference means; its suffix may be ``.*``. None while it is not there.

        Raises:
            ParseError: if a link leads out of the folder.
            OSError: if the share is in trouble.
        """
        stem = reference.removesuffix(".*")
        suffixes = [""] if stem == reference else self._options.image_suffixes
        for suffix in suffixes:
            for name in dict.fromkeys((stem + suffix, stem + suffix.upper())):
                path = self._options.path / name
                if path.is_file():
                    return self._below_a_root(path, reference)
        return None

    def read(self, reference: str) -> tuple[bytes, bool]:
        """Return an image's bytes, empty while it is not there, and whether it has its end.

        Raises:
            ParseError: if it is too large or outside the folder.
            OSError: if the share is in trouble.
        """
        path = self.find(reference)
        if path is None:
            return b"", False
        try:
            data, _ = read_steady(path, self._options.max_image_bytes)
        except (ChangedError, FileNotFoundError):
            return b"", False
        return data, pictures.whole(data)

    def _below_a_root(self, path: Path, reference: str) -> Path:
        real = path.resolve()
        if not any(real.is_relative_to(root.resolve()) for root in self._roots):
            raise ParseError(f"the image {reference!r} is a link that leads out of the folder")
        return path
