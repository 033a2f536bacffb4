"""Which parts people have still to label, in an order that tells nothing, without anybody's verdict on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.shadow import labelled
from bridge.shadow.labelled import Labelled
from bridge.shadow.month import CONTRADICTED, NONE
from bridge.shadow.seeding import is_seeded
from bridge.store import Images, Reader, Stratum
from bridge.store.reading import Drawn

PAGE = 10_000
_ORDER, _SECOND = b"order ", b"second person "


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The parts of a line that were drawn for labelling, and what was said of them; k rows."""

    drawn: Sequence[Drawn]
    """The first presentation of each part, as recorded."""
    part: NDArray[np.int64]
    """(k,): its distinct part."""
    labelled: Labelled

    @property
    def truth(self) -> NDArray[np.int8]:
        """(k,): what is true of it."""
        return self.labelled.truth.verdict[self.part]

    @property
    def people(self) -> NDArray[np.int16]:
        """(k,): how many people said something of it."""
        return self.labelled.truth.people[self.part]

    def said_by(self, who: str) -> NDArray[np.bool_]:
        """(k,): whether this person said something of it."""
        labels, said = self.labelled.labels, self.labelled.truth.said
        mine = [index for index, name in enumerate(labels.people) if name.casefold() == who.casefold()]
        return np.isin(self.part, said.part[np.isin(said.who, mine)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far labelling one stratum has come, in distinct parts."""

    stratum: Stratum
    drawn: int
    labelled: int
    """People agree, or it was settled."""
    contradicted: int
    """People disagree, and nobody settled it."""
    outstanding: int
    twice: int
    """Two or more people said something of it."""


def work(folder: Path, line: str, within_hours: float, seeded: str = "") -> Work:
    """Read what was drawn and what was said; blocks on the disk.

    Args:
        folder: the data folder.
        line: the line's name.
        within_hours: its ``reinspected_within_hours``.
        seeded: the pattern of the serial numbers of seeded parts, which nobody need label.

    Raises:
        ConfigError: there is no journal, or a file is not what it should be.
        Unavailable: the disk refuses.
    """
    known = labelled.read(folder, line, within_hours)
    drawn = [one for one in _drawn(folder, line) if not is_seeded(one.part, seeded)]
    numbers = np.array([one.number for one in drawn], np.int64)
    rows = np.searchsorted(known.parts.number, numbers)
    part = known.parts.distinct[rows]
    first = _firsts(known)[part] == rows
    return Work(
        drawn=[one for one, good in zip(drawn, first, strict=True) if good], part=part[first], labelled=known
    )


def _drawn(folder: Path, line: str) -> Iterator[Drawn]:
    reader, after = Reader(folder), 0
    seen: set[int] = set()
    while page := reader.drawn_parts(line, after, PAGE):
        yield from (one for one in page if one.number not in seen)
        seen.update(one.number for one in page)
        after = page[-1].second


def _firsts(known: Labelled) -> NDArray[np.int64]:
    """Return the row of the first presentation of each distinct part."""
    parts = known.parts
    order = np.lexsort((np.arange(len(parts.at)), parts.at))[::-1]
    first = np.empty(int(parts.distinct.max(initial=-1)) + 1, np.int64)
    first[parts.distinct[order]] = order  # of several the last assignment stands, which is the earliest
    return first


def todo(work: Work, who: str = "", second: float = 0.0) -> list[Drawn]:
    """Return the parts that lack a label, shuffled by their ids alone.

    Args:
        work: what was drawn and said.
        who: whose sheet it is; what this person has labelled is left out.
        second: instead, of the parts that one other person has labelled, this share for an independent second.
    """
    wanted = (work.people == 1) if second else (work.truth == NONE)
    if who:
        wanted &= ~work.said_by(who)
    chosen = [one for one, good in zip(work.drawn, wanted, strict=True) if good]
    if second:
        chosen = [one for one in chosen if _place(_SECOND, one) < second]
    return sorted(chosen, key=lambda one: _place(_ORDER, one))


def _place(salt: bytes, one: Drawn) -> float:
    return int.from_bytes(hashlib.sha256(salt + one.id).digest()[:8], "big") / 2.0**64


def progress(work: Work) -> list[Progress]:
    """Return how far each stratum has come, those without a drawn part left out."""
    strata = np.array([one.stratum for one in work.drawn], np.int64)
    found = []
    for stratum in Stratum:
        truth, people = work.truth[strata == stratum], work.people[strata == stratum]
        if len(truth):
            counts = np.bincount(truth, minlength=CONTRADICTED + 1)
            found.append(
                Progress(
                    stratum=stratum,
                    drawn=len(truth),
                    labelled=len(truth) - int(counts[NONE]) - int(counts[CONTRADICTED]),
                    contradicted=int(counts[CONTRADICTED]),
                    outstanding=int(counts[NONE]),
                    twice=int(np.count_nonzero(people > 1)),
                )
            )
    return found


def pictures(folder: Path, drawn: Sequence[Drawn]) -> list[list[Path]]:
    """Return the files of each part's pictures that are still kept; blocks on the disk."""
    images = Images(folder / "images")
    digests = Reader(folder).digests([one.number for one in drawn])
    return [
        [path for digest in digests.get(one.number, ()) if (path := images.path(digest)) is not None]
        for one in drawn
    ]
