"""Hours of work: memory, handles, threads and the PLC's waiting stay what they were.

    python benchmarks/soak.py [--minutes 60]

Four lines as in crash.py, 80 parts per second in total; two of them with pictures of 70 kB, of which the gateway
keeps 200 MB at most. Every ten seconds the gateway and its judge's worker are looked at. After a warm-up (ten
minutes, or three tenths of a shorter run) resident memory of both together is fitted with a line; its slope has a
95 % interval that allows for samples which follow one another. A run of less than half an hour cannot hold a
slope: it holds 10 MB of growth instead. The first third after the warm-up is compared with the last.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil
from evidence import Evidence
from four_lines import FourLines, four_lines
from promises import Promise, at_most, close, interrupted, none, none_timed, pause, progress

from bridge.simulate.figures import percentile

RATE = 80.0
PICTURES = (70_000, 0, 70_000, 0)
CAP_BYTES = 200_000_000
WARM_SECONDS = 600.0
WARM_SHARE = 0.3
AT_WORK = 2
"""So many handles may be a picture that is just being written, or a connection that is just being made."""
SLOPE_MINUTES = 30.0
REST_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the gateway and its worker."""

    at: float
    """Seconds since the parts began to come."""
    rss_mb: tuple[float, ...]
    """Resident memory of each process, the gateway's first."""
    pss_mb: float
    """Proportional set size of all of them."""
    handles: tuple[int, ...]
    threads: tuple[int, ...]
    p99_ms: float
    """From TCP in to register readable, since the sample before."""
    wal_mb: float
    journal_mb: float


