"""One part again: what its line asks of the judge, and the second record that comes of the answer. Pure.

**What was drawn for labelling stays drawn.** Labels exist for parts that the original month drew, each with a
known chance, and the replay keeps stratum, chance and draw of the original record. The pictures of a drawn part
are evidence and always kept; of the parts that nobody drew, and on which all agreed, the share ``[images] sample``
is. So a part is labelled *and* judged again with the probability

    P(drawn and kept) = P(drawn) P(kept | drawn) = chance x 1,

and an estimate that weights labelled parts by 1 / chance needs no other weight (D. G. Horvitz and D. J. Thompson,
Journal of the American Statistical Association 47, 1952). A drawn part whose picture is gone all the same counts
as not drawn, and at the end the chances of its stratum are multiplied by ``settled``, its P(kept | drawn).

What is counted without labels is another matter: of agreements the pictures of a share
1 - (1 - chance)(1 - sample) are kept, for audit and sample are drawn by hashes that know nothing of each other,
and only they are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from bridge.goals import Rules, by_importance, fallbacks_of, model_verdict, would_be
from bridge.judging.viewed import bundle_of, view_decisions
from bridge.messages import (
    Decision,
    Failure,
    Goal,
    Inspection,
    Judgement,
    Origin,
    Stage,
    Verdict,
    View,
    ViewDecision,
)
from bridge.store import Presented, Second, Stratum

WITHOUT_PICTURE: Final = frozenset({Failure.IMAGE_MISSING, Failure.IMAGE_REPEATED, Failure.IMAGE_UNTIED})
"""What is wrong with a view whoever judges it."""
_SMALL = 8


@dataclass(frozen=True, slots=True)
class Before:
    """A part as the original journal knows it."""

    decision: Decision
    recorded_at: float
    second: Second | None
    """What the judge of those days said; None where it passed the part over."""
    answered: tuple[Second, ...]
    """Records of answers that were given without a commit."""

    @property
    def views(self) -> tuple[ViewDecision, ...]:
        """The views; of pictures that were fetched, the second record alone knows the hash."""
        decided = self.decision.views
        later = self.second.views if self.second else ()
        return later if len(later) == len(decided) else decided


def before(one: Presented) -> Before:
    """Sort a part's second records."""
    heard = [second for second in one.seconds if second.kind in {"shadow", "guard"}]
    answered = tuple(second for second in one.seconds if second.kind == "answered")
    return Before(one.decision, one.recorded_at, heard[-1] if heard else None, answered)


def shown(was: Before) -> Inspection:
    """Return what goals look at of a part: all that was handed over but name, pictures and times."""
    one = was.decision
    marked = any(view.legacy is Verdict.NG for view in one.views)
    unsaid = one.said is None and not (marked and one.legacy is Verdict.NG)  # an older journal did not keep it
    return Inspection(
        part="",
        legacy=one.legacy if unsaid else one.said,
        legacy_understood=one.legacy is not None,
        views=tuple(View(name=view.name, legacy=view.legacy, defect=view.defect) for view in one.views),
        recipe=one.recipe,
        defect=one.defect,
        ng_views=one.ng_views,
    )


def known(was: Before) -> dict[int, Judgement]:
    """Return, by index, the views that no judge can judge: there never was a picture, or not one of this part."""
    failed = {}
    for index, view in enumerate(was.views):
        why = view.judgement.failure if view.judgement else None
        if why in WITHOUT_PICTURE or not view.image:
            failed[index] = Judgement(failure=why if why in WITHOUT_PICTURE else Failure.IMAGE_MISSING)
    return failed


def at_threshold(was: Before, threshold: float) -> dict[int, Judgement] | None:
    """Return what was said of each view, its score held against another threshold; None where nobody was asked."""
    if was.second is None or not was.second.goals:
        return None
    said = {i: view.judgement for i, view in enumerate(was.second.views) if view.judgement is not None}
    return {i: one if one.score is None else _held(one, one.score, threshold) for i, one in said.items()}


def _held(one: Judgement, score: float, threshold: float) -> Judgement:
    return Judgement(
        verdict=Verdict.OK if score >= threshold else Verdict.NG,
        score=score,
        threshold=threshold,
        label=one.label,
        bundle=one.bundle,
        judge_ms=one.judge_ms,
        boxes=one.boxes,
        heat_map=one.heat_map,
        picture=one.picture,
    )


