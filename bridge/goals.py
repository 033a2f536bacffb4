"""What a goal may do: the truth table of goals, stages and failures, as pure functions.

``route`` says whether a part needs a second opinion, ``asked`` which of its views, and ``decide`` what counts,
whatever went wrong. The table (rows: what happened; NG is always safe, OK never comes from a failure):

==============================================  ================  =========================  ========
what happened                                   goal 1            goal 2                     goal 3
==============================================  ================  =========================  ========
deadline, judge down, image missing, repeated   legacy, degraded  NG, degraded (legacy OK    NG
or unreadable, recipe unknown, views missing                      only if the config says)
image that cannot be tied to the part           legacy, degraded  NG                         NG
no legacy verdict                               NG, error         NG, error                  (unused)
decision not committed in time                  legacy, degraded  NG, degraded               NG
bypass                                          legacy            legacy                     refused
held back for blind labelling                   NG, legacy        –                          –
anything in shadow                              legacy            legacy                     legacy
==============================================  ================  =========================  ========
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bridge.messages import Failure, Goal, Inspection, Judgement, Origin, Stage, Verdict

ANY_CODE = "*"
"""In ``clearable``: every defect code may be cleared."""

NO_CODE = ""
"""In ``clearable``: an NG without a defect code may be cleared."""

_NEVER_TOLERATED = frozenset({Failure.IMAGE_UNTIED, Failure.LEGACY_MISSING, Failure.NOT_RECORDED})
_BY_IMPORTANCE = {failure: place for place, failure in enumerate(Failure)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All of the configuration that a decision depends on, for one line and recipe."""

    goal: Goal
    stage: Stage
    views_expected: int | None = None
    clearable: frozenset[str] = frozenset({NO_CODE})
    legacy_ok_on_failure: Literal["refused", "accepted"] = "refused"
    """Goal 2 only: whether the legacy OK stands where no second opinion could be had."""
    guard_share: float = 0.0
    """Goal 1 only: of the parts that would be cleared, the share that stays NG, so that somebody looks at them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was decided, and on whose word."""

    final: Verdict | None
    origin: Origin
    model: Verdict | None = None
    failures: tuple[Failure, ...] = ()
    degraded: bool = False
    error: bool = False
    rechecked: bool = False
    views: tuple[Verdict | None, ...] = ()
    held_back: bool | None = None
    """Whether a part that would have been cleared stays NG for blind labelling; None: it had no chance of it."""


def legacy_of(part: Inspection) -> Verdict | None:
    """Return the inspector's verdict on the part: NG if any view is NG, OK only where it said so of the part.

    A word that nobody understands, wherever it stands, leaves no verdict: it may mean worse than an NG that a
    picture can disprove.
    """
    if not part.legacy_understood:
        return None
    if part.legacy is Verdict.NG or any(view.legacy is Verdict.NG for view in part.views):
        return Verdict.NG
    return part.legacy


def route(rules: Rules, part: Inspection, *, bypass: bool = False) -> Literal["pass", "recheck"]:
    """Return whether the judge must be heard before this part is answered."""
    legacy = legacy_of(part)
    if rules.stage is Stage.SHADOW or (bypass and rules.goal is not Goal.REPLACE):
        return "pass"
    match rules.goal:
        case Goal.CUT_FALSE_CALLS:
            return "recheck" if legacy is Verdict.NG and _clearable(rules, part) else "pass"
        case Goal.CATCH_ESCAPES:
            return "recheck" if legacy is Verdict.OK else "pass"
        case Goal.REPLACE:
            return "recheck"


def left_to_us(goal: Goal, legacy: Verdict | None) -> bool:
    """Return whether, beside a tap, the rewiring leaves a part of this legacy verdict to the bridge.

    The old machine goes on reporting what the goal cannot change. All else reaches PLC and MES through us or not
    at all, also what could not be re-checked.
    """
    match goal:
        case Goal.CUT_FALSE_CALLS:
            return legacy is not Verdict.OK
        case Goal.CATCH_ESCAPES:
            return legacy is not Verdict.NG
        case Goal.REPLACE:
            return True


