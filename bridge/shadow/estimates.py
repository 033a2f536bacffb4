"""What a month says of a rate: an estimate without verification bias, and bounds that hold for bursts. Pure.

Labels are not spread evenly: every disagreement has one, of the agreements a random share. Estimates weight each
labelled part by the inverse of the probability with which it was drawn and labelled (D. G. Horvitz and D. J.
Thompson, J. Am. Stat. Assoc. 47, 1952), so that escapes which nobody looked for count for those that were not
drawn. Bounds are those of ``bounds.py``, one for the parts that are labelled in any case and one for those that
were drawn, added. A part that must be labelled and is not yet counts as the worst that its label could be; so does
one on which people do not agree, until somebody settles it.

Seeded parts count among the true NG that the inspector finds, of which a goal overrules some, and nowhere else:
how many bad parts there are, and how many good ones are called NG, is told by the line's own parts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.messages import Goal
from bridge.shadow.bounds import Group, lower, lower_of_sum, upper, upper_of_sum
from bridge.shadow.month import CONTRADICTED, NG, OK, Month
from bridge.store.records import Stratum

Mask = NDArray[np.bool_]

SHARES: Final = (0.2, 0.8)
"""How the error of a bound is divided between what is always labelled and what is drawn."""
CERTAIN: Final = 0.9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One rate with its numerator, its denominator and what is known of it."""

    value: float | None
    """None where nothing was tried."""
    lower: float
    upper: float
    """One-sided bounds of the rate of the process, each at the stated confidence."""
    events: int
    """Labelled parts that are one."""
    weighted: float
    """What they stand for."""
    trials: float
    """Of how many parts it is a share."""
    outstanding: int = 0
    """Parts that may be one, have to be labelled and are not; the upper bound takes them for one."""
    uncovered: int = 0
    """Parts that may be one and had no chance of being drawn; no bound covers them."""
    longer: Callable[[int], tuple[float, float]] | None = field(default=None, repr=False, compare=False)
    """Returns the bounds that so many times as many lots of the same kind would give."""

    @property
    def ppm(self) -> float | None:
        """The rate in parts per million."""
        return None if self.value is None else self.value * 1e6


