"""One line: source → route → judge → decide → record → report. Open this file first.

``inspect`` answers by the part's deadline, always, with a safe verdict; what comes later becomes a second
record. One line owns nothing of another: its source, reporters and parts are its own, and a judge that lines
share hears them by turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from prometheus_client import Counter, Histogram

from bridge import health
from bridge.afterwards import Unheard
from bridge.clock import Clock
from bridge.config import Line as LineConfig
from bridge.delivery import Guaranteed, Realtime
from bridge.fallbacks import Fallbacks
from bridge.goals import asked, decide, without_us
from bridge.judging.album import Album
from bridge.judging.hearing import Heard, Question, hear
from bridge.judging.turns import Turns
from bridge.log import logger
from bridge.messages import Decision, Failure, Inspection, Stage
from bridge.plugin.api import Fetch
from bridge.recording import Recording
from bridge.standing import Standing
from bridge.store import Entry, Images, Journal, Second
from bridge.terms import Terms, is_ours_to_tell, terms_of, treatment_of

CANCEL_SECONDS = 0.5
"""What does not end by then after it was cancelled is left behind."""

BACKLOG_AT_ONCE = 4
"""How many parts that nobody waits for may be with the judge at once, apart from the live ones' room."""

_MILLISECONDS = (1, 2, 3, 5, 8, 12, 20, 50, 100, 200, 500, 900, 2000, 5000)
parts = Counter("aoi_bridge_parts", "Parts answered", ["line", "verdict", "origin"], registry=health.registry)
failed = Counter("aoi_bridge_failures", "Parts with a failure", ["line", "failure"], registry=health.registry)
slowed = Counter("aoi_bridge_source_slowed", "Parts that waited for room", ["line"], registry=health.registry)
latency = Histogram(
    "aoi_bridge_answer_ms",
    "From a part's event to its answer",
    ["line"],
    buckets=_MILLISECONDS,
    registry=health.registry,
)


