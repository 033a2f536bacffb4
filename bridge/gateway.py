"""The composition root: from a checked configuration to running lines, each part supervised on its own.

Nothing is shared between lines but the journal, the images, and judges that several lines name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from bridge.clock import Clock, SystemClock
from bridge.config import Config
from bridge.config import Line as LineConfig
from bridge.delivery import Guaranteed, Realtime
from bridge.judging.turns import Turns
from bridge.line import Line
from bridge.log import logger
from bridge.plugin.api import Judge, Report, Source
from bridge.plugin.discovery import Plugged
from bridge.plugin.host import hosted
from bridge.store import Images, Journal, lock, open_journal
from bridge.supervise import Slot, State, Watched, keep, persist

HEAD_START_SECONDS = 10.0
"""A source is not kept waiting longer than this for its judges: a part with a fallback beats one unanswered."""
SETTLE_SECONDS = 1.5
"""For the parts under way when the gateway stops."""
GOODBYE_SECONDS = 1.0
"""For the sources, and then for everybody else, to close. All in all a stop takes less than five seconds."""

WELL = frozenset({State.UP, State.DEGRADED, State.ENDED})
"""The states of a plugin that was opened."""


class Gateway:
    """Running lines and their states; made by ``open_gateway``."""

    def __init__(self, config: Config, journal: Journal, images: Images, clock: Clock) -> None:
        self.config = config
        self.journal = journal
        self.images = images
        self.started = clock.wall()
        self.lines: dict[str, Line] = {}
        self.watched: list[Watched] = []
        self._clock = clock
        self._judges: dict[str, Turns] = {}
        self._slots: dict[str, Slot[Judge]] = {}
        self._sources: list[asyncio.Task[None]] = []
        self._others: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Return whether every judge and every source is open, and no line is in error."""
        needed = [w for w in self.watched if w.name == "source" or not w.line]
        well = all(w.state in WELL for w in needed)
        return well and not any(line.standing.error for line in self.lines.values())

    async def until_ready(self) -> None:
        """Wait until the gateway is ready."""
        while not self.ready:
            changes = [asyncio.create_task(watched.changed.wait()) for watched in self.watched]
            try:
                await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for change in changes:
                    change.cancel()

    async def start(self) -> None:
        """Open everything; peers that are away are tried again in the background."""
        for name, judge in self.config.judge.items():
            self._judges[name] = Turns(self._judge(name, judge))
        known = {(line.name, told.options.name) for line in self.config.line for told in line.reporter}
        parked = await self.journal.park_orphans(known)
        if parked:
            logger().warning("deliveries to reporters that are gone were parked", count=parked)
        for line in self.config.line:
            self._line(line)

    async def stop(self) -> None:
        """Take no more parts, let those under way end, say goodbye to every peer; within five seconds."""
        await _cancelled(self._sources)
        await asyncio.gather(*(line.settle(SETTLE_SECONDS) for line in self.lines.values()))
        await _cancelled(self._others)

    def _judge(self, name: str, plugged: Plugged) -> Slot[Judge]:
        slot: Slot[Judge] = Slot(self._watch("", f"judge {name}"))
        opener = partial(plugged.open, self.config.data / "models")
        self._run(self._others, f"judge {name}", keep(slot.watched, opener, slot.offer))
        self._slots[name] = slot
        return slot

    def _line(self, config: LineConfig) -> None:
        slots: list[tuple[Plugged, Slot[Report]]] = [
            (plugged, Slot(self._watch(config.name, plugged.options.name)))
            for plugged in config.reporters_opened()
        ]
        guaranteed = [
            Guaranteed(slot, self.journal, plugged.options.window)
            for plugged, slot in slots
            if plugged.options.lane == "guaranteed"
        ]
        line = Line(
            config,
            self.config.fingerprint,
            self._judges,
            self.journal,
            self.images,
            [Realtime(slot, self.journal, self._clock) for told, slot in slots if told.options.lane == "realtime"],
            guaranteed,
            self._clock,
        )
        self.lines[config.name] = line
        with hosted(line.standing):
            for lane in guaranteed:
                self._persist(config.name, f"{lane.name} outbox", lane.run)
            self._persist(config.name, "afterwards", line.afterwards.run)
            for plugged, slot in slots:
                self._keep(config.name, plugged, slot)
            watched = self._watch(config.name, "source")
            line.standing.linked = lambda: watched.state in WELL
            self._run(self._sources, f"{config.name} source", self._feed(line, watched))

    def _keep(self, line: str, plugged: Plugged, slot: Slot[Report]) -> None:
        name = plugged.options.name
        opener = partial(plugged.open, self._home(line, name))
        self._run(self._others, f"{line} {name}", keep(slot.watched, opener, slot.offer))

    async def _feed(self, line: Line, watched: Watched) -> None:
        """Open the source once its judges have had their chance, so that the first parts find them ready."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEAD_START_SECONDS):
                for name in line.config.judges():
                    await _tried(self._slots[name].watched)
        plugged: Plugged = line.config.source

        async def use(source: Source) -> None:
            await source(line.inspect)

        await keep(watched, partial(plugged.open, self._home(line.config.name, "source")), use)

    def _home(self, line: str, plugin: str) -> Path:
        return self.config.data / "lines" / line / plugin

    def _watch(self, line: str, name: str) -> Watched:
        watched = Watched(line, name, self._clock)
        self.watched.append(watched)
        return watched

    def _persist(self, line: str, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._run(self._others, f"{line} {name}", persist(line, name, work))

    def _run(self, tasks: list[asyncio.Task[None]], name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_loudly)
        tasks.append(task)

    def readiness(self) -> Mapping[str, object]:
        """Return whether the gateway is ready, and every plugin and line that is not well; for monitors."""
        ill = [watched for watched in self.watched if watched.state not in {State.UP, State.ENDED}]
        return {
            "ready": self.ready,
            "plugins": [watched.described() for watched in ill],
            "lines_in_error": [name for name, line in self.lines.items() if line.standing.error],
        }

    def describe(self) -> Mapping[str, object]:
        """Return how everything does, for ``aoi-bridge status``."""
        return {
            "started": self.started,
            "config": self.config.fingerprint,
            "ready": self.ready,
            "lines": [
                {
                    "name": line.name,
                    "goal": line.goal,
                    "stage": line.stage,
                    "topology": line.topology,
                    "error": self.lines[line.name].standing.error,
                    "bypass_seconds": self.lines[line.name].standing.bypassed.left_seconds(),
                    **self.lines[line.name].figures(),
                }
                for line in self.config.line
            ],
            "plugins": [watched.described() for watched in self.watched],
        }


@asynccontextmanager
async def open_gateway(config: Config, clock: Clock | None = None) -> AsyncIterator[Gateway]:
    """Run the gateway of one data directory while the context lasts.

    Raises:
        ConfigError: another gateway holds the directory, or its journal cannot be used.
    """
    clock = clock or SystemClock()
    with lock(config.data):
        async with open_journal(config.data, clock) as journal:
            images = Images(config.data / "images")
            gateway = Gateway(config, journal, images, clock)
            try:
                await gateway.start()
                yield gateway
            finally:
                await gateway.stop()
                await images.close()


async def _tried(watched: Watched) -> None:
    """Wait until a plugin was opened, or has failed to open once."""
    while watched.state is State.STARTING:
        await watched.changed.wait()


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=GOODBYE_SECONDS)
        for task in late:
            logger().error("would not stop", task=task.get_name())


def _loudly(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger().error("task failed", task=task.get_name(), exc_info=error)
