"""What is true of each part: what people said of its presentations, joined, with every contradiction kept. No I/O.

A person's newest label counts. Where everybody says the same, that is the truth; where not, it is contradicted
until a label that decides settles it. Who decides is no independent judge of the part any more: such labels are in
no pair. Serial numbers and journal numbers are integers here, so that a month of millions of parts takes a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.shadow.month import CONTRADICTED, NG, NONE, OK
from bridge.store.labels import Columns

LABELLED_WITHIN: Final = 4
"""A label by serial number belongs to an inspection up to so many times ``within_hours`` before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartColumns:
    """Presentations of one line; every array has n rows."""

    number: NDArray[np.int64]
    """The journal's number, growing."""
    serial: NDArray[np.int64]
    """Equal where the serial number is, 0 where there is none; out of ``serials``."""
    at: NDArray[np.float64]
    """Unix time of the part's own event."""
    distinct: NDArray[np.int64]
    """Which part it is, 0 to d - 1, without gaps; out of ``distinct_parts``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelColumns:
    """Labels of one line in the order in which they were recorded; every array has m rows."""

    at: NDArray[np.float64]
    """Unix time when it was said."""
    who: NDArray[np.int32]
    """Index into ``people``."""
    verdict: NDArray[np.int8]
    """1 OK, 2 NG."""
    number: NDArray[np.int64]
    """The journal's number of the inspection that it names, -1 where that is unknown, 0 where it names none."""
    serial: NDArray[np.int64]
    """As in ``PartColumns``; used where ``number`` is 0."""
    blind: NDArray[np.bool_]
    decides: NDArray[np.bool_]
    people: Sequence[str]

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The newest label of each person on each part, those that decide left out, in order of the part; k rows."""

    part: NDArray[np.int64]
    """The distinct part."""
    who: NDArray[np.int32]
    verdict: NDArray[np.int8]
    label: NDArray[np.int64]
    """Row of the label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Two people who judged the same part, each pair once, ``who_a`` the lower index; p rows."""

    part: NDArray[np.int64]
    who_a: NDArray[np.int32]
    verdict_a: NDArray[np.int8]
    who_b: NDArray[np.int32]
    verdict_b: NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of d distinct parts, and who said it."""

    verdict: NDArray[np.int8]
    """(d,): 0 nobody said, 1 OK, 2 NG, 3 contradicted."""
    people: NDArray[np.int16]
    """(d,): how many people said something, those who decided left out."""
    disputed: NDArray[np.bool_]
    """(d,): people disagree, whether that was settled or not."""
    settled: NDArray[np.bool_]
    """(d,): a label that decides tells."""
    blind: NDArray[np.bool_]
    """(d,): somebody said something, and nobody of them had seen a verdict."""
    label: NDArray[np.int64]
    """(d,): row of the newest label that tells the truth, -1 where there is none or it is contradicted."""
    belongs: NDArray[np.int64]
    """(m,): row of the presentation that each label belongs to, -1 where there is none."""
    said: Said
    pairs: Pairs

    def against_truth(self) -> NDArray[np.int64]:
        """Return the rows of ``said`` that can be held against a truth which is more than that person's own word.

        That is of parts on which two or more people agree, or that were settled.
        """
        known = (self.verdict[self.said.part] != CONTRADICTED) & (
            (self.people[self.said.part] > 1) | self.settled[self.said.part]
        )
        return np.flatnonzero(known)


def label_columns(columns: Columns, numbers: Mapping[bytes, int]) -> LabelColumns:
    """Return labels as arrays.

    Args:
        columns: as the book of labels has them.
        numbers: the journal's number of every inspection id that the journal knows.
    """
    people = sorted(set(columns.who))
    place = {who: index for index, who in enumerate(people)}
    return LabelColumns(
        at=np.array(columns.at, np.float64),
        who=np.array([place[who] for who in columns.who], np.int32),
        verdict=np.array(columns.verdict, np.int8),
        number=np.array([numbers.get(id_, -1) if id_ else 0 for id_ in columns.id], np.int64),
        serial=serials(columns.part),
        blind=np.array(columns.blind, bool),
        decides=np.array(columns.decides, bool),
        people=people,
    )


def serials(texts: Iterable[str | bytes]) -> NDArray[np.int64]:
    """Return a number for each serial number, 0 for an empty one; equal texts get equal numbers in this process.

    They are Python's hashes of 64 bits: of three million serial numbers two have one in common with a probability
    of 2.5e-7.
    """
    return np.fromiter((hash(text) or 1 if text else 0 for text in texts), np.int64)


def distinct_parts(serial: NDArray[np.int64], at: NDArray[np.float64], within_hours: float) -> NDArray[np.int64]:
    """Return which distinct part each presentation shows, numbered in order of the first ones; (n,) → (n,).

    The same serial number within so many hours of its presentation before is the same part again; without a serial
    number every presentation is a part of its own.
    """
    first = np.arange(len(serial))
    rows = _repeated(serial)
    rows = rows[np.lexsort((at[rows], serial[rows]))]
    starts = np.ones(len(rows), bool)
    starts[1:] = (serial[rows[1:]] != serial[rows[:-1]]) | (at[rows[1:]] - at[rows[:-1]] > within_hours * 3600.0)
    first[rows] = rows[starts][np.cumsum(starts) - 1]
    firsts = np.flatnonzero(first == np.arange(len(serial)))
    rank = np.empty(len(serial), np.int64)
    times = at[firsts]
    rank[firsts if (times[1:] >= times[:-1]).all() else firsts[np.argsort(times, kind="stable")]] = np.arange(
        len(firsts)
    )
    return rank[first]


