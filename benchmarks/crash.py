"""Killed at random moments under load: nothing acknowledged is lost, nothing is told twice, no verdict is late.

    python benchmarks/crash.py [--rounds 300] [--seed 1]
    python benchmarks/crash.py --power [--torn] [--rounds 100]

Four lines, 12.5 parts per second each: goals 1 and 2 inline, goal 3 beside a tap, goal 1 in shadow. Each line has
an inspector over TCP that sends every part again until it is acknowledged, and a PLC over Modbus; one MES takes
everything. Each round starts the real gateway, lets it work for a moment, and kills it with SIGKILL, sometimes
while it starts; the judge's worker is killed with it, or left behind to notice.

With --power the data folder lies on a disk that forgets at each kill whatever was not fsynced (power_disk.py);
with --torn it keeps a random part of that, in any order. --careless runs a gateway that does not fsync, to see
that the benchmark would notice: it must lose parts.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from evidence import Evidence
from four_lines import FourLines, four_lines
from gateway_process import CARELESS, COMMAND, gone
from kept import kept
from power import Power, missing, powered
from promises import Promise, at_most, close, interrupted, none, pause, progress

from bridge.simulate.figures import percentile

RATE = 50.0
LIFE_SECONDS = (0.2, 2.0)
STILLBORN = 0.1
"""The share of rounds in which the gateway is killed while it starts."""
START_SECONDS = (0.05, 1.0)
CHECK_EVERY = 25
DRAIN_SECONDS = 120.0


@dataclass
class Run:
    """The factory around the gateway, and what has happened so far."""

    lines: FourLines
    evidence: Evidence
    power: Power | None = None
    rounds: int = 0
    stillborn: int = 0
    left_behind: int = 0
    """How often only the gateway was killed, and its worker had to notice."""
    outlived: int = 0
    """How often a worker did not notice."""
    ends: list[asyncio.Task[bool]] = field(default_factory=list)
    """Each waits until nothing is left of a killed gateway."""
    lost: set[str] = field(default_factory=set)
    ready: list[float] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    seconds: float = 0.0

    async def round(self, chance: random.Random, stop: asyncio.Event) -> None:
        """Let the gateway live for a moment and kill it; then look at what it left."""
        self.lines.gateway.start()
        if chance.random() < STILLBORN and self.rounds:
            self.stillborn += 1
            await pause(stop, chance.uniform(*START_SECONDS))
        else:
            await self._ready()
            await asyncio.to_thread(self._check)
            await pause(stop, chance.uniform(*LIFE_SECONDS))
        whole = self.power is not None or chance.random() < 0.5
        self.left_behind += not whole
        group = await self.lines.gateway.kill(all_of_it=whole)
        self.rounds += 1
        self.ends.append(asyncio.create_task(gone(group)))
        if self.power is not None:
            await self.ends[-1]
            await self.power.cut()

    async def _ready(self) -> None:
        took = await self.lines.gateway.ready()
        assert took is not None, "the gateway did not become ready"
        self.ready.append(took)

    def _check(self) -> None:
        thorough = self.rounds % CHECK_EVERY == CHECK_EVERY - 1
        acknowledged = [(station.line.name, dict(station.inspector.answers)) for station in self.lines.stations]
        self.evidence.read_on(anew=thorough)
        for line, answers in acknowledged:
            self.lost |= {f"{line}: {key}" for key in self.evidence.lost(line, answers)}
        if thorough:
            self.damage += self.evidence.damage()

    async def end(self) -> None:
        """Start once more, let everything be acknowledged and told, and look at it all."""
        self.lines.gateway.start()
        await self._ready()
        self.outlived = [await end for end in self.ends].count(False)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not await asyncio.to_thread(self._settled):  # noqa: ASYNC110 - another process's journal
                    await asyncio.sleep(0.05)
        self.rounds += CHECK_EVERY - 1 - self.rounds % CHECK_EVERY  # so that the last check is a thorough one
        await asyncio.to_thread(self._check)

    def _settled(self) -> bool:
        return not self.lines.owed and self.evidence.settled()

    def promises(self) -> list[Promise]:
        """Return what the run holds and what not."""
        audited = self.evidence.audited()
        return [
            none("acknowledged parts once not in the journal", len(self.lost)),
            *kept(self.lines, self.evidence),
            none("damage to journal or audit chain", len(self.damage)),
            none("workers that outlived their gateway", self.outlived),
            none("crashes that the audit log does not tell of", audited["start"] - 1 - audited["crash found"]),
            at_most("start to ready, median", _round(statistics.median(self.ready)), 2.0, "s"),
        ]

    def figures(self) -> dict[str, object]:
        """Return every count, for the JSON at the end."""
        inspectors = [station.inspector for station in self.lines.stations]
        plc = [ms for one in self.lines.passed() if (ms := one.milliseconds) is not None]
        return {
            "restarts": len(self.ready) - 1 + self.stillborn,
            "killed_while_starting": self.stillborn,
            "worker_left_behind": self.left_behind,
            "seconds": _round(self.seconds),
            "parts": self.lines.made,
            "acknowledged": self.lines.acknowledged,
            "lost": len(self.lost),
            "sent_again_to_the_bridge": sum(i.sent.total() - len(i.sent) for i in inspectors),
            "acknowledged_again_alike": sum(i.repeated - len(i.changed) for i in inspectors),
            "not_recorded_answers": sum(inspector.unrecorded for inspector in inspectors),
            "resent_to_the_mes": self.lines.mes.resent,
            "at_the_mes": len(self.lines.mes.documents),
            "ready_s": {
                "median": _round(statistics.median(self.ready)),
                "p95": _round(percentile(self.ready, 0.95)),
                "max": _round(max(self.ready)),
            },
            "verdicts_taken_by_plcs": len(plc),
            "plc_readable_ms": {"p50": _round(percentile(plc, 0.5)), "p99": _round(percentile(plc, 0.99))},
            "audit": dict(self.evidence.audited()),
            "integrity_checks": self.evidence.checks,
            "damage": self.damage[:5],
            **({"forgotten_at_power_cuts": self.power.forgotten} if self.power else {}),
        }


def _round(seconds: float) -> float:
    return round(seconds, 3)


async def crash(run: Run, rounds: int, seed: int) -> None:
    """Kill the gateway so many times under load, then let it come to rest."""
    stop, chance = interrupted(), random.Random(seed)  # noqa: S311 - a dice, no secret
    began = time.monotonic()
    async with run.lines.fed(RATE) as over:
        for number in range(rounds):
            await run.round(chance, stop)
            progress(f"round {number + 1} of {rounds}: {run.lines.made} parts, {len(run.lost)} lost")
            if stop.is_set():
                break
        over.set()
        await run.end()
    run.seconds = time.monotonic() - began


async def measured(args: argparse.Namespace, folder: Path) -> int:
    """Run the scenario and tell what it showed; return the exit status."""
    command = CARELESS if args.careless else COMMAND
    async with AsyncExitStack() as stack:
        power = None
        if args.power:
            power = await stack.enter_async_context(powered(folder / "disk", args.seed if args.torn else 0))
        data = (folder / "disk" if power else folder) / "var"
        lines = await stack.enter_async_context(four_lines(folder, args.seed, data=data, command=command))
        run = Run(lines, Evidence(data), power)
        await crash(run, args.rounds, args.seed)
        told = {"rounds": args.rounds, "seed": args.seed, "power": args.power, "torn": args.torn}
        return close(run.promises(), {**told, **run.figures()})


def main() -> int:
    """Run and print the figures; the exit status is 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, help="how often it is killed (300, with --power 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and the pictures (1)")
    parser.add_argument("--power", action="store_true", help="forget at each kill what was not fsynced")
    parser.add_argument("--torn", action="store_true", help="with --power: keep a random part of it")
    parser.add_argument(
        "--careless", action="store_true", help="run a gateway that does not fsync, which must lose"
    )
    args = parser.parse_args()
    args.rounds = args.rounds or (100 if args.power else 300)
    if args.power and (lack := missing()):
        parser.error(f"--power needs {lack}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return asyncio.run(measured(args, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
