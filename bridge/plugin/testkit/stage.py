"""A trial's stage: the plugin, its peer and perhaps a network between them, on free ports in an empty folder."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from bridge.errors import Unavailable
from bridge.explaining import explain
from bridge.labels import Label
from bridge.messages import Inspection, Verdict
from bridge.plugin.discovery import Plugged
from bridge.plugin.peers import Play, Say
from bridge.plugin.testkit.line import Line, Listener
from bridge.plugin.testkit.relay import Relay, free_ports, relaying
from bridge.plugin.testkit.rules import Bench, Broken, Unfit
from bridge.plugin.testkit.subject import Subject
from bridge.plugin.trial import Place, Trial

T = TypeVar("T")

AGAIN_SECONDS = 0.02
"""Pause before what was unavailable is tried again."""
SAID_AT = 1_700_000_000.0
"""When the first label of a trial was said, in Unix time."""


@dataclass
class Stage:
    """Where the two sides meet."""

    bench: Bench
    home: Path
    """The plugin's own folder."""
    near: Place
    """What the plugin is told."""
    far: Place
    """What its peer is told."""
    relay: Relay | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    """What the plugin is told beside the trial's own options."""
    line: Line = field(default_factory=Line)
    listener: Listener = field(default_factory=Listener)
    """Who takes what a label road tells."""
    opened: int = 0
    """How often the plugin was opened."""
    unavailable: list[str] = field(default_factory=list)
    """What it said each time that it went away."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def subject(self) -> Subject:
        """Who is on trial."""
        return self.bench.subject

    @property
    def trial(self) -> Trial:
        """How it is set up."""
        assert self.subject.trial is not None  # noqa: S101 - rules that open anything need one
        return self.subject.trial

    @property
    def wire(self) -> Relay:
        """The network in between."""
        assert self.relay is not None  # noqa: S101 - asked for where the stage was set with one
        return self.relay

    @property
    def host(self) -> Line | Listener:
        """What the plugin is given that feeds a line."""
        return self.listener if self.subject.plugin.kind == "labels" else self.line

    @property
    def plugged(self) -> Plugged:
        """The plugin with the options of this stage."""
        return self.subject.plugged(self.near, self.options)

    def open(self) -> AbstractAsyncContextManager[Any]:
        """Open the plugin once."""
        return self.plugged.open(self.home)

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Any]:
        """Hold the other side."""
        assert self.subject.peer is not None  # noqa: S101 - rules that need one are not tried without
        options = self.subject.plugged(self.far).options.model_copy(update={"home": self.home.parent / "peer"})
        async with self.subject.peer(options) as peer:
            yield peer

    async def keep(self, use: Callable[[Any], Awaitable[object]]) -> None:
        """Keep the plugin open and used as the host does: after Unavailable it is closed, and opened again."""
        while True:
            try:
                async with self.open() as verb:
                    self.opened += 1
                    self._changed.set()
                    await use(verb)
                    return
            except Exception as exc:
                if not is_unavailable(exc):
                    raise
                self.unavailable.append(explain(exc))
                self._changed.set()
            await asyncio.sleep(AGAIN_SECONDS)

    async def until(self, condition: Callable[[], bool], what: str, seconds: float | None = None) -> None:
        """Wait for something of this stage or its line.

        Raises:
            Broken: it did not come in time; ``what`` completes "in 10 s there was no".
        """
        limit = self.trial.seconds if seconds is None else seconds
        try:
            async with asyncio.timeout(limit):
                while not condition():  # noqa: ASYNC110 - line, network and plugin have no event in common
                    await asyncio.sleep(0.002)
        except TimeoutError as exc:
            raise Broken(f"in {limit:g} s there was no {what}{self.said()}") from exc

    async def in_time(self, work: Awaitable[T], what: str, seconds: float | None = None) -> T:
        """Await something for no longer than the trial allows.

        Raises:
            Broken: it took longer; ``what`` begins the sentence.
        """
        limit = self.trial.seconds if seconds is None else seconds
        timing = asyncio.timeout(limit)
        try:
            async with timing:
                return await work
        except TimeoutError as exc:
            if not timing.expired():
                raise
            raise Broken(f"{what} took longer than {limit:g} s{self.said()}") from exc

    def said(self) -> str:
        """Return what the plugin said last of its peer, to be put behind a reason."""
        return f" ({self.unavailable[-1]})" if self.unavailable else ""

    async def play(self, play: Play, part: Inspection, seconds: float | None = None) -> Verdict | None:
        """Hand a part over, again while the bridge is away, as an inspector does.

        Raises:
            Broken: it could not be handed over in time.
        """
        limit = self.trial.seconds if seconds is None else seconds
        last = ""
        try:
            async with asyncio.timeout(limit):
                while True:
                    try:
                        return await play(part)
                    except Unavailable as exc:
                        last = f" ({exc})"
                    await asyncio.sleep(AGAIN_SECONDS)
        except TimeoutError as exc:
            raise Broken(f"part {part.part} could not be handed over in {limit:g} s{last}{self.said()}") from exc

    async def say(self, say: Say, label: Label) -> None:
        """Say a label, again while the bridge is away, as a station does.

        Raises:
            Broken: it could not be said in time.
        """
        last = ""
        try:
            async with asyncio.timeout(self.trial.seconds):
                while True:
                    try:
                        await say(label)
                    except Unavailable as exc:
                        last = f" ({exc})"
                    else:
                        return
                    await asyncio.sleep(AGAIN_SECONDS)
        except TimeoutError as exc:
            raise Broken(f"a label could not be told in {self.trial.seconds:g} s{last}{self.said()}") from exc

    def label(self, number: int = 0, verdict: Verdict = Verdict.NG) -> Label:
        """Return a label on the trial's part, or on one like it with other digits."""
        return Label(verdict=verdict, who="Kim", at=SAID_AT + number, part=self.part(number).part, defect="E12")

    def part(self, number: int = 0, **changes: Any) -> Inspection:
        """Return the trial's part, or one like it with other digits at the end of its serial number."""
        return numbered(self.trial.part, number, **changes)


