"""The broker is killed again and again under load: nothing is lost, and nothing has two ids.

    python benchmarks/broker.py [--restarts 20] [--rate 50] [--between 4]

One line, its parts from a Mosquitto and its results to the same one, which is killed without a goodbye and started
again so many times. Twice: first the inspector and the reporter trust the broker's acknowledgement, and what it
acknowledged and never handed on is counted as its own loss; then both insist end to end, the inspector until the
answer comes (``answer_topic``), the reporter until the MES itself has said so (``ack_topic``). The second way
nothing may be lost.

Mosquitto saves after every change (``autosave_on_changes``, ``autosave_interval 1``), once it has acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evidence import Evidence
from gateway_process import GatewayProcess
from harness import config, tiny_bundle
from mosquitto_process import MosquittoProcess
from promises import Promise, close, interrupted, none, pause, progress

from bridge.config import load
from bridge.messages import Inspection, Verdict
from bridge.plugin import Unavailable
from bridge.simulate.factory import free_ports
from bridge_mqtt.mes import Mes, open_mes
from bridge_mqtt.peer import Machine, machine

LINE = "line"
DOWN_SECONDS = 0.3
"""How long the broker is dead, at most."""
ANSWER_SECONDS = 6.0
"""An inspector without an answer by then publishes its part again; the gateway may pause 5 s before it dials."""
QUIET_SECONDS = 6.0
"""What has not come while nothing else came for so long is lost."""
AGAIN_SECONDS = 0.05
REST_SECONDS = 60.0
BLOCK = """
[[line]]
name = "{line}"
goal = 1
stage = "live"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 2000
judge = "bolts"

[line.source]
type = "mqtt"
host = "127.0.0.1"
port = {port}
site = "plant"
area = "smt"
line = "{line}"
answer_topic = "{answers}"

[[line.reporter]]
name = "mes"
type = "mqtt"
host = "127.0.0.1"
port = {port}
site = "plant"
area = "smt"
line = "{line}"
window = 16
ack_topic = "{acks}"
"""


@dataclass
class Inspector:
    """Publishes a part at a rate, each until it is content with what comes back."""

    machine: Machine
    insists: bool
    """Whether it wants the bridge's own answer, or takes the broker's word."""
    taken: set[str] = field(default_factory=set)
    """The keys that the broker acknowledged."""
    made: int = 0
    published: int = 0
    owed: set[str] = field(default_factory=set)

    async def run(self, rate: float, over: asyncio.Event) -> None:
        """Let parts come until told to stop, and return once each is done with."""
        due = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            while not over.is_set():
                self.made += 1
                part = Inspection(part=f"P{self.made:07d}", key=f"k{self.made:07d}", legacy=Verdict.NG)
                self.owed.add(str(part.key))
                tasks.create_task(self._hand_over(part))
                due = max(due + 1 / rate, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

    async def _hand_over(self, part: Inspection) -> None:
        key = str(part.key)
        while not self._content(key):
            try:
                self.published += 1
                await self.machine.publish(part)
                self.taken.add(key)
                if self.insists:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await self.machine.answer(part)
            except (Unavailable, TimeoutError):
                await asyncio.sleep(AGAIN_SECONDS)
        self.owed.discard(key)

    def _content(self, key: str) -> bool:
        return key in (self.machine.answers if self.insists else self.taken)


@dataclass
class Night:
    """One broker's bad night."""

    inspector: Inspector
    mes: Mes
    mosquitto: MosquittoProcess
    evidence: Evidence
    stop: asyncio.Event
    kills: int = 0

    async def run(self, restarts: int, rate: float, between: float) -> None:
        """Kill the broker so often under load, then let everything come to rest."""
        dice, over = random.Random(1), asyncio.Event()  # noqa: S311 - when a broker dies is no secret
        feeding = asyncio.create_task(self.inspector.run(rate, over))
        while self.kills < restarts and await pause(self.stop, between * dice.uniform(0.2, 1.8)):
            self.mosquitto.kill()
            self.kills += 1
            await asyncio.sleep(DOWN_SECONDS * dice.random())
            await self.mosquitto.start()
            progress(
                f"killed {self.kills} times, {self.inspector.made} parts, {len(self.mes.documents)} at the MES"
            )
        await pause(self.stop, between)
        over.set()
        await feeding
        await self._rest()

    async def _rest(self) -> None:
        """Wait until everything is there; where something is missing, until nothing has moved for a while."""
        until, seen, since = time.monotonic() + REST_SECONDS, -1, time.monotonic()
        while time.monotonic() < until and time.monotonic() - since < QUIET_SECONDS:
            await asyncio.sleep(0.1)
            await asyncio.to_thread(self.evidence.read_on)
            if not self.inspector.owed and not self.lost() and not self.untold():
                return
            moved = len(self.evidence.ids) + self.mes.arrivals.total()
            if moved != seen or not await asyncio.to_thread(self.evidence.settled):
                seen, since = moved, time.monotonic()

    def lost(self) -> list[str]:
        """Return the keys that were acknowledged to the inspector and do not stand in the journal."""
        if self.inspector.insists:
            return self.evidence.lost(LINE, self.inspector.machine.answers)
        return [key for key in self.inspector.taken if (LINE, key) not in self.evidence.ids]

    def untold(self) -> list[str]:
        """Return the ids that stand in the journal and not in the MES's book."""
        return [id_ for id_ in self.evidence.ids.values() if id_ not in self.mes.documents]

    def figures(self) -> dict[str, object]:
        """Return every figure of this night."""
        return {
            "kills": self.kills,
            "parts": self.inspector.made,
            "published": self.inspector.published,
            "in_the_journal": len(self.evidence.ids),
            "at_the_mes": len(self.mes.documents),
            "resent_to_the_mes": self.mes.resent,
            "lost_before_the_journal": len(self.lost()),
            "lost_before_the_mes": len(self.untold()),
            "two_ids": self.evidence.duplicated + self.mes.duplicated(),
        }

    def promises(self) -> list[Promise]:
        """Return what holds whoever is trusted, and what holds where both sides insist."""
        who = "insisting" if self.inspector.insists else "trusting"
        always = [
            none(f"{who}: keys under two ids in the journal", self.evidence.duplicated),
            none(f"{who}: parts under two ids at the MES", self.mes.duplicated()),
            none(f"{who}: documents that changed when resent", self.mes.changed),
            none(f"{who}: told to the MES, not in the journal", len(self._unheard_of())),
        ]
        if not self.inspector.insists:
            return always
        return [
            none("insisting: parts never answered", len(self.inspector.owed)),
            none("insisting: answered, not in the journal", len(self.lost())),
            none("insisting: in the journal, not at the MES", len(self.untold())),
            *always,
        ]

    def _unheard_of(self) -> set[str]:
        return set(self.mes.documents) - set(self.evidence.ids.values())


