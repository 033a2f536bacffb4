"""A new line's judge beside a line that runs: how long fine-tuning takes, and what the PLC notices of it.

    python benchmarks/fine_tune.py [--judge old] [--pairs 5] [--flag=--mixed-precision=bfloat16]

40 pictures of synthetic bolts, a ResNet-50 of an old line, and the command that a user types, ``aoi-bridge train
NEW --from OLD@live``, which teaches last block and head. None of the 40 is kept apart for later, so that 32 are
learnt from. The old network has learnt nothing to speak of, which costs as much as having learnt; how many epochs
there are depends on the pictures (20 at most), so they are told beside the seconds.

First it runs alone, then beside a gateway of one line whose PLC waits for every part. Windows without and with it
take turns, in an order that alternates. In a window without it its processes are stopped where they are and keep
their memory; the next one goes on from there, so that all stages of a training are met. Measured is from the first
byte of a picture until the verdict stands in the PLC's registers, the judge included: the ratio of a pair's two
p99, and its median over the pairs. The judge costs nothing; with ``--judge`` it is a bundle, and ``old`` is the
ResNet-50, which competes for the cores as well. Needs the train extra. Pictures and the old bundle lie in
build/fine_tune and are made once. Ctrl-C ends with the pairs so far.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_process import COMMAND, GatewayProcess
from harness import config, quantiles, tiny_bundle
from overhead import LINE, parts, warm
from promises import Promise, at_most, close, interrupted, none_timed, progress

from bridge.config import load
from bridge.simulate.bolts import TRAINING_SEEDS, VIEWS, Defect, bolt
from bridge.simulate.factory import Stand, free_ports, open_neighbours
from bridge.simulate.figures import percentile
from bridge.store import Reader

PICTURES = 40
TARGET_SECONDS = 120.0
TARGET_RATIO = 1.2
WARM = 4
"""Times a few parts that do not count."""
OLD = ("--backbone", "resnet50", "--weights", "none", "--size", "224x224", "--epochs", "1")
"""The old line's network: as large as a real one, and quickly made."""
STAGES = (
    ("start, pictures", r"\d+ pictures, "),
    ("features", "features: "),
    ("learning", "last block and head, epoch"),
)
"""What each stage's last line begins with; what comes after them all is the export."""


def pictures(folder: Path, first: int) -> Path:
    """Write a set of half good and half bad bolts, one picture of each part, unless it is there."""
    if folder.exists():
        return folder
    draft = folder.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    for label in ("ok", "ng"):
        (draft / label).mkdir(parents=True)
    seeds, defects, written = itertools.count(TRAINING_SEEDS + first), itertools.cycle(Defect), 0
    while written < PICTURES:
        bad = written >= PICTURES // 2
        part = bolt(next(seeds), next(defects) if bad else None)
        views = [view for view in VIEWS if part.shows(view)] if bad else VIEWS[:1]
        if views:
            (draft / ("ng" if bad else "ok") / f"{written:02}.jpg").write_bytes(part.encode(views[0]))
            written += 1
    draft.rename(folder)
    return folder


def old_bundle(folder: Path) -> Path:
    """Return the old line's model, trained unless it is there; an interrupted training is taken up."""
    models = folder / "old_line"
    if not (models / "live").exists():
        progress("making the old line's ResNet-50, once")
        command = (*COMMAND, "train", str(pictures(folder / "old", 0)), "--ok", "ok", "--out", str(models), *OLD)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return models


