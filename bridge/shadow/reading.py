"""A month out of the data folder: journal and labels become one row for each distinct part.

It reads while a gateway writes, in many short transactions. What was used is let go at once, so that 2.6 million
parts never take more than some 130 bytes each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bridge.config.shadow import Shadow
from bridge.errors import ConfigError
from bridge.shadow import columns, judged, plant, presented
from bridge.shadow.columns import Columns
from bridge.shadow.counting import Counting, counted
from bridge.shadow.month import NG, NONE, OK, Month
from bridge.shadow.truth import (
    LabelColumns,
    PartColumns,
    Truth,
    distinct_parts,
    label_columns,
    truth_of,
    with_seeded,
)
from bridge.store import Reader
from bridge.store.labels import Columns as Said
from bridge.store.labels import columns as columns_of
from bridge.store.words import restored

Failing = Literal["refused", "accepted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """How many views of one name there were, by the inspector's verdict and the model's; of seeded parts none."""

    name: str
    counts: NDArray[np.int64]
    """(4, 4): inspector's verdict, model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One line's parts of a span of time, and all that a report says of them beside."""

    line: str
    begin: float
    """Unix time."""
    end: float
    """Unix time, not included."""
    month: Month
    presentations: int
    backlog: int
    """Presentations that were found afterwards."""
    live: int
    """Presentations while the line, or their recipe, was live: no part of the month."""
    counting: Counting
    """What the inspector's own running number tells of parts that were never presented."""
    second: NDArray[np.int32]
    """Of every row of the month: the number of its second record, 0 where it has none."""
    said: Said
    """What people said, as the book of labels has it."""
    labels: LabelColumns
    """The same as arrays."""
    truth: Truth
    """Of the parts of which somebody said something, in their order: d of them."""
    views: Sequence[Views]
    configs: Mapping[str, int]
    """Presentations by the fingerprint of the configuration."""
    bundles: Mapping[str, int]
    """Judged presentations by the bundle's identity."""

    def own(self) -> Reading:
        """Return the same without the seeded parts, as far as it is about distinct parts."""
        seeded = self.month.seeded
        return self.of(~seeded) if seeded.any() else self

    def of(self, rows: NDArray[np.bool_]) -> Reading:
        """Return the same about some of the distinct parts, (n,)."""
        return replace(self, month=self.month.of(rows), second=self.second[rows])


def span(folder: Path, line: str) -> tuple[float, float]:
    """Return the Unix times of a line's first and last part.

    Raises:
        ConfigError: there is no journal, or the line has no part in it.
        Unavailable: the disk refuses.
    """
    query = "SELECT event_at FROM part WHERE line = ? ORDER BY number"
    with columns.open_journal(folder) as journal:
        number = _word(journal, line, folder)
        first = journal.rows(f"{query} LIMIT 1", (number,))
        last = journal.rows(f"{query} DESC LIMIT 1", (number,))
    if not first:
        raise _nothing(line, folder)
    return first[0][0], last[0][0]