@asynccontextmanager
async def night(folder: Path, stop: asyncio.Event, *, insists: bool) -> AsyncIterator[Night]:
    """Build a broker, a gateway that is ready, an inspector and an MES in a folder."""
    await asyncio.to_thread(folder.mkdir)
    port = free_ports(1)[0]
    topics = {"answers": f"v1/plant/smt/{LINE}/answers", "acks": f"v1/plant/smt/{LINE}/acks" if insists else ""}
    path, data = folder / "bridge.toml", folder / "var"
    text = config([BLOCK.format(line=LINE, port=port, **topics)], tiny_bundle(folder / "model"))
    await asyncio.to_thread(path.write_text, text.replace('"var"', f'"{data}"'), encoding="utf-8")
    line = (await asyncio.to_thread(load, path)).line[0]
    mosquitto, gateway = MosquittoProcess(folder / "broker", port), GatewayProcess(path, data)
    await mosquitto.start()
    gateway.start()
    try:
        await gateway.ready()
        async with open_mes(line.reporter[0].options) as mes, machine(line.source.options) as inspector:
            yield Night(Inspector(inspector, insists), mes, mosquitto, Evidence(data), stop)
    finally:
        await gateway.stop()
        mosquitto.kill()


async def measured(folder: Path, restarts: int, rate: float, between: float) -> int:
    """Run both nights and tell what they showed; return the exit status."""
    stop, promises = interrupted(), list[Promise]()
    figures: dict[str, Mapping[str, Any]] = {}
    for name, insists in (("trusting", False), ("insisting", True)):
        async with night(folder / name, stop, insists=insists) as run:
            await run.run(restarts, rate, between)
            promises += run.promises()
            figures[name] = run.figures()
    return close(promises, {"restarts": restarts, "rate": rate, "between_s": between, **figures})


def main() -> int:
    """Run and print the figures; the exit status is 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--restarts", type=int, default=20, help="how often the broker is killed, each time (20)")
    parser.add_argument("--rate", type=float, default=50, help="parts per second (50)")
    parser.add_argument("--between", type=float, default=4, help="seconds between two deaths, on average (4)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return asyncio.run(measured(Path(folder), args.restarts, args.rate, args.between))


if __name__ == "__main__":
    sys.exit(main())
