"""Which pictures of a set a bundle has never seen: only these say how good it is, and where its threshold goes.

A picture is known by its bytes, so that it may have been renamed, and by its group, so that its neighbour may not
pass for a stranger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.learning import seen
from bridge.learning.data import Collection
from bridge.learning.data.pictures import Told, silent
from bridge.learning.seen import Known, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Places in a collection, by what the bundle used the pictures for; ascending, none twice."""

    fresh: NDArray[np.intp]
    """Never seen, nor anything of their groups."""
    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    calibration: NDArray[np.intp]
    neighbours: NDArray[np.intp]
    """Never seen themselves, but of a group of which something was."""
    hashes: tuple[str, ...]
    """The digits of every file by which it is known."""

    def known(self, collection: Collection, places: NDArray[np.intp]) -> tuple[Known, ...]:
        """Return how these pictures are written down in a bundle."""
        return tuple((self.hashes[place], collection.items[place].group) for place in places.tolist())


def divide(
    collection: Collection,
    past: Seen,
    told: Told = silent,
    *,
    same_names: bool = True,
) -> Division:
    """Read every file's bytes and hold them to what the bundle has seen; blocks.

    Args:
        collection: the set.
        past: what the bundle has seen.
        told: how many files were read, and of how many.
        same_names: whether a group of the set that is called like a seen one is that one. Groups of which a
            picture was seen are known in any case.
    """
    hashes: list[str] = []
    for item in collection.items:
        hashes.append(_digits_of(item.path))
        told(len(hashes), len(collection.items))
    used = {digits: use for use in reversed(seen.USES) for digits, _ in getattr(past, use) if digits}
    uses = np.array([used.get(digits, "") for digits in hashes])
    tainted = {group for group, use in zip(collection.groups, uses.tolist(), strict=True) if use}
    if same_names:
        tainted |= past.groups
    touched = np.array([group in tainted for group in collection.groups], np.bool_)
    sides = {use: np.flatnonzero(uses == use) for use in seen.USES}
    return Division(
        fresh=np.flatnonzero((uses == "") & ~touched),
        neighbours=np.flatnonzero((uses == "") & touched),
        hashes=tuple(hashes),
        **sides,
    )


def by_its_own_split(collection: Collection, divided: Division) -> Division:
    """Take only what a set calls test or held-out for fresh, where it says so of anything.

    For a bundle that does not say what it was trained on: the set's own word is then all there is.
    """
    sides = np.array(collection.splits)[divided.fresh]
    kept = np.isin(sides, ("test", "held-out"))
    if not kept.any():
        return divided
    return replace(divided, fresh=divided.fresh[kept], train=divided.fresh[sides == "train"])


def leak_allowed(recipe: Mapping[str, Any]) -> bool:
    """Return whether a bundle was trained although copies of one photograph lay on two sides of its split."""
    said = recipe.get("split")
    return isinstance(said, Mapping) and bool(said.get("leak_allowed"))


def _digits_of(path: Path) -> str:
    """Return a file's digits; none where it cannot be read, which whoever judges it says with the reason."""
    try:
        with path.open("rb") as file:
            return seen.short(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return ""
