"""A month in the shadow, in a minute: the real gateway on simulated days, then labels, then the report.

    python examples/shadow_month/month.py month

The wall clock is set by hand; everything else is as on a line: the gateway's power is cut by SIGKILL, twice; the
MES is away for a day; people label what was drawn, from a list that ``aoi-bridge label todo`` writes.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import plant

from bridge.config import Config, load
from bridge.errors import Unavailable
from bridge.gateway import Gateway, open_gateway
from bridge.judging.looks import facts_of
from bridge.log import configure
from bridge.messages import Decision, Inspection, Judgement, Verdict, View
from bridge.plugin.api import Inspect, Judge, Report, Source
from bridge.plugin.discovery import Plugged, Plugin
from bridge.plugin.options import JudgeOptions, SourceOptions
from bridge.store import Pulse

HERE = Path(__file__).parent
THRESHOLD = 0.5
SETTLE_SECONDS = 30.0
PEOPLE = {"Ana": 0.0, "Bo": 0.02}
"""Who labels, and how often they are wrong."""


@dataclass
class SimulatedClock:
    """The wall clock of the plant; deadlines go by the real one."""

    at: float

    def monotonic(self) -> float:
        """Return the machine's own clock."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the plant's time."""
        return self.at


class Plant:
    """The plugins that take the place of the real ones, all on one clock."""

    def __init__(self, parts: Sequence[plant.Part], clock: SimulatedClock, cut: float | None) -> None:
        self._parts, self._clock, self._cut = parts, clock, cut
        self.gateway: Gateway | None = None
        self.ended = asyncio.Event()

    @asynccontextmanager
    async def open_source(self, _: SourceOptions) -> AsyncIterator[Source]:
        """Hand in the parts, each at its time; at the power cut there is no more of this process."""

        async def feed(inspect: Inspect) -> None:
            hour = 0
            for part in self._parts:
                if self._cut is not None and part.day >= self._cut:
                    os.kill(os.getpid(), signal.SIGKILL)
                self._clock.at = part.at
                await inspect(_inspection(part))
                if hour != (hour := int(part.at // plant.HOUR)):
                    await self._hourly(part)
            self.ended.set()
            await asyncio.Event().wait()

        yield feed

    @asynccontextmanager
    async def open_mes(self, _: object) -> AsyncIterator[Report]:
        """Take what is told, but not while the MES is away."""

        async def report(_: Decision) -> str | None:
            if self._away():
                raise Unavailable("the MES is away")
            return None

        if self._away():
            raise Unavailable("the MES is away")
        yield report

    @asynccontextmanager
    async def open_judge(self, _: JudgeOptions) -> AsyncIterator[Judge]:
        """Judge by the contrast of the darkest spot."""

        async def judge(views: Sequence[View]) -> Sequence[Judgement]:
            return [_judged(view) for view in views]

        yield judge

    def _away(self) -> bool:
        begin, end = plant.MES_AWAY
        return begin <= (self._clock.at - plant.BEGIN) / plant.DAY < end

    async def _hourly(self, part: plant.Part) -> None:
        """Note how the line does, as the gateway does each minute of its own; let an MES that is back catch up."""
        assert self.gateway is not None  # noqa: S101 - it feeds us
        owed = sum(queued for queued, _ in (await self.gateway.journal.backlog()).values())
        figures = self.gateway.lines["moulds"].figures()
        self.gateway.journal.pulse(
            Pulse(part.at, "moulds", 0, int(figures.get("skipped", 0)), 0, owed, shutil.disk_usage("/").free)
        )
        while owed and not self._away():
            await asyncio.sleep(0.01)
            owed = sum(queued for queued, _ in (await self.gateway.journal.backlog()).values())


def _inspection(part: plant.Part) -> Inspection:
    legacy = Verdict.NG if part.called_ng else Verdict.OK
    view = View(name="top", image=part.picture, legacy=legacy)
    return Inspection(
        part=part.serial,
        key=str(part.counter),
        legacy=legacy,
        views=(view,),
        lot=part.lot,
        counter=part.counter,
    )


def _judged(view: View) -> Judgement:
    assert view.image is not None  # noqa: S101 - the host hands over no other
    pixels = plant.pixels(view.image)
    score, threshold = plant.score(pixels), THRESHOLD if view.threshold is None else view.threshold
    verdict = Verdict.OK if score >= threshold else Verdict.NG
    seen = facts_of(pixels)
    return Judgement(
        verdict=verdict, score=score, threshold=threshold, bundle="spots 1", judge_ms=0.1, picture=seen
    )


def configured(folder: Path, plugins: Plant) -> Config:
    """Return the example's configuration with the simulated plant in it."""
    config = load(folder / "bridge.toml")
    line = config.line[0]
    source, told = line.source, line.reporter[0]
    line = line.model_copy(
        update={
            "source": Plugged(_plugin(source.plugin, plugins.open_source), source.options),
            "reporter": (Plugged(_plugin(told.plugin, plugins.open_mes), told.options),),
        }
    )
    spots = Plugged(Plugin("judge", "spots", JudgeOptions, plugins.open_judge, "the example"), JudgeOptions())
    return config.model_copy(update={"line": (line,), "judge": {**config.judge, "spots": spots}})


