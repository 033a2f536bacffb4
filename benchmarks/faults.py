"""Every bad habit of every neighbour, a full disk, a judge that dies or hangs: one after the other, under load.

    python benchmarks/faults.py [--seconds 20] [--fault NAME …] [--rate 6] [--deadline 900]

Four lines in one gateway (goals 1, 2 and 3 live, one in shadow; two fed by TCP, two by a hot folder), each with a
soft PLC and an MES. During a fault every part must be answered by its deadline with the verdict that the truth
table names. It is written out once more in ``struck.py``: the model is never wrong about these parts, so the
verdict follows from goal, inspector, truth and whether a failure was recorded. The PLC must never pass what the
table calls NG, nor see a result of a part that has left. Then the fault ends; parts must be answered as planned
again, and the MES must get everything that it did not refuse.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from harness import config, finish, tiny_bundle
from struck import LINES, Answered, Parts
from struck import Line as Held

from bridge.asking import ask
from bridge.config import Config, Line, load
from bridge.errors import Unavailable
from bridge.messages import Failure
from bridge.plugin.discovery import habits_of, open_peer
from bridge.simulate.factory import free_ports, open_bridge
from bridge.simulate.parts import Played
from bridge.store import Reader

DEADLINE_MS = 900
GRACE_MS = 60
"""What a loaded machine may take to carry an answer to the inspector, which looks at its own clock."""
AFTER = 4
"""Parts that each line plays when the fault is over."""
RECOVER_SECONDS = 20.0
DRAIN_SECONDS = 30.0
TMPFS = "size=40m"

SOURCES = {
    "tcp": 'type = "tcp"\nframing = "len32be"\nport = {port}\nreply = "{{json}}"\nreply_unrecorded = "{{json}}"\n',
    "hotfolder": 'type = "hotfolder"\npath = "{name}"\npoll_seconds = 0.02\nstable_seconds = 0.15\n'
    'image_wait_seconds = 0.5\nimages = ["{{stem}}_top.*"]\nviews = ["top"]\n',
}
LINE = """
[[line]]
name = "{name}"
goal = {goal}
stage = "{stage}"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = {deadline_ms}
judge = "bolts"
fallbacks_in_a_row = 1000