def part_again(one: Decision, goal: Goal | None = None) -> Decision:
    """Return the part's own row: what it was in shadow, and of a live one what it would have been."""
    if one.stage is Stage.SHADOW:
        return one if goal in {None, one.goal} else replace(one, goal=goal or one.goal)
    lacking = one.legacy is None
    return replace(
        one,
        goal=goal or one.goal,
        stage=Stage.SHADOW,
        model=None,
        final=one.legacy,
        origin=Origin.LEGACY,
        failures=_failures(one),
        degraded=lacking,
        error=lacking,
        rechecked=False,
        bundle="",
        judge_ms=0.0,
        views=tuple(replace(view, judgement=None, final=view.legacy) for view in one.views),
    )


def _failures(one: Decision) -> tuple[Failure, ...]:
    """Return what is wrong with a part whoever judges it."""
    if one.stage is Stage.SHADOW:
        return one.failures
    return (Failure.LEGACY_MISSING,) if one.legacy is None else ()


def second_again(
    was: Before,
    rules: Rules,
    judged: Mapping[int, Judgement],
    failures: frozenset[Failure] = frozenset(),
) -> Second:
    """Return the second record of a part that was judged again.

    Its time is that at which the part was recorded: who reads the month by its times finds it there, and the same
    replay gives the same records.

    Args:
        was: the part.
        rules: those of its line and recipe.
        judged: by index of the view.
        failures: of the part as a whole.
    """
    part, views = shown(was), was.views
    whole = {*_failures(was.decision), *failures}
    failed = {*whole, *(one.failure for one in judged.values() if one.failure)}
    drawn = was.second or Second(id=was.decision.id, kind="shadow", at=was.recorded_at, model=None, goals={})
    return Second(
        id=was.decision.id,
        kind="shadow",
        at=was.recorded_at,
        model=model_verdict(judged.get(index) for index in range(len(views))),
        goals=_goals(rules, part, judged),
        failures=by_importance(whole),
        views=view_decisions(part, judged, {i: view.image for i, view in enumerate(views)}),
        bundle=bundle_of(judged),
        judge_ms=sum(one.judge_ms for one in judged.values()),
        fallbacks=_fallbacks(rules, part, frozenset(failed)),
        stratum=drawn.stratum,
        chance=drawn.chance,
        drawn=drawn.drawn,
    )


def _goals(rules: Rules, part: Inspection, judged: Mapping[int, Judgement]) -> Mapping[Goal, Verdict | None]:
    """Return what each goal would answer; of small parts, which are alike by the thousand, each kind once."""
    if len(part.views) > _SMALL:
        return would_be(rules, part, judged)
    return _of_kind(rules, part, tuple((i, j.verdict, j.failure) for i, j in judged.items()))


def _fallbacks(rules: Rules, part: Inspection, failed: frozenset[Failure]) -> Mapping[Goal, Verdict | None]:
    if len(part.views) > _SMALL:
        return fallbacks_of(rules, part, failed)
    return _fallbacks_of_kind(rules, part, failed)


_fallbacks_of_kind = lru_cache(maxsize=1024)(fallbacks_of)


@lru_cache(maxsize=1024)
def _of_kind(
    rules: Rules, part: Inspection, said: tuple[tuple[int, Verdict | None, Failure | None], ...]
) -> Mapping[Goal, Verdict | None]:
    judged = {index: Judgement(verdict=verdict, failure=failure) for index, verdict, failure in said}
    return would_be(rules, part, judged)


def second_without(was: Before, rules: Rules) -> Second | None:
    """Return the second record of a part of which a picture is gone: no goal is scored, and it was not drawn.

    None where the original has none either, because the part was passed over.
    """
    if was.second is None:
        return None
    made = second_again(was, rules, {}, frozenset({Failure.IMAGE_MISSING}))
    return replace(made, goals={}, views=(), drawn=False)


def settled(drawn: Mapping[Stratum, int], judged: Mapping[Stratum, int]) -> dict[Stratum, float]:
    """Return P(kept | drawn) by stratum where it is less than 1: the share of the drawn parts that were judged.

    It takes for granted that which of them lost their pictures has nothing to do with what is on them
    (C.-E. Särndal, B. Swensson and J. Wretman, Model Assisted Survey Sampling, 1992, response homogeneity groups).
    A stratum that lost all has no chance left.
    """
    shares = {stratum: judged.get(stratum, 0) / amount for stratum, amount in drawn.items() if amount}
    return {stratum: share for stratum, share in shares.items() if share < 1}


def wanted(
    was: Before, failures: Sequence[Failure] | frozenset[Failure], done: Mapping[int, Judgement]
) -> list[int]:
    """Return which views are to be judged: all but those that cannot be, none of a part that fails as a whole."""
    return [] if failures else [index for index in range(len(was.views)) if index not in done]
