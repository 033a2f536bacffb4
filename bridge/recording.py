"""Recording the decisions of one line: committed in time, or answered without that and remembered.

A part that was presented before is answered as before: from the journal, or from memory where the disk was too
slow. What was answered is final.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from bridge.afterwards import Afterwards
from bridge.clock import Clock
from bridge.config import Line as LineConfig
from bridge.delivery import Guaranteed
from bridge.explaining import explain
from bridge.fallbacks import Fallbacks
from bridge.goals import Outcome, legacy_of, without_us
from bridge.judging.album import Album
from bridge.judging.hearing import Heard
from bridge.judging.viewed import bundle_of, view_decisions
from bridge.log import logger
from bridge.messages import Decision, Failure, Inspection
from bridge.store import Journal
from bridge.terms import Terms, is_ours_to_tell

KEYS_REMEMBERED = 10_000
"""A repeat among this many last keys is answered without judging it again; an older one at the commit."""

T = TypeVar("T")


class Spawn(Protocol):
    """Starts a task that the line sees to the end of."""

    def __call__(self, work: Coroutine[Any, Any, Any], name: str) -> object:
        """Start it under a name."""


class Recording:
    """Writes the decisions of one line, commits them, and releases them to the MES lanes."""

    def __init__(
        self,
        config: LineConfig,
        fingerprint: str,
        journal: Journal,
        guaranteed: Sequence[Guaranteed],
        fallbacks: Fallbacks,
        clock: Clock,
        spawn: Spawn,
    ) -> None:
        self.afterwards = Afterwards(config, journal, clock)
        self.fingerprint = fingerprint
        """Of the configuration file that is in force."""
        self._config = config
        self._journal, self._guaranteed, self._fallbacks = journal, guaranteed, fallbacks
        self._clock, self._spawn = clock, spawn
        self._keys: dict[str, None] = {}
        self._unrecorded: dict[str, Decision] = {}

    async def presented_before(self, part: Inspection, terms: Terms) -> Decision | None:
        """Return what a part was answered that we remember; no PLC is told again."""
        if not part.key:
            return None
        if (said := self._unrecorded.get(part.key)) is not None:
            # What was answered is final: the redelivery is the next chance to record it, not to think again.
            return await self.commit(part, terms, replace(said, id=self.new_id(), expires=float("-inf")))
        if part.key not in self._keys:
            return None
        try:
            async with asyncio.timeout_at(terms.judge_by):
                return await self._journal.find(self._config.name, part.key)
        except Exception as exc:  # noqa: BLE001 - whatever the store does, the part is answered
            logger(line=self._config.name).warning("cannot look up a repeat", part=part.part, reason=explain(exc))
            return None

    def write(
        self,
        id: str,  # noqa: A002 - the word of the messages
        part: Inspection,
        terms: Terms,
        outcome: Outcome,
        heard: Heard,
        album: Album,
    ) -> Decision:
        """Return the decision on a part as it stands now."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        return self._fallbacks.flagged(
            Decision(
                id=id,
                line=self._config.name,
                goal=terms.rules.goal,
                stage=terms.rules.stage,
                part=part.part,
                key=part.key,
                recipe=part.recipe,
                legacy=legacy_of(part),
                model=outcome.model,
                final=outcome.final,
                origin=outcome.origin,
                failures=outcome.failures,
                degraded=outcome.degraded,
                error=outcome.error,
                views=view_decisions(part, heard.judged, album.digests, outcome.views),
                backlog=terms.backlog,
                bypassed=terms.bypass,
                rechecked=outcome.rechecked,
                expires=terms.expires,
                sequence=part.sequence,
                said=part.legacy,
                defect=part.defect,
                ng_views=part.ng_views,
                lot=part.lot,
                counter=part.counter,
                bundle=bundle_of(heard.judged),
                config=self.fingerprint,
                event_at=wall - (now - terms.event),
                latency_ms=(now - terms.event) * 1000,
                judge_ms=heard.judge_ms,
            )
        )

    def new_id(self) -> str:
        """Return an inspection id for a part that comes now."""
        return f"{int(self._clock.wall() * 1000):012x}{secrets.token_hex(10)}"

    async def commit(self, part: Inspection, terms: Terms, decision: Decision) -> Decision:
        """Commit, and release to the MES lanes; where the disk is too slow, answer with the row for that.

        Returns what is to be answered: a decision of another id is what the part was answered before.
        """
        lanes = self._guaranteed if is_ours_to_tell(decision, self._config) else ()
        for lane in lanes:
            lane.expect(decision.id)
        commit = asyncio.ensure_future(self._journal.commit(decision, [lane.name for lane in lanes]))
        await asyncio.wait({commit}, timeout=max(0.0, terms.commit_by - self._clock.monotonic()))
        if not commit.done():
            answer = self._not_recorded(part, terms, decision)
            self._spawn(self.afterwards.answered(commit, answer, lanes), name=f"late commit {decision.id}")
            return answer
        try:
            stored = commit.result()
        except Exception as exc:  # noqa: BLE001 - whatever the store does, the part is answered
            self.afterwards.not_recorded(part.part, exc)
            for lane in lanes:
                lane.forget(decision.id)
            return self._not_recorded(part, terms, decision)
        if part.key:
            _keep(self._keys, part.key, None)
            self._unrecorded.pop(part.key, None)
        for lane in lanes:
            lane.add(stored) if stored.id == decision.id else lane.forget(decision.id)
        return stored

    def _not_recorded(self, part: Inspection, terms: Terms, decision: Decision) -> Decision:
        outcome = without_us(terms.rules, part, {*decision.failures, Failure.NOT_RECORDED})
        answer = replace(
            decision,
            final=outcome.final,
            origin=outcome.origin,
            failures=outcome.failures,
            degraded=True,
            error=outcome.error or decision.error,
            recorded=False,
        )
        answer = self._fallbacks.flagged(answer)
        if part.key:
            _keep(self._unrecorded, part.key, answer)
        return answer


def _keep(memory: dict[str, T], key: str, what: T) -> None:
    """Remember something by its key; the oldest goes where that is too many."""
    memory[key] = what
    if len(memory) > KEYS_REMEMBERED:
        del memory[next(iter(memory))]