[line.source]
{source}
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
ack_timeout_seconds = 0.5
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, and what it may cost."""

    aoi: Mapping[str, float] = field(default_factory=dict)
    plc: Mapping[str, float] = field(default_factory=dict)
    mes: Mapping[str, float] = field(default_factory=dict)
    gateway: str = ""
    costs: frozenset[Failure] = frozenset()
    """The failures that parts may have because of it."""


_PICTURES = frozenset({Failure.IMAGE_MISSING, Failure.IMAGE_UNREADABLE, Failure.DEADLINE})
_SLOW = frozenset({Failure.DEADLINE})
_TWICE = frozenset({Failure.IMAGE_REPEATED})
_JUDGE = frozenset({Failure.JUDGE_DOWN, Failure.DEADLINE})
FAULTS: Mapping[str, Fault] = {
    "none": Fault(),
    "aoi partial": Fault(aoi={"partial": 0.02}, costs=_PICTURES),
    "aoi race": Fault(aoi={"race": 0.1}, costs=_PICTURES),
    "aoi rename-over": Fault(aoi={"rename-over": 0}, costs=_PICTURES | _TWICE),
    "aoi away-and-back": Fault(aoi={"away-and-back": 0.1}, costs=_PICTURES | _TWICE),
    "aoi duplicate": Fault(aoi={"duplicate": 2}, costs=_TWICE),
    "aoi out-of-order": Fault(aoi={"out-of-order": 3}),
    "aoi no-barcode": Fault(aoi={"no-barcode": 2}, costs=_PICTURES),
    "aoi reused-serial": Fault(aoi={"reused-serial": 2}, costs=_PICTURES | _TWICE),
    "aoi code-page": Fault(aoi={"code-page": 0}),
    "aoi clock-jump": Fault(aoi={"clock-jump": 86_400}),
    "aoi garbage": Fault(aoi={"garbage": 2}),
    "aoi drop": Fault(aoi={"drop": 3}),
    "aoi vanish": Fault(aoi={"vanish": 1.5}, costs=_PICTURES | _TWICE),
    "plc slow-scan": Fault(plc={"slow-scan": 0.2}),
    "plc slow-answer": Fault(plc={"slow-answer": 0.1}),
    "plc one-connection": Fault(plc={"one-connection": 1}),
    "plc busy": Fault(plc={"busy": 5}),
    "plc illegal": Fault(plc={"illegal": 20}),
    "plc drop": Fault(plc={"drop": 20}),
    "plc wrong-unit": Fault(plc={"wrong-unit": 17}),
    "plc late-ack": Fault(plc={"late-ack": 0.5}),
    "plc no-ack": Fault(plc={"no-ack": 0}),
    "plc still-heartbeat": Fault(plc={"still-heartbeat": 0}),
    "mes refuse": Fault(mes={"refuse": 3}),
    "mes stall": Fault(mes={"stall": 2}),
    "mes half-close": Fault(mes={"half-close": 3}),
    "mes ack-lost": Fault(mes={"ack-lost": 3}),
    "mes die": Fault(mes={"die": 1}),
    "disk full": Fault(gateway="disk-full", costs=frozenset({Failure.NOT_RECORDED}) | _PICTURES | _TWICE),
    "judge segfault": Fault(gateway="judge-segfault", costs=_JUDGE),
    "judge hang": Fault(gateway="judge-hang", costs=_JUDGE),
}


@dataclass
class Struck:
    """One line with its neighbours, whose habits can be changed while they live."""

    config: Line
    aoi: dict[str, float] = field(default_factory=dict)
    plc_habits: dict[str, float] = field(default_factory=dict)
    mes_habits: dict[str, float] = field(default_factory=dict)
    inspector: Any = None
    plc: Any = None
    mes: Any = None
    answered: list[Answered] = field(default_factory=list)

    def strike(self, fault: Fault) -> None:
        """Begin to misbehave; a machine has only the habits of its own road."""
        known = habits_of(self.config.source)
        self.aoi.update({name: number for name, number in fault.aoi.items() if name in known})
        self.plc_habits.update(fault.plc)
        self.mes_habits.update(fault.mes)

    def behave(self) -> None:
        """End it."""
        for habits in (self.aoi, self.plc_habits, self.mes_habits):
            habits.clear()

    async def play(self, parts: Sequence[Played], rate: float, seconds: float) -> None:
        """Play parts one after the other, each held by the PLC for as long as its verdict may take."""
        clock = asyncio.get_running_loop().time
        until, due = clock() + seconds, clock()
        for part in parts:
            due = max(due + 1 / rate, clock())
            if due > until:
                return
            await asyncio.sleep(due - clock())
            standing = asyncio.create_task(self.plc.present(part.serial, self.config.deadline_ms / 1000 + 0.3))
            await asyncio.sleep(0)
            sent_at = clock()
            try:
                answer = await self.inspector(part.inspection())
            except Unavailable:
                sent_at, answer = float("inf"), None
            took = (clock() - sent_at) * 1000
            self.answered.append(Answered(part, answer, took, await standing))


@asynccontextmanager
async def neighbours(loaded: Config, home: Path) -> AsyncIterator[list[Struck]]:
    """Open inspector, PLC and MES of every line."""
    async with AsyncExitStack() as stack:
        lines = []
        for line in loaded.line:
            one = Struck(line)
            one.inspector = await stack.enter_async_context(open_peer(line.source, home, one.aoi))
            plc, mes = line.reporter
            one.plc = await stack.enter_async_context(open_peer(plc, home, one.plc_habits))
            one.mes = await stack.enter_async_context(open_peer(mes, home, one.mes_habits))
            lines.append(one)
        yield lines


def configuration(bundle: Path, deadline_ms: int) -> str:
    """Return the four lines, on ports that are free now."""
    blocks = []
    ports = iter(free_ports(3 * len(LINES)))
    for name, (goal, stage, source) in LINES.items():
        port, plc, mes = next(ports), next(ports), next(ports)
        road = SOURCES[source].format(port=port, name=name)
        blocks.append(
            LINE.format(name=name, goal=goal, stage=stage, deadline_ms=deadline_ms, source=road, plc=plc, mes=mes)
        )
    return config(blocks, bundle)


async def run(
    name: str, fault: Fault, bundle: Path, seconds: float, rate: float, deadline_ms: int
) -> dict[str, object]:
    """Play one fault; return its row."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / "bridge.toml"
        path.write_text(configuration(bundle, deadline_ms))
        loaded = load(path)
        disk = await stack.enter_async_context(_disk(loaded.data, wanted=fault.gateway == "disk-full"))
        lines = await stack.enter_async_context(neighbours(loaded, folder / "neighbours"))
        process = await stack.enter_async_context(open_bridge(path))
        parts = {line.config.name: Parts(line.config.name) for line in lines}
        await _up(loaded)
        for line in lines:
            line.strike(fault)
        async with asyncio.TaskGroup() as tasks:
            troubling = tasks.create_task(_trouble(fault.gateway, process.pid, disk))
            playing = [
                tasks.create_task(line.play(parts[line.config.name].take(int(seconds * rate)), rate, seconds))
                for line in lines
            ]
            await asyncio.wait(playing)
            troubling.cancel()
        struck = {line.config.name: len(line.answered) for line in lines}
        for line in lines:
            line.behave()
        well = await _recovered(loaded, lines, parts, rate)
        drained = await _drained(loaded, lines)
        alive = process.returncode is None
        return _row(name, fault, lines, struck, loaded, after=well and drained and alive, disk=disk.kind)


