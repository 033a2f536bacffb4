"""Where two roads meet: halves come in, parts go to the host, and both halves get the same decision.

A half's call returns only with the decision on its part, so each road acknowledges its own machine by itself, and
only what is recorded. A part once complete goes its way whatever becomes of its roads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial

from bridge.plugin import Decision, Fetch, Inspect, Inspection, count, logger
from bridge_join.codec import contradiction, half_name, held_until, joined, joined_fetch
from bridge_join.halves import Before, Half, Handed, Side, Why
from bridge_join.matching import Matching
from bridge_join.memory import Memory
from bridge_join.options import JoinOptions

DISK_SECONDS = 0.05
"""A disk that takes longer than this to note a part is not waited for: the line never waits."""


@dataclass(frozen=True, eq=False)
class Delivery:
    """What a road handed over: its half, and who waits for the answer."""

    part: Inspection
    name: str
    """By what it is known when it comes again; empty where it is new each time."""
    fetch: Fetch | None = None
    answer: asyncio.Future[Decision] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Junction:
    """Joins the halves of one line; lives as long as both roads are kept open."""

    def __init__(self, options: JoinOptions, memory: Memory, inspect: Inspect, tasks: asyncio.TaskGroup) -> None:
        self._options, self._memory, self._inspect, self._tasks = options, memory, inspect, tasks
        self._ids = options.ids()
        self._loop = asyncio.get_running_loop()
        self._matching: Matching[Delivery] = Matching(
            began=self._loop.time(),
            by_order=options.by == "order",
            window=options.window,
            calm=options.calm,
            pictures=options.pictures_per_part,
            room=options.waiting_max,
        )
        self._under_way: dict[str, Delivery] = {}
        self._context = copy_context()  # of the join itself: what it counts is its own, not a road's
        self._alarm: asyncio.TimerHandle | None = None
        self._hinted = False

    def road(self, side: Side) -> Inspect:
        """Return what the source on this side calls with its halves."""
        return partial(self._arrived, side)

    def close(self) -> None:
        """Wait for no partner any more: what waits was not acknowledged, and comes again."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    async def _arrived(self, side: Side, part: Inspection, fetch: Fetch | None = None) -> Decision:
        """Take a half, and return the decision on its part; leaving early takes nothing back."""
        name = half_name(side, part.key)
        delivery = self._under_way.get(name)
        if delivery is None:
            delivery = self._taken(side, part, name, fetch)
        decision = await asyncio.shield(delivery.answer)
        return replace(decision, key=part.key, part=part.part)

    def _taken(self, side: Side, part: Inspection, name: str, fetch: Fetch | None) -> Delivery:
        now = self._loop.time()
        delivery = Delivery(replace(part, event=now if part.event is None else part.event), name, fetch)
        delivery.answer.add_done_callback(partial(self._left, name))
        if name:
            self._under_way[name] = delivery
        before = self._memory.recall(name) if name else None
        half = Half(
            side=side,
            part=self._ids(part.part),
            arrived=now,
            until=held_until(part, now, self._options.window),
            views=frozenset(view.name for view in part.views),
            shown=max(1, len(part.views)),
            before=before,
            what=delivery,
        )
        if before is not None and self._memory.answered(before.key):
            self._begin([Handed(why=Why.AGAIN, halves=(half,), before=before, tied=before.tied)])
        else:
            self._begin(self._matching.arrive(half))
        return delivery

    def _left(self, name: str, answer: asyncio.Future[Decision]) -> None:
        self._under_way.pop(name, None)
        if not answer.cancelled():
            answer.exception()  # who waits has heard it; it may be nobody

    def _begin(self, handed: Iterable[Handed[Delivery]]) -> None:
        """Send parts on their way, and set the alarm for the next half that waits for too long."""
        for one in handed:
            self._tasks.create_task(self._hand_in(one), name="join-part", context=self._context)
        if self._alarm is not None:
            self._alarm.cancel()
        due = self._matching.due
        self._alarm = None if due is None else self._loop.call_at(due, self._expire, context=self._context)

    def _expire(self) -> None:
        self._begin(self._matching.expire(self._loop.time()))

    async def _hand_in(self, handed: Handed[Delivery]) -> None:
        deliveries = [half.what for half in handed.halves]
        answers = [delivery.answer for delivery in deliveries]
        try:
            decision = await self._decided(handed, deliveries)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the roads hear it, and the host of each
            for answer in answers:
                answer.set_exception(exc)
        else:
            for answer in answers:
                answer.set_result(decision)
        finally:
            for answer in answers:
                answer.cancel()  # of those that nobody answered, because we are closed

    async def _decided(self, handed: Handed[Delivery], deliveries: list[Delivery]) -> Decision:
        part, tied = self._part(handed)
        keeping = await self._noted(part.key, handed, tied=tied) if part.key else None
        fetch = joined_fetch([(delivery.part, delivery.fetch) for delivery in deliveries])
        decision = await self._inspect(part, fetch)
        if keeping is not None:
            await _patiently(keeping)
        if part.key:
            self._memory.answer(part.key, recorded=decision.recorded)
        return decision

    async def _noted(self, key: str, handed: Handed[Delivery], *, tied: bool) -> asyncio.Future[None] | None:
        """Note what the halves become; return what waits until that is on the disk, None where it is known."""
        if all(half.before for half in handed.halves):
            return None
        names = [half.what.name for half in handed.halves if half.what.name]
        before = Before(key=key, halves=len(handed.halves), known=len(names), tied=tied)
        await _patiently(self._memory.note(names, before))
        return self._memory.kept()

    def _part(self, handed: Handed[Delivery]) -> tuple[Inspection, bool]:
        """Return the part that these halves make and whether they are tied; count what was wrong with them."""
        parts = [half.what.part for half in handed.halves]
        verdict = parts.pop(0) if handed.halves[0].side is Side.VERDICT else None
        tied = handed.tied
        if why := contradiction(verdict, parts, self._ids):
            count("contradicted")
            logger().warning("halves contradict each other", part=(verdict or parts[0]).part, what=why)
            self._matching.disturb(handed.halves[0].part, self._loop.time())
            tied = False
        _count(handed, tied=tied)
        if handed.late and handed.lone is Side.PICTURES:
            self._hint(parts[0].part)
        part = joined(verdict, parts, tied=tied, whole=handed.whole)
        key = handed.before.key if handed.before else part.key
        return replace(part, key=key, backlog=part.backlog or handed.late), tied

    def _hint(self, part: str) -> None:
        """Say once what pictures after their part mean, for each may be of a camera that nobody counted."""
        if not self._hinted:
            self._hinted = True
            logger().warning(
                "pictures came after their part was handed in;"
                " more than one delivery a part needs pictures_per_part, later ones a longer window_ms",
                part=part,
            )


def _count(handed: Handed[Delivery], *, tied: bool) -> None:
    if handed.why is Why.AGAIN or handed.before is not None:
        count("again")
        return
    if handed.lone is Side.VERDICT:
        count("unmatched_verdicts")
    elif handed.lone is Side.PICTURES:
        count("unmatched_pictures")
    else:
        count("joined" if handed.whole else "pictures_short")
        if not tied:
            count("untied")
    if handed.late:
        count("late")
    if handed.why in {Why.NAMELESS, Why.FULL}:
        count("no_part_id" if handed.why is Why.NAMELESS else "waiting_full")


async def _patiently(noting: asyncio.Future[None]) -> None:
    """Wait for the disk, but not for long: what it does not take now is known until the process ends."""
    try:
        async with asyncio.timeout(DISK_SECONDS):
            await asyncio.shield(noting)
    except TimeoutError:
        count("memory_slow")
    except OSError as exc:
        count("memory_unwritten")
        logger().error("what became of a half cannot be noted", reason=str(exc))
