"""A month of parts as arrays: what the statistics read, whoever filled it. No I/O.

Verdicts are numbers as in the journal: 0 nobody asked or nobody knows, OK 1, NG 2, and 3 where it was asked and no
verdict came. A re-inspected part is one row: its first presentation counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

NONE: Final = 0
OK: Final = 1
NG: Final = 2
SILENT: Final = 3
"""Asked, and no verdict came."""
LATE: Final = 2
"""Judged, but too late: a live line would have answered with the fallback."""
CONTRADICTED: Final = 3
"""Of the truth: people disagree, and nobody settled it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """Distinct parts of one line in order of time; every array has n rows."""

    at: NDArray[np.float64]
    """Unix time of the part's own event."""
    number: NDArray[np.int64]
    """The journal's number of the first presentation."""
    presentations: NDArray[np.int16]
    """How often the part was presented."""
    legacy: NDArray[np.int8]
    model: NDArray[np.int8]
    goals: NDArray[np.int8]
    """(n, 3): what goals 1, 2 and 3 would have answered; of a part not judged, what their fallback would have."""
    fallbacks: NDArray[np.int8]
    """(n, 3): what they would have answered without a second opinion."""
    in_time: NDArray[np.int8]
    """0 not known, 1 in time, 2 too late."""
    truth: NDArray[np.int8]
    """0 nobody said, OK 1, NG 2, 3 contradicted."""
    stratum: NDArray[np.int8]
    """Of the sampling plan, 0 where the part had no chance."""
    chance: NDArray[np.float32]
    """With which it was drawn for labelling; 0 where it had none."""
    drawn: NDArray[np.bool_]
    seeded: NDArray[np.bool_]
    """Put in on purpose, and known to be bad: of no stratum, and drawn with chance 1 where it was judged."""
    lowest: NDArray[np.float32]
    """(n, 2): the lowest score of the views that goal 1 and goal 2 ask for; nan where there is none."""
    threshold: NDArray[np.float32]
    """The operating point of the part's views; nan where it was not judged."""
    latency_ms: NDArray[np.float32]
    """From the event to the answer."""
    judge_ms: NDArray[np.float32]
    lot: NDArray[np.int32]
    """Index into ``lots``."""
    recipe: NDArray[np.int32]
    """Index into ``recipes``."""
    defect: NDArray[np.int32]
    """Index into ``defects``: the code of the inspector's first NG view, else its code for the part."""
    lots: Sequence[str]
    recipes: Sequence[str]
    defects: Sequence[str]

    def __len__(self) -> int:
        """Return the number of distinct parts."""
        return len(self.at)

    def answers(self) -> NDArray[np.int8]:
        """Return (n, 3) what goals 1, 2 and 3 would have answered in time: too late, it is their fallback."""
        late = self.in_time == LATE
        return np.where(late[:, None], self.fallbacks, self.goals) if late.any() else self.goals

    def own(self) -> Month:
        """Return the line's own parts: those that were not seeded."""
        return self.of(~self.seeded) if self.seeded.any() else self

    def of(self, rows: NDArray[np.bool_] | slice) -> Month:
        """Return some of the parts; lots, recipes and codes keep their places."""
        arrays: dict[str, Any] = {
            one.name: value[rows]
            for one in fields(self)
            if isinstance(value := getattr(self, one.name), np.ndarray)
        }
        return replace(self, **arrays)


def pooled(months: Mapping[str, Month]) -> Month:
    """Return the parts of several lines as one month in order of time.

    Lots of different lines are different lots, whatever they are called; recipes and codes go by their names.

    Args:
        months: the parts of each line, by its name; at least one.
    """
    every = list(months.values())
    order = np.argsort(np.concatenate([one.at for one in every]), kind="stable")
    lots, recipes, defects = (_named(months, kind) for kind in ("lot", "recipe", "defect"))
    arrays: dict[str, Any] = {
        one.name: np.concatenate([getattr(month, one.name) for month in every])[order]
        for one in fields(Month)
        if isinstance(getattr(every[0], one.name), np.ndarray) and one.name not in {"lot", "recipe", "defect"}
    }
    return Month(
        **arrays,
        lot=lots[0][order],
        recipe=recipes[0][order],
        defect=defects[0][order],
        lots=lots[1],
        recipes=recipes[1],
        defects=defects[1],
    )


def _named(months: Mapping[str, Month], kind: str) -> tuple[NDArray[np.int32], Sequence[str]]:
    """Return the index of each part's lot, recipe or code among those of all lines, and their names."""
    told = [
        [f"{line} {name}" if kind == "lot" else name for name in getattr(month, f"{kind}s")]
        for line, month in months.items()
    ]
    names = sorted({name for mine in told for name in mine})
    place = {name: index for index, name in enumerate(names)}
    index = [
        np.array([place[name] for name in mine], np.int32)[getattr(month, kind)]
        for mine, month in zip(told, months.values(), strict=True)
        if mine
    ]
    return np.concatenate(index) if index else np.zeros(0, np.int32), names
