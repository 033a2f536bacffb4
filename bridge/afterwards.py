"""What becomes known after the answer, as second records: nothing here can change what was answered.

Three kinds: every part of a shadow line is judged after its legacy verdict was passed on (``shadow``); a judge
that was too slow is heard to the end (``late``); a commit that landed after its part had to be answered without
it is set right (``answered``) before an MES is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from prometheus_client import Counter

from bridge import health
from bridge.clock import Clock
from bridge.delivery import Guaranteed
from bridge.echo import Echo
from bridge.errors import Unavailable
from bridge.explaining import explain
from bridge.goals import Rules, asked, by_importance, model_verdict, would_be
from bridge.judging.hearing import Question, hear, within
from bridge.judging.turns import Turns
from bridge.log import logger
from bridge.messages import Decision, Failure, Inspection, Judgement, ViewDecision
from bridge.store import Journal, Second

WAITING_PARTS = 512
WAITING_BYTES = 64 << 20
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
    keep: Callable[[Second | None], None]
    """Sees to the pictures; called once, with what the judge said, or None where it was not asked."""


class Afterwards:
    """The second records of one line."""

    def __init__(self, line: str, journal: Journal, clock: Clock) -> None:
        self._line, self._journal, self._clock = line, journal, clock
        self._queue: deque[Unheard] = deque()
        self._bytes = 0
        self._work = asyncio.Event()
        self._echo = Echo(clock)
        skipped.labels(line)

    def later(self, unheard: Unheard) -> bool:
        """Queue a shadow part for judging; return False, and count it, where the queue is full."""
        size = _size(unheard)
        if len(self._queue) >= WAITING_PARTS or self._bytes + size > WAITING_BYTES:
            skipped.labels(self._line).inc()
            unheard.keep(None)
            return False
        self._queue.append(unheard)
        self._bytes += size
        self._work.set()
        return True

    async def run(self) -> None:
        """Judge queued parts in the background until cancelled; what is queued then is skipped, and counted."""
        try:
            while True:
                while self._queue:
                    unheard = self._queue.popleft()
                    self._bytes -= _size(unheard)
                    await self.shadow(unheard)
                self._work.clear()
                await self._work.wait()
        finally:
            skipped.labels(self._line).inc(len(self._queue))
            for unheard in self._queue:
                unheard.keep(None)
            self._queue.clear()
            self._bytes = 0

    async def shadow(self, unheard: Unheard) -> None:
        """Judge one part, record what each goal would have said, and keep its pictures if that is a reason to."""
        second: Second | None = None
        try:
            second = await self._heard(unheard)
        finally:
            unheard.keep(second)
        await self._write(second)

    async def _heard(self, unheard: Unheard) -> Second:
        began = self._clock.monotonic()
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        heard = await hear(unheard.question, unheard.turns, until, background=True)
        if heard.pending:
            heard.pending.cancel()
        part, digests = unheard.question.part, unheard.question.album.digests
        return Second(
            id=unheard.id,
            kind="shadow",
            at=self._clock.wall(),
            model=model_verdict(heard.judged.get(index) for index in range(len(part.views))),
            goals=would_be(unheard.rules, part, heard.judged),
            failures=by_importance(heard.failures | unheard.failures),
            views=view_decisions(part, heard.judged, digests),
            bundle=bundle_of(heard.judged),
            judge_ms=(self._clock.monotonic() - began) * 1000,
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


def view_decisions(
    part: Inspection,
    judged: Mapping[int, Judgement],
    digests: Mapping[int, str],
    finals: Sequence[object] = (),
) -> tuple[ViewDecision, ...]:
    """Return one row per view: what the inspector said, what was judged, which picture it was."""
    return tuple(
        ViewDecision(
            name=view.name,
            legacy=view.legacy,
            defect=view.defect,
            image=digests.get(index, ""),
            judgement=judged.get(index),
            final=finals[index] if index < len(finals) else None,  # type: ignore[arg-type]
        )
        for index, view in enumerate(part.views)
    )


def bundle_of(judged: Mapping[int, Judgement]) -> str:
    """Return the bundle that judged, empty where none did."""
    return next((judgement.bundle for judgement in judged.values() if judgement.bundle), "")


def _size(unheard: Unheard) -> int:
    return sum(len(image) for image in unheard.question.album.images.values())
