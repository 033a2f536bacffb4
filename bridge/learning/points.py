"""Where to put the threshold, and how good a set of scores is: pure, over p(OK) of parts whose truth is known.

A *score* is p(OK); a part is OK if its lowest view reaches the threshold. A *false call* is a good part called
NG, an *escape* a bad part called OK.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]
"""True for NG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a threshold does on parts of known truth, in counts."""

    good: int
    bad: int
    false_calls: int
    escapes: int
    auc: float
    """The chance that a bad part scores below a good one, ties counting half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestF1:
    """The highest F1 of NG that any threshold gives; NaN where nothing is NG."""

    value: float
    threshold: float
    """One that gives it."""


def fuse(scores: Scores, bad: Truth, parts: Sequence[str]) -> tuple[Scores, Truth]:
    """Return score and truth per part, in order of first appearance: the lowest score counts, and any NG view."""
    order = {name: index for index, name in enumerate(dict.fromkeys(parts))}
    where = np.array([order[name] for name in parts])
    lowest, any_bad = np.full(len(order), np.inf), np.zeros(len(order), np.bool_)
    np.minimum.at(lowest, where, scores)
    np.logical_or.at(any_bad, where, bad)
    return lowest, any_bad


def average(scores: Scores, bad: Truth, groups: Sequence[str]) -> tuple[Scores, Truth]:
    """Return mean score and truth per group; a group that holds good and bad pictures counts as two."""
    keys = [f"{int(ill)} {group}" for ill, group in zip(bad.tolist(), groups, strict=True)]
    names, where = np.unique(keys, return_inverse=True)
    means = np.bincount(where, scores) / np.bincount(where)
    return means, np.array([name.startswith("1") for name in names], np.bool_)


def auc_error(area: float, good: int, bad: int) -> float:
    """Return the standard error of an AUC from so many good and bad ones (Hanley and McNeil 1982)."""
    one, other = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (bad - 1) * (one - area**2) + (good - 1) * (other - area**2)
    return math.sqrt(max(area * (1 - area) + spread, 0.0) / max(good * bad, 1))


def operating_point(scores: Scores, bad: Truth, escapes: float) -> float:
    """Return the lowest threshold, and so the fewest false calls, that lets at most this share of bad parts pass.

    It stands in the middle, by log-odds, of the gap between the best bad part that must not pass and the next
    good one above it: moving within the gap calls no good part NG, and the middle is least surprised by new parts.

    Args:
        scores: p(OK) per part, at least one good and one bad.
        bad: their truth.
        escapes: the share of bad parts that may pass, 0 to 1; 0 lets none of these pass.
    """
    ranked = np.sort(scores[bad])[::-1]
    stopped = ranked[min(math.floor(escapes * len(ranked) + 1e-9), len(ranked) - 1)]
    above = scores[~bad & (scores > stopped)]
    if not above.size:
        return float(min(np.nextafter(stopped, 2), 1.0))
    threshold = middle(float(stopped), float(above.min()))
    return threshold if threshold > stopped else float(above.min())


def outcome(scores: Scores, bad: Truth, threshold: float) -> Outcome:
    """Return what the threshold does on these parts."""
    passed = scores >= threshold
    return Outcome(
        good=int((~bad).sum()),
        bad=int(bad.sum()),
        false_calls=int((~passed & ~bad).sum()),
        escapes=int((passed & bad).sum()),
        auc=auc(scores, bad),
    )


def auc(scores: Scores, bad: Truth) -> float:
    """Return the chance that a random bad part scores below a random good one (Mann-Whitney); NaN without both."""
    good, ill = np.sort(scores[~bad]), scores[bad]
    if not good.size or not ill.size:
        return math.nan
    higher = good.size - np.searchsorted(good, ill, side="right")
    equal = np.searchsorted(good, ill, side="right") - np.searchsorted(good, ill, side="left")
    return float((higher + equal / 2).sum() / (good.size * ill.size))


def best_f1(scores: Scores, bad: Truth) -> BestF1:
    """Return the highest F1 of NG that any threshold gives, the lowest threshold of those that give it.

    It stands in the middle, by log-odds, of the gap above the highest score that it calls NG. As it is chosen on
    the very parts that it is counted on, it says what the scores allow, not what another set will show.
    """
    if not bad.any():
        return BestF1(value=math.nan, threshold=math.nan)
    stopped = np.unique(scores[bad])  # what lies between two of these adds false calls alone
    caught = np.searchsorted(np.sort(scores[bad]), stopped, side="right")
    called = np.searchsorted(np.sort(scores), stopped, side="right")
    shares = 2 * caught / (bad.sum() + called)
    best = int(shares.argmax())
    above = scores[scores > stopped[best]]
    if not above.size:
        return BestF1(value=float(shares[best]), threshold=float(np.nextafter(stopped[best], 2)))
    threshold = middle(float(stopped[best]), float(above.min()))
    return BestF1(
        value=float(shares[best]), threshold=threshold if threshold > stopped[best] else float(above.min())
    )


def log_odds(score: float) -> float:
    """Return log(p / (1 - p)), within what a float can tell from certainty."""
    inside = min(max(score, 1e-15), 1 - 1e-15)
    return math.log(inside / (1 - inside))


def middle(one: float, other: float) -> float:
    """Return the middle by log-odds, never outside the two whatever the last digit does."""
    low, high = min(one, other), max(one, other)
    odds = (log_odds(low) + log_odds(high)) / 2
    return float(min(max(1 / (1 + math.exp(-odds)), low), high))
