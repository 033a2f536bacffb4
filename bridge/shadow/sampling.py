"""Which parts people are asked to look at, and with what chance: the sampling plan of a shadow line. Pure.

Every disagreement and every unreliable part is drawn, and of the rest a blind audit, whose rate is set day by day
from what people can label. The chance is stored with every part, drawn or not, so that an estimate can weight by
its inverse (D. G. Horvitz and D. J. Thompson, JASA 47, 1952) and nobody has to know afterwards how it came about.
It depends on nothing that is on the part's pictures beyond its stratum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from statistics import fmean
from zoneinfo import ZoneInfo

from bridge.messages import Verdict, ViewDecision
from bridge.store.records import Second, Stratum

DAYS_LOOKED_AT = 7
"""So many plant days before today tell how many parts of each kind a day has."""
CAREFUL_PARTS_PER_DAY = 86_400
"""One a second: so fast a line is supposed to be of which nobody said and nothing is known."""
LEAST_FOR_AUDIT = 0.1
"""This share of the labels goes to the audit whatever disagreements take: what has no chance is never known."""

_ROUNDING = 1e-9
_SALT = b"labels "


@dataclass(frozen=True, slots=True)
class Plan:
    """What a line's configuration says of drawing parts; the options are those of ``[line.shadow]``."""

    labels_per_day: int
    audit_ng: float
    unreliable: float
    parts_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """What came on one plant day."""

    certain: int = 0
    """Parts that are drawn in any case: disagreements and unreliable ones."""
    audited: int = 0
    """Parts that the audit draws from: agreements on OK, and parts that were not judged."""
    others: int = 0
    covered: float = 1.0
    """The share of the day, 0 to 1, from its first part on."""

    @property
    def parts(self) -> int:
        """Return how many parts came."""
        return self.certain + self.audited + self.others


def stratum_of(legacy: Verdict | None, second: Second, unreliable: float) -> Stratum:
    """Return of which kind a part is; the first that fits.

    Disagreed: a view's verdict, the model's of the part, or what any goal would have answered on that is not the
    inspector's. Where the inspector said nothing there is nothing to differ from, and the model's word stands for
    both. A part without a verdict of the model's is not judged, whatever fallbacks the goals have for it.

    Args:
        legacy: the inspector's verdict on the part.
        second: what the judge said, and what each goal would have answered.
        unreliable: how close a view's score must be to its threshold, in the units of the score.
    """
    if any(map(_differs, second.views)) or _disagreed(legacy, second):
        return Stratum.DISAGREED
    if any(_close(view, unreliable) for view in second.views):
        return Stratum.UNRELIABLE
    if second.model is None:
        return Stratum.UNJUDGED
    return Stratum.AGREED_OK if second.model is Verdict.OK else Stratum.AGREED_NG


def _disagreed(legacy: Verdict | None, second: Second) -> bool:
    if legacy is None or second.model is None:
        return False
    return bool({second.model, *second.goals.values()} - {None, legacy})


def _differs(view: ViewDecision) -> bool:
    said = view.judgement.verdict if view.judgement else None
    return None not in {said, view.legacy} and said is not view.legacy


def _close(view: ViewDecision, unreliable: float) -> bool:
    judged = view.judgement
    if judged is None or judged.verdict is None or judged.score is None or judged.threshold is None:
        return False
    return abs(judged.score - judged.threshold) <= unreliable + _ROUNDING


def chance_of(stratum: Stratum, rate: float, audit_ng: float) -> float:
    """Return the probability with which a part of this stratum is drawn, 0 to 1; ``rate`` is the day's."""
    if stratum in {Stratum.DISAGREED, Stratum.UNRELIABLE}:
        return 1.0
    return audit_ng if stratum is Stratum.AGREED_NG else rate


def drawn(id: str, chance: float, salt: bytes = _SALT) -> bool:  # noqa: A002 - the word of the messages
    """Return whether the part of this inspection id is drawn with this chance; the same whenever it is asked.

    A part that is drawn with one chance is drawn with every larger one. It is independent of which pictures are
    kept as a sample (``store.retention.sampled``): that takes another salt.
    """
    place = int.from_bytes(hashlib.sha256(salt + id.encode()).digest()[:8], "big")
    return place < chance * 2.0**64


def planned(second: Second, legacy: Verdict | None, plan: Plan, rate: float) -> Second:
    """Return a second record with its stratum, its chance and the draw."""
    stratum = stratum_of(legacy, second, plan.unreliable)
    chance = chance_of(stratum, rate, plan.audit_ng)
    return replace(second, stratum=stratum, chance=chance, drawn=drawn(second.id, chance))


def seeded(second: Second) -> Second:
    """Return the second record of a seeded part: of no stratum, and drawn, so that its pictures are kept."""
    return replace(second, chance=1.0, drawn=True)


def audit_rate(plan: Plan, days: Sequence[Day]) -> float:
    """Return the chance of the day of an agreement on OK, and of a part that was not judged: 0 to 1.

    It is what people can label, less what disagreements and unreliable parts took a day on average, over the
    parts that the audit draws from on the busiest of these days: so the labels are enough on that day too. (Where
    a day had none of these, all its parts count: they may be such parts tomorrow.) At least LEAST_FOR_AUDIT of the
    labels go to the audit, if need be beyond what people said they can do, for what has no chance of being drawn
    could never be estimated. Agreements on NG are not counted against the labels: a repair station mostly looks at
    all of them anyway, and ``audit_ng`` says how many.

    A line's first day goes by ``parts_per_day`` or, where nobody said, by CAREFUL_PARTS_PER_DAY, with half of
    the labels: how many disagreements there will be nobody knows. Its second goes by the first, whose part before
    the line began is supposed to have been like the rest.

    Args:
        plan: the configuration.
        days: the last plant days before today; those without parts do not count.
    """
    worked = [day for day in days if day.parts]
    if not worked:
        left, among = plan.labels_per_day / 2, float(plan.parts_per_day or CAREFUL_PARTS_PER_DAY)
    else:
        least = plan.labels_per_day * LEAST_FOR_AUDIT
        whole = max(worked[0].covered, _ROUNDING) if len(worked) == 1 else 1.0
        left = max(plan.labels_per_day - fmean(day.certain for day in worked) / whole, least)
        among = max(day.audited or day.parts for day in worked) / whole
    return min(1.0, left / among)


def plant_day(at: float, zone: ZoneInfo, before: int = 0) -> tuple[float, float]:
    """Return begin and end, in Unix time, of the plant's day in which an instant lies, or of so many days before.

    A day with a change of the clock has 23 or 25 hours.
    """
    date = datetime.fromtimestamp(at, zone).date() - timedelta(days=before)
    begin, end = (datetime.combine(day, time(), zone).timestamp() for day in (date, date + timedelta(days=1)))
    return begin, end