def _row(
    name: str,
    fault: Fault,
    lines: Sequence[Struck],
    struck: Mapping[str, int],
    loaded: Config,
    *,
    after: bool,
    disk: str,
) -> dict[str, object]:
    failures: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    took: list[float] = []
    for line in lines:
        name_ = line.config.name
        decisions = Reader(loaded.data).decisions(name_, limit=10**6)
        held = Held(
            name_, line.answered, struck[name_], decisions, fault.costs, line.config.deadline_ms + GRACE_MS
        )
        told = held.told()
        counts += told.counts
        failures += told.failures
        took += told.took
        counts["late_writes"] += line.plc.late + line.plc.wrong_part
        counts["mes_missing"] += len({d.id for d in decisions} - set(line.mes.documents) - set(line.mes.refused))
    return {
        "fault": f"{name} ({disk})" if disk else name,
        "parts": sum(struck.values()),
        "in_time": counts["in_time"],
        "worst_ms": round(max(took, default=0.0), 1),
        "as_the_table_says": counts["right"],
        "fallbacks": dict(failures),
        "wrong_ok": counts["wrong_ok"],
        "late_writes": counts["late_writes"],
        "at_the_plc": counts["at_the_plc"],
        "mes_missing": counts["mes_missing"],
        "well_afterwards": after,
        "wrong": told_wrong(counts),
    }


def told_wrong(counts: Mapping[str, int]) -> dict[str, int]:
    """Return what was not as it should be, by kind."""
    return {kind: number for kind, number in counts.items() if kind.startswith("wrong:") and number}


# What is done to the gateway itself


@dataclass
class Disk:
    """A data folder that can be filled."""

    folder: Path
    kind: str = ""
    _filler: Path | None = None

    def fill(self, pid: int) -> None:
        """Leave no room: on a disk of its own by filling it, else by a limit on the size of every file."""
        if self.kind == "tmpfs":
            self._filler = self.folder / "filler"
            with suppress(OSError), self._filler.open("ab", buffering=0) as file:
                while file.write(b"\0" * 4096):
                    pass
        else:
            psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (1, resource_unlimited()))

    def free(self, pid: int) -> None:
        """Give the room back."""
        if self._filler is not None:
            self._filler.unlink(missing_ok=True)
        else:
            psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (resource_unlimited(), resource_unlimited()))


def resource_unlimited() -> int:
    """Return the system's word for no limit."""
    return int(psutil.RLIM_INFINITY)