@dataclass
class Soak:
    """One run."""

    lines: FourLines
    samples: list[Sample] = field(default_factory=list)
    parts: int = 0
    at_the_mes: int = 0
    unanswered: int = 0
    _began: float = 0.0

    async def run(self, minutes: float, every: float) -> None:
        """Let parts come for so long, looking every so many seconds; then wait until everything has arrived."""
        stop = interrupted()
        self.lines.gateway.start()
        await self.lines.gateway.ready()
        async with self.lines.fed(RATE) as over:
            self._began = time.monotonic()
            until = self._began + minutes * 60
            while (left := until - time.monotonic()) > 0 and await pause(stop, min(every, left)):
                await self._look()
            over.set()
            await self._rest()

    async def _look(self) -> None:
        """Take a sample; what was played before is counted and forgotten, so that this process stays small."""
        times = [one.milliseconds for one in self.lines.passed()]
        answered = [ms for ms in times if ms is not None]
        if self.samples:  # before, a PLC may still be dialled
            self.unanswered += len(times) - len(answered)
        self._forget()
        sample = await asyncio.to_thread(self._sample, percentile(answered, 0.99))
        self.samples.append(sample)
        progress(
            f"{sample.at / 60:.1f} min: {self.parts} parts, {'+'.join(f'{mb:.0f}' for mb in sample.rss_mb)} MB, "
            f"{'+'.join(map(str, sample.handles))} handles, p99 {sample.p99_ms:.1f} ms"
        )

    def _forget(self) -> None:
        lines = self.lines
        self.parts += lines.acknowledged
        self.at_the_mes += len(lines.mes.documents)
        for station in lines.stations:
            station.passed.clear()
            station.plc.taken.clear()
            station.inspector.answers.clear()
            station.inspector.sent.clear()
        for book in (lines.mes.documents, lines.mes.arrivals, lines.bodies.by_id, lines.bodies.arrived):
            book.clear()

    def _sample(self, p99_ms: float) -> Sample:
        gateway = psutil.Process(self.lines.gateway.pid)
        family = [gateway, *sorted(gateway.children(recursive=True), key=lambda child: child.pid)]
        memory = [member.memory_full_info() for member in family]
        journal = self.lines.data / "journal.db"
        return Sample(
            at=time.monotonic() - self._began,
            rss_mb=tuple(round(one.rss / 1e6, 2) for one in memory),
            pss_mb=round(sum(one.pss for one in memory) / 1e6, 2),
            handles=tuple(member.num_fds() for member in family),
            threads=tuple(member.num_threads() for member in family),
            p99_ms=round(p99_ms, 3),
            wal_mb=round(journal.with_name("journal.db-wal").stat().st_size / 1e6, 2),
            journal_mb=round(journal.stat().st_size / 1e6, 2),
        )

    async def _rest(self) -> None:
        evidence = Evidence(self.lines.data)
        async with asyncio.timeout(REST_SECONDS):
            while not await asyncio.to_thread(evidence.settled) or self.lines.owed:  # noqa: ASYNC110 - another's journal
                await asyncio.sleep(0.02)
        self._forget()

    @property
    def warm(self) -> list[Sample]:
        """The samples after the warm-up."""
        last = self.samples[-1].at if self.samples else 0.0
        begin = min(WARM_SECONDS, WARM_SHARE * last)
        return [sample for sample in self.samples if sample.at >= begin]

    def promises(self, minutes: float) -> list[Promise]:
        """Return what the run holds and what not."""
        memory = self.drift(lambda sample: sum(sample.rss_mb))
        slope, _ = self.slope()
        held = at_most("resident memory after warm-up", round(slope, 3), 1.0, "MB/h")
        if minutes < SLOPE_MINUTES:
            held = at_most("resident memory, growth after warm-up", round(memory, 2), 10.0, "MB")
        first, last = self.thirds(lambda sample: sample.p99_ms)
        ratio = round(last / first, 3) if first else 0.0
        return [
            none("acknowledged parts not at the MES", self.parts - self.at_the_mes),
            none_timed("parts without a verdict at their PLC", self.unanswered),
            held,
            _no_more("handles", self._more(lambda one: sum(one.handles))),
            _no_more("threads", self._more(lambda one: sum(one.threads))),
            at_most("PLC p99, last third over first", ratio, 1.2, "ratio"),
        ]

    def thirds(self, of: Callable[[Sample], float]) -> tuple[float, float]:
        """Return the median of a figure in the first and in the last third after the warm-up."""
        warm = [of(sample) for sample in self.warm] or [0.0]
        third = max(1, len(warm) // 3)
        return statistics.median(warm[:third]), statistics.median(warm[-third:])

    def drift(self, of: Callable[[Sample], float]) -> float:
        """Return by how much a figure's median grew from the first third to the last."""
        first, last = self.thirds(of)
        return last - first

    def _more(self, of: Callable[[Sample], int]) -> int:
        """Return by how much the least of the last third is above that of the first.

        What was open for a moment when it was looked at is no leak.
        """
        warm = [of(sample) for sample in self.warm] or [0]
        third = max(1, len(warm) // 3)
        return min(warm[-third:]) - min(warm[:third])

    def slope(self) -> tuple[float, float]:
        """Return how fast resident memory grows, in MB per hour, and the half width of its 95 % interval."""
        warm = self.warm
        return slope_per_hour([sample.at for sample in warm], [sum(sample.rss_mb) for sample in warm])

    def figures(self) -> dict[str, object]:
        """Return every figure, for the JSON at the end."""
        slope, width = self.slope()
        shown = self.warm or self.samples
        return {
            "parts": self.parts,
            "at_the_mes": self.at_the_mes,
            "memory_mb_per_hour": round(slope, 3),
            "memory_mb_per_hour_95": [round(slope - width, 3), round(slope + width, 3)],
            "rss_mb": _ends([sum(sample.rss_mb) for sample in shown]),
            "rss_gateway_mb": _ends([sample.rss_mb[0] for sample in shown]),
            "pss_mb": _ends([sample.pss_mb for sample in shown]),
            "handles": _ends([sum(sample.handles) for sample in shown]),
            "threads": _ends([sum(sample.threads) for sample in shown]),
            "processes": max((len(sample.handles) for sample in shown), default=0),
            "plc_p99_ms_thirds": self.thirds(lambda sample: sample.p99_ms),
            "wal_mb": _ends([sample.wal_mb for sample in shown]),
            "journal_mb": _ends([sample.journal_mb for sample in shown]),
            "samples": len(self.samples),
        }


def slope_per_hour(seconds: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return the least-squares slope per hour and the half width of its 95 % interval; 0 of too few values.

    Samples that follow one another are not independent: their number is reduced by (1 - r) / (1 + r), r the
    correlation of a residual with the next (the usual correction for an AR(1) process).
    """
    if len(values) < 5:
        return 0.0, 0.0
    fitted = statistics.linear_regression(seconds, values)
    rest = [y - fitted.intercept - fitted.slope * x for x, y in zip(seconds, values, strict=True)]
    squares = sum(one * one for one in rest)
    if not squares:
        return fitted.slope * 3600, 0.0
    again = sum(one * after for one, after in pairwise(rest)) / squares
    again = min(0.99, max(0.0, again))
    independent = max(3.0, len(values) * (1 - again) / (1 + again))
    middle = statistics.fmean(seconds)
    spread = sum((x - middle) ** 2 for x in seconds) * independent / len(values)
    error = (squares / len(values) / spread) ** 0.5 * (independent / (independent - 2)) ** 0.5
    return fitted.slope * 3600, 1.96 * error * 3600


def _no_more(what: str, more: int) -> Promise:
    name = f"{what} more in the last third than in the first"
    return Promise(name=name, figure=more, target=f"≤ {AT_WORK}", held=more <= AT_WORK)


def _ends(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"first": round(values[0], 2), "last": round(values[-1], 2), "max": round(max(values), 2)}


async def measured(folder: Path, minutes: float, every: float, seed: int) -> int:
    """Run the scenario and tell what it showed; return the exit status."""
    async with four_lines(folder, seed, cap_bytes=CAP_BYTES, picture_bytes=PICTURES) as lines:
        run = Soak(lines)
        await run.run(minutes, every)
        return close(run.promises(minutes), {"minutes": minutes, "seed": seed, **run.figures()})


def main() -> int:
    """Run and print the figures; the exit status is 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60, help="how long parts come (60)")
    parser.add_argument("--every", type=float, default=10, help="seconds between two looks (10)")
    parser.add_argument("--seed", type=int, default=1, help="of the pictures (1)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return asyncio.run(measured(Path(folder), args.minutes, args.every, args.seed))


if __name__ == "__main__":
    sys.exit(main())
