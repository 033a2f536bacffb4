"""One line at work: its parts' way, the lanes to its reporters, its label roads and its source; opened and closed.

A line is closed from its source on: no part comes any more, those under way end, then everybody else goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeAlias

from bridge.clock import Clock
from bridge.config import Line as LineConfig
from bridge.delivery import Guaranteed, Realtime
from bridge.judges import Judges
from bridge.labelling import take
from bridge.line import Line
from bridge.plugin.api import LabelRoad, Report, Source
from bridge.plugin.discovery import Plugged
from bridge.plugin.host import hosted
from bridge.pulse import STOPPED, Counts, Heart, Peers
from bridge.store import Images, Journal
from bridge.supervise import Slot, keep, persist
from bridge.tasks import Tasks
from bridge.watched import State, Watched
from bridge.watching import Watch

HEAD_START_SECONDS = 10.0
"""A source is not kept waiting longer than this for its judges: a part with a fallback beats one unanswered."""
QUIET_SECONDS = 1.0
"""So long a line that is restarted waits for an instant without a part, so that nobody's answer is cut off."""
REST_SECONDS = 0.25
"""So long a line that is stopped waits for one."""
STILL_SECONDS = 0.02
"""An instant without a part is one if none comes for so long: the last answer has left by then."""
LINGER_SECONDS = 0.25
"""Longer than a PLC's scan; a verdict that was cleared before the PLC has seen it is a part without one."""

Admitted: TypeAlias = Callable[[Sequence[Watched]], Awaitable[None]]
"""Waits until none of these plugins refuses the gateway's start."""

WELL = frozenset({State.UP, State.DEGRADED, State.ENDED})
"""The states of a plugin that was opened."""


