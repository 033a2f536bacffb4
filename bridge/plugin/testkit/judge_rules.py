"""What a judge owes its line: an answer for each view, in order, and a failure where it has none."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from bridge.explaining import explain
from bridge.messages import Judgement, View
from bridge.plugin.api import Judge
from bridge.plugin.options import JudgeOptions
from bridge.plugin.testkit.leaks import leaving_nothing, started
from bridge.plugin.testkit.rules import Bench, Broken, Unfit, rule
from bridge.plugin.testkit.stage import Stage, is_unavailable, stage
from bridge.plugin.trial import grey

MOST_VIEWS = 16
NO_PICTURE = b"this is no picture"
UNREADABLE_AT = {1, 4, 6}
"""Where it stands among the views: in no other order are the failures at these places."""


@rule("it returns as many judgements as it got views, in their order, each a verdict or a failure", "judge")
async def judgement_for_each_view(bench: Bench) -> None:
    """The first judgement is of the first view, whatever was quicker."""
    async with leaving_nothing(), stage(bench) as where, _judging(where) as judge:
        pictures = (*_pictures(where), NO_PICTURE)
        alone = [(await _judged(where, judge, [picture]))[0] for picture in pictures]
        broken = len(pictures) - 1
        mixed = [broken if at in UNREADABLE_AT else at % broken for at in range(MOST_VIEWS)]
        together = await _judged(where, judge, [pictures[at] for at in mixed])
        for at, (which, found) in enumerate(zip(mixed, together, strict=True)):
            if (found.verdict, found.failure) != (alone[which].verdict, alone[which].failure):
                raise Broken(
                    f"view {at + 1} of {MOST_VIEWS} was judged {found.verdict or found.failure}, "
                    f"and alone {alone[which].verdict or alone[which].failure}"
                )
        if await _judged(where, judge, []):
            raise Broken("without any view it returned a judgement")


@rule("a picture that cannot be read is a failure of its view, and no other view suffers", "judge")
async def unreadable_picture(bench: Bench) -> None:
    """A file that was cut short is part of the day."""
    async with stage(bench) as where, _judging(where) as judge:
        good = _pictures(where)[0]
        said = await _judged(where, judge, [good])
        found = await _judged(where, judge, [good, NO_PICTURE, good, good[: len(good) // 2]])
        for at in (1, 3):
            if found[at].failure is None:
                raise Broken(f"a picture that is none was judged {found[at].verdict}")
        for at in (0, 2):
            if found[at].verdict is not said[0].verdict:
                raise Broken("beside a picture that is none a good one was judged otherwise")


@rule("the same picture gets the same verdict again", "judge")
async def judged_again_is_the_same(bench: Bench) -> None:
    """What was validated is what runs."""
    async with stage(bench) as where, _judging(where) as judge:
        for picture in _pictures(where):
            first, second = [(await _judged(where, judge, [picture]))[0] for _ in range(2)]
            if first.verdict is not second.verdict or first.score != second.score:
                raise Broken(f"one picture was judged {first.verdict} ({first.score}), then {second.verdict}")


@rule("a judgement names its model, and a view's own threshold moves its verdict", "judge")
async def judgement_says_whose(bench: Bench) -> None:
    """A verdict that nobody can trace to a model cannot be defended."""
    async with stage(bench) as where, _judging(where) as judge:
        picture = _pictures(where)[0]
        (found,) = await _judged(where, judge, [picture])
        if not found.bundle:
            raise Broken("its judgement has no bundle; write the model's name, version and hash")
        if found.score is None:
            raise Unfit("it gives no score, so there is no threshold to move")
        for threshold in (max(1e-6, found.score / 2), found.score * 1.000001 + 1e-6):
            (moved,) = await where.in_time(judge([View(image=picture, threshold=threshold)]), "judging")
            if moved.threshold != threshold:
                raise Broken(f"a view's threshold of {threshold:g} was judged by {moved.threshold}")


@rule("options named harmless exist, and a pinned judge is the same one each time", "judge")
async def pinned_is_the_same(bench: Bench) -> None:
    """A judge that breaks and is opened again must not be another one."""
    async with stage(bench) as where:
        options = where.plugged.options.model_copy(update={"home": where.home})
        assert isinstance(options, JudgeOptions)  # noqa: S101 - discovery loads no other
        if strange := sorted(options.harmless - set(type(options).model_fields)):
            raise Broken(f"harmless names {strange[0]}, and there is no such option")
        if options.score_limit is not None and options.score_limit <= 0:
            raise Broken(f"score_limit is {options.score_limit:g}; no threshold could be below it")
        first, name = await asyncio.to_thread(options.pinned)
        second, again = await asyncio.to_thread(first.pinned)
        if (first, name) != (second, again):
            raise Broken(f"pinned twice it is {name!r} and then {again!r}")
        async with _judging(where) as judge:
            identity = getattr(judge, "identity", name)
        if name and identity != name:
            raise Broken(f"pinned it calls itself {name!r}, and opened {identity!r}")


@rule("a judge whose process dies says Unavailable, or judges on with another", "judge")
async def process_lost(bench: Bench) -> None:
    """A crash of a decoder, or of a driver, ends one process and not the line."""
    async with leaving_nothing(), stage(bench) as where:
        try:
            await where.in_time(_judged_by_the_dead(where), "noticing that its process had died")
        except Exception as exc:
            if isinstance(exc, Broken | Unfit):
                raise
            if not is_unavailable(exc):
                raise Broken(f"of a process that died it says {explain(exc)}, not Unavailable") from exc


async def _judged_by_the_dead(where: Stage) -> None:
    """Open a judge, kill every process that it has, and ask it.

    Raises:
        Unfit: it has none.
    """
    before = await asyncio.to_thread(started)
    async with _judging(where) as judge:
        mine = await asyncio.to_thread(started) - before
        if not mine:
            raise Unfit("it has no process of its own")
        for pid in mine:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await _judged(where, judge, [_pictures(where)[0]])


@asynccontextmanager
async def _judging(where: Stage) -> AsyncIterator[Judge]:
    """Open the judge, beside its server where it has one."""
    async with AsyncExitStack() as stack:
        if where.subject.peer is not None:
            await stack.enter_async_context(where.peer())
        yield await stack.enter_async_context(where.open())


async def _judged(where: Stage, judge: Judge, pictures: Sequence[bytes]) -> Sequence[Judgement]:
    """Judge pictures as the views of one part, and hold the judge to the form of its answer."""
    views = [View(name=str(number), image=picture) for number, picture in enumerate(pictures, start=1)]
    found = await where.in_time(judge(views), f"judging {len(views)} views")
    if len(found) != len(views):
        raise Broken(f"of {len(views)} views it returned {len(found)} judgements")
    for one in found:
        if (one.verdict is None) is (one.failure is None):
            raise Broken(
                f"a judgement has verdict {one.verdict} and failure {one.failure}; it must have one of them"
            )
    return found


def _pictures(where: Stage) -> tuple[bytes, ...]:
    made = where.trial.pictures
    return made() if made else (grey(255, 64), grey(0, 64), grey(128, 64))