def asked(goal: Goal, part: Inspection) -> tuple[int, ...]:
    """Return the indices of the views that this goal wants judged.

    Goal 1 wants the NG views; a part that is NG with no view marked NG makes every view NG. Goals 2 and 3 want
    all views, for an OK part has no NG one.
    """
    if goal is Goal.CUT_FALSE_CALLS:
        marked = tuple(i for i, view in enumerate(part.views) if view.legacy is Verdict.NG)
        if marked:
            return marked
    return tuple(range(len(part.views)))


def decide(
    rules: Rules,
    part: Inspection,
    judged: Mapping[int, Judgement] | None = None,
    failures: Collection[Failure] = (),
    *,
    bypass: bool = False,
    id: str = "",  # noqa: A002 - the word of the messages
) -> Outcome:
    """Return what counts for this part.

    Args:
        rules: the line's and recipe's rules.
        part: what the inspector handed over.
        judged: judgements by index of the view; an asked view without one was not judged.
        failures: what went wrong with the part as a whole.
        bypass: whether an approved bypass is in force.
        id: the inspection id, by which parts are drawn to be held back.
    """
    legacy = legacy_of(part)
    if rules.stage is Stage.SHADOW:
        return _as_the_inspector_said(part, legacy, {Failure.LEGACY_MISSING} if legacy is None else ())
    if Failure.NOT_RECORDED in failures or (rules.goal is not Goal.REPLACE and legacy is None):
        return without_us(rules, part, failures)
    if route(rules, part, bypass=bypass) == "pass":
        return _as_the_inspector_said(part, legacy, () if bypass else failures)
    outcome = _second_opinion(rules, part, legacy, judged or {}, set(failures))
    clears = rules.goal is Goal.CUT_FALSE_CALLS and outcome.final is Verdict.OK
    return _guarded(rules, part, outcome, id) if clears and rules.guard_share > 0 else outcome


def _guarded(rules: Rules, part: Inspection, outcome: Outcome, id: str) -> Outcome:  # noqa: A002 - see decide
    """Return what becomes of a part that would be cleared: nobody looks at it again, unless it is held back."""
    if not held_back(id, rules.guard_share):
        return replace(outcome, held_back=False)
    views = tuple(view.legacy for view in part.views)
    return replace(outcome, final=legacy_of(part), origin=Origin.LEGACY, views=views, held_back=True)


def held_back(id: str, share: float) -> bool:  # noqa: A002 - the word of the messages
    """Return whether the part of this inspection id stays NG for blind labelling, if it would be cleared.

    It depends on the id alone, with a salt of its own: neither the part nor any other draw has a say in it, and it
    can be checked afterwards.
    """
    place = int.from_bytes(hashlib.sha256(b"guard " + id.encode()).digest()[:8], "big")
    return place < share * 2.0**64


def without_us(rules: Rules, part: Inspection, failures: Collection[Failure]) -> Outcome:
    """Return the safe verdict of the goal's column where no second opinion was had, whatever the reason.

    It is ``decide``'s answer to a failure, reachable without the rest of it: even our own bug is answered so.
    """
    legacy = legacy_of(part)
    if rules.stage is Stage.SHADOW:
        return _as_the_inspector_said(part, legacy, failures)
    if rules.goal is not Goal.REPLACE and legacy is None:
        return _unusable(part, {*failures, Failure.LEGACY_MISSING})
    return _fallback(rules, part, legacy, set(failures))


def would_be(rules: Rules, part: Inspection, judged: Mapping[int, Judgement]) -> dict[Goal, Verdict | None]:
    """Return what each goal would have said, had it been live and in time: the score of a shadow line."""
    live = replace(rules, stage=Stage.LIVE, guard_share=0.0)
    return {goal: decide(replace(live, goal=goal), part, judged).final for goal in Goal}


def fallbacks_of(rules: Rules, part: Inspection, failures: Collection[Failure] = ()) -> dict[Goal, Verdict | None]:
    """Return what each goal would have said, had it been live and no second opinion been had.

    A part that a goal passes without asking comes with the inspector's verdict then, as always.
    """
    untied = () if all(view.tied for view in part.views) else (Failure.IMAGE_UNTIED,)
    away = {Failure.JUDGE_DOWN, *untied, *failures}
    return {goal: decide(replace(rules, goal=goal, stage=Stage.LIVE), part, {}, away).final for goal in Goal}


