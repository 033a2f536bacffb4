"""The MES is dead for a while: the PLC does not notice, nothing is lost, and it all arrives afterwards, in order.

    python benchmarks/outage.py [--seconds 120]

Four lines at 50 parts per second in total, as in crash.py. Five times a window with the MES alive and one with it
dead, in turn, compare how long the PLC waits for a verdict; each dead window is drained before the next begins.
Then the MES is dead for so many seconds on end. When it is back, each line dials it after its own back-off of at
most 5 s; the drain is timed while at least one line is at it, from that line's first document to the last that it
was owed, while parts go on coming. The time from the MES's return until all is there is told beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evidence import Evidence
from four_lines import FourLines, four_lines
from harness import quantiles
from kept import kept
from promises import Promise, at_least, close, interrupted, none_timed, pause, progress

from bridge.simulate.figures import percentile

RATE = 50.0
PAIRS = 5
WARM_SECONDS = 3.0
DRAIN_SECONDS = 180.0
WITHIN = 1.2
FASTER_THAN = 500.0


@dataclass
class Drain:
    """How an MES that is back got what it was owed."""

    owed: int = 0
    seconds: float = 0.0
    """During which at least one line delivered what it owed."""
    all_there_s: float = 0.0
    """From the MES's return, back-off included."""

    @property
    def rate(self) -> float:
        """Documents per second."""
        return round(self.owed / self.seconds, 1) if self.seconds else 0.0


@dataclass
class Outage:
    """One run."""

    lines: FourLines
    evidence: Evidence
    stop: asyncio.Event
    quiet: list[float] = field(default_factory=list)
    """p99 of each window with the MES alive, in milliseconds from TCP in to register readable."""
    dead: list[float] = field(default_factory=list)
    long: list[float] = field(default_factory=list)
    """Every part of the long outage."""
    drained: Drain = field(default_factory=Drain)
    unanswered: int = 0
    """Parts that left their PLC without a verdict."""

    async def run(self, seconds: float) -> None:
        """Compare windows, then let the MES be dead for so long, and wait until everything has arrived."""
        self.lines.gateway.start()
        await self.lines.gateway.ready()
        async with self.lines.fed(RATE) as over:
            await pause(self.stop, WARM_SECONDS)
            for number in range(PAIRS):
                progress(f"pair {number + 1} of {PAIRS}: {_spread(self.quiet)} alive, {_spread(self.dead)} dead")
                await self._window(seconds / PAIRS, self.quiet)
                self.lines.mes.die()
                await self._window(seconds / PAIRS, self.dead)
                await self._back()
            progress(f"dead for {seconds:g} s")
            self.lines.mes.die()
            self.long = await self._times(seconds)
            self.drained = await self._back()
            over.set()
            await self._rest()

    async def _window(self, seconds: float, p99: list[float]) -> None:
        times = await self._times(seconds)
        if times and not self.stop.is_set():
            p99.append(round(percentile(times, 0.99), 3))

    async def _times(self, seconds: float) -> list[float]:
        began = time.monotonic()
        await pause(self.stop, seconds)
        passed = list(self.lines.passed(began))
        times = [ms for one in passed if (ms := one.milliseconds) is not None]
        self.unanswered += len(passed) - len(times)
        return times

    async def _back(self) -> Drain:
        """Bring the MES back and wait until it has what it was owed; time it."""
        arrived, back = self.lines.bodies.arrived, time.monotonic()
        acknowledged = {s.line.name: len(s.inspector.answers) for s in self.lines.stations}
        before = {line: len(arrived[line]) for line in acknowledged}
        await self.lines.mes.start()
        async with asyncio.timeout(DRAIN_SECONDS):
            while any(len(arrived[line]) < count for line, count in acknowledged.items()):  # noqa: ASYNC110 - a peer's book
                await asyncio.sleep(0.01)
        owed = {line: arrived[line][before[line] : count] for line, count in acknowledged.items()}
        spans = [(times[0], times[-1]) for times in owed.values() if times]
        return Drain(sum(map(len, owed.values())), _covered(spans), max(end for _, end in spans) - back)

    async def _rest(self) -> None:
        async with asyncio.timeout(DRAIN_SECONDS):
            while not await asyncio.to_thread(self.evidence.settled) or self.lines.owed:  # noqa: ASYNC110 - same
                await asyncio.sleep(0.02)
        await asyncio.to_thread(self.evidence.read_on)

    def ratios(self) -> list[float]:
        """Return, pair by pair, the p99 while the MES was dead over the p99 while it was alive."""
        return [round(dead / quiet, 3) for quiet, dead in zip(self.quiet, self.dead, strict=False)]

    def promises(self) -> list[Promise]:
        """Return what the run holds and what not."""
        ratio = round(statistics.median(self.ratios()), 3) if self.ratios() else 0.0
        return [
            *kept(self.lines, self.evidence),
            none_timed("parts without a verdict at their PLC", self.unanswered),
            Promise(
                name="PLC p99, MES dead over alive, median of pairs",
                figure=ratio,
                target=f"≤ {WITHIN}",
                held=ratio <= WITHIN,
                timed=True,
            ),
            at_least("drain", self.drained.rate, FASTER_THAN, "documents/s"),
        ]

    def figures(self) -> dict[str, object]:
        """Return every figure, for the JSON at the end."""
        return {
            "parts": self.lines.made,
            "acknowledged": self.lines.acknowledged,
            "resent_to_the_mes": self.lines.mes.resent,
            "plc_p99_ms_alive": self.quiet,
            "plc_p99_ms_dead": self.dead,
            "dead_over_alive": self.ratios(),
            "plc_long_outage": quantiles(self.long),
            "owed_after_the_outage": self.drained.owed,
            "all_there_after_s": round(self.drained.all_there_s, 3),
            "drain_seconds": round(self.drained.seconds, 3),
            "drain_per_second": self.drained.rate,
        }


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return for how long at least one of the spans lasted."""
    total, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def _spread(p99: list[float]) -> str:
    return f"{statistics.median(p99):.1f} ms p99" if p99 else "-"


async def measured(folder: Path, seconds: float, seed: int) -> int:
    """Run the scenario and tell what it showed; return the exit status."""
    async with four_lines(folder, seed) as lines:
        run = Outage(lines, Evidence(lines.data), interrupted())
        await run.run(seconds)
        return close(run.promises(), {"seconds": seconds, "seed": seed, **run.figures()})


def main() -> int:
    """Run and print the figures; the exit status is 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=120, help="how long the MES is dead on end (120)")
    parser.add_argument("--seed", type=int, default=1, help="of the pictures (1)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return asyncio.run(measured(Path(folder), args.seconds, args.seed))


if __name__ == "__main__":
    sys.exit(main())
