"""Plain decisions and second records for the tests of the store."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from bridge.messages import Decision, Goal, Judgement, Origin, Stage, Verdict, ViewDecision
from bridge.store import Second

_ids = itertools.count(1000)  # version_1.sql has the first ones


def fresh_id() -> str:
    """Return an inspection id that no other test has."""
    return f"{next(_ids):032x}"


def view(name: str = "1", **changes: Any) -> ViewDecision:
    judged = Judgement(verdict=Verdict.OK, score=0.97, threshold=0.9, label="good", bundle="b", judge_ms=7.5)
    plain = ViewDecision(
        name=name,
        legacy=Verdict.NG,
        defect="scratch",
        image="ab" * 32,
        judgement=judged,
        final=Verdict.OK,
    )
    return replace(plain, **changes)


def decision(line: str = "smt-3", **changes: Any) -> Decision:
    plain = Decision(
        id=fresh_id(),
        line=line,
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part="SN1",
        legacy=Verdict.NG,
        model=Verdict.OK,
        final=Verdict.OK,
        origin=Origin.MODEL,
        views=(view(),),
        event_at=1_700_000_000.25,
        latency_ms=2.5,
        judge_ms=8.0,
    )
    return replace(plain, **changes)


def kept(decision: Decision, number: int) -> Decision:
    """Return what the journal gives back for a decision."""
    return replace(decision, recorded=True, number=number, expires=float("-inf"))


def any_second(id: str, **changes: Any) -> Second:  # noqa: A002 - the word of the messages
    goals = {Goal.CUT_FALSE_CALLS: Verdict.OK, Goal.CATCH_ESCAPES: None}
    plain = Second(id=id, kind="shadow", at=1_700_000_001.5, model=Verdict.OK, goals=goals, views=(view(),))
    return replace(plain, **changes)
