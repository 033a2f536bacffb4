"""Labelled pictures: one folder per class, read through the very code that the live path runs.

What belongs together is never torn apart: pictures of one casting, or the views of one part, are in training or in
validation, not in both. A set split by picture measures how well copies are recognised.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import preprocess
from bridge.judging.bundle import ModelClass
from bridge.judging.headers import Unreadable
from bridge.judging.spec import Input
from bridge.messages import Box, Verdict

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})

Indices: TypeAlias = NDArray[np.intp]
Grouping: TypeAlias = Callable[[Path], str]
"""From a picture's path to the name of what it belongs to; raises ConfigError where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Pictures in memory, decoded, cropped and sized as the model sees them; N of each."""

    pictures: NDArray[np.uint8]
    """Shape (N, height, width, channels)."""
    labels: NDArray[np.int64]
    """Shape (N,): the place of the class in ``classes``."""
    groups: tuple[str, ...]
    """What each picture must stay together with."""
    parts: tuple[str, ...]
    """The part that each picture shows; a part is NG if any of its pictures is."""
    classes: tuple[ModelClass, ...]
    digest: str
    """SHA-256 over the names and bytes of all files, and the classes."""
    files: tuple[Path, ...] = ()
    """Where each picture was read from; empty for pictures that were never files."""

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Which pictures are NG, shape (N,)."""
        ng = np.array([one.verdict is Verdict.NG for one in self.classes])
        return np.asarray(ng[self.labels], np.bool_)


def classes(folder: Path, ok: Sequence[str]) -> tuple[ModelClass, ...]:
    """Return the classes of a set: one per folder, OK where ``ok`` names it.

    Raises:
        ConfigError: a name has no folder, or there is not at least one class each of OK and NG.
    """
    if not folder.is_dir():
        raise ConfigError(str(folder), "is no folder", "write the folder that holds one folder per class")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for name in ok:
        if name not in names:
            raise ConfigError(
                f"--ok {name}", f"there is no folder {folder / name}", f"write one of {', '.join(names)}"
            )
    if set(names) == set(ok):
        raise ConfigError(str(folder), "holds no class that is NG", "leave at least one folder out of --ok")
    return tuple(ModelClass(name=name, verdict=Verdict.OK if name in ok else Verdict.NG) for name in names)


def read(
    folder: Path,
    known: tuple[ModelClass, ...],
    into: Input,
    *,
    roi: Box | None = None,
    group: Grouping = str,
    part: Grouping = str,
) -> Dataset:
    """Read a set; by default every picture is a group and a part of its own.

    Raises:
        ConfigError: a class has no pictures, one cannot be read, or its group is not known.
    """
    files = [(path, label) for label, one in enumerate(known) for path in _pictures(folder / one.name)]
    digest = hashlib.sha256(repr(known).encode())
    pictures = np.empty((len(files), into.height, into.width, into.channels), np.uint8)
    for index, (path, _) in enumerate(files):
        data = path.read_bytes()
        digest.update(f"\n{path.relative_to(folder).as_posix()} {hashlib.sha256(data).hexdigest()}".encode())
        try:
            pictures[index] = preprocess.picture(data, into, roi)
        except Unreadable as exc:
            raise ConfigError(str(path), str(exc), "remove or replace it") from exc
    return Dataset(
        pictures=pictures,
        labels=np.array([label for _, label in files], np.int64),
        groups=tuple(group(path) for path, _ in files),
        parts=tuple(part(path) for path, _ in files),
        classes=known,
        digest=digest.hexdigest(),
        files=tuple(path for path, _ in files),
    )


def _pictures(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise ConfigError(str(folder), "holds no pictures", f"put {', '.join(sorted(SUFFIXES))} files there")
    return found


def grouping(text: str, folder: Path) -> Grouping:
    """Return how pictures belong together, as the command line says it.

    Args:
        text: ``manifest.csv:column``, a table with a column ``file`` relative to itself; or a pattern with the
            named group ``group``, searched in the file's name, for instance ``(?P<group>g[0-9]+)_``.
        folder: where a table that is not found as written is looked for.

    Raises:
        ConfigError: there is no such table or column, or the pattern is none.
    """
    if "(?P<group>" in text:
        return _by_name(text)
    name, _, column = text.rpartition(":")
    table = next((path for path in (Path(name), folder / name) if name and path.is_file()), None)
    if table is None:
        raise ConfigError(
            f"--groups {text}", "names no table", "write FILE.csv:COLUMN, or a pattern with (?P<group>…)"
        )
    return _by_table(table, column)


def _by_name(text: str) -> Grouping:
    try:
        pattern = re.compile(text)
    except re.error as exc:
        raise ConfigError(f"--groups {text}", f"is no pattern ({exc})") from exc

    def group(path: Path) -> str:
        found = pattern.search(path.name)
        if not found:
            raise ConfigError(str(path), f"does not match the pattern {text}")
        return found["group"]

    return group


def _by_table(table: Path, column: str) -> Grouping:
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        for needed in ("file", column):
            if needed not in (rows.fieldnames or ()):
                raise ConfigError(str(table), f"has no column {needed!r}", f"write one of {rows.fieldnames}")
        groups: Mapping[Path, str] = {(table.parent / row["file"]).resolve(): row[column] for row in rows}

    def group(path: Path) -> str:
        try:
            return groups[path.resolve()]
        except KeyError:
            raise ConfigError(str(path), f"is not listed in {table}", "add it, or remove the picture") from None

    return group


def split(labels: NDArray[np.int64], groups: Sequence[str], share: float, seed: int) -> tuple[Indices, Indices]:
    """Return the pictures for training and those for validation; no group is in both, every label in each.

    Groups with the same labels are shuffled together and ``share`` of them, at least one, validate.

    Raises:
        ConfigError: all pictures of a label lie in one group.
    """
    held: dict[str, set[int]] = {}
    for label, group in zip(labels.tolist(), groups, strict=True):
        held.setdefault(group, set()).add(label)
    kinds: dict[tuple[int, ...], list[str]] = {}
    for group in sorted(held):
        kinds.setdefault(tuple(sorted(held[group])), []).append(group)
    rng = np.random.default_rng(seed)
    chosen: set[str] = set()
    for members in (kinds[kind] for kind in sorted(kinds)):
        count = max(round(share * len(members)), 1) if len(members) > 1 else 0
        chosen.update(members[index] for index in rng.permutation(len(members))[:count])
    validates = np.array([group in chosen for group in groups], np.bool_)
    for label in np.unique(labels):
        if len(np.unique(validates[labels == label])) == 1:
            raise ConfigError(
                "--groups",
                "all pictures of a class are in one group",
                "add pictures of other parts to validate on",
            )
    return np.flatnonzero(~validates), np.flatnonzero(validates)
