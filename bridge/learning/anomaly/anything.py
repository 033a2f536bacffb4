"""Pictures of anything, without labels: to distil a teacher with, or for a student not to follow it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import preprocess
from bridge.judging.headers import Unreadable
from bridge.judging.spec import Input
from bridge.learning.data.found import SUFFIXES

Told = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Tell nobody."""


def pictures(folder: Path, into: Input, flag: str, told: Told = silent) -> NDArray[np.uint8]:
    """Return every picture below a folder, stretched to one size; shape (N, height, width, channels).

    What cannot be read is left out.

    Raises:
        ConfigError: there is no such folder, or no picture in it that can be read.
    """
    if not folder.is_dir():
        raise ConfigError(flag, f"there is no folder {folder}", "write a folder of pictures")
    found, seen = sorted(_files(folder)), []
    for at, path in enumerate(found):
        told(at, len(found))
        try:
            seen.append(preprocess.picture(path.read_bytes(), into))
        except (Unreadable, OSError):
            continue
    told(len(found), len(found))
    if not seen:
        raise ConfigError(
            flag, f"{folder} holds no picture that can be read", "write a folder of JPEG or PNG files"
        )
    return np.stack(seen)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
