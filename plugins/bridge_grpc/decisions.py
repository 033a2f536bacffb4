"""Decisions ↔ Protocol Buffers: what an MES is told, what it says to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aoi_bridge.inspection.v1 import inspection_pb2 as parts_pb
from aoi_bridge.inspection.v1 import report_service_pb2 as pb
from bridge.plugin import Box, Decision, Goal, Refused, Spot, Stage, Unavailable, ViewDecision
from bridge_grpc.codec import FAILURES, ORIGINS, said, verdict_of

GOALS: Mapping[Goal, pb.Goal] = {
    Goal.CUT_FALSE_CALLS: pb.GOAL_CUT_FALSE_CALLS,
    Goal.CATCH_ESCAPES: pb.GOAL_CATCH_ESCAPES,
    Goal.REPLACE: pb.GOAL_REPLACE,
}
STAGES: Mapping[Stage, pb.Stage] = {Stage.SHADOW: pb.STAGE_SHADOW, Stage.LIVE: pb.STAGE_LIVE}
REASON_LENGTH = 500
"""How many characters of a reason are kept."""


def write_decision(decision: Decision) -> pb.Decision:
    """Return the decision as an MES is told it; the same bytes at every resend."""
    return pb.Decision(
        id=decision.id,
        line=decision.line,
        part=decision.part,
        recipe=decision.recipe,
        goal=GOALS[decision.goal],
        stage=STAGES[decision.stage],
        verdict=said(decision.final),
        origin=ORIGINS[decision.origin],
        legacy_verdict=said(decision.legacy),
        model_verdict=said(decision.model),
        operator_verdict=said(decision.operator),
        degraded=decision.degraded,
        error=decision.error,
        failures=[FAILURES[failure] for failure in decision.failures],
        backlog=decision.backlog,
        bypassed=decision.bypassed,
        number=decision.number,
        sequence=decision.sequence,
        bundle=decision.bundle,
        config=decision.config,
        event_at=decision.event_at,
        latency_ms=decision.latency_ms,
        views=[_write_view(view) for view in decision.views],
    )


def _write_view(view: ViewDecision) -> pb.ViewDecision:
    judged = view.judgement
    return pb.ViewDecision(
        name=view.name,
        verdict=said(view.final),
        legacy_verdict=said(view.legacy),
        defect=view.defect,
        image=view.image,
        model_verdict=said(judged.verdict if judged else None),
        score=judged.score if judged else None,
        threshold=judged.threshold if judged else None,
        label=judged.label if judged else "",
        boxes=[_write_box(one) for one in judged.boxes] if judged else [],
    )


def _write_box(box: Box) -> parts_pb.Box:
    more = (box.label, box.score, box.area) if isinstance(box, Spot) else ("", None, None)
    return parts_pb.Box(cx=box.cx, cy=box.cy, w=box.w, h=box.h, label=more[0], score=more[1], area=more[2])


def write_request(decision: Decision) -> bytes:
    """Return the message of Report.

    Raises:
        Refused: a text of the decision is none that gRPC can carry.
    """
    try:
        return pb.ReportRequest(decision=write_decision(decision)).SerializeToString(deterministic=True)
    except ValueError as exc:  # half of a surrogate pair, say, out of an old machine's code page
        raise Refused(f"decision {decision.id} cannot be written: {exc}") from exc


def document_of(told: pb.Decision) -> dict[str, Any]:
    """Return what an MES was told as the document that every other road carries; the MES's side."""
    return {
        "id": told.id,
        "line": told.line,
        "part": told.part,
        "recipe": told.recipe,
        "goal": _word(GOALS, told.goal),
        "stage": _word(STAGES, told.stage),
        "verdict": verdict_of(told.verdict),
        "origin": _word(ORIGINS, told.origin),
        "legacy": verdict_of(told.legacy_verdict),
        "model": verdict_of(told.model_verdict),
        "operator": verdict_of(told.operator_verdict),
        "degraded": told.degraded,
        "error": told.error,
        "failures": [_word(FAILURES, failure) for failure in told.failures],
        "backlog": told.backlog,
        "bypassed": told.bypassed,
        "number": told.number,
        "sequence": told.sequence if told.HasField("sequence") else None,
        "bundle": told.bundle,
        "config": told.config,
        "event_at": told.event_at,
        "latency_ms": told.latency_ms,
        "views": [_view_of(view) for view in told.views],
    }


def _view_of(told: pb.ViewDecision) -> dict[str, Any]:
    return {
        "name": told.name,
        "verdict": verdict_of(told.verdict),
        "legacy": verdict_of(told.legacy_verdict),
        "defect": told.defect,
        "image": told.image,
        "model": verdict_of(told.model_verdict),
        "score": told.score if told.HasField("score") else None,
        "threshold": told.threshold if told.HasField("threshold") else None,
        "label": told.label,
        "boxes": [_box_of(one) for one in told.boxes],
    }


def _box_of(told: parts_pb.Box) -> dict[str, Any]:
    sides = {"cx": told.cx, "cy": told.cy, "w": told.w, "h": told.h}
    known = {name: getattr(told, name) for name in ("score", "area") if told.HasField(name)}
    return sides | ({"label": told.label} if told.label else {}) | known


def _word(numbers: Mapping[Any, int], number: int) -> Any:
    """Return the word of a number; None for one that is not known here."""
    return next((word for word, known in numbers.items() if known == number), None)


def settle(told: pb.ReportResponse) -> None:
    """Turn the MES's answer into the verb's: return for accepted.

    Raises:
        Refused: the MES will never take the decision.
        Unavailable: it wants it again, or said nothing that is known here.
    """
    reason = told.reason[:REASON_LENGTH]
    if told.outcome == pb.OUTCOME_ACCEPTED:
        return
    if told.outcome == pb.OUTCOME_REFUSED:
        raise Refused(reason or "refused without a reason")
    if told.outcome == pb.OUTCOME_TRY_AGAIN:
        raise Unavailable(reason or "the MES wants it again later")
    raise Unavailable(f"the outcome {told.outcome} means neither accepted nor refused")