def read(
    folder: Path,
    line: str,
    shadow: Shadow,
    begin: float,
    end: float,
    on_failure: Failing = "refused",
    *,
    labels_in: Path | None = None,
) -> Reading:
    """Return a line's parts from one Unix time to below another; blocks on the disk, for seconds.

    Args:
        folder: the data folder.
        line: the line's name.
        shadow: how parts are told apart, and how the plant's shifts lie.
        begin: Unix time.
        end: Unix time, not included.
        on_failure: the line's ``legacy_ok_on_failure``, for parts that were not judged.
        labels_in: the data folder whose labels count, the same where none is named; there need not be any.

    Raises:
        ConfigError: there is no journal, or the line has no part in it.
        Unavailable: the disk refuses.
    """
    with columns.open_journal(folder) as journal:
        number = _word(journal, line, folder)
    parts, configs = presented.presented(folder, number, begin, end, shadow.seeded)
    counting = _counting(parts["at"], parts.pop("counter"))
    distinct = distinct_parts(parts["serial"], parts["at"], shadow.reinspected_within_hours)
    first = _first(parts["at"], distinct)
    heard, bundles = judged.judged(folder, parts, begin, end)
    del parts["high"], parts["low"]
    opening = np.zeros(len(distinct), bool)
    opening[first] = ~parts["seeded"][first]
    lows, counts = judged.viewed(folder, parts, heard["second"], opening)
    judged.mark(folder, parts)
    said = columns_of(labels_in or folder, line)
    labels = label_columns(said, Reader(folder).numbers({id_ for id_ in said.id if id_}))
    shown = PartColumns(number=parts["number"], serial=parts.pop("serial"), at=parts["at"], distinct=distinct)
    truth = truth_of(labels, shown, shadow.reinspected_within_hours)
    seeded = parts.pop("seeded")[first]
    verdict, truth = with_seeded(truth, seeded), _labelled(truth)
    times = np.bincount(distinct, minlength=len(first)).astype(np.int16)
    del shown, distinct, opening
    with columns.open_journal(folder) as journal:
        words = _Words(journal)
    shadowed = (parts["codes"][first] & presented.SHADOW) != 0
    parts |= heard | lows
    for held in (heard, lows):
        held.clear()
    found = Reading(
        line=line,
        begin=begin,
        end=end,
        presentations=int(times.sum(dtype=np.int64)),
        backlog=int(np.count_nonzero(parts["codes"] & presented.BACKLOG)),
        live=int(np.count_nonzero(parts["codes"] & presented.SHADOW == 0)),
        counting=counting,
        second=parts["second"][first].astype(np.int32),
        said=said,
        labels=labels,
        truth=truth,
        views=_views(counts, words),
        configs=words.named(configs),
        bundles=words.named(bundles),
        month=_month(_Picked(parts, first), times, (verdict, seeded), shadow, on_failure, words),
    )
    return found if shadowed.all() else found.of(shadowed)  # a live part says nothing of a shadow month


def _labelled(truth: Truth) -> Truth:
    """Return the truth of the labelled parts alone: they are few, and the others' rows would be empty."""
    parts = np.flatnonzero((truth.people > 0) | truth.settled)
    return replace(
        truth,
        **{
            name: getattr(truth, name)[parts]
            for name in ("verdict", "people", "disputed", "settled", "blind", "label")
        },
        said=replace(truth.said, part=np.searchsorted(parts, truth.said.part)),
        pairs=replace(truth.pairs, part=np.searchsorted(parts, truth.pairs.part)),
    )


def _counting(at: NDArray[np.float64], number: NDArray[np.int64]) -> Counting:
    told = number >= 0
    return counted(at, number) if told.all() else counted(at[told], number[told])


def without_us(legacy: NDArray[np.int8], on_failure: Failing = "refused") -> NDArray[np.int8]:
    """Return what goals 1, 2 and 3 answer where no second opinion could be had; (n,) → (n, 3).

    It is ``goals.without_us`` for a live line and a failure that may be tolerated.
    """
    known = (legacy == OK) | (legacy == NG)
    found = np.full((len(legacy), 3), NG, np.int8)
    found[known, 0] = legacy[known]
    if on_failure == "accepted":
        found[known, 1] = legacy[known]
    return found


class _Words:
    """Words by their numbers."""

    def __init__(self, journal: columns.Journal) -> None:
        found = journal.rows("SELECT number, text FROM word")
        self._texts = {0: "", **{number: restored(text) for number, text in found}}

    def text(self, number: int) -> str:
        """Return the word of a number, the empty one of 0."""
        return self._texts[number]

    def index(self, words: NDArray[np.int32]) -> tuple[NDArray[np.int32], Sequence[str]]:
        """Return the index of each word in the list of those there are, by name."""
        found = np.flatnonzero(np.bincount(words, minlength=1))
        names = sorted((self._texts[number], number) for number in found.tolist())
        place = np.zeros(int(found.max(initial=0)) + 1, np.int32)
        place[[number for _, number in names]] = np.arange(len(names))
        return place[words], [name for name, _ in names]

    def named(self, counted: Mapping[int, int]) -> dict[str, int]:
        """Return counts by word, in order of the words; the empty one does not count."""
        return dict(sorted((self._texts[number], count) for number, count in counted.items() if number))


