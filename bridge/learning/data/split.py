"""Which pictures are trained on, which validate, and which are held out: by group, never by picture.

A set split by picture measures how well copies are recognised. Groups are divided class by class, the rarest first
(iterative stratification: Sechidis, Tsoumakas and Vlahavas 2011), so that a class with few groups has one on each
side before anything else is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass

Indices: TypeAlias = NDArray[np.intp]

_TRAIN, _VALIDATION, _HELD_OUT = range(3)
_SIDES: Final = {"": _TRAIN, "train": _TRAIN, "validation": _VALIDATION, "test": _HELD_OUT, "held-out": _HELD_OUT}
_TRIES: Final = 50
"""Where groups hold several classes, another order of the groups may succeed where one fails."""


class Labelled(Protocol):
    """What can be split: a Collection or a Dataset."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The place of each class in ``classes``."""

    @property
    def groups(self) -> Sequence[str]:
        """What each must stay together with."""

    @property
    def splits(self) -> Sequence[str]:
        """The side that the set itself gives each."""

    @property
    def classes(self) -> tuple[ModelClass, ...]:
        """All classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How much of the groups of each class goes where; training gets the rest."""

    validation: float = 0.2
    held_out: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Places in the set, ascending; none is on two sides."""

    train: Indices
    validation: Indices
    held_out: Indices
    notes: tuple[str, ...] = ()
    """What a person should know of it; one line each."""

    @property
    def sides(self) -> dict[str, Indices]:
        """The three by the names that people are shown."""
        return {"train": self.train, "validation": self.validation, "held-out": self.held_out}


def by_group(of: Labelled, shares: Shares = Shares(), seed: int = 0, *, torn: bool = False) -> Split:
    """Divide a set; no group is on two sides, every class is trained and validated on.

    A set that has its own split keeps it: what it calls test or held-out is held out. Sides that it lacks are
    drawn from its training side.

    Args:
        of: what to divide.
        shares: how much validates and is held out; each class gets at least one group there if it has enough.
        seed: decides; the same seed divides the same set the same way.
        torn: take the set's own split even where it tears groups apart.

    Raises:
        ConfigError: a class has too few groups, or the set's own split tears a group apart.
    """
    sides = np.array([_SIDES[name] for name in of.splits], np.intp)
    if not torn:
        _whole(of.groups, sides)
    own = set(sides.tolist())
    pool = np.flatnonzero(sides == _TRAIN)
    wanted = (
        0.0 if _VALIDATION in own else shares.validation,
        0.0 if _HELD_OUT in own else shares.held_out,
    )
    sides[pool] = _drawn([of.groups[place] for place in pool.tolist()], of.labels[pool], wanted, seed)
    needed = [_TRAIN, *([_VALIDATION] if shares.validation else [])]
    for side in needed:
        _complete(of, sides, side)
    train, validation, held_out = (np.flatnonzero(sides == side) for side in range(3))
    notes = _notes(of, sides) if len(held_out) else ()
    return Split(train=train, validation=validation, held_out=held_out, notes=notes)


def _whole(groups: Sequence[str], sides: Indices) -> None:
    first: dict[str, int] = {}
    torn = {
        group for group, side in zip(groups, sides.tolist(), strict=True) if first.setdefault(group, side) != side
    }
    if torn:
        raise ConfigError(
            "--split own",
            f"the set's own split tears {len(torn)} groups apart, for instance {min(torn)}",
            "write --split new",
        )


def _missing(of: Labelled, sides: Indices, side: int) -> list[str]:
    there = set(of.labels[sides == side].tolist())
    return [of.classes[label].name for label in np.unique(of.labels).tolist() if label not in there]


def _complete(of: Labelled, sides: Indices, side: int) -> None:
    missing = _missing(of, sides, side)
    if missing:
        raise ConfigError(
            "--groups",
            f"all pictures of a class are in one group or on one side ({', '.join(missing)})",
            "add pictures of other parts to validate on",
        )


def _notes(of: Labelled, sides: Indices) -> tuple[str, ...]:
    missing = _missing(of, sides, _HELD_OUT)
    return (f"nothing is held out of {', '.join(missing)}: too few groups",) if missing else ()


def _drawn(groups: Sequence[str], labels: NDArray[np.int64], shares: tuple[float, float], seed: int) -> Indices:
    """Return a side for each of N pictures."""
    held: dict[str, set[int]] = {}
    for label, group in zip(labels.tolist(), groups, strict=True):
        held.setdefault(group, set()).add(label)
    names = sorted(held)
    kinds = [frozenset(held[name]) for name in names]
    rng = np.random.default_rng(seed)
    for _ in range(_TRIES):
        drawn = _divided(kinds, shares, rng)
        if _every(kinds, drawn, shares):
            break
    side = dict(zip(names, drawn, strict=True))
    return np.array([side[group] for group in groups], np.intp)


def _divided(kinds: Sequence[frozenset[int]], shares: tuple[float, float], rng: np.random.Generator) -> list[int]:
    """Return a side for each group, given the classes that each holds."""
    demand = {label: _demand(sum(label in kind for kind in kinds), shares) for label in frozenset().union(*kinds)}
    order = rng.permutation(len(kinds)).tolist()
    drawn: dict[int, int] = {}
    while len(drawn) < len(kinds):
        left = [group for group in order if group not in drawn]
        counts = {label: sum(label in kinds[group] for group in left) for label in demand}
        rarest = min((label for label in counts if counts[label]), key=lambda label: (counts[label], label))
        for group in (group for group in left if rarest in kinds[group]):
            side = max(range(3), key=lambda side: (demand[rarest][side], -side))
            drawn[group] = side
            for label in kinds[group]:
                demand[label][side] -= 1
    return [drawn[group] for group in range(len(kinds))]


def _demand(groups: int, shares: tuple[float, float]) -> list[int]:
    """Return how many of a class's groups each side should have; training comes first, then validation."""
    wanted = [max(round(share * groups), 1) if share else 0 for share in shares]
    validation = min(wanted[0], max(groups - 1, 0))
    held_out = min(wanted[1], max(groups - 1 - validation, 0))
    return [groups - validation - held_out, validation, held_out]


def _every(kinds: Sequence[frozenset[int]], drawn: Sequence[int], shares: tuple[float, float]) -> bool:
    """Return whether each class is on each side that it has groups for."""
    for label in frozenset().union(*kinds):
        sides = [side for kind, side in zip(kinds, drawn, strict=True) if label in kind]
        if any(want and side not in sides for side, want in enumerate(_demand(len(sides), shares))):
            return False
    return True
