"""What the inspector's own running number tells: how many parts it saw that the bridge did not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

BACK: Final = 100
"""A number that falls by no more is a part that came late, or a part that was shown again."""
JUMP: Final = 100_000
"""A number that rises by more was set by somebody: nobody can say how many parts that were."""
NEAR: Final = 10_000
"""So close to the end of its digits a number has run over, if it goes on near the beginning."""
_ENDS: Final = sorted({10**digits for digits in range(3, 13)} | {2**bits for bits in (8, 15, 16, 24, 31, 32)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Numbers in a row that the bridge never saw."""

    at: float
    """Unix time of the part after it."""
    first: int
    """The first number that is missing."""
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """What the numbers of a time come to."""

    seen: int
    """Parts that came with a number, each number of a run once."""
    missing: int
    """Numbers in between that never came."""
    gaps: Sequence[Gap]
    """In order of time."""
    wraps: int
    """How often the number ran over its digits and began again."""
    resets: Sequence[float]
    """When it began elsewhere: the inspector was restarted, or somebody set it; nobody knows what was lost."""


def counted(at: NDArray[np.float64], number: NDArray[np.int64]) -> Counting:
    """Return what the inspector's numbers tell.

    Args:
        at: (n,) Unix times of the parts' events.
        number: (n,) their numbers; of two parts of one instant the first recorded comes first.
    """
    if not len(number):
        return Counting(seen=0, missing=0, gaps=(), wraps=0, resets=())
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")
        at, number = at[order], number[order]
    kept = ~_lone(number)
    at, number = at[kept], number[kept]
    step = np.diff(number)
    edges = [0, *(np.flatnonzero((step < -BACK) | (step > JUMP)) + 1).tolist(), len(number)]
    base, last = int(number.min() > 0), None
    gaps: list[Gap] = []
    resets: list[float] = []
    seen = wraps = 0
    for start, end in pairwise(edges):
        run, when = _sorted(number[start:end], at[start:end])
        lost = 0 if last is None else _over(last, int(run[0]), base)
        if lost is None:
            resets.append(float(at[start]))
        elif last is not None:
            wraps += 1
            gaps += [Gap(at=float(at[start]), first=last + 1, parts=lost)] if lost else []
        for place in np.flatnonzero(np.diff(run) > 1) + 1:
            first = int(run[place - 1]) + 1
            gaps.append(Gap(at=float(when[place]), first=first, parts=int(run[place]) - first))
        seen, last = seen + len(run), int(run[-1])
    gaps.sort(key=lambda gap: (gap.at, gap.first))
    return Counting(seen=seen, missing=sum(gap.parts for gap in gaps), gaps=gaps, wraps=wraps, resets=resets)


def _lone(number: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which numbers stand alone below those around them: an old part that was shown once more."""
    lone = np.zeros(len(number), bool)
    before, after = number[:-2], number[2:]
    lone[1:-1] = (number[1:-1] < before - BACK) & (after > before) & (after <= before + BACK)
    return lone


def _sorted(number: NDArray[np.int64], at: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the numbers of a run in order, each once, and when it came first."""
    run, place = np.unique(number, return_index=True)
    return run, at[place]


def _over(last: int, first: int, base: int) -> int | None:
    """Return how many numbers are missing where a number ran over its digits; None where it did not.

    Args:
        last: the highest number before.
        first: the lowest number after.
        base: with which it begins again, 0 or 1.
    """
    end = next((end for end in _ENDS if end > last), None)
    if end is None or first > last:
        return None
    lost = (end - 1 - last) + (first - base)
    return lost if 0 <= lost <= min(NEAR, end // 4) else None
