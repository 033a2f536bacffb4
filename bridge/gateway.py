"""The composition root: from a checked configuration to running lines, each part supervised on its own.

Nothing is shared between lines but the journal, the images, and judges that several lines name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from bridge import approvals, in_force, starting
from bridge.attendance import came, went
from bridge.changing import Trial, Wanted, write_down
from bridge.clock import Clock, SystemClock
from bridge.config import Config
from bridge.config import Line as LineConfig
from bridge.config.changes import Change, Facts
from bridge.config.decision import Approval
from bridge.errors import BridgeError, Unavailable
from bridge.explaining import explain
from bridge.in_force import InForce
from bridge.judges import Judges
from bridge.judging import shelf
from bridge.line import Line
from bridge.log import logger
from bridge.objections import naming
from bridge.opening import admitted, opened_once
from bridge.pulse import Peers
from bridge.running import REST_SECONDS, WELL, Running
from bridge.store import Images, Journal, Labelled, Retention, lock, open_journal
from bridge.watched import State, Watched

SETTLE_SECONDS = 1.0
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
        self._peers = Peers(journal, clock)
        self.judges = Judges(config.data / "models", clock, self._peers.note)
        self._clock = clock
        self._proven = False
        self._running: dict[str, Running] = {}
        self._facts: Facts = {}
        """What is in force."""
        self._lowered: dict[str, str] = {}
        """Why lines fell back to shadow by themselves, until somebody takes them live again."""
        self._changing = asyncio.Lock()

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
            ConfigError: the gateway shall not go on without it; see ``opening.py``.
        """
        await opened_once(self.watched, proven=self._proven)

    async def start(self, override: str = "", who: str = "") -> None:
        """Open everything; peers that are away are tried again in the background.

        Raises:
            ConfigError: a live line differs from what was last in force, and nobody says why.
        """
        models = await asyncio.to_thread(starting.models, self.config)
        await came(self.journal, self.config, models)
        permits = await approvals.read_at_start(self.journal)
        self._facts = await starting.held(self.config, models, self.journal, permits, override, who)
        self._lowered = {name: permit.lowered for name, permit in (permits or {}).items() if permit.lowered}
        for entry in approvals.moved(permits, self._facts) if permits is not None else ():
            self.journal.note(entry)
        models = {**in_force.approved_bundles(self._facts), **{name: one for name, one in models.items() if one}}
        self._proven = await self.journal.answered_under(self.config.fingerprint)
        for name, judge in self.config.judge.items():
            live = any(line.stage == "live" and name in line.judges() for line in self.config.line)
            self.judges.open(name, judge, models.get(name, ""), live=live)
        await self._park_orphans()
        for line in self.config.line:
            self._open(line, starting=True)

    async def stop(self) -> None:
        """Take no more parts, let those under way end, say goodbye to every peer; within five seconds."""
        everyone = list(self._running.values())
        await asyncio.gather(*(running.quiet(REST_SECONDS) for running in everyone))
        await asyncio.gather(*(running.take_no_more(GOODBYE_SECONDS) for running in everyone))
        for running in everyone:
            running.line.standing.bypassed.close("the gateway stopped")
        await asyncio.gather(*(running.line.settle(SETTLE_SECONDS) for running in everyone))
        await asyncio.gather(*(running.linger() for running in everyone))
        await asyncio.gather(*(running.close(GOODBYE_SECONDS) for running in everyone), self.judges.close())

    async def reload(
        self,
        config: Config,
        override: str = "",
        who: str = "",
        *,
        because: str = "",
        approval: Approval | None = None,
    ) -> list[Change]:
        """Run another configuration from now on: all of it, or nothing.

        Lines that it does not change notice nothing, not even on their connections. A judge that it changes is
        opened and warmed beside the old one, and swapped between two parts. Reloads wait for each other.

        Args:
            config: what shall run.
            override: why a live line may change.
            who: the user who says so.
            because: why, for the audit log; no live line may change for it.
            approval: one that is given with this.

        Returns:
            What changed.

        Raises:
            ConfigError: something stands against it, one line for each reason; everything is as it was.
            Unavailable: the disk refuses, and everything is as it was.
        """
        async with self._changing:
            return await self._change(Wanted(config, override, who, because=because, approval=approval))

    async def promote(
        self, name: str, folder: Path, override: str = "", who: str = "", *, back: bool = False
    ) -> list[Change]:
        """Point ``live`` at a bundle that stood every test, and let it judge wherever its model is named.

        Args:
            name: the model's name, as in ``judge.NAME.model``.
            folder: the bundle.
            override: why a live line may have it.
            who: the user who says so.
            back: whether this is a step back, to a version that was live before.

        Returns:
            What changed.

        Raises:
            ConfigError: it does not load, is too slow, or a live line needs a reason; the old one goes on.
            Unavailable: the disk refuses.
        """
        async with self._changing:
            wanted = Wanted(self.config, override, who, dict.fromkeys(naming(self.config, name), folder))
            return await self._change(wanted, partial(asyncio.to_thread, shelf.put_live, folder, back=back))

    async def _change(self, wanted: Wanted, then: Callable[[], Awaitable[None]] | None = None) -> list[Change]:
        self._lowered |= {name: one.standing.lowered for name, one in self.lines.items() if one.standing.lowered}
        permits = approvals.lowered(await approvals.read(self.journal), self._lowered)
        async with Trial(self.config, self._facts, self.judges, permits) as trial:
            approved = await trial.approve(wanted)
            await write_down(approved, self.journal, self.config.data, then)
            trial.keep()
        for candidate in approved.judges:
            await self.judges.take_over(candidate)
        self._facts = approved.facts
        for entry in approvals.moved(permits, self._facts):
            self.journal.note(entry)
        raised = {one.line for one in approved.granted}
        shadowed = {line.name for line in wanted.config.line if line.stage == "shadow"}
        self._lowered = {name: why for name, why in self._lowered.items() if name not in raised | shadowed}
        await self._adopt(wanted.config)
        for name, line in self.lines.items():
            line.lower(self._lowered.get(name, ""))
        try:
            await asyncio.to_thread(in_force.write, self.config.data, InForce(approved.facts))
        except Unavailable as exc:  # it stays pending, which the next start takes as well
            logger().error("what is in force is not recorded", reason=str(exc))
        return [one.change for one in approved.reasoned]

    async def _adopt(self, config: Config) -> None:
        """Restart the lines that differ, open what is new and close what is gone."""
        self.config = config
        lines = {line.name: line for line in config.line}
        restarts = [
            self._replace(running, lines.get(name))
            for name, running in self._running.items()
            if running.config != lines.get(name)
        ]
        await asyncio.gather(*restarts)
        for name, line in lines.items():
            if name not in self._running:
                self._open(line)
        self._running = {name: self._running[name] for name in lines}
        for running in self._running.values():
            running.line.adopt(config.fingerprint)
        self.images.adopt(Retention(**config.images.model_dump()))
        for name in set(self.judges.sitting) - set(config.judge):
            await self.judges.dismiss(name)
        await self._park_orphans()

    async def _replace(self, running: Running, line: LineConfig | None) -> None:
        """Close a line from its source on, and open what stands in its place now."""
        await running.quiet()
        await running.take_no_more(GOODBYE_SECONDS)
        running.line.standing.bypassed.close("the line was restarted")
        await running.line.settle(running.config.deadline_ms / 1000 + SETTLE_SECONDS)
        await running.linger()
        await running.close(GOODBYE_SECONDS)
        for watched in running.watched:
            watched.forget()
        del self._running[running.config.name]
        if line is not None:
            self._open(line)

    def rewind(self, line: str, reporter: str) -> None:
        """Tell a reporter what has come back into its outbox."""
        if (running := self._running.get(line)) is not None:
            running.rewind(reporter)

    async def _park_orphans(self) -> None:
        """Set aside what is owed to reporters that are not there any more."""
        parked = await self.journal.park_orphans(self.config.lanes())
        if parked:
            logger().warning("deliveries to reporters that are gone were parked", count=parked)

    def _open(self, line: LineConfig, *, starting: bool = False) -> None:
        data, fingerprint = self.config.data, self.config.fingerprint
        running = Running(
            line, fingerprint, self.judges, self.journal, self.images, data, self._peers, self._clock
        )
        running.line.lower(self._lowered.get(line.name, ""))
        self._running[line.name] = running
        running.open(partial(admitted, proven=self._proven) if starting else None)

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
            "models": self.judges.identities,
            "lines": [
                {
                    "name": line.name,
                    "goal": line.goal,
                    "stage": line.stage,
                    "topology": line.topology,
                    "judges": sorted(line.judges()),
                    "error": self.lines[line.name].standing.error,
                    **self._running[line.name].promise(),
                    "bypass_seconds": self.lines[line.name].standing.bypassed.left_seconds(),
                    **self.lines[line.name].figures(),
                }
                for line in self.config.line
            ],
            "plugins": [watched.described() for watched in self.watched],
        }


@asynccontextmanager
async def open_gateway(
    config: Config, clock: Clock | None = None, *, override: str = "", who: str = ""
) -> AsyncIterator[Gateway]:
    """Run the gateway of one data directory while the context lasts.

    Args:
        config: what to run.
        clock: for tests.
        override: why a live line may differ from what was last in force.
        who: the user who says so.

    Raises:
        ConfigError: another gateway holds the directory, its journal cannot be used, or a live line differs from
            what was last in force and nobody says why.
    """
    clock = clock or SystemClock()
    with lock(config.data):
        async with open_journal(config.data, clock) as journal:
            images = Images(
                config.data / "images", Retention(**config.images.model_dump()), protected=Labelled(config.data)
            )
            gateway = Gateway(config, journal, images, clock)
            images.open()
            why = ""
            try:
                await gateway.start(override, who)
                yield gateway
            except BridgeError as exc:
                why = explain(exc)
                raise
            finally:
                await gateway.stop()
                await went(journal, why)
                await images.close()
