"""A small month through the real store: every part's truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.clock import ManualClock
from bridge.labels import Label
from bridge.messages import Decision, Goal, Judgement, PictureFacts, Stage, Verdict, ViewDecision
from bridge.store import Second, Stratum, schema
from bridge.store.labels import open_labels
from bridge.store.ledger import Ledger

LINE = "smt-3"
BEGIN = 1_790_812_800.0
"""2026-10-01 00:00 UTC, a Thursday."""
DAY = 86_400.0
OK, NG = Verdict.OK, Verdict.NG


@dataclass(frozen=True, kw_only=True)
class Told:
    """One presentation and what came of it."""

    at: float
    legacy: Verdict | None
    model: Verdict | None = None
    scores: Sequence[float | None] = ()
    """Of each view; none: the part was skipped."""
    marked: Sequence[Verdict | None] = ()
    """The inspector's verdict on each view; else the part's."""
    part: str = ""
    recipe: str = "M10"
    lot: str = ""
    defect: str = ""
    counter: int | None = None
    stratum: Stratum | None = None
    chance: float | None = None
    drawn: bool = False
    in_time: bool | None = True
    line: str = LINE
    latency_ms: float = 8.0
    image: str = ""
    bundle: str = "pins 2026.1"
    pictures: Sequence[PictureFacts | None] = ()
    """Of each view; none: nobody measured them."""
    stage: Stage = Stage.SHADOW


@dataclass
class Book:
    """A data folder that is being filled."""

    ledger: Ledger
    clock: ManualClock
    labels: list[Label] = field(default_factory=list)
    written: int = 0

    def add(self, told: Told) -> str:
        """Write a presentation and its second record; return the inspection id."""
        self.written += 1
        self.clock.unix = told.at + 0.01
        id_ = f"{int(told.at * 1000):012x}{self.written:020x}"
        marked = tuple(told.marked) or tuple(told.legacy for _ in told.scores) or (told.legacy,)
        seen = tuple(
            ViewDecision(
                name=f"cam {place + 1}",
                legacy=said,
                defect=told.defect if said is NG else "",
                image=told.image,
                judgement=None,
                final=said,
            )
            for place, said in enumerate(marked)
        )
        with self.ledger.transaction():
            self.ledger.commit(_decision(id_, told, seen), [])
            if told.scores:
                self.ledger.second(_second(id_, told, seen))
        return id_

    def label(self, id_: str, verdict: Verdict, who: str = "kim", **more: object) -> None:
        """Say what is true of an inspection, an hour after all parts."""
        told = {"at": BEGIN + 40 * DAY, "road": "csv", "line": LINE, "blind": True, **more}
        self.labels.append(Label(id=id_, verdict=verdict, who=who, **told))  # type: ignore[arg-type]


@contextmanager
def book(folder: Path) -> Iterator[Book]:
    """Fill a data folder; the labels are written at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(schema.open_to_write(folder / schema.FILE)) as connection:
        clock = ManualClock(unix=BEGIN)
        filled = Book(Ledger(connection, clock), clock)
        yield filled
    if filled.labels:
        with open_labels(folder, ManualClock(unix=BEGIN + 41 * DAY)) as labels:
            labels.add(filled.labels)


def _decision(id_: str, told: Told, views: tuple[ViewDecision, ...]) -> Decision:
    return Decision(
        id=id_,
        line=told.line,
        goal=Goal.CUT_FALSE_CALLS,
        stage=told.stage,
        part=told.part,
        recipe=told.recipe,
        legacy=told.legacy,
        final=told.legacy,
        views=views,
        config="c0ffee",
        event_at=told.at,
        latency_ms=told.latency_ms,
        lot=told.lot,
        counter=told.counter,
    )


def _second(id_: str, told: Told, views: tuple[ViewDecision, ...]) -> Second:
    goals = {
        Goal.CUT_FALSE_CALLS: told.model if told.legacy is NG else told.legacy,
        Goal.CATCH_ESCAPES: told.model if told.legacy is OK else told.legacy,
        Goal.REPLACE: told.model,
    }
    looks = tuple(told.pictures) or (None,) * len(told.scores)
    judged = (
        Judgement(
            verdict=None if score is None else NG if score < 0.5 else OK, score=score, threshold=0.5, picture=seen
        )
        for score, seen in zip(told.scores, looks, strict=True)
    )
    return Second(
        id=id_,
        kind="shadow",
        at=told.at + 1,
        model=told.model,
        goals={goal: said or NG for goal, said in goals.items()},
        views=tuple(
            ViewDecision(
                name=view.name,
                legacy=view.legacy,
                defect=view.defect,
                image=view.image,
                judgement=one,
                final=view.final,
            )
            for view, one in zip(views, judged, strict=True)
        ),
        bundle=told.bundle,
        judge_ms=40.0,
        fallbacks={Goal.CUT_FALSE_CALLS: told.legacy or NG, Goal.CATCH_ESCAPES: NG, Goal.REPLACE: NG},
        in_time=told.in_time,
        stratum=told.stratum,
        chance=told.chance,
        drawn=told.drawn,
    )
