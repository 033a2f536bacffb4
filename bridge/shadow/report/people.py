"""Who labelled, how far people agree, and how people, the old machine and the model stand to the truth. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.messages import Goal
from bridge.shadow import agreement
from bridge.shadow.agreement import Attribute, Kappa
from bridge.shadow.month import CONTRADICTED, NG, NONE, OK, Month
from bridge.shadow.reading import Reading
from bridge.shadow.report.grouped import DIGITS, Facts, Grouped, share

MOST_PAIRS: Final = 20
"""Of so many pairs of people, those with the most parts in common, the agreement is told."""


def labels(found: Reading, grouped: Grouped) -> Facts:
    """Return what there is to say of the labels."""
    truth, columns = found.truth, found.labels
    belongs = truth.belongs >= 0
    roads = Counter(road for road, mine in zip(found.said.road, belongs, strict=True) if mine)
    month = found.month
    return {
        "labels": int(belongs.sum()),
        "elsewhere": int((~belongs).sum()),
        "roads": dict(sorted(roads.items())),
        "parts": int((truth.verdict != NONE).sum()),
        "good": int((truth.verdict == OK).sum()),
        "bad": int((truth.verdict == NG).sum()),
        "contradicted": int((truth.verdict == CONTRADICTED).sum()),
        "double": int((truth.people > 1).sum()),
        "disputed": int(truth.disputed.sum()),
        "settled": int(truth.settled.sum()),
        "blind": int(truth.blind.sum()),
        "drawn": int(month.drawn.sum()),
        "drawn_labelled": int(grouped.known.sum()),
        "volunteered": int(((month.truth != NONE) & ~month.drawn).sum()),
        "people": [_person(found, who) for who in range(len(columns.people))],
        "pairs": _pairs(found),
    }


def _person(found: Reading, who: int) -> Facts:
    truth, said = found.truth, found.truth.said
    mine = np.flatnonzero(said.who == who)
    known = np.intersect1d(mine, truth.against_truth())
    pairs = _tuples(said.verdict[known], truth.verdict[said.part[known]])
    return {
        "name": found.labels.people[who],
        "parts": len(mine),
        "blind": int(found.labels.blind[said.label[mine]].sum()),
        "against_truth": _attribute(agreement.attribute(pairs)),
    }


def _pairs(found: Reading) -> list[Facts]:
    pairs, people = found.truth.pairs, found.labels.people
    both, times = np.unique(np.stack((pairs.who_a, pairs.who_b), axis=1), axis=0, return_counts=True)
    told = []
    for place in np.argsort(-times, kind="stable")[:MOST_PAIRS]:
        a, b = both[place]
        mine = (pairs.who_a == a) & (pairs.who_b == b)
        kappa = agreement.kappa(_tuples(pairs.verdict_a[mine], pairs.verdict_b[mine]))
        told.append({"a": people[a], "b": people[b], **_kappa(kappa)})
    return told


def _tuples(a: NDArray[np.int8], b: NDArray[np.int8]) -> list[tuple[bool, bool]]:
    return list(zip((a == NG).tolist(), (b == NG).tolist(), strict=True))


def _kappa(one: Kappa) -> Facts:
    return {
        "parts": one.parts,
        "agreed": one.agreed,
        "kappa": _rounded(one.value),
        "lower": _rounded(one.lower),
        "upper": _rounded(one.upper),
    }


def _attribute(one: Attribute) -> Facts:
    return {
        "parts": one.parts,
        "effectiveness": _rounded(one.effectiveness),
        "miss": _rounded(one.miss),
        "false_alarm": _rounded(one.false_alarm),
        "kappa": _kappa(one.kappa),
        "grade": one.grade,
    }


def machines(grouped: Grouped) -> list[Facts]:
    """Return the figures of an attribute agreement study (AIAG) of the inspector, the model and each goal.

    Every labelled part counts with its weight: disagreements are labelled more often than they happen.
    """
    month = grouped.month
    rows = np.flatnonzero(grouped.known)
    told: Sequence[tuple[str, NDArray[np.int8]]] = (
        ("inspector", month.legacy),
        ("model", month.model),
        *((f"goal {int(goal)}", grouped.said(goal)) for goal in Goal),
    )
    return [_machine(name, said[rows], month.truth[rows], grouped.weights(rows)) for name, said in told]


def _machine(name: str, said: NDArray[Any], truth: NDArray[Any], weights: NDArray[np.float64]) -> Facts:
    spoken = (said == OK) | (said == NG)
    said, truth, weights = said[spoken], truth[spoken], weights[spoken]
    total = float(weights.sum())
    cells = {
        (a, b): float(weights[(said == a) & (truth == b)].sum()) / total if total else 0.0
        for a in (OK, NG)
        for b in (OK, NG)
    }
    bad, good = cells[OK, NG] + cells[NG, NG], cells[OK, OK] + cells[NG, OK]
    right = cells[OK, OK] + cells[NG, NG]
    called = cells[NG, OK] + cells[NG, NG]
    chance = called * bad + (1 - called) * good
    return {
        "name": name,
        "parts": len(said),
        "effectiveness": _rounded(right if total else None),
        "miss": _rounded(cells[OK, NG] / bad if bad else None),
        "false_alarm": _rounded(cells[NG, OK] / good if good else None),
        "kappa": _rounded((right - chance) / (1 - chance) if total and chance < 1 else None),
    }


def discordant(month: Month, grouped: Grouped, goal: Goal, confidence: float) -> Facts:
    """Return McNemar's test of a goal against the inspector, on the labelled parts that they call differently."""
    said = grouped.said(goal)
    differ = grouped.known & (said != month.legacy) & (month.legacy != NONE)
    first = int((differ & (month.legacy == month.truth)).sum())
    second = int((differ & (said == month.truth)).sum())
    test = agreement.mcnemar(first, second)
    return {
        "only_inspector": first,
        "only_goal": second,
        "p": _rounded(test.p),
        "better": share(second, first + second, confidence),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)