class Line:
    """The way of a part through one line."""

    def __init__(
        self,
        config: LineConfig,
        fingerprint: str,
        judges: Mapping[str, Turns],
        journal: Journal,
        images: Images,
        realtime: Sequence[Realtime],
        guaranteed: Sequence[Guaranteed],
        clock: Clock,
    ) -> None:
        self.config = config
        self._images, self._realtime, self._clock, self._journal = images, realtime, clock, journal
        self._configured = {name: treatment_of(config, name, judges) for name in ["", *config.recipe]}
        self._treatments = self._configured
        self._fallbacks = Fallbacks(config.fallbacks_in_a_row)
        self.standing = Standing(config, judges, self._fallbacks, clock, self.audit)
        self._recording = Recording(config, fingerprint, journal, guaranteed, self._fallbacks, clock, self._spawn)
        self.afterwards = self._recording.afterwards
        self._room = asyncio.Semaphore(config.in_flight)
        self._backlog_room = asyncio.Semaphore(BACKLOG_AT_ONCE)
        self._album = Album()
        self._under_way: dict[str, asyncio.Task[Decision]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answered = self._degraded = 0
        self.late = 0
        """Parts with a missed deadline since the line was opened."""

    async def inspect(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        """Answer one part by its deadline, always; cancelling the wait leaves the part on its way."""
        task = self._under_way.get(part.key) if part.key else None
        if task is None:
            task = self._spawn(self._answer(part, fetch), name=f"part {part.part}")
            if part.key:
                self._under_way[part.key] = task
                task.add_done_callback(partial(self._landed, part.key))
        return await asyncio.shield(task)

    def _landed(self, key: str, _: asyncio.Task[Decision]) -> None:
        del self._under_way[key]

    async def _answer(self, part: Inspection, fetch: Fetch | None) -> Decision:
        treatment = self._treatments.get(part.recipe, self._treatments[""])
        now, bypass = self._clock.monotonic(), self.standing.bypassed.in_force
        terms = terms_of(part, treatment, self.config, now, bypass=bypass)
        if (repeat := await self._recording.presented_before(part, terms)) is not None:
            return repeat
        album, id_ = Album(self._album), self._recording.new_id()
        self._album = album
        question = self._question(part, terms, fetch, album)
        heard = Heard()
        try:
            heard = await self._hear(question, terms)
            failures = terms.treatment.failures | heard.failures
            outcome = decide(terms.rules, part, heard.judged, failures, bypass=terms.bypass, id=id_)
        except Exception:  # noqa: BLE001 - the line never waits for us: even our own bug is answered safely
            logger(line=self.config.name).exception("part failed", part=part.part)
            outcome, heard = without_us(terms.rules, part, {Failure.JUDGE_DOWN}), replace(heard, judged={})
        made = self._recording.write(id_, part, terms, outcome, heard, album)
        decision = await self._recording.commit(part, terms, made)
        if decision.id == made.id:  # else it was presented before, and everything after the answer was done then
            self._tell(decision)
            self._fallbacks.count(decision)
            self._meter(decision, terms)
            self._follow_up(decision, terms, heard, question)
            if outcome.held_back is not None and decision.recorded:  # else it stayed NG, drawn or not
                guard = self.afterwards.guarded(decision, terms.rules.guard_share, drawn=outcome.held_back)
                self._spawn(guard, name=f"guard {id_}")
        return decision

    def _question(self, part: Inspection, terms: Terms, fetch: Fetch | None, album: Album) -> Question:
        every = range(len(part.views))
        wanted = every if terms.rules.stage is Stage.SHADOW else asked(terms.rules.goal, part)
        return Question(
            line=self.config.name,
            part=part,
            wanted=() if terms.treatment.failures else wanted,
            album=album,
            fetch=fetch,
            rois=terms.treatment.rois,
            threshold=terms.treatment.threshold,
        )

    async def _hear(self, question: Question, terms: Terms) -> Heard:
        """Wait for room and for the judge, within the time that the deadline leaves them."""
        hear_it = terms.recheck and bool(question.wanted)
        too_late = Heard(failures=frozenset({Failure.DEADLINE}) if hear_it else frozenset())
        try:
            async with asyncio.timeout_at(terms.judge_by):
                await question.album.paste(question.part.views)
        except TimeoutError:
            return too_late
        if not hear_it:
            return Heard()
        room = self._backlog_room if terms.backlog else self._room
        if room.locked():
            slowed.labels(self.config.name).inc()
        try:
            async with asyncio.timeout_at(terms.judge_by):
                await room.acquire()
        except TimeoutError:
            return too_late
        try:
            return await hear(question, terms.treatment.turns, terms.judge_by, background=terms.backlog)
        finally:
            room.release()

    def _tell(self, decision: Decision) -> None:
        """Tell the PLCs, now or never; of backlog, never."""
        if not decision.backlog and is_ours_to_tell(decision, self.config):
            for reporter in self._realtime:
                self._spawn(reporter.tell(decision), name=f"tell {decision.id}")

    def _follow_up(self, decision: Decision, terms: Terms, heard: Heard, question: Question) -> None:
        """See to what comes after the answer: evidence, a slow judge, the shadow's own judging."""
        keep = partial(self._keep, decision, question.album)
        if heard.pending:
            late = self.afterwards.late(decision, question.part, heard.pending, terms.rules)
            self._spawn(late, name=f"late {decision.id}")
        if terms.rules.stage is Stage.SHADOW:
            self.afterwards.later(
                Unheard(
                    id=decision.id,
                    rules=terms.rules,
                    question=question,
                    turns=terms.treatment.turns,
                    failures=terms.treatment.failures | frozenset(decision.failures),
                    answered=terms.event + decision.latency_ms / 1000,
                    judge_by=None if terms.backlog else terms.judge_by,
                    keep=keep,
                )
            )
        else:
            keep(None)

    def _keep(self, decision: Decision, album: Album, second: Second | None) -> None:
        """Keep a part's pictures, if it is one whose pictures are kept; a shadow part's once it was judged."""
        pictures = {album.digests[index]: image for index, image in album.images.items()}
        self._images.keep_of(decision, second, pictures)

    def _meter(self, decision: Decision, terms: Terms) -> None:
        self._answered += 1
        self._degraded += decision.degraded
        self.late += Failure.DEADLINE in decision.failures
        parts.labels(self.config.name, decision.final or "none", decision.origin).inc()
        latency.labels(self.config.name).observe((self._clock.monotonic() - terms.event) * 1000)
        for failure in decision.failures:
            failed.labels(self.config.name, failure).inc()

    def audit(self, what: str, *, old: str = "", new: str = "", why: str = "", who: str = "") -> None:
        """Put something into the audit log under the line's name."""
        entry = Entry(what=what, who=who, line=self.config.name, old=old, new=new, why=why)
        logger(line=self.config.name).warning("audited", what=what, old=old, new=new, why=why, who=who)
        self._journal.note(entry)

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger(line=self.config.name).error("task failed", task=task.get_name(), exc_info=error)

    def lower(self, why: str) -> None:
        """Be in shadow from the next part on, whatever the configuration says; without a reason, no more.

        The wires stay: PLC and MES are told on the same parts as before, with the inspector's verdict.
        """
        self.standing.lowered = why
        shadowed = {
            name: replace(one, rules=replace(one.rules, stage=Stage.SHADOW))
            for name, one in self._configured.items()
        }
        self._treatments = shadowed if why else self._configured

    def adopt(self, fingerprint: str) -> None:
        """Record decisions under another version of the file, which says the same of this line."""
        self._recording.fingerprint = fingerprint

    @property
    def under_way(self) -> int:
        """How many parts, and what follows them, are not at their end."""
        return len(self._tasks)

    def figures(self) -> dict[str, float]:
        """Return the line's counts since the start, for status."""
        name = self.config.name
        return {
            "parts": self._answered,
            "degraded": self._degraded,
            "under_way": len(self._tasks),
            "slowed": health.registry.get_sample_value("aoi_bridge_source_slowed_total", {"line": name}) or 0.0,
        }

    async def settle(self, seconds: float) -> None:
        """Let what is under way come to its end, and what that begins; after so long cancel the rest."""
        until = asyncio.get_running_loop().time() + seconds
        while self._tasks and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=left)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS)