@dataclass
class Tuning:
    """The command under way, in a process group of its own; time in which it is stopped does not count."""

    process: asyncio.subprocess.Process
    said: list[tuple[float, str]] = field(default_factory=list)
    """Seconds and line."""
    seconds: float = 0.0
    """In all, once it has ended."""
    _began: float = field(default_factory=time.monotonic)
    _stopped: float | None = None

    @classmethod
    async def start(cls, folder: Path, flags: Sequence[str]) -> Tuning:
        """Start it; nothing of a former one is taken up."""
        out = folder / "new_line"
        shutil.rmtree(out, ignore_errors=True)
        old, words = f"{old_bundle(folder)}@live", ("--ok", "ok", "--hold-out", "0")
        return cls(
            await asyncio.create_subprocess_exec(
                *(*COMMAND, "train", str(pictures(folder / "new", 10_000)), *words),
                *("--from", old, "--out", str(out), *flags),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        )

    async def end(self) -> None:
        """Wait for its end, noting when it says what.

        Raises:
            RuntimeError: it failed, with its last words.
        """
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append((self._clock(), line.decode(errors="replace").strip()))
        if await self.process.wait():
            raise RuntimeError(" | ".join(line for _, line in self.said[-3:]))
        self.seconds = self._clock()

    def stop(self) -> None:
        """Hold it where it is."""
        if self._stopped is None:
            self._signal(signal.SIGSTOP)
            self._stopped = time.monotonic()

    def resume(self) -> None:
        """Let it go on."""
        if self._stopped is not None:
            self._began += time.monotonic() - self._stopped
            self._stopped = None
            self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it, stopped or not."""
        self._signal(signal.SIGKILL)
        await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _clock(self) -> float:
        return (self._stopped or time.monotonic()) - self._began

    @property
    def epochs(self) -> int:
        """How many epochs there were so far."""
        return sum(line.startswith(STAGES[-1][1]) for _, line in self.said)

    def stages(self) -> dict[str, float]:
        """Return how long each stage took."""
        took: dict[str, float] = {}
        last = 0.0
        for name, begins in STAGES:
            here = max((at for at, line in self.said if re.match(begins, line)), default=last)
            took[name], last = round(here - last, 1), here
        return took | {"export": round(self.seconds - last, 1)}

    def figures(self) -> dict[str, object]:
        """Return what is told of it once it has ended."""
        return {"seconds": round(self.seconds, 1), "epochs": self.epochs, **self.stages()}


@dataclass
class Companion:
    """Trainings one after the other, as long as it may."""

    folder: Path
    flags: Sequence[str]
    ended: list[Tuning] = field(default_factory=list)
    goes_on: bool = True
    """False after a training has failed."""
    _now: Tuning | None = None
    _may: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[Companion]:
        """Keep a training for the context; it begins with ``resume``."""
        running = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            running.cancel()
            await asyncio.wait({running})
            if self._now:
                await self._now.kill()
        if not running.cancelled():
            running.result()

    async def _run(self) -> None:
        try:
            while True:
                await self._may.wait()
                self._now = await Tuning.start(self.folder, self.flags)
                await self._now.end()
                self.ended.append(self._now)
                progress(f"beside a gateway: {self._now.figures()}")
                self._now = None
        finally:
            self.goes_on = False

    def stop(self) -> None:
        """Hold it."""
        self._may.clear()
        if self._now:
            self._now.stop()

    def resume(self) -> None:
        """Let it go on."""
        self._may.set()
        if self._now:
            self._now.resume()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the PLC had of the parts of one window, in milliseconds."""

    took: Sequence[float]
    """One that never came counts as the whole deadline."""
    judged: Sequence[float]
    missed: int

    @property
    def p99(self) -> float:
        """The PLC's p99."""
        return percentile(self.took, 0.99)


class Windows:
    """One line with its neighbours; its parts are numbered through all windows."""

    def __init__(self, stand: Stand, journal: Reader, count: int, rate: float) -> None:
        self._stand, self._journal, self._count, self._rate = stand, journal, count, rate
        self._number = 100

    async def one(self) -> Window:
        """Play one window."""
        self._number += 1
        self._stand.shown.clear()
        await self._stand.play(parts(self._number, self._count), self._rate)
        shown = list(self._stand.shown)
        decided = await asyncio.to_thread(self._journal.decisions, self._stand.config.name, limit=2 * len(shown))
        played = {one.part.serial for one in shown}
        readable = [(one.sent_at, one.taken.readable_at if one.taken else None) for one in shown]
        took = [(at - sent) * 1000 for sent, at in readable if at is not None]
        missed = len(shown) - len(took)
        return Window(
            took=took + [float(self._stand.config.deadline_ms)] * missed,
            judged=[one.judge_ms for one in decided if one.part in played],
            missed=missed,
        )


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do it to its end, or until Ctrl-C."""
    doing, waiting = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        doing.cancel()
        waiting.cancel()
        await asyncio.wait({doing, waiting})
    if not doing.cancelled():
        doing.result()


async def alone(args: argparse.Namespace, ended: list[Tuning]) -> None:
    """Train with nothing beside it."""
    for _ in range(args.alone):
        progress("fine-tuning, alone")
        tuning = await Tuning.start(args.folder, args.flag)
        try:
            await tuning.end()
        finally:
            await tuning.kill()
        ended.append(tuning)
        progress(f"alone: {tuning.figures()}")


async def beside(
    args: argparse.Namespace, folder: Path, pairs: list[tuple[Window, Window]], ended: list[Tuning]
) -> None:
    """Run a gateway, and measure with a training beside it and without; at the end let one training end."""
    path, (source, plc) = folder / "bridge.toml", free_ports(2)
    path.write_text(config([LINE.format(number=0, source=source, plc=plc)], judge(args, folder)))
    loaded = load(path)
    companion = Companion(args.folder, args.flag, ended)
    gateway = GatewayProcess(path, loaded.data)
    try:
        gateway.start()
        if await gateway.ready() is None:
            raise RuntimeError("the gateway did not become ready")
        async with open_neighbours(loaded, folder / "neighbours") as stands, companion.ready():
            windows = Windows(stands[0], Reader(loaded.data), args.parts, args.rate)
            for number in range(WARM):
                await warm(stands[0], number)
            for number in range(args.pairs):
                if not companion.goes_on:
                    break
                pairs.append(await pair(windows, companion, training_first=bool(number % 2)))
                progress(f"pair {number + 1}: " + row(*pairs[-1]))
            companion.resume()
            while not ended and companion.goes_on:
                await windows.one()
    finally:
        await gateway.stop()


async def pair(windows: Windows, companion: Companion, *, training_first: bool) -> tuple[Window, Window]:
    """Measure a window without and one with a training."""
    found: dict[bool, Window] = {}
    for training in (training_first, not training_first):
        (companion.resume if training else companion.stop)()
        found[training] = await windows.one()
    companion.stop()
    return found[False], found[True]


def judge(args: argparse.Namespace, folder: Path) -> Path:
    """Return the bundle that judges the line."""
    if not args.judge:
        return tiny_bundle(folder / "model")
    return (old_bundle(args.folder) / "live" if args.judge == "old" else Path(args.judge)).resolve()


def row(without: Window, beside_it: Window) -> str:
    """Return one line of the table."""
    cells = [f"{percentile(one.took, share):8.2f}" for one in (without, beside_it) for share in (0.5, 0.99)]
    return " ".join(cells) + f" {beside_it.p99 / without.p99:8.2f}"


def told_of(pairs: Sequence[tuple[Window, Window]]) -> dict[str, object]:
    """Return the figures of all pairs."""
    ratios = sorted(one.p99 / without.p99 for without, one in pairs)
    joined = {
        name: {
            "plc": quantiles([ms for pair in pairs for ms in pair[place].took]),
            "judge": quantiles([ms for pair in pairs for ms in pair[place].judged]),
        }
        for place, name in enumerate(("without", "with"))
    }
    return {
        "pairs": [{"without": quantiles(without.took), "with": quantiles(one.took)} for without, one in pairs],
        **joined,
        "p99_ratio": {"median": statistics.median(ratios), "lowest": ratios[0], "highest": ratios[-1]},
    }


async def run(args: argparse.Namespace) -> int:
    """Run it all, or until Ctrl-C; return the exit status."""
    stop = interrupted()
    quiet: list[Tuning] = []
    busy: list[Tuning] = []
    pairs: list[tuple[Window, Window]] = []
    await unless(stop, alone(args, quiet))
    with tempfile.TemporaryDirectory() as folder:
        if args.pairs and not stop.is_set():
            await unless(stop, beside(args, Path(folder), pairs, busy))
    figures: dict[str, object] = {"judge": args.judge or "tiny", "rate": args.rate, "flags": args.flag}
    figures |= {"alone": [one.figures() for one in quiet], "beside": [one.figures() for one in busy]}
    promises = [
        at_most(f"fine-tuning {where}, {max(one.epochs for one in some)} epochs",
                round(statistics.median(one.seconds for one in some), 1), TARGET_SECONDS, "s")
        for where, some in (("alone", quiet), ("beside a gateway", busy))
        if some
    ]  # fmt: skip
    if not pairs:
        return close(promises, figures)
    print("  without: p50, p99  with: p50, p99 (ms)    ratio")
    for one in pairs:
        print(row(*one))
    return close([*promises, *held(pairs)], figures | told_of(pairs))


def held(pairs: Sequence[tuple[Window, Window]]) -> list[Promise]:
    """Return what the line was promised."""
    ratio = statistics.median(one.p99 / without.p99 for without, one in pairs)
    return [
        at_most("PLC p99, with over without, median", round(ratio, 2), TARGET_RATIO, "×"),
        none_timed("parts not at the PLC, without", sum(without.missed for without, _ in pairs)),
        none_timed("parts not at the PLC, with", sum(one.missed for _, one in pairs)),
    ]


def main() -> int:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--parts", type=int, default=400, help="of a window (400)")
    add("--pairs", type=int, default=5, help="of windows; 0: only alone (5)")
    add("--rate", type=float, default=16.0, help="parts per second (16)")
    add("--alone", type=int, default=1, help="trainings with nothing beside them (1)")
    add("--judge", default="", metavar="BUNDLE", help="the line's judge, or old (one that costs nothing)")
    add("--flag", action="append", default=[], metavar="=FLAG=VALUE", help="one more for aoi-bridge train")
    add("--folder", type=Path, default=Path("build/fine_tune"))
    args = parser.parse_args()
    args.folder = args.folder.resolve()
    args.folder.mkdir(parents=True, exist_ok=True)
    pictures(args.folder / "new", 10_000)
    old_bundle(args.folder)
    return asyncio.run(run(args))


if __name__ == "__main__":
    sys.exit(main())