class _Picked:
    """The first presentations' columns; each is let go once it was taken."""

    def __init__(self, found: Columns, first: NDArray[np.int64]) -> None:
        self._found, self._first = found, first

    def __call__(self, name: str) -> columns.Array:
        return self._found.pop(name)[self._first]


def _month(
    picked: _Picked,
    times: NDArray[np.int16],
    known: tuple[NDArray[np.int8], NDArray[np.bool_]],
    shadow: Shadow,
    on_failure: Failing,
    words: _Words,
) -> Month:
    codes, at, said = picked("codes"), picked("at"), picked("said")
    truth, seeded = known
    legacy, second = codes & presented.LEGACY, picked("second")
    safe = without_us(legacy, on_failure)
    fallbacks = _three(said, judged.FALLBACKS, safe)
    model = np.where(second > 0, said >> judged.MODEL & 3, codes >> presented.MODEL & 3).astype(np.int8)
    in_time = (said >> judged.IN_TIME & 3).astype(np.int8)
    recipe, recipes = words.index(picked("recipe"))
    defect, defects = words.index(picked("defect"))
    lot, lots = _lots(picked("lot"), at, shadow, words)
    heard = (model == OK) | (model == NG)
    return Month(
        at=at,
        number=picked("number"),
        presentations=times,
        legacy=legacy,
        model=model,
        goals=_three(said, judged.GOALS, fallbacks),
        fallbacks=fallbacks,
        in_time=np.where(in_time == NONE, in_time, 3 - in_time),  # the journal's 0 and 1 came as 1 and 2
        truth=truth,
        stratum=np.where(seeded, 0, said >> judged.STRATUM & 15).astype(np.int8),
        chance=np.where(seeded, heard, picked("chance")).astype(np.float32),
        drawn=np.where(seeded, heard, said >> judged.DRAWN & 1).astype(bool),
        seeded=seeded,
        lowest=np.stack((picked("one"), picked("two")), axis=1),
        threshold=picked("threshold"),
        latency_ms=picked("latency_ms"),
        judge_ms=picked("judge_ms"),
        lot=lot,
        recipe=recipe,
        defect=defect,
        lots=lots,
        recipes=recipes,
        defects=defects,
    )


def _three(said: NDArray[np.uint32], place: int, otherwise: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the three verdicts that begin at a bit, and something else where there is none."""
    found = np.stack([(said >> (place + 2 * goal) & 3).astype(np.int8) for goal in range(3)], axis=1)
    return np.where(found == NONE, otherwise, found)


def _first(at: NDArray[np.float64], distinct: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of the first presentation of each distinct part."""
    order = np.arange(len(at)) if (at[1:] >= at[:-1]).all() else np.argsort(at, kind="stable")
    first = np.empty(int(distinct.max(initial=-1)) + 1, np.int64)
    first[distinct[order[::-1]]] = order[::-1]  # of rows for one place the last stays, which is the earliest
    return first


def _lots(
    told: NDArray[np.int32], at: NDArray[np.float64], shadow: Shadow, words: _Words
) -> tuple[NDArray[np.int32], Sequence[str]]:
    """Return the index of each part's lot, and the lots: those that the source names, then shifts in order."""
    silent = told == 0
    index, names = words.index(told[~silent])
    lots = np.zeros(len(told), np.int32)
    lots[~silent] = index
    if silent.any():
        shift, called = plant.lots(at[silent], shadow)
        named = [] if silent.all() else list(names)
        lots[silent] = shift + len(named)
        names = [*named, *called]
    return lots, names


def _views(counts: judged.Counts, words: _Words) -> list[Views]:
    found: dict[str, NDArray[np.int64]] = {}
    for (name, legacy, model), count in counts.items():
        found.setdefault(words.text(name), np.zeros((4, 4), np.int64))[legacy, model] += count
    return [Views(name=name, counts=one) for name, one in sorted(found.items())]


def _word(journal: columns.Journal, line: str, folder: Path) -> int:
    found = journal.rows("SELECT number FROM word WHERE text = ?", (line,))
    if not found:
        raise _nothing(line, folder)
    return int(found[0][0])


def _nothing(line: str, folder: Path) -> ConfigError:
    return ConfigError(f"line {line}", f"has no part in the journal of {folder}", "name a line that has run")
