"""The operating point for a goal: which threshold may be claimed, what it buys, and what is missing if none may.

Goal 1 bounds the bad that pass, goal 2 the good that are called NG, goal 3 both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from bridge.judging.bundle import OperatingPoint
from bridge.learning import metrics, risk
from bridge.learning.metrics import Rate
from bridge.learning.risk import Claim, Scores
from bridge.learning.scoring import Scored, Unit, Units
from bridge.messages import Goal
from bridge.shadow.statistics import trials_needed

_SUSPECTS = 5
"""So many of those that stand in the way are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What shall be claimed."""

    goal: Goal
    risk: float
    """Goals 1 and 3: the share of bad units that may pass; goal 2: of good ones that may be called NG."""
    false_calls: float = 0.01
    """Goal 3: the share of good units that may be called NG."""
    confidence: float = 0.95
    unit: Unit = "part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What one error more would buy, and what it would take."""

    units: int
    """How many units in all allow one error more than there are now."""
    gained: float
    """The share of the other kind that would then be told right, on these units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A threshold and what may be said of it."""

    aim: Aim
    threshold: float
    holds: bool
    claims: tuple[Claim, ...]
    """Goal 1: of escapes; goal 2: of false calls; goal 3: of both, in this order."""
    passed: Rate
    """Of the good units, those that are called OK: under goal 1 the false calls that it cuts."""
    caught: Rate
    """Of the bad units, those that are called NG: under goal 2 the escapes that it catches."""
    prospect: Prospect | None = None
    """None where it would buy nothing, and for goal 3."""
    crowded: tuple[int, int] | None = None
    """Parts and groups, where several parts are in one group and each was counted for itself."""
    suspects: tuple[str, ...] = field(default=())
    """Where no number of parts would do: the units that stand in the way, the worst first."""

    @property
    def point(self) -> OperatingPoint:
        """What the manifest says of it."""
        first = self.claims[0]
        return OperatingPoint(
            goal=self.aim.goal,
            risk=first.risk,
            confidence=self.aim.confidence,
            bound=first.bound,
            holds=self.holds,
            good=self.passed.trials,
            bad=self.caught.trials,
            errors=first.errors,
            missing=0 if self.holds else _most_needed(self.claims),
            steps=first.steps,
            strictest=first.strictest,
        )


def find(scored: Scored, aim: Aim) -> Found:
    """Return the threshold for an aim, from parts that nothing was fitted to."""
    units = scored.units(aim.unit, aim.goal)
    bad, good = units.scores[units.bad], units.scores[~units.bad]
    if aim.goal is Goal.REPLACE:
        threshold, holds, *claims = risk.both(bad, good, aim.risk, aim.false_calls, aim.confidence)
    else:
        one = (
            risk.escapes(bad, good, aim.risk, aim.confidence)
            if aim.goal is Goal.CUT_FALSE_CALLS
            else risk.false_calls(good, bad, aim.risk, aim.confidence)
        )
        threshold, holds, claims = one.threshold, one.holds, [one]
    return Found(
        aim=aim,
        threshold=threshold,
        holds=holds,
        claims=tuple(claims),
        passed=metrics.rate(int((good >= threshold).sum()), len(good)),
        caught=metrics.rate(int((bad < threshold).sum()), len(bad)),
        prospect=_prospect(bad, good, aim, claims[0]),
        crowded=_crowded(units, aim),
        suspects=() if holds else _suspects(units, aim, claims[0]),
    )


def _prospect(bad: Scores, good: Scores, aim: Aim, claim: Claim) -> Prospect | None:
    """Return what is had by a threshold that makes one error more."""
    one_more = claim.errors + 1
    if aim.goal is Goal.REPLACE or not claim.holds or claim.trials <= one_more or not (len(bad) and len(good)):
        return None
    if aim.goal is Goal.CUT_FALSE_CALLS:
        before, then = (float((good > np.sort(bad)[-1 - errors]).mean()) for errors in (claim.errors, one_more))
    else:
        before, then = (float((bad < np.sort(good)[errors]).mean()) for errors in (claim.errors, one_more))
    if then <= before:
        return None
    return Prospect(units=trials_needed(one_more, claim.risk, claim.confidence), gained=then)


def _crowded(units: Units, aim: Aim) -> tuple[int, int] | None:
    groups = Counter(units.groups)
    return (len(units.names), len(groups)) if aim.unit == "part" and len(groups) < len(units.names) else None


def _suspects(units: Units, aim: Aim, claim: Claim) -> tuple[str, ...]:
    """Return the units of the wrong kind at the strictest threshold, if they alone are too many."""
    if risk.missing(claim.errors, claim.trials, claim.risk, claim.confidence) is not None:
        return ()
    sign = 1.0 if aim.goal is Goal.CATCH_ESCAPES else -1.0
    kind = units.bad if aim.goal is not Goal.CATCH_ESCAPES else ~units.bad
    places = np.flatnonzero(kind)
    order = places[np.argsort(sign * units.scores[places], kind="stable")]
    return tuple(units.names[place] for place in order[: min(claim.errors, _SUSPECTS)].tolist())


