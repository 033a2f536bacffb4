"""Which good parts are learnt from, and what validates: bad parts, where there are any, are never learnt from."""

from __future__ import annotations

import numpy as np

from bridge.learning.data import Dataset, Shares, Split, split
from bridge.learning.data.split import Indices

_HELD = frozenset({"test", "held-out"})
"""What a set's own split calls the side that nothing is learnt or set from."""


def divided(dataset: Dataset, shares: Shares, seed: int = 0, *, torn: bool = False) -> Split:
    """Divide a set; no group is on two sides, and the training side is good.

    Good parts are divided as ``split.by_group`` does. A bad part goes where the good ones of its group went,
    unless that is the training side: then it is left out, for it shows what was learnt. Other groups of bad
    parts are drawn for validation or to be held out, in the proportion of the two shares.

    Args:
        dataset: with or without bad parts.
        shares: how much validates and is held out.
        seed: decides what is drawn.
        torn: as ``split.by_group``.

    Raises:
        ConfigError: as ``split.by_group``, for the good parts.
    """
    good, bad = np.flatnonzero(~dataset.bad), np.flatnonzero(dataset.bad)
    sides = split.by_group(dataset.take(good.tolist()), shares, seed, torn=torn)
    train, validation, held_out = (good[places] for places in (sides.train, sides.validation, sides.held_out))
    of = [{dataset.groups[place] for place in places.tolist()} for places in (train, validation, held_out)]
    rng = np.random.default_rng(seed)
    held = 0.0 if _HELD & set(dataset.splits) else shares.held_out / max(shares.held_out + shares.validation, 1e-9)
    drawn = {group: rng.random() < held for group in sorted({dataset.groups[place] for place in bad.tolist()})}
    to_validate, to_hold, left_out = [], [], 0
    for place in bad.tolist():
        group = dataset.groups[place]
        if dataset.splits[place] in _HELD or group in of[2]:
            to_hold.append(place)
        elif group in of[0]:
            left_out += 1
        elif group in of[1] or not drawn[group]:
            to_validate.append(place)
        else:
            to_hold.append(place)
    notes = sides.notes
    if left_out:
        notes += (f"{left_out} bad pictures are of groups that are learnt from, and are left out",)
    return Split(
        train=train,
        validation=_joined(validation, to_validate),
        held_out=_joined(held_out, to_hold),
        notes=notes,
    )


def _joined(some: Indices, more: list[int]) -> Indices:
    return np.sort(np.concatenate([some, np.array(more, np.intp)]))
