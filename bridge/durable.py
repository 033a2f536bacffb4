"""What a power cut must not take away: small files replaced whole, and names that are on the disk for good.

A file that was forced to the disk can still be gone with its name: a name is there for good only once the folder
that it stands in was forced there too, as nothing else promises (POSIX).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Replace a file in one step, as ``replace_bytes`` does."""
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step: readers, and who comes after a crash, find the old content or the new; blocks.

    Raises:
        OSError: the disk refuses; the old content stays.
    """
    with drafted(path) as draft:
        draft.write_bytes(content)


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Lend a file beside another one, which it replaces in one step where the block ends well; blocks.

    Raises:
        OSError: the disk refuses; the old file stays.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    keep_names(path.parent)


def keep_names(folder: Path) -> None:
    """Force to the disk which names stand in a folder; blocks.

    A folder that may not be read, or that this system does not open (Windows), is left to the system's own time.
    """
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
