"""What a run did: false calls and escapes before and after, what was lost, how long it took."""

from __future__ import annotations

import math
import statistics
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass

from bridge.goals import left_to_us
from bridge.messages import Decision, Verdict
from bridge.shadow.statistics import clopper_pearson_upper
from bridge.simulate.play import Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One line's figures; counts are of parts."""

    name: str
    goal: int
    stage: str
    parts: int
    plc_reported: int
    """Parts for which the PLC took a valid verdict."""
    mes_reported: int
    """Presentations of which the MES was told."""
    lost: int
    """Presentations that the journal does not hold, or that the MES should have heard of and did not."""
    duplicated: int
    """Presentations told under two ids: a bug."""
    resent: int
    """Deliveries repeated under the same id: allowed."""
    false_calls_before: int
    false_calls_after: int
    escapes_before: int
    escapes_after: int
    true_ng: int
    """Bad parts that the inspector had called NG."""
    overruled_true_ng: int
    """Those of them that became OK."""
    overruled_upper_95: float
    """One-sided Clopper–Pearson bound of that share."""
    ejected: int
    fallbacks: int
    overhead_p50_ms: float
    """From handing the part over until its verdict stands in the PLC's registers, the judge's time excluded."""
    overhead_p99_ms: float
    judge_p50_ms: float

    def as_dict(self) -> dict[str, object]:
        """Return the figures for JSON."""
        return asdict(self)


def figures(
    name: str,
    goal: int,
    stage: str,
    shown: Sequence[Shown],
    documents: Sequence[Mapping[str, object]] | None,
    decisions: Sequence[Decision],
    *,
    inline: bool = True,
    resent: int = 0,
) -> Figures:
    """Return the figures of one line.

    Args:
        name: the line.
        goal: its goal.
        stage: its stage.
        shown: what was played, in order.
        documents: what the MES accepted of this line; None where the line tells none.
        decisions: what the journal holds of this line.
        inline: whether every part is told; beside a tap only those left to us are.
        resent: deliveries that the MES had had before.
    """
    heard = documents or ()
    told = {str(document["part"]) for document in heard}
    finals = {decision.part: decision.final for decision in decisions}
    asks = documents is not None
    due = {d.part for d in decisions if asks and (inline or left_to_us(d.goal, d.legacy))}
    before = [(one.part.truth, one.part.legacy) for one in shown]
    after = [(one.part.truth, finals.get(one.part.serial)) for one in shown]
    true_ng = [one.part.serial for one in shown if one.part.truth is Verdict.NG and one.part.legacy is Verdict.NG]
    overruled = sum(finals.get(serial) is Verdict.OK for serial in true_ng)
    judged = {decision.part: decision.judge_ms for decision in decisions}
    overhead = [
        (one.taken.readable_at - one.sent_at) * 1000 - judged.get(one.part.serial, 0.0)
        for one in shown
        if one.taken and one.taken.readable_at is not None
    ]
    asked = [milliseconds for milliseconds in judged.values() if milliseconds]
    return Figures(
        name=name,
        goal=goal,
        stage=stage,
        parts=len(shown),
        plc_reported=sum(one.taken is not None and one.taken.verdict is not None for one in shown),
        mes_reported=len(told),
        lost=sum(_lost(one.part.serial, finals, due, told) for one in shown),
        duplicated=len(heard) - len(told),
        resent=resent,
        false_calls_before=before.count((Verdict.OK, Verdict.NG)),
        false_calls_after=after.count((Verdict.OK, Verdict.NG)),
        escapes_before=before.count((Verdict.NG, Verdict.OK)),
        escapes_after=after.count((Verdict.NG, Verdict.OK)),
        true_ng=len(true_ng),
        overruled_true_ng=overruled,
        overruled_upper_95=round(clopper_pearson_upper(overruled, len(true_ng)), 5),
        ejected=sum(one.taken is not None and not one.taken.passed for one in shown),
        fallbacks=sum(decision.degraded for decision in decisions),
        overhead_p50_ms=round(percentile(overhead, 0.5), 2),
        overhead_p99_ms=round(percentile(overhead, 0.99), 2),
        judge_p50_ms=round(statistics.median(asked), 2) if asked else 0.0,
    )


def _lost(serial: str, finals: Container[str], due: Container[str], told: Container[str]) -> bool:
    return serial not in finals or (serial in due and serial not in told)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all does not exceed; 0.0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
