"""What a source owes its line and its inspector, whatever road the parts come by."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from bridge.errors import Unavailable
from bridge.messages import Inspection, Verdict
from bridge.plugin.peers import Play
from bridge.plugin.testkit.leaks import leaving_nothing
from bridge.plugin.testkit.rules import Bench, Broken, Need, Unfit, rule
from bridge.plugin.testkit.stage import Stage, at_work, needs_answers

PEER: tuple[Need, ...] = ("trial", "peer")
BEYOND = 8
"""So many more parts are handed over than may be under way, while the line does not answer."""
GIVEN_UP_SECONDS = 0.4
"""A crowd that sends nothing more for so long has sent all that the source takes."""
AGAIN_SECONDS = 3.0
"""So long a source may take to offer again what was not recorded."""


@rule(
    "a part arrives once, as it was handed over, and its inspector hears the line's decision", "source", needs=PEER
)
async def part_arrives(bench: Bench) -> None:
    """The serial number and the verdict that were handed over are those that the line sees."""
    async with leaving_nothing(), at_work(bench) as (where, play):
        for number, verdict in enumerate((Verdict.NG, Verdict.OK)):
            part = _verdict(where.part(number), verdict)
            answer = await where.play(play, part)
            came = await arrived(where, part)
            if came.legacy is not verdict:
                raise Broken(f"a part handed over as {verdict} arrived as {came.legacy}")
            if answer not in {None, verdict}:
                raise Broken(f"the line decided {verdict}, and the inspector was answered {answer}")
        once_each(where)


@rule("a part without a verdict never arrives as OK", "source", needs=PEER)
async def silence_is_not_ok(bench: Bench) -> None:
    """OK comes from a positive statement, and from nothing else."""
    async with at_work(bench) as (where, play):
        part = _verdict(where.part(), None)
        playing = asyncio.ensure_future(play(part))
        try:
            await where.until(lambda: bool(where.line.parts) or playing.done(), "part")
            if any(came.legacy is Verdict.OK for came in where.line.parts):
                raise Broken("a part without a verdict arrived as OK")
        finally:
            playing.cancel()
            await asyncio.wait({playing})


@rule("the inspector is answered what the line decided, not what it had said itself", "source", needs=PEER)
async def answer_is_the_decision(bench: Bench) -> None:
    """The second opinion is what is asked for."""
    async with at_work(bench) as (where, play):
        where.line.final = lambda part: Verdict.OK if part.legacy is Verdict.NG else Verdict.NG
        for number, (said, decided) in enumerate(((Verdict.NG, Verdict.OK), (Verdict.OK, Verdict.NG))):
            answer = await where.play(play, _verdict(where.part(number), said))
            needs_answers(answer)
            if answer is not decided:
                raise Broken(f"the line turned {said} into {decided}, and the inspector was answered {answer}")


@rule(
    "what is not recorded is not acknowledged: the inspector hears no OK, and may send it again",
    "source",
    needs=PEER,
)
async def unrecorded_is_unanswered(bench: Bench) -> None:
    """An acknowledged part that no journal has is lost for ever."""
    async with at_work(bench) as (where, play):
        if not where.trial.acknowledges:
            raise Unfit(
                "its answer is a verdict for the moment: the inspector keeps nothing that it would send again"
            )
        where.line.final = lambda _: Verdict.OK
        part = where.part()
        answered = await where.play(play, part)
        where.line.recorded = lambda part: len(where.line.of(part.part)) > 1
        part = where.part(1)
        try:
            answer = await where.in_time(play(part), "an answer to a part that was not recorded")
        except Unavailable:
            answer = None
        if answer is Verdict.OK and len(where.line.of(part.part)) == 1:
            raise Broken("the inspector was answered OK for a part that was not recorded")
        if answered is None:
            await _offered_again(where, part)


@rule("the same presentation brought again has the same key; another one never has it", "source", needs=PEER)
async def key_is_the_presentation(bench: Bench) -> None:
    """By the key a part that comes twice is decided once."""
    async with at_work(bench) as (where, play):
        first, second = where.part(0, key="trial-key-1"), where.part(1, key="trial-key-2")
        for part in (first, first, second):
            await where.play(play, part)
        await where.until(lambda: bool(where.line.of(second.part)), "second part")
        keys = [part.key for part in where.line.of(first.part)]
        other = where.line.of(second.part)[0].key
    if other is not None and other in keys:
        raise Broken(f"two presentations came under one key, {other!r}")
    if keys[0] == "trial-key-1" and set(keys) != {"trial-key-1"}:
        raise Broken(f"the inspector's own key came as {keys[0]!r} and then as {keys[1]!r}")
    if set(keys) == {None}:
        bench.notes.append("it has no keys: every arrival is new")


@rule(
    "while the line does not answer, only so many parts are under way, and none is lost",
    "source",
    needs=PEER,
    limit_seconds=180,
)
async def back_pressure(bench: Bench) -> None:
    """A line that is slow must not cost the memory of all lines."""
    async with leaving_nothing(), at_work(bench) as (where, play):
        where.line.hold()
        many = where.trial.under_way + BEYOND
        crowd = [asyncio.create_task(_once(play, where.part(number)), name="trial-play") for number in range(many)]
        try:
            await _quiet(where)
            most = where.line.most
            if most > where.trial.under_way:
                raise Broken(f"{most} parts were under way at once; at most {where.trial.under_way} may be")
            where.line.release()
            await where.in_time(asyncio.wait(crowd), f"handing over {many} parts", 4 * where.trial.seconds)
            handed = [where.part(number).part for number, task in enumerate(crowd) if task.result()]
            await where.until(
                lambda: {part.part for part in where.line.parts} >= set(handed), f"arrival of {len(handed)} parts"
            )
        finally:
            for task in crowd:
                task.cancel()
            await asyncio.wait(crowd)
    bench.notes.append(f"{most} at once")


async def _once(play: Play, part: Inspection) -> bool:
    """Hand a part over once; return whether it was."""
    try:
        await play(part)
    except Unavailable:
        return False
    return True


async def _quiet(where: Stage) -> None:
    """Wait until no more parts come."""
    seen, loop = -1, asyncio.get_running_loop()
    until = loop.time() + where.trial.seconds
    while seen != len(where.line.parts) and loop.time() < until:
        seen = len(where.line.parts)
        await asyncio.sleep(GIVEN_UP_SECONDS)


async def arrived(where: Stage, part: Inspection) -> Inspection:
    """Return the part as the line saw it."""
    await where.until(lambda: bool(where.line.of(part.part)), f"part {part.part}")
    return where.line.of(part.part)[0]


async def _offered_again(where: Stage, part: Inspection) -> None:
    """Where nobody is answered, a part that is not recorded must be offered again by the source, under its key.

    Raises:
        Unfit: it was not, so that nothing can be said of this road.
    """
    try:
        await where.until(lambda: len(where.line.of(part.part)) > 1, "second offer", AGAIN_SECONDS)
    except Broken:
        raise Unfit("this road gives the inspector no answer, and offers nothing a second time") from None
    keys = {one.key for one in where.line.of(part.part)}
    if len(keys) > 1 or None in keys:
        raise Broken(f"a part that was not recorded was offered again under another key: {sorted(map(str, keys))}")


def once_each(where: Stage) -> None:
    """Hold the source to handing in no part twice, and none that nobody played.

    Raises:
        Broken: it did.
    """
    counts: Mapping[str, int] = {name: len(where.line.of(name)) for name in {one.part for one in where.line.parts}}
    if twice := [name for name, count in counts.items() if count > 1]:
        raise Broken(f"part {twice[0]} was handed over once and arrived {counts[twice[0]]} times")


def _verdict(part: Inspection, verdict: Verdict | None) -> Inspection:
    """Return the part as an inspector would tell it that gave this verdict on all of it."""
    return replace(part, legacy=verdict, views=tuple(replace(view, legacy=verdict) for view in part.views))
