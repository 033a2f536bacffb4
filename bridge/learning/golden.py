"""Which validation pictures a bundle takes along as its known bad: by them it proves itself whenever it is loaded.

Clearly rejected ones only: one just below the threshold would refuse the bundle on a processor whose last digits
differ. Of those the hardest, the classes by turns, one of each group, and the same ones each time.
"""

from __future__ import annotations

from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from bridge.judging.bundle import Golden
from bridge.learning.data import Dataset, Indices
from bridge.learning.points import Scores
from bridge.messages import Verdict

MOST: Final = 8
CLEARLY: Final = 0.5
"""Clearly rejected is what scores below this share of the threshold."""
LARGEST_BYTES: Final = 5_000_000
"""Larger pictures are left out: a bundle is copied and hashed whole."""


def chosen(dataset: Dataset, validated: Indices, scores: Scores, threshold: float) -> list[int]:
    """Return up to ``MOST`` places in the data set, in the order in which they are numbered.

    Args:
        dataset: all pictures.
        validated: the places of those that were validated on.
        scores: their p(OK).
        threshold: the bundle's.
    """
    clear = [
        (-float(score), int(place))
        for place, score in zip(validated, scores, strict=True)
        if dataset.bad[place] and score < CLEARLY * threshold and _fits(dataset, int(place))
    ]
    hardest = [place for _, place in sorted(clear)]
    classes = sorted({int(dataset.labels[place]) for place in hardest})
    by_class = [[place for place in hardest if dataset.labels[place] == label] for label in classes]
    in_turn = [place for place in chain.from_iterable(zip_longest(*by_class)) if place is not None]
    first_of_group = {dataset.groups[place]: place for place in reversed(in_turn)}
    return [place for place in in_turn if first_of_group[dataset.groups[place]] == place][:MOST]


def packed(dataset: Dataset, places: list[int]) -> tuple[tuple[Golden, ...], dict[str, bytes | Path]]:
    """Return what the manifest says of these pictures, and the files that the bundle takes along."""
    names = [f"golden-{number}{dataset.files[place].suffix.lower()}" for number, place in enumerate(places, 1)]
    views = [dataset.views[place] if dataset.views else "" for place in places]
    said = tuple(Golden(file=name, verdict=Verdict.NG, view=view) for name, view in zip(names, views, strict=True))
    return said, {name: dataset.files[place] for name, place in zip(names, places, strict=True)}


def _fits(dataset: Dataset, place: int) -> bool:
    return bool(dataset.files) and dataset.files[place].stat().st_size <= LARGEST_BYTES