def _repeated(serial: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows whose serial number stands in another row too: few of millions, and only they are sorted."""
    ordered = np.sort(serial)  # far quicker than the order itself
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    twice = twice[twice != 0]
    if not len(twice):
        return np.zeros(0, np.intp)
    places = np.minimum(np.searchsorted(twice, serial), len(twice) - 1)
    return np.flatnonzero(twice[places] == serial)


def truth_of(labels: LabelColumns, parts: PartColumns, within_hours: float) -> Truth:
    """Return what is true of every distinct part.

    Args:
        labels: m labels of the line; later rows were recorded later.
        parts: n presentations of the line.
        within_hours: ``reinspected_within_hours`` of the line.
    """
    belongs = _belongs(labels, parts, within_hours * 3600.0 * LABELLED_WITHIN)
    size = int(parts.distinct.max()) + 1 if len(parts.distinct) else 0
    found = np.flatnonzero(belongs >= 0)
    found = found[np.argsort(labels.at[found], kind="stable")]  # oldest first, of one time as recorded
    part = parts.distinct[belongs[found]]
    ruling = labels.decides[found]
    said = _said(labels, found[~ruling], part[~ruling])
    people = np.bincount(said.part, minlength=size).astype(np.int16)
    bad = np.bincount(said.part, weights=said.verdict == NG, minlength=size)
    disputed = (bad > 0) & (bad < people)
    verdict = np.full(size, NONE, np.int8)
    verdict[said.part] = said.verdict
    verdict[disputed] = CONTRADICTED
    label = np.full(size, -1, np.int64)
    newest = np.argsort(labels.at[said.label], kind="stable")
    label[said.part[newest]] = said.label[newest]
    label[disputed] = -1
    settled = np.zeros(size, bool)
    for row, one in zip(found[ruling], part[ruling], strict=True):
        verdict[one], label[one], settled[one] = labels.verdict[row], row, True
    sighted = np.bincount(said.part, weights=~labels.blind[said.label], minlength=size) > 0
    return Truth(
        verdict=verdict,
        people=people,
        disputed=disputed,
        settled=settled,
        blind=(people > 0) & ~sighted,
        label=label,
        belongs=belongs,
        said=said,
        pairs=_pairs(said),
    )


def with_seeded(truth: Truth, seeded: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return the truth of each part where some, (d,), were seeded: these are bad, whoever put them in says so.

    A label that says OK contradicts that, until one that decides settles it.
    """
    disputed = seeded & (truth.verdict == OK) & ~truth.settled
    verdict: NDArray[np.int8] = np.where(disputed, np.int8(CONTRADICTED), truth.verdict)
    verdict[seeded & (truth.verdict == NONE)] = NG
    return verdict


def _belongs(labels: LabelColumns, parts: PartColumns, within_seconds: float) -> NDArray[np.int64]:
    """Return the row of the presentation that each label belongs to, -1 where there is none."""
    found = np.full(len(labels), -1, np.int64)
    if not len(parts.number):
        return found
    named = np.flatnonzero(labels.number > 0)
    place = np.minimum(np.searchsorted(parts.number, labels.number[named]), len(parts.number) - 1)
    there = parts.number[place] == labels.number[named]
    found[named[there]] = place[there]
    serial = np.flatnonzero((labels.number == 0) & (labels.serial != 0))
    shown = np.flatnonzero(np.isin(parts.serial, labels.serial[serial]))
    # All in one row by serial number and time, a presentation before a label of the same instant: the label
    # belongs to the last presentation before it.
    whose = np.concatenate((parts.serial[shown], labels.serial[serial]))
    when = np.concatenate((parts.at[shown], labels.at[serial]))
    said = np.arange(len(whose)) >= len(shown)
    order = np.lexsort((said, when, whose))
    last = np.maximum.accumulate(np.where(said[order], -1, np.arange(len(order))))
    asking = np.flatnonzero(said[order])
    asking, before = asking[last[asking] >= 0], last[asking][last[asking] >= 0]
    good = (whose[order[asking]] == whose[order[before]]) & (
        when[order[asking]] - when[order[before]] <= within_seconds
    )
    found[serial[order[asking[good]] - len(shown)]] = shown[order[before[good]]]
    return found


def _said(labels: LabelColumns, rows: NDArray[np.int64], part: NDArray[np.int64]) -> Said:
    """Return the newest label of each person on each part; the rows come oldest first."""
    order = np.lexsort((np.arange(len(rows)), labels.who[rows], part))
    rows, part = rows[order], part[order]
    who = labels.who[rows]
    last = np.ones(len(rows), bool)
    last[:-1] = (part[1:] != part[:-1]) | (who[1:] != who[:-1])
    return Said(part=part[last], who=who[last], verdict=labels.verdict[rows[last]], label=rows[last])


def _pairs(said: Said) -> Pairs:
    """Return every pair of people on one part: each row with the one that stands ``gap`` rows further on."""
    a: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    b = list(a)
    gap = 1
    while len(one := np.flatnonzero(said.part[gap:] == said.part[:-gap])):
        a.append(one)
        b.append(one + gap)
        gap += 1
    left, right = np.concatenate(a), np.concatenate(b)
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    return Pairs(
        part=said.part[left],
        who_a=said.who[left],
        verdict_a=said.verdict[left],
        who_b=said.who[right],
        verdict_b=said.verdict[right],
    )
