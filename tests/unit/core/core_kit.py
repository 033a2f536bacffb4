"""In-memory sources, judges and reporters that follow the contract, around a real journal."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from bridge.clock import Clock, SystemClock
from bridge.config import Line as LineConfig
from bridge.delivery import Guaranteed, Realtime
from bridge.judging.turns import Turns
from bridge.line import Line
from bridge.messages import Decision, Goal, Inspection, Judgement, Origin, Stage, Verdict, View
from bridge.plugin import JudgeOptions, ReporterOptions, SourceOptions
from bridge.plugin.discovery import Plugged, Plugin
from bridge.store import Images, Journal, Reader
from bridge.supervise import Slot
from bridge.watched import State, Watched

OK, NG = Verdict.OK, Verdict.NG
T = TypeVar("T")
_numbers = itertools.count()


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something to become true, looking at every turn of the loop's millisecond."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.001)


def a_name(of: str) -> str:
    """Return a name of its own: metrics are counted under it for the life of the process."""
    return f"{of}-{next(_numbers)}"


def picture(of: object) -> bytes:
    return f"picture {of}".encode()


def a_part(legacy: Verdict | None = NG, *views: Verdict | None, name: str = "", **more: Any) -> Inspection:
    """Return a part; every view has a picture of its own."""
    name = name or a_name("part")
    given = views or (legacy,)
    seen = tuple(View(name=str(i), image=picture((name, i)), legacy=said) for i, said in enumerate(given))
    return replace(Inspection(part=name, legacy=legacy, views=seen), **more)


def a_decision(line: str, number: int = 0, **more: Any) -> Decision:
    made = Decision(
        id=f"{next(_numbers):032x}",
        line=line,
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part=f"p{number}",
        legacy=NG,
        final=OK,
        origin=Origin.MODEL,
        rechecked=True,
        event_at=1_700_000_000.25,
        latency_ms=1.5,
    )
    return replace(made, **more)


class Panic(BaseException):
    """What comes out of a native extension that panics: no Exception."""


NO_EXCEPTION = [
    asyncio.CancelledError(),
    Panic("index out of bounds"),
    SystemExit(2),
    BaseExceptionGroup("", [Panic()]),
]
"""What a library may raise that ``except Exception`` does not catch."""


@dataclass
class FakeReporter:
    """A reporter's verb that does what the test says, and remembers what it was told."""

    told: list[Decision] = field(default_factory=list)
    answers: dict[str, list[BaseException]] = field(default_factory=dict)
    """Exceptions by part, one for each attempt, before it is accepted."""
    hold: asyncio.Event | None = None
    """Every report waits for this one."""
    begun: list[str] = field(default_factory=list)
    note: str | None = None
    """What it returns when it has accepted."""

    async def __call__(self, decision: Decision) -> str | None:
        self.begun.append(decision.part)
        if self.hold is not None:
            await self.hold.wait()
        if (waiting := self.answers.get(decision.part)) and waiting:
            raise waiting.pop(0)
        self.told.append(decision)
        return self.note

    @property
    def parts(self) -> list[str]:
        return [decision.part for decision in self.told]


@dataclass
class FakeJudge:
    """A judge's verb."""

    says: Verdict | BaseException | object = OK
    hold: asyncio.Event | None = None
    heard: list[tuple[View, ...]] = field(default_factory=list)

    async def __call__(self, views: Sequence[View]) -> Sequence[Judgement]:
        self.heard.append(tuple(views))
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.says, BaseException):
            raise self.says
        if isinstance(self.says, Verdict):
            said = self.says
            return [Judgement(verdict=said, score=0.9, threshold=0.5, bundle="fake 1") for _ in views]
        return self.says  # type: ignore[return-value]


async def lend(slot: Slot[T], verb: Callable[[], T]) -> None:
    """Offer a verb again and again, as ``supervise.keep`` does, without the pauses."""
    while True:
        with suppress(Exception):
            slot.watched.opened += 1
            slot.watched.become(State.UP)
            await slot.offer(verb())
        slot.watched.become(State.DOWN, "it broke")
        await asyncio.sleep(0)


@dataclass
class Stand:
    """One line on a real journal, with everything around it in memory."""

    folder: Path
    journal: Journal
    images: Images
    tasks: asyncio.TaskGroup
    judge: FakeJudge = field(default_factory=FakeJudge)
    plc: FakeReporter = field(default_factory=FakeReporter)
    mes: FakeReporter = field(default_factory=FakeReporter)
    name: str = field(default_factory=lambda: a_name("line"))
    running: list[asyncio.Task[None]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def line(
        self, journal: Any = None, clock: Clock | None = None, *, judge_up: bool = True, **config: Any
    ) -> Line:
        """Start a line; calling it again is what a restart is."""
        line_config = a_line_config(**{"name": self.name, **config})
        journal = journal or self.journal
        judge: Slot[Any] = Slot(Watched("", "judge pins"))
        plc: Slot[Any] = Slot(Watched(self.name, "plc"))
        mes: Slot[Any] = Slot(Watched(self.name, "mes"))
        for slot, verb in ((judge, self.judge), (plc, self.plc), (mes, self.mes)):
            if slot is not judge or judge_up:
                self.run(lend(slot, lambda verb=verb: verb))  # type: ignore[misc]
        clock = clock or SystemClock()
        guaranteed = Guaranteed(mes, journal, 1)
        self.run(guaranteed.run())
        line = Line(
            line_config,
            "hash",
            {"pins": Turns(judge)},
            journal,
            self.images,
            [Realtime(plc, journal, clock)],
            [guaranteed],
            clock,
        )
        self.run(line.afterwards.run())
        self.lines.append(line)
        return line

    def run(self, work: Any) -> None:
        self.running.append(self.tasks.create_task(work))

    async def stop(self) -> None:
        for line in self.lines:
            await line.settle(0.05)
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        self.running.clear()
        self.lines.clear()

    @property
    def reader(self) -> Reader:
        return Reader(self.folder)

    async def look(self, read: Callable[[Reader], T]) -> T:
        return await asyncio.to_thread(read, self.reader)


def plugged(kind: str, options: Any, opener: Any = None) -> Plugged:
    plugin = Plugin(kind=kind, name="fake", options=type(options), opener=opener, distribution="")  # type: ignore[arg-type]
    return Plugged(plugin, options)


def a_line_config(**config: Any) -> LineConfig:
    given = {
        "name": "l",
        "goal": 1,
        "stage": "live",
        "live_because": "a test",
        "shadow": {"guard_share": 0},
        "topology": "inline",
        "deadline_ms": 2000,
        "reserve_ms": 1000,
        "judge": "pins",
        "source": plugged("source", SourceOptions()),
    }
    return LineConfig.model_validate({**given, **config})


def reporter_options(name: str, **more: Any) -> ReporterOptions:
    return ReporterOptions(name=name, **more)


def judge_options() -> JudgeOptions:
    return JudgeOptions()