def numbered(part: Inspection, number: int, **changes: Any) -> Inspection:
    """Return a part like this one: as long a serial number, other digits at its end."""
    name = part.part.rstrip("0123456789")
    digits = len(part.part) - len(name)
    start = int(part.part[len(name) :] or 0)
    return replace(part, part=f"{name}{(start + number) % 10**digits:0{digits}d}" if digits else name, **changes)


@asynccontextmanager
async def stage(
    bench: Bench, *, relayed: bool = False, alone: bool = False, options: Mapping[str, object] | None = None
) -> AsyncIterator[Stage]:
    """Set a stage: free ports, an empty folder, what both sides need, and a network in between where asked for.

    ``alone``: nothing that the plugin dials is there, also not what both sides need. ``options`` are told to the
    plugin beside the trial's own.
    """
    trial = bench.subject.trial
    assert trial is not None  # noqa: S101 - rules that open anything need one
    own = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=bench.folder))
    folder, home = own / "shared", own / "home"
    for path in (folder, home, own / "peer"):
        await asyncio.to_thread(path.mkdir)
    plugin, peer = free_ports(2)
    dials = trial.road == "dials"
    if not relayed:
        plugin = peer
    near, far = Place(folder, plugin), Place(folder, peer)
    async with AsyncExitStack() as stack:
        if trial.around is not None and not alone:
            await stack.enter_async_context(trial.around(far))
        relay = None
        if relayed:
            ports = (near.port, far.port) if dials else (far.port, near.port)
            relay = await stack.enter_async_context(relaying(*ports, plugin_dials=dials))
        yield Stage(bench, home, near, far, relay, options or {})


@asynccontextmanager
async def at_work(bench: Bench, *, relayed: bool = False) -> AsyncIterator[tuple[Stage, Play]]:
    """Keep a source at work on a line, with its inspector beside it; what ends it comes out as one error."""
    async with stage(bench, relayed=relayed) as where, together() as tasks, AsyncExitStack() as stack:
        late = where.trial.road == "listens"  # its inspector dials: then the source comes first
        first = None if late else await stack.enter_async_context(where.peer())
        working = tasks.create_task(where.keep(lambda source: source(where.line)), name="trial-source")
        await where.until(lambda: where.opened > 0, "opening of the source")
        play: Play = await stack.enter_async_context(where.peer()) if first is None else first
        yield where, play
        where.line.release()
        await stop(working, where.trial.close_seconds)


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Hold tasks; of several errors, the first comes out."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        exc: BaseException = group
        while isinstance(exc, BaseExceptionGroup):
            exc = exc.exceptions[0]
        raise exc from None


async def stop(task: asyncio.Task[Any], seconds: float) -> None:
    """Cancel a task and wait for its end.

    Raises:
        Broken: it did not end in time, or made another error of the cancellation.
    """
    if task.done():
        return
    task.cancel()
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        raise Broken(f"was not closed {seconds:g} s after it was cancelled")
    if not task.cancelled() and (error := task.exception()) is not None:
        raise Broken(f"did not let its cancellation pass, but raised {explain(error)}")


def is_unavailable(exc: BaseException) -> bool:
    """Return whether an error is Unavailable and nothing else, alone or in a group, as the host sees it."""
    if isinstance(exc, BaseExceptionGroup):
        return all(is_unavailable(inner) for inner in exc.exceptions)
    return isinstance(exc, Unavailable)


def needs_answers(answer: Verdict | None) -> None:
    """End a trial that is about roads that answer, where this one does not.

    Raises:
        Unfit: there was no answer.
    """
    if answer is None:
        raise Unfit("this road gives the inspector no answer")
