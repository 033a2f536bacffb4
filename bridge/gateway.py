"""The composition root: from a checked configuration to running lines, each part supervised on its own.

Nothing is shared between lines but the journal, the images, and judges that several lines name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bridge.attendance import came, went
from bridge.clock import Clock, SystemClock
from bridge.config import Config
from bridge.config import Line as LineConfig
from bridge.judges import Judges
from bridge.line import Line
from bridge.log import logger
from bridge.opening import opened_once
from bridge.running import WELL, Running
from bridge.store import Images, Journal, lock, open_journal
from bridge.supervise import State, Watched

SETTLE_SECONDS = 1.5
"""For the parts under way when the gateway stops."""
GOODBYE_SECONDS = 1.0
"""For the sources, and then for everybody else, to close. All in all a stop takes less than five seconds."""


class Gateway:
    """Running lines and their states; made by ``open_gateway``."""

    def __init__(self, config: Config, journal: Journal, images: Images, clock: Clock) -> None:
        self.config = config
        self.journal = journal
        self.images = images
        self.started = clock.wall()
        self.judges = Judges(config.data / "models", clock)
        self._clock = clock
        self._proven = False
        self._running: dict[str, Running] = {}

    @property
    def lines(self) -> Mapping[str, Line]:
        """The lines at work, by name."""
        return {name: running.line for name, running in self._running.items()}

    @property
    def watched(self) -> list[Watched]:
        """How every judge, and every reporter and source of each line, does."""
        return [*self.judges.watched, *(one for running in self._running.values() for one in running.watched)]

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

    async def until_opened(self) -> None:
        """Wait until every plugin was tried once; one that is away is tried again in the background.

        Raises:
            BridgeError: the gateway shall not go on without it; see ``opening.py``.
        """
        await opened_once(self.watched, proven=self._proven)

    async def start(self) -> None:
        """Open everything; peers that are away are tried again in the background."""
        self._proven = await self.journal.answered_under(self.config.fingerprint)
        for name, judge in self.config.judge.items():
            live = any(line.stage == "live" and name in line.judges() for line in self.config.line)
            self.judges.open(name, judge, live=live)
        await self._park_orphans()
        for line in self.config.line:
            self._open(line)

    async def stop(self) -> None:
        """Take no more parts, let those under way end, say goodbye to every peer; within five seconds."""
        everyone = list(self._running.values())
        await asyncio.gather(*(running.take_no_more(GOODBYE_SECONDS) for running in everyone))
        await asyncio.gather(*(running.line.settle(SETTLE_SECONDS) for running in everyone))
        await asyncio.gather(*(running.close(GOODBYE_SECONDS) for running in everyone), self.judges.close())

    async def _park_orphans(self) -> None:
        """Set aside what is owed to reporters that are not there any more."""
        known = {(line.name, told.options.name) for line in self.config.line for told in line.reporter}
        parked = await self.journal.park_orphans(known)
        if parked:
            logger().warning("deliveries to reporters that are gone were parked", count=parked)

    def _open(self, line: LineConfig) -> None:
        data, fingerprint = self.config.data, self.config.fingerprint
        running = Running(line, fingerprint, self.judges, self.journal, self.images, data, self._clock)
        self._running[line.name] = running
        running.open()

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
            "audit": self.journal.audited,
            "images": self.images.figures(),
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
            await came(journal, config)
            try:
                await gateway.start()
                yield gateway
            finally:
                await gateway.stop()
                await went(journal)
                await images.close()
