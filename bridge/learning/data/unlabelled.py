"""Pictures that nobody has labelled: all of a folder, cut and sized as a model sees them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass
from bridge.judging.headers import Unreadable
from bridge.learning.data import found, tables
from bridge.learning.data.found import Found
from bridge.learning.data.items import ONLY_VIEW, Collection, Item
from bridge.learning.data.pictures import Look, Told, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlabelled:
    """Pictures in memory; N of them."""

    pictures: NDArray[np.uint8]
    """Shape (N, height, width, channels)."""
    hashes: tuple[str, ...]
    """The SHA-256 of each file, in hexadecimal."""
    groups: tuple[str, ...]
    unreadable: int
    """So many more could not be read."""

    @property
    def digest(self) -> str:
        """Return a hash over all of them, in whatever order and under whatever names."""
        return hashlib.sha256("\n".join(sorted(self.hashes)).encode()).hexdigest()


def found_in(where: Path, known: tuple[ModelClass, ...], views: str = "") -> Collection:
    """Return the pictures of a folder and of the folders in it; what those are called says nothing.

    Args:
        where: the folder.
        known: the classes of the model that is to look at them.
        views: which view a picture is, as ``--views`` says it; empty: there is one view.

    Raises:
        ConfigError: there is no such folder, it holds no pictures, or a view is not known.
    """
    if not where.is_dir():
        raise ConfigError(str(where), "is no folder", "write a folder of pictures of the new line")
    view = tables.naming("--views", views, where) if views else None
    items = [
        Item(
            path=path,
            label="",
            part=str(path),
            view=view(Found(path=path, label="")) if view else ONLY_VIEW,
            group=str(path),
        )
        for path in found.files(where)
    ]
    if not items:
        raise ConfigError(str(where), "holds no pictures", f"put {', '.join(sorted(found.SUFFIXES))} files there")
    return Collection(where=where, items=tuple(items), classes=known)


def read(collection: Collection, look: Look, told: Told = silent) -> Unlabelled:
    """Read and decode them; one that cannot be read is left out and counted: on a live line some are torn.

    Raises:
        ConfigError: none can be read.
    """
    pictures, hashes, groups = [], [], []
    why = ""
    for index, item in enumerate(collection.items):
        try:
            data = item.path.read_bytes()
            pictures.append(look.picture(data, item.view))
        except (OSError, Unreadable) as exc:
            why = why or f"{item.path.name} {exc}"
        else:
            hashes.append(hashlib.sha256(data).hexdigest())
            groups.append(item.group)
        told(index + 1, len(collection.items))
    if not pictures:
        raise ConfigError(str(collection.where), f"holds no picture that can be read ({why})", "look at the files")
    return Unlabelled(
        pictures=np.stack(pictures),
        hashes=tuple(hashes),
        groups=tuple(groups),
        unreadable=len(collection.items) - len(pictures),
    )
