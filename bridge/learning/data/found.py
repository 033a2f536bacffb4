"""One picture as a layout gives it, before the words of the command line say what belongs together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from bridge.errors import ConfigError

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A box that somebody drew around a defect, in pixels of the original picture."""

    label: str
    """The name of its class."""
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A picture and what its place or its row in a table says of it; empty where nothing is said."""

    path: Path
    label: str
    part: str = ""
    serial: str = ""
    """The number that the part itself bears: its inspections are never torn apart, whatever the groups."""
    view: str = ""
    group: str = ""
    split: str = ""
    mask: Path | None = None
    marks: tuple[Mark, ...] | None = None
    """What is drawn in it; None where the set knows no boxes."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Further columns by name, which ``--groups`` and its like may name."""


SPLITS: Final[Mapping[str, str]] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "held-out": "held-out",
    "held_out": "held-out",
    "holdout": "held-out",
}
"""How people call the sides of a set, and what we call them."""


def side(name: str, where: str) -> str:
    """Return the side that a word means, empty for an empty one.

    Raises:
        ConfigError: the word is none of these.
    """
    word = name.strip().lower()
    if word and word not in SPLITS:
        raise ConfigError(where, f"{name!r} is no side of a set", f"write one of {', '.join(SPLITS)}")
    return SPLITS.get(word, "")


def files(folder: Path) -> Iterator[Path]:
    """Yield the pictures of a folder and the folders in it, in order; hidden ones are left out.

    Raises:
        ConfigError: a folder may not be read, or a name is not UTF-8: neither may go missing unnoticed.
    """
    found = []
    for here, folders, names in os.walk(folder, onerror=_not_walked):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(here, name) for name in names if not name.startswith(".")]
    for path in sorted(found):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield _named_in_unicode(path)


def folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, in order; hidden ones are left out.

    Raises:
        ConfigError: it may not be read, or a name is not UTF-8.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as exc:
        _not_walked(exc)
    return [_named_in_unicode(path) for path in found]


def _not_walked(error: OSError) -> NoReturn:
    raise ConfigError(
        str(error.filename), f"cannot be read ({error.strerror})", "let this user read it"
    ) from error


def _named_in_unicode(path: Path) -> Path:
    """Return the path; a name in an older code could be kept in no report and no bundle."""
    try:
        str(path).encode()
    except UnicodeEncodeError as exc:
        raise ConfigError(ascii(str(path)), "has a name that is not UTF-8", "give it another") from exc
    return path


def is_file(path: Path) -> bool:
    """Return whether there is such a file; a name that no file can have names none."""
    try:
        return path.is_file()
    except OSError:
        return False


def named(path: Path, where: Path) -> str:
    """Return a picture's name as the set calls it: the same wherever the set lies."""
    folder = where if where.is_dir() else where.parent
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