class Running:
    """One line, and all that works for it."""

    def __init__(
        self,
        config: LineConfig,
        fingerprint: str,
        judges: Judges,
        journal: Journal,
        images: Images,
        data: Path,
        peers: Peers,
        clock: Clock,
    ) -> None:
        self.config = config
        self.watched: list[Watched] = []
        """How its reporters, its source and its label roads do."""
        self._judges, self._peers, self._clock = judges, peers, clock
        self._data, self._home = data, data / "lines" / config.name
        self._sources, self._others = Tasks(), Tasks()
        self._reporters: list[tuple[Plugged, Slot[Report]]] = [
            (plugged, Slot(self._watch(plugged.options.name, plugged))) for plugged in config.reporters_opened()
        ]
        self._source = self._watch("source", config.source)
        self._roads = [
            (road, self._watch(f"labels {road.options.name}", road, heeded=False)) for road in config.labels
        ]
        self._guaranteed = [
            Guaranteed(slot, journal, told.options.window)
            for told, slot in self._reporters
            if told.options.lane == "guaranteed"
        ]
        self._realtime = [
            Realtime(slot, journal, clock) for told, slot in self._reporters if told.options.lane == "realtime"
        ]
        self.line = Line(
            config, fingerprint, judges.turns, journal, images, self._realtime, self._guaranteed, clock
        )
        self.watch = Watch(config, data, clock, self.line.audit) if config.stage == "live" else None
        """Whether a live line keeps its promise."""
        if self.watch is not None:
            self.watch.lower, self.watch.hold = self.line.lower, self._hold
        self._heart = Heart(config.name, self._counts, journal, peers, data, clock)

    def open(self, admitted: Admitted | None = None) -> None:
        """Open everything; peers that are away are tried again in the background.

        At the gateway's own start ``admitted`` is waited for before the source is opened.
        """
        for watched in self.watched:
            watched.noticed(watched.state)
        self.line.standing.linked = lambda: self._source.state in WELL
        with hosted(self.line.standing):
            for lane in self._guaranteed:
                self._persist(f"{lane.name} outbox", lane.run)
            self._persist("afterwards", self.line.afterwards.run)
            self._persist("pulse", self._heart.run)
            self._persist("bypass", self.line.standing.bypassed.keep_time)
            if self.watch is not None:
                self._persist("watch", self.watch.run)
            for plugged, slot in self._reporters:
                opener = partial(plugged.open, self._home / plugged.options.name)
                self._others.run(
                    f"{self.config.name} {plugged.options.name}", keep(slot.watched, opener, slot.offer)
                )
            for road, watched in self._roads:
                self._others.run(f"{self.config.name} {watched.name}", self._listen(road, watched))
            self._sources.run(f"{self.config.name} source", self._feed(admitted))

    def rewind(self, reporter: str) -> None:
        """Tell a reporter what has come back into its outbox."""
        for lane in self._guaranteed:
            if lane.name == reporter:
                lane.rewind()

    async def quiet(self, seconds: float = QUIET_SECONDS) -> None:
        """Wait for an instant in which no part is under way; a line that never rests is not waited for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                still = False
                while not still:
                    while self.line.under_way:  # noqa: ASYNC110 - parts come and go; there is no event of none
                        await asyncio.sleep(STILL_SECONDS / 10)
                    await asyncio.sleep(STILL_SECONDS)
                    still = not self.line.under_way

    async def take_no_more(self, seconds: float) -> None:
        """Close the source."""
        await self._sources.end(seconds)

    async def linger(self) -> None:
        """Give a PLC that was just told something the time to read it, for a goodbye clears what stands there."""
        last = max((one.accepted_at for one in self._realtime), default=float("-inf"))
        await asyncio.sleep(max(0.0, last + LINGER_SECONDS - self._clock.monotonic()))

    async def close(self, seconds: float) -> None:
        """Say goodbye to everybody else."""
        await self._others.end(seconds)
        for watched in self.watched:
            watched.noticed(STOPPED)

    def _counts(self) -> Counts:
        return Counts(self.line.afterwards.waiting, self.line.afterwards.passed_over, self.line.late)

    def _hold(self, why: str) -> None:
        self.line.standing.held = why

    def promise(self) -> Mapping[str, object]:
        """Return what is known of what the line promised, for status."""
        standing, watch = self.line.standing, self.watch
        return {
            "lowered": standing.lowered,
            "held": standing.held,
            "alarms": list(watch.alarms.values()) if watch else [],
            "bounds": {name: asdict(bound) for name, bound in watch.bounds.items()} if watch else {},
        }

    def _watch(self, name: str, plugged: Plugged, *, heeded: bool = True) -> Watched:
        insists = plugged.options.when_unreachable == "stop"
        live, notice = heeded and self.config.stage == "live", self._peers.note
        watched = Watched(self.config.name, name, self._clock, insists=insists, live=live, notice=notice)
        self.watched.append(watched)
        return watched

    def _persist(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._others.run(f"{self.config.name} {name}", persist(self.config.name, name, work))

    async def _listen(self, road: Plugged, watched: Watched) -> None:
        """Take what a label road tells, for as long as the line is open; its troubles are its own."""
        name = road.options.name
        tell = partial(take, self._data, self.config.name, name, self._clock)

        async def use(listening: LabelRoad) -> None:
            await listening(tell)

        await keep(watched, partial(road.open, self._home / "labels" / name), use)

    async def _feed(self, admitted: Admitted | None) -> None:
        """Open the source once judges and PLCs have had their chance, so that the first parts find them ready.

        At the gateway's start no part is taken before it is known that the start is not refused.
        """
        judges = [self._judges.sitting[name] for name in self.config.judges()]
        with suppress(TimeoutError):
            async with asyncio.timeout(HEAD_START_SECONDS):
                for judge in judges:
                    await judge.tried()
                for told, slot in self._reporters:
                    if told.options.lane == "realtime":
                        await slot.watched.tried()
        if admitted is not None:
            await admitted([*(slot.watched for _, slot in self._reporters), *(one.slot.watched for one in judges)])
        plugged: Plugged = self.config.source

        async def use(source: Source) -> None:
            await source(self.line.inspect)

        await keep(self._source, partial(plugged.open, self._home / "source"), use)
