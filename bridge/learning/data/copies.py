"""Copies: pictures of different groups that are one photograph, found before they flatter a judge.

A set whose copies lie on both sides of its split measures how well copies are recognised. The public casting set
that a dozen papers report 99 % on is about 260 photographs in 7,348 files.

Every keypoint of a picture votes for the pictures that hold its nearest likes; the few with most votes are
compared.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2

from bridge.judging import headers, preprocess
from bridge.judging.headers import Unreadable
from bridge.learning.data import likeness
from bridge.learning.data.items import Collection, joined
from bridge.learning.data.likeness import Likeness, Print
from bridge.learning.data.split import Split

VOTERS: Final = 100
"""The strongest keypoints of a picture vote, as it is and mirrored."""
NEIGHBOURS: Final = 12
CANDIDATES: Final = 8
"""So many pictures of other groups are compared with each."""
LEAST_VOTES: Final = 4
_TREES, _CHECKS = 4, 48

Told: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two items of a collection, by place, that are one photograph."""

    one: int
    other: int
    likeness: Likeness
    identical: bool = False
    """Byte for byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What was found in a collection."""

    pairs: tuple[Pair, ...]
    """Only pairs of different groups; by place."""
    plain: tuple[int, ...]
    """Items with too little detail to be compared."""
    unreadable: tuple[int, ...]

    def across(self, split: Split) -> tuple[Pair, ...]:
        """Return the pairs that lie on two sides of a split."""
        side = {int(place): name for name, places in split.sides.items() for place in places}
        return tuple(pair for pair in self.pairs if side[pair.one] != side[pair.other])


def find(collection: Collection, told: Told) -> Copies:
    """Look for copies between the groups of a set; blocks, about a minute for a thousand pictures on two cores."""
    cv2.setNumThreads(1)  # one picture per core is faster than threads in each
    items = collection.items
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        try:
            prints: list[Print | None] = []
            hashes: list[str] = []
            for at, (digest, seen) in enumerate(pool.map(_printed, (item.path for item in items))):
                hashes.append(digest)
                prints.append(seen)
                told("looking at pictures", at + 1, len(items))
            same = _identical(hashes, collection.groups)
            wanted = sorted(_candidates(prints, collection.groups, told) - same.keys())
            shown = [pair for pair in wanted if prints[pair[0]] and prints[pair[1]]]
            pairs = list(same.values())
            for at, found in enumerate(pool.map(lambda pair: _compared(prints, *pair), shown)):
                told("comparing", at + 1, len(shown))
                pairs += [found] if found else []
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Copies(
        pairs=tuple(sorted(pairs, key=lambda pair: (pair.one, pair.other))),
        plain=tuple(at for at, seen in enumerate(prints) if seen is not None and seen.plain),
        unreadable=tuple(at for at, seen in enumerate(prints) if seen is None),
    )


def merged(collection: Collection, pairs: Iterable[Pair]) -> Collection:
    """Return the same items, copies in one group: ``--groups copies``."""
    keys = [[item.group] for item in collection.items]
    for number, pair in enumerate(pairs):
        keys[pair.one].append(f"~{number}")  # after every name of a group, so that a group keeps its own
        keys[pair.other].append(f"~{number}")
    groups = joined(keys)
    items = tuple(replace(item, group=group) for item, group in zip(collection.items, groups, strict=True))
    return replace(collection, items=items)


def _printed(path: Path) -> tuple[str, Print | None]:
    try:
        data = path.read_bytes()
        header = headers.read(data)
        if header.width * header.height > preprocess.MAX_PIXELS:
            return "", None
        gray = preprocess.decode(data, header, gray=True)
    except (OSError, Unreadable):
        return "", None
    return hashlib.sha256(data).hexdigest(), likeness.print_of(gray.reshape(gray.shape[:2]))


def _identical(hashes: Sequence[str], groups: Sequence[str]) -> dict[tuple[int, int], Pair]:
    """Return the pairs of different groups whose bytes are the same: each later one with the first."""
    places: dict[str, list[int]] = defaultdict(list)
    for at, digest in enumerate(hashes):
        if digest:
            places[digest].append(at)
    alike = Likeness(correlation=1.0, keypoints=0, degrees=0.0, mirrored=False, scale=1.0)
    return {
        (one, other): Pair(one=one, other=other, likeness=alike, identical=True)
        for same in places.values()
        for one, other in combinations(same, 2)
        if groups[one] != groups[other]
    }


def _compared(prints: Sequence[Print | None], one: int, other: int) -> Pair | None:
    first, second = prints[one], prints[other]
    found = likeness.compare(first, second) if first and second else None
    return Pair(one=one, other=other, likeness=found) if found else None


def _candidates(prints: Sequence[Print | None], groups: Sequence[str], told: Told) -> set[tuple[int, int]]:
    """Return the pairs worth a comparison, the lower place first."""
    voting = [(at, seen) for at, seen in enumerate(prints) if seen is not None and not seen.plain]
    if len(voting) < 2:  # noqa: PLR2004 - nothing to compare with
        return set()
    index = cv2.FlannBasedMatcher({"algorithm": 1, "trees": _TREES}, {"checks": _CHECKS})
    index.add([likeness.rooted(seen.descriptors[:VOTERS]) for _, seen in voting])
    cv2.setRNGSeed(0)  # the trees are drawn
    index.train()
    places = [at for at, _ in voting]
    pairs: set[tuple[int, int]] = set()
    for done, (at, seen) in enumerate(voting):
        votes: Counter[int] = Counter()
        for shown in (seen.descriptors, seen.mirrored.descriptors):
            near = index.knnMatch(likeness.rooted(shown[:VOTERS]), k=min(NEIGHBOURS, len(voting)))
            votes.update(place for place in _voted(near, places) if groups[place] != groups[at])
        best = [place for place, count in votes.most_common(CANDIDATES) if count >= LEAST_VOTES]
        pairs.update((min(at, place), max(at, place)) for place in best)
        told("looking for likes", done + 1, len(voting))
    return pairs


def _voted(near: Sequence[Sequence[Any]], places: Sequence[int]) -> Iterator[int]:
    """Yield the pictures that each keypoint votes for, each once a keypoint."""
    for matches in near:
        yield from {places[match.imgIdx] for match in matches}
