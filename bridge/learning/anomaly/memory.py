"""Which places of good pictures are remembered. Pure NumPy.

A coreset (Roth et al., "Towards total recall in industrial anomaly detection", 2022): so many of the places that
the farthest of the others is as near as possible to one of them, found greedily, in a random projection, as
there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

PROJECTED: Final = 64
"""Numbers of a place while the coreset is chosen; distances keep within some per cent (Johnson, Lindenstrauss)."""

Told = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def coreset(places: NDArray[np.float32], count: int, seed: int = 0, told: Told = _silent) -> NDArray[np.intp]:
    """Return which places to remember, in the order in which they were chosen.

    Args:
        places: shape (N, numbers).
        count: how many; all where there are no more.
        seed: decides the projection and the first one.
        told: hears how many are chosen, of how many.

    Raises:
        ValueError: no place, or one that holds no numbers.
    """
    if not len(places) or not np.isfinite(places).all():
        raise ValueError("there is no place, or one that is not finite")
    if count >= len(places):
        return np.arange(len(places))
    rng = np.random.default_rng(seed)
    small = _projected(places, rng)
    lengths = np.einsum("ij,ij->i", small, small)
    chosen = np.empty(count, np.intp)
    chosen[0] = rng.integers(len(small))
    nearest = np.full(len(small), np.inf, np.float32)
    for at in range(count - 1):
        one = chosen[at]
        distance = lengths - 2 * (small @ small[one]) + lengths[one]
        np.minimum(nearest, distance, out=nearest)
        nearest[one] = -np.inf  # rounding never chooses it again
        chosen[at + 1] = int(nearest.argmax())
        told(at + 2, count)
    return chosen


def _projected(places: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    numbers = places.shape[1]
    if numbers <= PROJECTED:
        return np.ascontiguousarray(places, np.float32)
    onto = rng.standard_normal((numbers, PROJECTED), np.float32) / np.float32(np.sqrt(PROJECTED))
    return places @ onto
