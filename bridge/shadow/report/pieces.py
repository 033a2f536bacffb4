"""Views and single parts out of the journal: rates per camera and component, and the worst disagreements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.messages import Judgement, Verdict
from bridge.shadow import columns
from bridge.shadow.month import NG, OK, Month
from bridge.shadow.reading import Reading
from bridge.shadow.report.grouped import DIGITS, Facts, Grouped, cp_lower, cp_upper, rate
from bridge.store import Reader
from bridge.store.records import Second
from bridge.store.words import restored

SHOWN: Final = 6
"""The most parts of a kind that are shown."""
MOST_VIEWS: Final = 60
"""The most views that are listed, those with the most false calls of the inspector."""
_AT_ONCE: Final = 500
_MARKED: Final = (
    "SELECT second, word.text, legacy, model FROM second_view LEFT JOIN word ON word.number = second_view.name"
)
WORDS: Final = {0: "none", OK: "OK", NG: "NG", 3: "silent"}


def views(folder: Path, found: Reading, grouped: Grouped) -> list[Facts]:
    """Return the rates per view: a camera, or a component of a board.

    A view that is called NG on a part that is truly OK is a false call. Which view of a bad part is the bad one no
    label tells, so escapes are counted by part.
    """
    calls = _false_calls(folder, found, grouped)
    told: list[Facts] = []
    for view in found.views:
        counts = view.counts
        total = int(counts.sum())
        told.append(
            {
                "name": view.name,
                "views": total,
                "inspector_ng": int(counts[NG].sum()),
                "model_ng": int(counts[:, NG].sum()),
                "both_ng": int(counts[NG, NG]),
                "unjudged": int(counts[:, 0].sum() + counts[:, 3].sum()),
                "false_calls_inspector": _per_view(calls[view.name, 0], total, grouped.confidence),
                "false_calls_model": _per_view(calls[view.name, 1], total, grouped.confidence),
            }
        )
    return sorted(told, key=lambda one: (-one["false_calls_inspector"]["weighted"], one["name"]))


def _false_calls(folder: Path, found: Reading, grouped: Grouped) -> defaultdict[tuple[str, int], list[float]]:
    """Return the weights of the false calls by view and who made them: 0 the inspector, 1 the model."""
    rows = np.flatnonzero(grouped.known & (found.month.truth == OK) & (found.second > 0))
    weights = dict(zip(found.second[rows].tolist(), grouped.weights(rows).tolist(), strict=True))
    calls: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    seconds = sorted(weights)
    with columns.open_journal(folder) as journal:
        for start in range(0, len(seconds), _AT_ONCE):
            some = seconds[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            which = f"WHERE second IN ({marks}) AND (legacy = {NG} OR model = {NG})"
            for second, name, legacy, model in journal.rows(f"{_MARKED} {which}", some):
                for whose, said in enumerate((legacy, model)):
                    if said == NG:
                        calls[restored(name or ""), whose].append(weights[second])
    return calls


def _per_view(weights: Sequence[float], total: int, confidence: float) -> Facts:
    events, weighted = float(len(weights)), sum(weights)
    trials = np.array([max(total * events / weighted if weighted else total, events)])
    k = np.array([events])
    low, high = cp_lower(k, trials, confidence)[0], cp_upper(k, trials, confidence)[0]
    return rate(events, weighted, total, low, high)


KINDS: Final = (
    ("overruled", "truly NG, found by the inspector, and the model says OK"),
    ("caught", "truly NG, passed by the inspector, and the model says NG"),
    ("added", "truly OK, passed by the inspector, and the model says NG"),
    ("cleared", "truly OK, called NG by the inspector, and the model says OK"),
    ("open", "the two disagree, and nobody has said yet who is right"),
    ("seeded", "seeded known-bad parts that the model calls OK"),
)
"""The kinds of disagreement, and what each is."""


def worst(folder: Path, found: Reading) -> list[Facts]:
    """Return the disagreements of each kind on which the model was surest, with their views."""
    month, reader = found.month, Reader(folder)
    return [
        {"kind": kind, "said": said, "parts": int(mine.sum()), "shown": list(_shown(reader, found, mine))}
        for (kind, said), mine in zip(KINDS, _kinds(month), strict=True)
        if kind != "seeded" or month.seeded.any()
    ]


def _kinds(month: Month) -> Iterator[NDArray[np.bool_]]:
    own = ~month.seeded
    clears = (month.legacy == NG) & (month.model == OK) & own
    calls = (month.legacy == OK) & (month.model == NG) & own
    bad, good = month.truth == NG, month.truth == OK
    yield clears & bad
    yield calls & bad
    yield calls & good
    yield clears & good
    yield (clears | calls) & ~bad & ~good
    yield month.seeded & bad & (month.model == OK)


def _shown(reader: Reader, found: Reading, mine: NDArray[np.bool_]) -> Iterator[Facts]:
    month = found.month
    rows = np.flatnonzero(mine & (found.second > 0))
    sure = np.abs(month.lowest[rows, 1] - month.threshold[rows])
    for row in rows[np.argsort(-np.nan_to_num(sure, nan=-1.0), kind="stable")][:SHOWN].tolist():
        number = int(month.number[row])
        page = reader.decisions(found.line, after=number - 1, limit=1)
        if not page:
            continue
        decision = page[0]
        second = next(
            (one for one in reversed(reader.seconds(decision.id)) if one.kind in {"shadow", "guard"}), None
        )
        yield {
            "id": decision.id,
            "number": number,
            "part": decision.part,
            "recipe": decision.recipe,
            "at": round(float(month.at[row]), 6),
            "legacy": WORDS[int(month.legacy[row])],
            "model": WORDS[int(month.model[row])],
            "truth": WORDS[int(month.truth[row])] if month.truth[row] in {OK, NG} else "",
            "defect": month.defects[month.defect[row]],
            "views": list(_views(second)) if second else [],
        }


def _views(second: Second) -> Iterator[Facts]:
    """Return the views that decided: those called NG by either, or the lowest."""
    told = [(place, view) for place, view in enumerate(second.views) if view.judgement]
    scored = sorted(told, key=lambda one: (_score(one[1].judgement), one[0]))
    ng = [one for one in scored if Verdict.NG in {one[1].legacy, one[1].judgement and one[1].judgement.verdict}]
    for place, view in (ng or scored)[:2]:
        judged = view.judgement
        yield {
            "name": view.name,
            "place": place,
            "legacy": str(view.legacy) if view.legacy else "",
            "model": str(judged.verdict) if judged and judged.verdict else "",
            "score": None if judged is None or judged.score is None else round(judged.score, DIGITS),
            "threshold": None if judged is None or judged.threshold is None else round(judged.threshold, DIGITS),
            "defect": view.defect,
            "image": view.image,
        }


def _score(judged: Judgement | None) -> float:
    return 2.0 if judged is None or judged.score is None else judged.score


def rows_of_interest(month: Month) -> NDArray[np.int64]:
    """Return the parts that the table lists: all but those that everybody calls OK and nobody looked at."""
    ok: Any = (month.legacy == OK) & (month.model == OK) & (month.goals == OK).all(axis=1)
    return np.flatnonzero(~ok | month.drawn | (month.truth != 0))
