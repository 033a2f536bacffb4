"""The parts of a line out of the journal: one row for each presentation, in order of the journal's numbers.

The columns (words are the journal's numbers of them, 0 for none):

=============  =======  ==========================================================================
number         int64    the journal's number, growing
at             float64  Unix time of the part's own event
latency_ms     float32  from the event to the answer
codes          int8     ``LEGACY``, ``MODEL`` (of a part re-checked before it was answered), flags
seeded         bool     whether the serial number is one of those of seeded parts
recipe         int32    a word
lot            int32    a word
defect         int32    a word: the inspector's code for the part as a whole
counter        int64    the inspector's own running number, -1 where it tells none
high, low      uint64   the two halves of the inspection id
serial         int64    out of ``truth.serials``
=============  =======  ==========================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bridge.shadow import columns, truth
from bridge.shadow.columns import Array, Column, Columns, Ids, Key, Scaled, Table, Texts

SLACK: Final = 7 * 86_400.0
"""A part may be recorded so many seconds after its event, as backlog after an outage."""
LEGACY: Final = 3
MODEL: Final = 2
"""So many bits up from the lowest."""
BACKLOG, SHADOW, BYPASSED = 16, 32, 64

_KINDS: Final = {
    "number": "i8",
    "at": "f8",
    "latency_ms": "f4",
    "codes": "i1",
    "seeded": "?",
    "recipe": "i4",
    "lot": "i4",
    "defect": "i4",
    "counter": "i8",
    "high": "u8",
    "low": "u8",
    "serial": "i8",
}
_WORDS: Final = (("ifnull(lot, 0)", 31), ("ifnull(config, 0)", 31))
_SEEDED: Final = ("(CAST(part AS TEXT) GLOB :seeded)", 1)
_COLUMNS: Final = (
    Key("number"),
    Scaled("event_at", 1_000_000),
    Scaled("latency_ms", 1_000),
    Column(
        columns.packed(
            ("ifnull(legacy, 0)", 2),
            ("ifnull(model, 0)", 2),
            ("backlog", 1),
            ("(stage = 1)", 1),
            ("bypassed", 1),
            ("ifnull(recipe, 0)", 31),
        )
    ),
    Column("ifnull(defect, 0)"),
    Column("ifnull(counter, -1)"),
    Ids("id"),
    Texts("part"),
)


def presented(folder: Path, line: int, begin: float, end: float, seeded: str = "") -> tuple[Columns, Counter[int]]:
    """Return what was presented on a line, by its word's number, and how often under which configuration.

    Args:
        folder: the data folder.
        line: the number of the line's word.
        begin: Unix time of the first event.
        end: Unix time, not included.
        seeded: the pattern of the serial numbers of seeded parts, empty for none.

    Raises:
        ConfigError: there is no journal that this version can read.
        Unavailable: the disk refuses.
    """
    configs: Counter[int] = Counter()

    def take(block: list[Any]) -> Sequence[Array]:
        mine = (block[1] >= begin) & (block[1] < end)
        kept = block if mine.all() else [_some(column, mine) for column in block]
        number, at, latency, codes, defect, counter, ids, parts, words = kept
        found, times = np.unique(words >> 31 & 0x7FFFFFFF, return_counts=True)
        configs.update(dict(zip(found.tolist(), times.tolist(), strict=True)))
        return (
            number,
            at,
            latency,
            codes & 127,
            words >> 62 > 0,
            codes >> 7,
            words & 0x7FFFFFFF,
            defect,
            counter,
            ids[:, 0],
            ids[:, 1],
            truth.serials(parts),
        )

    with columns.open_journal(folder) as journal:
        first = journal.after("part", "recorded_at", begin)
        numbers = range(first, journal.after("part", "recorded_at", end + SLACK))
    where = Table("part", "number", "line = :line", {"line": line, "seeded": seeded})
    words = Column(columns.packed(*_WORDS, *([_SEEDED] if seeded else [])))
    return columns.filled(folder, where, (*_COLUMNS, words), numbers, take, _KINDS), configs


def _some(column: Any, mine: Array) -> Any:
    if isinstance(column, list):
        return [one for one, kept in zip(column, mine.tolist(), strict=True) if kept]
    return column[mine]
