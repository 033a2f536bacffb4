"""Whether a live line keeps what its shadow month promised: bounds on what goal 1 lets through, drift. Pure.

Goal 1 clears parts that nobody looks at again; a random share of them stays NG and is labelled blindly (the
guard). Of n labelled guard parts k are truly NG, so the share p of NG among all parts that would be cleared is
known with exact bounds, and with it what was let through:

* escapes added per part: p times what was really cleared, over all parts;
* miss rate: the same over all true NG that the inspector found: p times what would be cleared, and what stayed NG
  and is NG. Of that the upper bound counts only what people confirmed, the lower one all that people did not
  refute: each is on its safe side, whoever labelled them.

A limit is *broken* when the data speak against every p that keeps it, however often somebody looks. The upper
bound within the limit says that it is *shown* to be kept; that it is not shown (yet, or any more) is no alarm, for
one NG among few labels does that, and a line that alarms on too little is soon not listened to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bridge.shadow.statistics import binomial_cdf, clopper_pearson_lower, clopper_pearson_upper

PSI_ACTS = 0.25
"""Population stability index above which to act; from 0.1 on watch (N. Siddiqi, Credit Risk Scorecards, 2006)."""
BINS = 10
AT_LEAST = 500
"""With fewer scores on either side the index of equal distributions comes near what it is held to: its expectation
is (BINS - 1) · (1/n + 1/m)."""
LEAST_BAD = 2
"""One NG breaks no limit, however small that is: a single label may be a slip of the hand."""
BEYOND_CHANCE = 0.999
"""The confidence of each bound when two shares of disagreements are compared."""
RISE = 1.2
"""So many times the share of before it must at least be: on many parts any difference is beyond chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What is known of a line that is live under goal 1, since it is as it is."""

    parts: int = 0
    """All parts that were answered live."""
    clearable: int = 0
    """Parts that would be cleared, those that were held back included."""
    held: int = 0
    """Parts that were held back."""
    labelled: int = 0
    """Parts that were held back and of which the truth is known."""
    bad: int = 0
    """Of these, how many are truly NG."""
    stayed: int = 0
    """Parts that stayed NG on the inspector's or the model's word, those that were held back not included."""
    confirmed: int = 0
    """Of these, how many are truly NG."""
    refuted: int = 0
    """Of these, how many are truly OK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One rate of what goal 1 lets through, between its exact one-sided bounds."""

    lower: float
    upper: float
    limit: float
    broken: bool

    @property
    def shown(self) -> bool:
        """Whether it is shown that the limit is kept."""
        return self.upper <= self.limit


def miss_rate(seen: Guarded, limit: float, confidence: float) -> Bound:
    """Return of the true NG that the inspector finds the share that goal 1 lets through, 0 to 1."""
    let = seen.clearable - seen.held
    unrefuted = seen.stayed - seen.refuted
    low, high = _share(seen, confidence)
    # p · let / (p · clearable + others) grows with p, so that a limit on it is one on p.
    needs = let - limit * seen.clearable
    share_limit = limit * unrefuted / needs if needs > 0 else 1.0
    return Bound(
        lower=_ratio(low * let, low * seen.clearable + unrefuted, 0.0),
        upper=_ratio(high * let, high * seen.clearable + seen.confirmed, 1.0 if let else 0.0),
        limit=limit,
        broken=_broken(seen, share_limit, confidence),
    )


def escapes(seen: Guarded, limit_ppm: float, confidence: float) -> Bound:
    """Return the escapes that goal 1 adds, per million parts."""
    let = seen.clearable - seen.held
    low, high = (share * let / seen.parts * 1e6 if seen.parts else 0.0 for share in _share(seen, confidence))
    share_limit = limit_ppm / 1e6 * seen.parts / let if let else 1.0
    return Bound(lower=low, upper=high, limit=limit_ppm, broken=_broken(seen, share_limit, confidence))


def evidence_above(events: int, trials: int, limit: float) -> float:
    """Return the evidence that a rate is above a limit: at most 1/c of the lines that keep it ever come to c.

    It is the likelihood of the data averaged over all rates above the limit, over that at the limit. Under a rate
    within the limit it is a supermartingale, so this holds however often somebody looks (J. Ville, 1939; mixtures:
    H. Robbins, Annals of Mathematical Statistics 41, 1970). The uniform average is a tail of the binomial.
    """
    if not 0.0 < limit < 1.0:
        return math.inf if limit <= 0.0 and events else 0.0
    at_the_limit = (
        math.lgamma(trials + 1)
        - math.lgamma(events + 1)
        - math.lgamma(trials - events + 1)
        + events * math.log(limit)
        + (trials - events) * math.log1p(-limit)
    )
    above = binomial_cdf(events, trials + 1, limit)
    if above <= 0.0:
        return 0.0
    return math.exp(min(700.0, math.log(above) - at_the_limit - math.log1p(trials) - math.log1p(-limit)))


def psi(before: Mapping[float, int], now: Mapping[float, int]) -> float | None:
    """Return the population stability index of two samples of scores, None where either is too small.

    The sum over bins of (a - e) ln(a / e), with the shares e before and a now; the bins hold about equal shares of
    the scores before. Half a score is added to every bin, so that an empty one is no infinity.

    Args:
        before: how often each score came in the reference.
        now: how often each came since.
    """
    if min(sum(before.values()), sum(now.values())) < AT_LEAST:
        return None
    edges = _edges(before)
    expected, actual = _shares(before, edges), _shares(now, edges)
    return sum((a - e) * math.log(a / e) for e, a in zip(expected, actual, strict=True))


def rose(before: tuple[int, int], now: tuple[int, int]) -> bool:
    """Return whether a share of events in trials rose beyond chance, and by enough to matter.

    The exact lower bound of the share now is above the exact upper bound of that before, each at BEYOND_CHANCE,
    and the share is RISE times as large. Comparing two bounds is stricter than a test of the difference.
    """
    if min(before[1], now[1]) < AT_LEAST:
        return False
    high = clopper_pearson_upper(*before, BEYOND_CHANCE)
    low = clopper_pearson_lower(*now, BEYOND_CHANCE)
    return low > high and now[0] / now[1] >= RISE * before[0] / before[1]


def _share(seen: Guarded, confidence: float) -> tuple[float, float]:
    """Return the one-sided bounds of the share of NG among the parts that would be cleared."""
    return (
        clopper_pearson_lower(seen.bad, seen.labelled, confidence),
        clopper_pearson_upper(seen.bad, seen.labelled, confidence),
    )


def _broken(seen: Guarded, share_limit: float, confidence: float) -> bool:
    enough = seen.bad >= LEAST_BAD
    return enough and evidence_above(seen.bad, seen.labelled, share_limit) >= 1.0 / (1.0 - confidence)


def _ratio(part: float, whole: float, otherwise: float) -> float:
    return part / whole if whole > 0 else otherwise


def _edges(counts: Mapping[float, int]) -> Sequence[float]:
    """Return the upper edges of all bins but the last, at the deciles; a score that fills a bin has its own."""
    scores = sorted(counts)
    below = list(accumulate(counts[score] for score in scores))
    edges: set[float] = set()
    for tenth in range(1, BINS):
        place = next(place for place, count in enumerate(below) if count >= below[-1] * tenth / BINS)
        edges.add(scores[place])
        if place and counts[scores[place]] >= below[-1] / BINS:
            edges.add(scores[place - 1])
    return sorted(edges - {scores[-1]})


def _shares(counts: Mapping[float, int], edges: Sequence[float]) -> list[float]:
    bins = [0.5] * (len(edges) + 1)
    for score, count in counts.items():
        bins[sum(score > edge for edge in edges)] += count
    return [count / sum(bins) for count in bins]
