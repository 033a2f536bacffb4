"""One picture as a layout gives it, before the words of the command line say what belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bridge.errors import ConfigError

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})


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
    """Yield the pictures of a folder and the folders in it, in order; hidden ones are left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path


def named(path: Path, where: Path) -> str:
    """Return a picture's name as the set calls it: the same wherever the set lies."""
    folder = where if where.is_dir() else where.parent
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