def needed(claim: Claim) -> int | None:
    """Return how many more units a claim takes if errors go on at the rate seen; None where no number would do."""
    return 0 if claim.holds else risk.missing(claim.errors, claim.trials, claim.risk, claim.confidence)


def _most_needed(claims: Sequence[Claim]) -> int | None:
    """Return the same for the claim that takes the most."""
    most = 0
    for claim in claims:
        more = needed(claim)
        if more is None:
            return None
        most = max(most, more)
    return most


def lines(found: Found) -> Iterator[str]:
    """Yield what a person should know of it, a line each."""
    aim = found.aim
    for claim, (kind, does) in zip(found.claims, _words(aim), strict=True):
        yield from _claimed(claim, kind, does, aim, found.suspects)
    if aim.goal is Goal.REPLACE and not found.holds and all(claim.holds for claim in found.claims):
        low, high = (claim.threshold for claim in found.claims)
        yield f"but not by one threshold: the first needs {low:.4g} or more, the second {high:.4g} or less"
    yield from _bought(found)
    if found.crowded:
        parts, groups = found.crowded
        yield (
            f"note: {parts} parts lie in {groups} groups; where parts of a group resemble each other the bound "
            "is too good. --unit group counts each group once"
        )


def _words(aim: Aim) -> tuple[tuple[str, str], ...]:
    """Return for each claim what is counted and what an error is."""
    escapes, calls = (f"bad {aim.unit}s", "pass"), (f"good {aim.unit}s", "are called NG")
    return {Goal.CUT_FALSE_CALLS: (escapes,), Goal.CATCH_ESCAPES: (calls,), Goal.REPLACE: (escapes, calls)}[
        aim.goal
    ]


def _claimed(claim: Claim, kind: str, does: str, aim: Aim, suspects: tuple[str, ...]) -> Iterator[str]:
    what = f"at most {100 * claim.risk:g} % of {kind} {does}, at {100 * aim.confidence:g} % confidence"
    counted = f"{claim.errors} of {claim.trials:,} do, so at most {100 * claim.bound:.3g} %"
    if claim.holds:
        yield f"{what}: holds ({counted})"
        return
    yield f"{what}: not shown ({counted})"
    more = needed(claim)
    if more is None:
        yield f"  {claim.errors} of {claim.trials:,} is too many: at that rate no number of {kind} will do"
        if suspects:
            yield f"  these stand in the way; look whether their labels are right: {', '.join(suspects)}"
    elif claim.errors:
        yield f"  at the rate seen it takes {more:,} more labelled {kind}"
    plan = risk.plan(claim.trials, claim.risk, claim.confidence)
    told = ", ".join(f"{all_in_all:,} if {errors or 'none'} {_do(errors, does)}" for errors, all_in_all, _ in plan)
    least = 0 if claim.errors else plan[0][2]
    when = "with other labels or a better judge " if more is None else ""
    yield f"  {when}it takes {told}; you have {claim.trials:,}" + (
        f", so at least {least:,} more labelled ones" if least else ""
    )


def _do(errors: int, does: str) -> str:
    singular = {"pass": "passes", "are called NG": "is called NG"}
    return does if errors > 1 else singular[does]


def _bought(found: Found) -> Iterator[str]:
    at, unit = f"at the threshold {found.threshold:.4g}", found.aim.unit
    if found.aim.goal is not Goal.CATCH_ESCAPES:
        passed = f"{_share(found.passed)} of good {unit}s pass in every view"
        yield f"{at}, {passed}: at least so many false calls are cut"
    if found.aim.goal is not Goal.CUT_FALSE_CALLS:
        yield f"{at}, {_share(found.caught)} of bad {unit}s are called NG: so many escapes are caught"
    gained = found.caught if found.aim.goal is Goal.CATCH_ESCAPES else found.passed
    if found.prospect:
        kind, does = _words(found.aim)[0]
        more = found.prospect.units - found.claims[0].trials
        yield (
            f"  {more:,} more labelled {kind} allow that one more {_do(1, does)}; on these that would raise it to "
            f"{100 * found.prospect.gained:.1f} %"
        )
    if found.holds and not gained.events:
        yield "  the promise holds, and nothing is gained by it: that takes a better judge"


def _share(rate: Rate) -> str:
    if not rate.trials:
        return "0 of 0"
    low, high = 100 * rate.low, 100 * rate.high
    return f"{rate.events:,} of {rate.trials:,} ({100 * rate.value:.1f} %, interval {low:.1f}–{high:.1f})"
