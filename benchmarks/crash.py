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
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from evidence import Evidence
from gateway_process import CARELESS, COMMAND, GatewayProcess, gone
from harness import config, tiny_bundle
from insisting import Bodies, Pictures, Station
from power import Power, missing, powered
from promises import Promise, at_most, close, interrupted, none, pause, progress

from bridge.config import load
from bridge.simulate.factory import free_ports
from bridge.simulate.figures import percentile
from bridge_modbus.peer import serve_plc
from bridge_tcp.peer import Mes, serve_mes

RATE = 50.0
DEADLINE_MS = 400
STANDS_SECONDS = 0.75
"""So long a part stops at its PLC: past its deadline, and gone before a new gateway could be ready."""
LIFE_SECONDS = (0.2, 2.0)
STILLBORN = 0.1
"""The share of rounds in which the gateway is killed while it starts."""
START_SECONDS = (0.05, 1.0)
CHECK_EVERY = 25
DRAIN_SECONDS = 120.0

LINE = """
[[line]]
name = "{name}"
goal = {goal}
stage = "{stage}"
live_because = "a benchmark"
topology = "{topology}"
deadline_ms = {deadline_ms}
judge = "bolts"

[line.source]
type = "tcp"
framing = "len32be"
reply = "{{json}}"
reply_unrecorded = "{{json}}"
port = {source}

[[line.reporter]]
name = "plc"
type = "modbus"
host = "127.0.0.1"
port = {plc}

[[line.reporter]]
name = "mes"
type = "tcp"
host = "127.0.0.1"
port = {mes}
window = 16
"""
LINES = (
    ("cut-false-calls", 1, "live", "inline"),
    ("catch-escapes", 2, "live", "inline"),
    ("replace", 3, "live", "tap"),
    ("shadow", 1, "shadow", "inline"),
)


@dataclass
class Run:
    """The factory around the gateway, and what has happened so far."""

    gateway: GatewayProcess
    stations: Sequence[Station]
    mes: Mes
    bodies: Bodies
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
        self.gateway.start()
        if chance.random() < STILLBORN and self.rounds:
            self.stillborn += 1
            await pause(stop, chance.uniform(*START_SECONDS))
        else:
            await self._ready()
            await asyncio.to_thread(self._check)
            await pause(stop, chance.uniform(*LIFE_SECONDS))
        whole = self.power is not None or chance.random() < 0.5
        self.left_behind += not whole
        group = await self.gateway.kill(all_of_it=whole)
        self.rounds += 1
        self.ends.append(asyncio.create_task(gone(group)))
        if self.power is not None:
            await self.ends[-1]
            await self.power.cut()

    async def _ready(self) -> None:
        took = await self.gateway.ready()
        assert took is not None, "the gateway did not become ready"
        self.ready.append(took)

    def _check(self) -> None:
        thorough = self.rounds % CHECK_EVERY == CHECK_EVERY - 1
        acknowledged = [(station.line.name, dict(station.inspector.answers)) for station in self.stations]
        self.evidence.read_on(anew=thorough)
        for line, answers in acknowledged:
            self.lost |= {f"{line}: {key}" for key in self.evidence.lost(line, answers)}
        if thorough:
            self.damage += self.evidence.damage()

    async def end(self) -> None:
        """Start once more, let everything be acknowledged and told, and look at it all."""
        self.gateway.start()
        await self._ready()
        self.outlived = [await end for end in self.ends].count(False)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not await asyncio.to_thread(self._settled):  # noqa: ASYNC110 - another process's journal
                    await asyncio.sleep(0.05)
        self.rounds += CHECK_EVERY - 1 - self.rounds % CHECK_EVERY  # so that the last check is a thorough one
        await asyncio.to_thread(self._check)

    def _settled(self) -> bool:
        owed = sum(station.inspector.owed for station in self.stations)
        return not owed and self.evidence.settled()

    def promises(self) -> list[Promise]:
        """Return what the run holds and what not."""
        told = {(d["line"], d["part"]): id_ for id_, d in self.mes.documents.items()}
        keys = [
            (s.line.name, key, answer["id"]) for s in self.stations for key, answer in s.inspector.answers.items()
        ]
        untold = sum(told.get((line, key)) != id_ for line, key, id_ in keys)
        recorded, audited = set(self.evidence.ids.values()), self.evidence.audited()
        order = [id_ for id_ in self.evidence.ids.values() if id_ in self.mes.documents]
        plcs = [station.plc for station in self.stations]
        return [
            none("acknowledged parts not in the journal", len(self.lost)),
            none("acknowledged parts not at the MES", untold),
            none("parts told to the MES and not in the journal", len(set(self.mes.documents) - recorded)),
            none("parts never acknowledged", sum(station.inspector.owed for station in self.stations)),
            none("keys under two ids in the journal", self.evidence.duplicated),
            none("keys under two ids at the MES", len(self.mes.documents) - len(told)),
            none("documents that changed when resent", self.bodies.changed()),
            none("answers that changed when repeated", sum(len(s.inspector.changed) for s in self.stations)),
            none("documents out of order on their line", _disorder(order, list(self.mes.documents), self.mes)),
            none("late verdicts at a PLC", sum(plc.late for plc in plcs)),
            none("verdicts at a PLC for another part", sum(plc.wrong_part for plc in plcs)),
            none("damage to journal or audit chain", len(self.damage)),
            none("workers that outlived their gateway", self.outlived),
            none("crashes that the audit log does not tell of", audited["start"] - 1 - audited["crash found"]),
            at_most("start to ready, median", _round(statistics.median(self.ready)), 2.0, "s"),
        ]

    def figures(self) -> dict[str, object]:
        """Return every count, for the JSON at the end."""
        inspectors = [station.inspector for station in self.stations]
        plc = [ms for station in self.stations for one in station.passed if (ms := one.milliseconds) is not None]
        return {
            "restarts": len(self.ready) - 1 + self.stillborn,
            "killed_while_starting": self.stillborn,
            "worker_left_behind": self.left_behind,
            "seconds": _round(self.seconds),
            "parts": sum(station.made for station in self.stations),
            "acknowledged": sum(len(inspector.answers) for inspector in inspectors),
            "lost": len(self.lost),
            "sent_again_to_the_bridge": sum(i.sent.total() - len(i.sent) for i in inspectors),
            "acknowledged_again_alike": sum(i.repeated - len(i.changed) for i in inspectors),
            "not_recorded_answers": sum(inspector.unrecorded for inspector in inspectors),
            "resent_to_the_mes": self.mes.resent,
            "at_the_mes": len(self.mes.documents),
            "ready_s": {
                "median": _round(statistics.median(self.ready)),
                "p95": _round(percentile(self.ready, 0.95)),
                "max": _round(max(self.ready)),
            },
            "plc_readable_ms": {"p50": _round(percentile(plc, 0.5)), "p99": _round(percentile(plc, 0.99))},
            "audit": dict(self.evidence.audited()),
            "integrity_checks": self.evidence.checks,
            "damage": self.damage[:5],
            **({"forgotten_at_power_cuts": self.power.forgotten} if self.power else {}),
        }