class Estimates:
    """The rates of one month's parts, or of some of them."""

    def __init__(self, month: Month, confidence: float, correlation: float) -> None:
        """Take the parts.

        Args:
            month: the parts.
            confidence: of each bound, one-sided.
            correlation: within a lot, assumed where the parts do not show it.
        """
        self.month = month
        self.confidence, self.correlation = confidence, correlation
        self._known: Mask = month.drawn & ((month.truth == OK) | (month.truth == NG))
        self._certain: Mask = month.chance >= CERTAIN
        self._own: Mask = ~month.seeded

    def at(self, confidence: float) -> Estimates:
        """Return the same parts with bounds of another confidence."""
        other = Estimates(self.month, confidence, self.correlation)
        other.__dict__.update({name: self.__dict__[name] for name in _SHARED if name in self.__dict__})
        return other

    def said(self, goal: Goal | None) -> NDArray[np.int8]:
        """Return (n,) what the inspector says (None), or what a goal would have said: too late, its fallback."""
        return self.month.legacy if goal is None else self._said[:, goal - 1]

    @cached_property
    def _said(self) -> NDArray[np.int8]:
        return self.month.answers()

    def false_calls(self, goal: Goal | None) -> Estimate:
        """Return the good parts called NG, of all parts: by the inspector (None) or with a goal."""
        return self.per_part(self.said(goal) == NG, OK)

    def escapes(self, goal: Goal | None) -> Estimate:
        """Return the bad parts called OK, of all parts: by the inspector (None) or with a goal."""
        return self.per_part(self.said(goal) == OK, NG)

    def overruled(self, goal: Goal) -> Estimate:
        """Return the miss rate that a goal adds: of the true NG that the inspector finds, those it passes."""
        return self._share(self.month.legacy == NG, NG, self.said(goal) == OK)

    def cut(self, goal: Goal) -> Estimate:
        """Return of the inspector's false calls the share that is gone with a goal; its lower bound counts."""
        return self.share(self.month.legacy == NG, OK, self.said(goal) == OK)

    def caught(self, goal: Goal) -> Estimate:
        """Return of the inspector's escapes the share that a goal catches; the audit alone knows the others."""
        return self.share(self.month.legacy == OK, NG, self.said(goal) == NG)

    def added_escapes(self, goal: Goal) -> Estimate:
        """Return the escapes that a goal adds, of all parts: true NG that the inspector finds and the goal passes.

        With correlation the bound is that of the miss rate times that of the true NG that the inspector finds,
        each at its share of the error: true NG come in bursts, and there are enough of them to show it; of the
        few that are missed there are not. So it is with seeded parts, which the miss rate alone has.
        """
        direct = self.per_part((self.month.legacy == NG) & (self.said(goal) == OK), NG)
        if self.correlation <= 0 and self._own.all():
            return direct
        error = 1 - self.confidence
        found = self.at(1 - error * SHARES[0]).per_part(self.month.legacy == NG, NG)
        missed = self.at(1 - error * SHARES[1]).overruled(goal)

        def longer(times: int) -> tuple[float, float]:
            return direct.lower, min(1.0, _longer(missed, times)[1] * found.upper)

        return replace(direct, upper=longer(1)[1], longer=longer)

    def added_false_calls(self, goal: Goal) -> Estimate:
        """Return the false calls that a goal adds, of all parts: good ones that only the inspector passes."""
        return self.per_part((self.month.legacy == OK) & (self.said(goal) == NG), OK)

    def per_part(self, cell: Mask, truth: int) -> Estimate:
        """Return how many of all parts lie in a cell of the verdicts, (n,), and are truly OK or NG."""
        cell = cell & self._own
        hit = self._known & (self.month.truth == truth)
        open_ = cell & self._unsettled
        always = cell & self._certain
        least = [Group(self._by_lot(always & hit), self._parts)]
        most = [Group(self._by_lot(always & (hit | open_)), self._parts)]
        for audited in self._audits(cell):
            reached = self._parts * self._mean_reach(audited)
            least.append(Group(self._by_lot(audited & hit), reached))
            most.append(Group(self._by_lot(audited & (hit | open_)), reached))
        audits = len(most) - 1
        shares = (SHARES[0], *[SHARES[1] / audits] * audits) if audits else (1.0,)

        def longer(times: int) -> tuple[float, float]:
            low, high = ([group.repeated(times) for group in groups] for groups in (least, most))
            said = self.confidence, self.correlation, shares
            return lower_of_sum(low, *said), upper_of_sum(high, *said)

        parts, weighted, bounds = int(self._own.sum()), float(self._weights[cell & hit].sum()), longer(1)
        return Estimate(
            value=weighted / parts if parts else None,
            lower=bounds[0],
            upper=bounds[1],
            events=int((cell & hit).sum()),
            weighted=weighted,
            trials=parts,
            outstanding=int(open_.sum()),
            uncovered=int((cell & (self.month.chance <= 0)).sum()),
            longer=longer,
        )

    def share(self, among: Mask, truth: int, event: Mask) -> Estimate:
        """Return, of the line's own parts among (n,) that are truly OK or NG, the share with an event (n,)."""
        return self._share(among & self._own, truth, event)

    def _share(self, among: Mask, truth: int, event: Mask) -> Estimate:
        """Return, of the parts among (n,) that are truly OK or NG, the share with an event (n,).

        Where those without the event are labelled at another rate than those with it, the share s' among the
        labelled is turned into that among all: s = s' r / (1 - s' + s' r) with r the one rate over the other.
        """
        hit = among & self._known & (self.month.truth == truth)
        open_ = among & event & self._unsettled
        odds = self._overall(among & ~event) / self._overall(among & event)
        trials = self._by_lot(hit)
        plain = Group(self._by_lot(hit & event), trials.astype(float))
        worst = Group(self._by_lot(hit & event | open_), (trials + self._by_lot(open_)).astype(float))

        def longer(times: int) -> tuple[float, float]:
            low = lower(plain.repeated(times), self.confidence, self.correlation)
            high = upper(worst.repeated(times), self.confidence, self.correlation)
            return _turned(low, odds), _turned(high, odds)

        total, weighted = float(self._weights[hit].sum()), float(self._weights[hit & event].sum())
        bounds = longer(1)
        return Estimate(
            value=weighted / total if total else None,
            lower=bounds[0],
            upper=bounds[1],
            events=plain.found,
            weighted=weighted,
            trials=int(trials.sum()),
            outstanding=int(open_.sum()),
            uncovered=int((among & self._own & (self.month.chance <= 0)).sum()),
            longer=longer,
        )

    def cell(self, legacy: int, said: NDArray[np.int8], verdict: int, truth: int) -> tuple[int, int, float]:
        """Return parts of these two verdicts; of them those labelled as truly so, and what they stand for."""
        inside = (self.month.legacy == legacy) & (said == verdict) & self._own
        hit = inside & self._known & (self.month.truth == truth)
        return int(inside.sum()), int(hit.sum()), float(self._weights[hit].sum())

    @cached_property
    def _parts(self) -> NDArray[np.float64]:
        return self._by_lot(self._own).astype(np.float64)

    @cached_property
    def _reach(self) -> NDArray[np.float64]:
        """(n,): the chance of being drawn, times the share of its stratum's drawn ones that have a label."""
        strata = self.month.stratum.astype(np.intp)
        drawn = np.bincount(strata[self.month.drawn], minlength=128)
        known = np.bincount(strata[self._known], minlength=128)
        response = np.divide(known, drawn, out=np.zeros(len(drawn)), where=drawn > 0)
        return self.month.chance.astype(np.float64) * response[strata]

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        return np.divide(1.0, self._reach, out=np.zeros(len(self.month)), where=self._reach > 0)

    @cached_property
    def _unsettled(self) -> Mask:
        """(n,): parts that have to be labelled and are not, and drawn ones that people do not agree on."""
        disputed = self.month.drawn & (self.month.truth == CONTRADICTED)
        found: Mask = self._certain & ~self._known | disputed
        return found

    def _audits(self, cell: Mask) -> Iterator[Mask]:
        """Yield the parts of a cell that the audit draws from, (n,), those of one kind of chance together."""
        drawn = cell & (self.month.chance > 0) & ~self._certain
        for stratum in _OWN_CHANCE if drawn.any() else ():
            own = drawn & (self.month.stratum == stratum)
            if own.any():
                yield own
                drawn &= ~own
        if drawn.any():
            yield drawn

    def _by_lot(self, mask: Mask) -> NDArray[np.int64]:
        return np.bincount(self.month.lot[mask], minlength=len(self.month.lots))

    def _mean_reach(self, drawn: Mask) -> NDArray[np.float64]:
        """Return by lot the mean probability with which a part of the audit was drawn and labelled."""
        lots = len(self.month.lots)
        sums: NDArray[Any] = np.bincount(self.month.lot[drawn], weights=self._reach[drawn], minlength=lots)
        parts = self._by_lot(drawn)
        mean: NDArray[np.float64] = np.full(lots, float(self._reach[drawn].mean()))
        np.divide(sums, parts, out=mean, where=parts > 0)
        return mean

    def _overall(self, side: Mask) -> float:
        inside = side & (self.month.chance > 0)
        return max(float(self._reach[inside].mean()), 1e-9) if inside.any() else 1.0


_OWN_CHANCE: Final = (Stratum.AGREED_NG, Stratum.GUARD)
"""These are drawn each at a rate of its own, the others at that of the day."""
_SHARED: Final = ("_parts", "_reach", "_said", "_unsettled", "_weights")


def _longer(estimate: Estimate, times: int) -> tuple[float, float]:
    return estimate.longer(times) if estimate.longer else (estimate.lower, estimate.upper)


def _turned(share: float, odds: float) -> float:
    return share * odds / (1 - share + share * odds) if share < 1 else 1.0
