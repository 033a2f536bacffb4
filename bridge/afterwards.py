"""What becomes known after the answer, as second records: nothing here can change what was answered.

Four kinds: every part of a shadow line is judged after its legacy verdict was passed on (``shadow``); a judge
that was too slow is heard to the end (``late``); a commit that landed after its part had to be answered without
it is set right (``answered``) before an MES is told; a part that live goal 1 would have cleared has its chance of
being held back for blind labelling noted, drawn or not (``guard``).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from prometheus_client import Counter

from bridge import health
from bridge.clock import Clock
from bridge.config import Line as LineConfig
from bridge.delivery import Guaranteed
from bridge.echo import Echo
from bridge.errors import Unavailable
from bridge.explaining import explain
from bridge.goals import Rules, asked, by_importance, fallbacks_of, legacy_of, model_verdict, route, would_be
from bridge.judging.hearing import Heard, Question, hear, within
from bridge.judging.turns import Turns
from bridge.judging.viewed import bundle_of, view_decisions
from bridge.log import logger
from bridge.messages import Decision, Failure, Goal, Inspection, Judgement, Stage, Verdict
from bridge.shadow.drawing import Drawing
from bridge.shadow.punctuality import Queue
from bridge.store import Journal, Second, Stratum

WAITING_PARTS = 512
WAITING_BYTES = 64 << 20
FEW_VIEWS = 16
"""A record of more views than this would keep the part waiting that it rides along with."""
HOLD_SECONDS = 0.02
"""A part that comes alone waits so long: just now its verdict is told to the PLC, and judging can wait."""
PATIENCE_SECONDS = 60.0
"""How long a part that nobody waits for may be with the judge."""

skipped = Counter(
    "aoi_bridge_shadow_skipped", "Shadow parts not judged, queue full", ["line"], registry=health.registry
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """A shadow part that was answered and is still to be judged."""

    id: str
    rules: Rules
    question: Question
    turns: Turns
    failures: frozenset[Failure]
    answered: float
    """The instant (monotonic seconds) of the answer: a live line would have asked the judge then."""
    judge_by: float | None
    """The instant by which a live line would have needed the judgement; None of backlog: nobody waits for it."""
    keep: Callable[[Second | None], None]
    """Sees to the pictures; called once, with what became known."""


class Afterwards:
    """The second records of one line."""

    def __init__(self, config: LineConfig, journal: Journal, clock: Clock) -> None:
        self._line, self._journal, self._clock = config.name, journal, clock
        self._drawing = Drawing(config.name, config.shadow, journal.reader, clock)
        self._queues: defaultdict[Turns, Queue] = defaultdict(Queue)
        self._queue: deque[Unheard] = deque()
        self._bytes = 0
        self._work = asyncio.Event()
        self._echo = Echo(clock)
        self.passed_over = 0
        """Shadow parts that were not judged since the line was opened."""
        skipped.labels(config.name)

    @property
    def waiting(self) -> int:
        """How many shadow parts wait for the judge."""
        return len(self._queue)

    def later(self, unheard: Unheard) -> bool:
        """Queue a shadow part for judging; return False, and pass it over, where the queue is full."""
        size = _size(unheard)
        if len(self._queue) >= WAITING_PARTS or self._bytes + size > WAITING_BYTES:
            self._pass_over(unheard)
            return False
        self._queue.append(unheard)
        self._bytes += size
        self._work.set()
        return True

    async def run(self) -> None:
        """Judge queued parts in the background until cancelled; what is queued then is passed over."""
        try:
            while True:
                while self._queue:
                    held = self._queue[0].answered + HOLD_SECONDS - self._clock.monotonic()
                    await asyncio.sleep(min(max(0.0, held), HOLD_SECONDS))
                    unheard = self._queue.popleft()
                    self._bytes -= _size(unheard)
                    await self.shadow(unheard)
                self._work.clear()
                await self._work.wait()
        finally:
            while self._queue:
                self._pass_over(self._queue.popleft())
            self._bytes = 0

    def _pass_over(self, unheard: Unheard) -> None:
        """Count a part that is not judged: it has its record too, and may be drawn for labelling like others."""
        self.passed_over += 1
        skipped.labels(self._line).inc()
        part = unheard.question.part
        second = Second(
            id=unheard.id,
            kind="shadow",
            at=self._clock.wall(),
            model=None,
            goals={},
            failures=by_importance(unheard.failures),
            fallbacks=fallbacks_of(unheard.rules, part, unheard.failures),
        )
        second = self._drawing.drawn_at_once(second, legacy_of(part), part.part)
        unheard.keep(second)
        self._ride_along(second)

    def _ride_along(self, second: Second) -> None:
        """Record it with others: a commit of its own could keep the next part's waiting."""
        with suppress(RuntimeError):  # the journal is gone: then nothing is recorded any more
            self._journal.shadow(second)

    async def shadow(self, unheard: Unheard) -> None:
        """Judge one part, record what each goal would have said, and keep its pictures if that is a reason to.

        Whatever comes between, the part has its record.
        """
        second: Second | None = None
        try:
            heard = await self._heard(unheard)
            part = unheard.question.part
            second = await self._drawing.drawn(heard, legacy_of(part), part.part)
        finally:
            if second is None:
                self._pass_over(unheard)
            else:
                unheard.keep(second)
        if len(second.views) <= FEW_VIEWS:
            self._ride_along(second)
        else:
            await self._write(second)

    async def _heard(self, unheard: Unheard) -> Second:
        began = self._clock.monotonic()
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        heard = await hear(unheard.question, unheard.turns, until, background=True)
        if heard.pending:
            heard.pending.cancel()
        part, digests = unheard.question.part, unheard.question.album.digests
        seconds = self._clock.monotonic() - began
        failed = {judgement.failure for judgement in heard.judged.values() if judgement.failure}
        return Second(
            id=unheard.id,
            kind="shadow",
            at=self._clock.wall(),
            model=model_verdict(heard.judged.get(index) for index in range(len(part.views))),
            goals=would_be(unheard.rules, part, heard.judged),
            failures=by_importance(heard.failures | unheard.failures),
            views=view_decisions(part, heard.judged, digests),
            bundle=bundle_of(heard.judged),
            judge_ms=seconds * 1000,
            fallbacks=fallbacks_of(unheard.rules, part, unheard.failures | failed),
            in_time=self._in_time(unheard, heard, seconds),
        )

    def _in_time(self, unheard: Unheard, heard: Heard, seconds: float) -> bool | None:
        """Return whether the judgement would have come within deadline less reserve, had the line been live.

        A live part is with the judge at the instant at which a shadow one was answered, and waits for those of its
        line that the goal wants judged before it; the judge takes as long as it took, all views included. None
        where no judgement came, or nobody waits. A judge that other lines keep busy in shadow, too, is busier when
        they are live, which is not in it.
        """
        if unheard.judge_by is None:
            return None
        if not any(judgement.verdict for judgement in heard.judged.values()):
            return False if Failure.DEADLINE in heard.failures else None
        took = heard.judge_ms / 1000
        rechecked = route(replace(unheard.rules, stage=Stage.LIVE), unheard.question.part) == "recheck"
        ready = unheard.answered + seconds - took
        return self._queues[unheard.turns].in_time(ready, took, unheard.judge_by, asked=rechecked)

    async def guarded(self, decision: Decision, chance: float, *, drawn: bool) -> None:
        """Record that goal 1 would clear a part, with its chance of being held back, and whether it was."""
        await self._write(
            Second(
                id=decision.id,
                kind="guard",
                at=self._clock.wall(),
                model=decision.model,
                goals={Goal.CUT_FALSE_CALLS: Verdict.OK},
                bundle=decision.bundle,
                stratum=Stratum.GUARD,
                chance=chance,
                drawn=drawn,
            )
        )

    async def late(
        self, decision: Decision, part: Inspection, pending: asyncio.Task[Mapping[int, Judgement]], rules: Rules
    ) -> None:
        """Record a judgement that came too late to count; it never reaches the realtime lane."""
        began = self._clock.monotonic()
        if not await within(pending, asyncio.get_running_loop().time() + PATIENCE_SECONDS):
            pending.cancel()  # not waited for: a judge that will not stop has its turn, and no more, for itself
            return
        try:
            judged = pending.result()
        except Unavailable:
            return
        wanted = asked(rules.goal, part)
        await self._write(
            Second(
                id=decision.id,
                kind="late",
                at=self._clock.wall(),
                model=model_verdict(judged.get(index) for index in wanted),
                goals={rules.goal: would_be(rules, part, judged)[rules.goal]},  # the others asked for other views
                failures=(Failure.DEADLINE,),
                views=view_decisions(part, judged, {}),
                bundle=bundle_of(judged),
                judge_ms=decision.judge_ms + (self._clock.monotonic() - began) * 1000,
            )
        )

    async def answered(
        self, commit: asyncio.Future[Decision], answer: Decision, lanes: Sequence[Guaranteed]
    ) -> None:
        """Record what was answered instead of a commit that was too slow; when both are there, tell the MES.

        The record is queued at once, right behind the commit, so that nobody reads the one without the other.
        """
        said = asyncio.ensure_future(
            self._write(
                Second(
                    id=answer.id,
                    kind="answered",
                    at=self._clock.wall(),
                    model=answer.model,
                    goals={},
                    failures=answer.failures,
                    final=answer.final,
                    origin=answer.origin,
                    error=answer.error,
                )
            )
        )
        told = await self._settled(commit, said, answer)
        for lane in lanes:
            lane.add(told) if told else lane.forget(answer.id)

    def not_recorded(self, part: str, error: Exception) -> None:
        """Log that a part could not be recorded: on a full disk now and then, rather than for every part."""
        reason = explain(error)
        if times := self._echo.heard(f"not recorded: {reason}"):
            logger(line=self._line).error("not recorded", part=part, reason=reason, times=times)

    async def _settled(
        self, commit: asyncio.Future[Decision], said: asyncio.Future[None], answer: Decision
    ) -> Decision | None:
        """Return the part as the journal tells it from now on, None where it is not there or was there before."""
        try:
            stored = await commit
            await said
        except Exception as exc:  # noqa: BLE001 - whatever the store does, the part behind this one is waiting
            self.not_recorded(answer.part, exc)
            return None
        if stored.id != answer.id:
            return None
        # No more than the journal knows of the answer, so that a resend after a restart is the same document.
        told = replace(stored, final=answer.final, origin=answer.origin, failures=answer.failures)
        return replace(told, degraded=True, error=answer.error)

    async def _write(self, second: Second) -> None:
        try:
            await self._journal.second(second)
        except Unavailable as exc:
            if times := self._echo.heard(f"second record lost: {exc}"):
                tell = logger(line=self._line)
                tell.error("second record lost", id=second.id, kind=second.kind, reason=str(exc), times=times)


def _size(unheard: Unheard) -> int:
    return sum(len(image) for image in unheard.question.album.images.values())