@asynccontextmanager
async def _disk(folder: Path, *, wanted: bool) -> AsyncIterator[Disk]:
    """Give the data folder a small disk of its own, where this machine lets us."""
    if not wanted:
        yield Disk(folder)
        return
    folder.mkdir(parents=True)  # noqa: ASYNC240 - once, before anything runs
    mount = ["mount", "-t", "tmpfs", "-o", TMPFS, "none", str(folder)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0  # noqa: ASYNC221 - once
    except OSError:
        mounted = False
    try:
        yield Disk(folder, "tmpfs" if mounted else "RLIMIT_FSIZE")
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)  # noqa: ASYNC221, S607 - as above


async def _trouble(kind: str, pid: int, disk: Disk) -> None:
    """Do it to the gateway, again and again, until cancelled."""
    if kind == "disk-full":
        try:
            while True:
                await asyncio.to_thread(disk.fill, pid)
                await asyncio.sleep(0.05)
        finally:
            disk.free(pid)
    while kind:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            for worker in psutil.Process(pid).children(recursive=True):
                if "bridge.judging.worker" in worker.cmdline():
                    os.kill(worker.pid, signal.SIGSEGV if kind == "judge-segfault" else signal.SIGSTOP)
        await asyncio.sleep(1.0)


async def _until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds in another process; return whether it ever did."""
    until = time.monotonic() + seconds
    while not (holds := await asyncio.to_thread(true)) and time.monotonic() < until:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.05)
    return holds


async def _recovered(loaded: Config, lines: Sequence[Struck], parts: Mapping[str, Parts], rate: float) -> bool:
    """Wait until parts are told as planned again; the first after a fault may still suffer from it."""
    until = time.monotonic() + RECOVER_SECONDS
    while await _up(loaded) and time.monotonic() < until:
        rounds = [line.play(parts[line.config.name].take(AFTER), rate, RECOVER_SECONDS) for line in lines]
        await asyncio.gather(*rounds)
        if all(one.as_planned(line.config.name) for line in lines for one in line.answered[-AFTER:]):
            return True
    return False


async def _up(loaded: Config) -> bool:
    """Wait until every plugin is up."""

    def up() -> bool:
        said = ask(loaded.data, "/v1/status")
        return bool(said) and all(one["state"] in {"up", "degraded"} for one in said["plugins"])

    return await _until(up, RECOVER_SECONDS)


async def _drained(loaded: Config, lines: Sequence[Struck]) -> bool:
    """Wait until every part is recorded, and nothing is owed to an MES."""

    def drained() -> bool:
        reader = Reader(loaded.data)
        with suppress(Unavailable):
            decided = {tally.line: tally.parts for tally in reader.lines()}
            owed = sum(queued for queued, _ in reader.outbox().values())
            folders = [line for line in lines if line.config.source.plugin.name == "hotfolder"]
            return not owed and all(decided.get(one.config.name, 0) >= len(one.answered) for one in folders)
        return False

    return await _until(drained, DRAIN_SECONDS)


def held(row: Mapping[str, object]) -> bool:
    """Return whether a row is as it should be."""
    whole = row["parts"] == row["in_time"] == row["as_the_table_says"] and not row["wrong"]
    none = not (row["wrong_ok"] or row["late_writes"] or row["mes_missing"])
    return whole and none and bool(row["well_afterwards"])


def main() -> int:
    """Play the faults in turn, print a row for each, and the figures; return 1 if one was not held."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20, help="of each fault (20)")
    parser.add_argument("--rate", type=float, default=6, help="parts per second on each line (6)")
    parser.add_argument("--deadline", type=int, default=DEADLINE_MS, help="milliseconds of every part (900)")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="this one only; may be repeated")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bundle = tiny_bundle(Path(folder))
        for name in args.fault or FAULTS:
            rows.append(asyncio.run(run(name, FAULTS[name], bundle, args.seconds, args.rate, args.deadline)))
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    finish({"seconds": args.seconds, "rate": args.rate, "deadline_ms": args.deadline, "faults": rows})
    return 0 if all(held(row) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