def _round(seconds: float) -> float:
    return round(seconds, 3)


def _disorder(committed: Sequence[str], arrived: Sequence[str], mes: Mes) -> int:
    """Return how many documents came before one of their line that was committed earlier."""
    rank = {id_: place for place, id_ in enumerate(committed)}
    newest: dict[object, int] = {}
    wrong = 0
    for id_ in arrived:
        line = mes.documents[id_]["line"]
        wrong += rank.get(id_, 0) < newest.get(line, -1)
        newest[line] = max(newest.get(line, -1), rank.get(id_, 0))
    return wrong


@asynccontextmanager
async def factory(folder: Path, data: Path, seed: int, command: Sequence[str]) -> AsyncIterator[Run]:
    """Build four lines with their neighbours around a gateway that does not run yet."""
    ports = iter(free_ports(2 * len(LINES)))
    async with AsyncExitStack() as stack:
        bodies = Bodies()
        path = folder / "bridge.toml"
        mes_port = free_ports(1)[0]
        blocks = [
            LINE.format(
                name=name,
                goal=goal,
                stage=stage,
                topology=topology,
                deadline_ms=DEADLINE_MS,
                source=next(ports),
                plc=next(ports),
                mes=mes_port,
            )
            for name, goal, stage, topology in LINES
        ]
        path.write_text(config(blocks, tiny_bundle(folder / "model")).replace('"var"', f'"{data}"'))
        loaded = load(path)
        told = loaded.line[0].reporter[1].options
        mes = await stack.enter_async_context(serve_mes(told.framed, "127.0.0.1", mes_port, bodies.read))
        stations = []
        for number, line in enumerate(loaded.line):
            plc = await stack.enter_async_context(serve_plc(line.reporter[0].options))
            stations.append(Station(line, plc, Pictures(1000 * seed + number), STANDS_SECONDS))
        gateway = GatewayProcess(path, loaded.data, command)
        stack.push_async_callback(gateway.stop)
        yield Run(gateway, stations, mes, bodies, Evidence(loaded.data))


async def crash(run: Run, rounds: int, seed: int) -> None:
    """Kill the gateway so many times under load, then let it come to rest."""
    stop, chance = interrupted(), random.Random(seed)  # noqa: S311 - a dice, no secret
    over = asyncio.Event()
    began = asyncio.get_running_loop().time()
    links = [asyncio.create_task(station.inspector.run()) for station in run.stations]
    count = len(run.stations)
    feeding = [
        asyncio.create_task(station.run(RATE / count, place / RATE, over))
        for place, station in enumerate(run.stations)
    ]
    try:
        for number in range(rounds):
            await run.round(chance, stop)
            made = sum(station.made for station in run.stations)
            progress(f"round {number + 1} of {rounds}: {made} parts, {len(run.lost)} lost")
            if stop.is_set():
                break
        over.set()
        await asyncio.gather(*feeding)
        await run.end()
        run.seconds = asyncio.get_running_loop().time() - began
    finally:
        over.set()
        for task in (*links, *feeding):
            task.cancel()
        await asyncio.wait([*links, *feeding])


async def measured(args: argparse.Namespace, folder: Path) -> int:
    """Run the scenario and tell what it showed; return the exit status."""
    command = CARELESS if args.careless else COMMAND
    async with AsyncExitStack() as stack:
        power = None
        if args.power:
            power = await stack.enter_async_context(powered(folder / "disk", args.seed if args.torn else 0))
        data = (folder / "disk" if power else folder) / "var"
        run = await stack.enter_async_context(factory(folder, data, args.seed, command))
        run.power = power
        await crash(run, args.rounds, args.seed)
        told = {"rounds": args.rounds, "seed": args.seed, "power": args.power, "torn": args.torn}
        status = close(run.promises(), {**told, **run.figures()})
        await run.gateway.stop()
    return status


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