def _plugin(real: Plugin, opener: object) -> Plugin:
    return Plugin(real.kind, real.name, real.options, opener, "the example")  # type: ignore[arg-type]


async def run(folder: Path, per_day: int, begin: float, cut: float | None) -> None:
    """Run the gateway from one day on, until its power is cut or the month is over."""
    parts = [part for part in plant.month(per_day) if part.day >= begin and plant.reached(part)]
    clock = SimulatedClock(parts[0].at)
    plugins = Plant(parts, clock, cut)
    async with open_gateway(configured(folder, plugins), clock) as gateway:  # type: ignore[arg-type]
        plugins.gateway = gateway
        await plugins.ended.wait()
        while gateway.lines["moulds"].afterwards.waiting:  # noqa: ASYNC110 - nobody tells when the last was judged
            await asyncio.sleep(0.05)
        await gateway.lines["moulds"].settle(SETTLE_SECONDS)
        clock.at = plant.BEGIN + plant.DAYS * plant.DAY


def label(folder: Path, per_day: int) -> None:
    """Let people look at what was drawn, each with their own list, and somebody settle what they disagree on."""
    truth = {part.serial: part.bad for part in plant.month(per_day)}
    said: dict[str, set[str]] = {}
    serials: dict[str, str] = {}
    for number, (who, wrong) in enumerate(PEOPLE.items()):
        todo, done = folder / f"todo-{who}.csv", folder / f"done-{who}.csv"
        second = ["--second"] if number else []
        _command(folder, "label", "todo", "moulds", "--who", who, *second, "--out", str(todo))
        errs = random.Random(number)  # noqa: S311 - people, not secrets
        with (
            todo.open(newline="", encoding="utf-8-sig") as listed,
            done.open("w", newline="", encoding="utf-8") as out,
        ):
            words = csv.writer(out)
            words.writerow(["id", "verdict", "blind"])
            for row in csv.DictReader(listed):
                bad = truth[row["part"]] is not (errs.random() < wrong)
                words.writerow([row["id"], _word(bad=bad), row["blind"]])
                said.setdefault(row["id"], set()).add(_word(bad=bad))
                serials[row["id"]] = row["part"]
        _command(folder, "label", "import", str(done), "--line", "moulds", "--who", who)
    for part in (one for one, verdicts in said.items() if len(verdicts) > 1):
        verdict = _word(bad=truth[serials[part]])
        _command(folder, "label", "settle", part, verdict, "--who", "Chris")


def _word(*, bad: bool) -> str:
    return "NG" if bad else "OK"


def _command(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "bridge.cli", *words, "--config", str(folder / "bridge.toml")]
    subprocess.run(command, check=True)  # noqa: S603 - our own


def simulate(folder: Path, per_day: int) -> None:
    """Run the whole month, each stretch between two power cuts in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "bridge.toml", folder / "bridge.toml")
    begin = 0.0
    for cut in (*plant.POWER_CUTS, None):
        words = [sys.executable, __file__, str(folder), "--parts-per-day", str(per_day), "--from-day", str(begin)]
        ended = subprocess.run([*words, *(["--cut", str(cut)] if cut else [])], check=False)  # noqa: S603 - our own
        if ended.returncode != (-signal.SIGKILL if cut else 0):
            raise SystemExit(f"the stretch from day {begin:g} ended with {ended.returncode}")
        begin = (cut or 0) + plant.DARK_HOURS / 24


def main() -> None:
    """Simulate, label, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the month goes; new")
    parser.add_argument("--parts-per-day", type=int, default=200)
    parser.add_argument("--from-day", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--cut", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.from_day is not None:
        configure("console", "critical")
        asyncio.run(run(args.folder, args.parts_per_day, args.from_day, args.cut))
        return
    if (args.folder / "var").exists():
        raise SystemExit(f"{args.folder}: there is a month already; write another folder")
    simulate(args.folder, args.parts_per_day)
    label(args.folder, args.parts_per_day)
    _command(args.folder, "shadow", "report", "moulds")


if __name__ == "__main__":
    main()