def model_verdict(judgements: Iterable[Judgement | None]) -> Verdict | None:
    """Fuse views to a part: NG if any is NG, OK only if every one says OK, else None (also without any view)."""
    verdicts = [judgement.verdict if judgement else None for judgement in judgements]
    if Verdict.NG in verdicts:
        return Verdict.NG
    return Verdict.OK if verdicts and all(verdict is Verdict.OK for verdict in verdicts) else None


def _second_opinion(
    rules: Rules,
    part: Inspection,
    legacy: Verdict | None,
    judged: Mapping[int, Judgement],
    failures: set[Failure],
) -> Outcome:
    wanted = asked(rules.goal, part)
    heard = [judged.get(i) for i in wanted]
    model = model_verdict(heard)
    failures |= _missing(rules, part)
    failures |= {judgement.failure for judgement in heard if judgement and judgement.failure}
    if model is None and not failures:
        failures.add(Failure.JUDGE_DOWN)
    if failures and model is not Verdict.NG:
        return replace(_fallback(rules, part, legacy, failures), model=model)
    return Outcome(
        final=model,
        origin=Origin.MODEL,
        model=model,
        failures=by_importance(failures),
        degraded=bool(failures),
        rechecked=True,
        views=tuple(
            (judged[i].verdict or Verdict.NG) if i in wanted and i in judged else view.legacy
            for i, view in enumerate(part.views)
        ),
    )


def _fallback(rules: Rules, part: Inspection, legacy: Verdict | None, failures: set[Failure]) -> Outcome:
    """No second opinion was had: the safe verdict of the goal's column."""
    tolerated = rules.legacy_ok_on_failure == "accepted" and not failures & _NEVER_TOLERATED
    keep = rules.goal is Goal.CUT_FALSE_CALLS or (rules.goal is Goal.CATCH_ESCAPES and tolerated)
    return Outcome(
        final=legacy if keep else Verdict.NG,
        origin=Origin.FALLBACK,
        failures=by_importance(failures),
        degraded=True,
        rechecked=route(rules, part) == "recheck",
        views=tuple(view.legacy for view in part.views),
    )


def _as_the_inspector_said(part: Inspection, legacy: Verdict | None, failures: Collection[Failure]) -> Outcome:
    return Outcome(
        final=legacy,
        origin=Origin.LEGACY,
        failures=by_importance(failures),
        degraded=bool(failures),
        error=legacy is None,
        views=tuple(view.legacy for view in part.views),
    )


def _unusable(part: Inspection, failures: set[Failure]) -> Outcome:
    return Outcome(
        final=Verdict.NG,
        origin=Origin.FALLBACK,
        failures=by_importance(failures),
        degraded=True,
        error=True,
        views=tuple(view.legacy for view in part.views),
    )


def _clearable(rules: Rules, part: Inspection) -> bool:
    """Return whether every NG on this part is of a kind that an image can disprove."""
    if ANY_CODE in rules.clearable:
        return True
    marked = {view.defect or part.defect for view in part.views if view.legacy is Verdict.NG}
    named = {view.defect for view in part.views if view.defect and view.legacy is not Verdict.OK}
    said = marked | named | ({part.defect} - {NO_CODE})
    return (said or {NO_CODE}) <= rules.clearable


def _missing(rules: Rules, part: Inspection) -> set[Failure]:
    """Return what the part lacks for being cleared: views, or the inspector's word on what is not re-checked.

    Zero views, too few of them, or fewer NG ones than the inspector counted, clear nothing. Where it said nothing
    of the part as a whole, a view that it said nothing of either would become OK on nobody's word.
    """
    clearing = rules.goal is Goal.CUT_FALSE_CALLS
    too_few = not part.views or len(part.views) < (rules.views_expected or 0)
    uncounted = clearing and len(asked(rules.goal, part)) < (part.ng_views or 0)
    unsaid = clearing and part.legacy is None and any(view.legacy is None for view in part.views)
    views = {Failure.VIEWS_MISSING} if too_few or uncounted else set()
    return views | {Failure.LEGACY_MISSING} if unsaid else views


def by_importance(failures: Collection[Failure]) -> tuple[Failure, ...]:
    """Return each failure once, the most important first."""
    return tuple(sorted(set(failures), key=_BY_IMPORTANCE.__getitem__))
