"""A whole factory for one bridge.toml: the other side of every source and reporter, and the bridge itself.

The bridge runs as its own process, started with the same command as a user's; only the neighbours are simulated.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bridge.asking import ask
from bridge.config import Config, Line, load
from bridge.errors import Unavailable
from bridge.goals import left_to_us
from bridge.messages import Goal
from bridge.plugin.discovery import open_peer
from bridge.plugin.peers import Book, Play, Station
from bridge.simulate.figures import Figures, figures
from bridge.simulate.parts import Played
from bridge.simulate.play import Shown, play
from bridge.store import Reader

DEMO_BUNDLE = Path(__file__).parent / "demo_bundle"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
DRAIN_SECONDS = 30.0
PORTS = range(20_000, 32_768)
"""Where free ports are looked for; Linux gives those above to whoever dials."""
_PORT = re.compile(r"^port = \d+$", re.MULTILINE)


@dataclass
class Stand:
    """One simulated line: its neighbours, and what was played so far."""

    config: Line
    inspector: Play
    plc: Station | None = None
    mes: Book | None = None
    shown: list[Shown] = field(default_factory=list)

    async def play(self, parts: Sequence[Played], rate: float) -> None:
        """Play the parts at so many per second, keeping what happened."""
        seconds = self.config.deadline_ms / 1000 + 1
        async for one in play(parts, self.inspector, self.plc, rate=rate, seconds=seconds, waits=self._waits):
            self.shown.append(one)

    def _waits(self, part: Played) -> bool:
        """Beside a tap the PLC waits for us only where the old machine's wiring leaves the part to us."""
        live = self.config.stage == "live" and left_to_us(Goal(self.config.goal), part.legacy)
        return self.config.topology == "inline" or live

    def told(self) -> int:
        """Return how many of this line's decisions the MES holds."""
        return len(self.mes.documents) if self.mes else 0

    def figures(self, data: Path) -> Figures:
        """Return what the run did, read from PLC, MES and journal."""
        documents = list(self.mes.documents.values()) if self.mes else None
        return figures(
            self.config.name,
            self.config.goal,
            self.config.stage,
            self.shown,
            documents,
            Reader(data).decisions(self.config.name, limit=len(self.shown) + 1),
            inline=self.config.topology == "inline",
            resent=self.mes.resent if self.mes else 0,
        )


def free_ports(count: int) -> list[int]:
    """Return so many TCP ports on loopback that were free a moment ago.

    They lie below those that the system gives to whoever dials, or one of these could be taken before it is used.
    """
    ports: list[int] = []
    with ExitStack() as held:
        for port in random.sample(PORTS, len(PORTS)):
            with suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise Unavailable(f"{count} free ports are not to be had")


async def run_factory(
    example: Path, folder: Path, parts: Mapping[str, Sequence[Played]], rate: float, bundle: Path = DEMO_BUNDLE
) -> list[Stand]:
    """Run somebody's bridge.toml on free ports in an empty folder, beside simulated neighbours, and play parts.

    Args:
        example: the configuration; ports of its own are replaced by free ones, nothing else.
        folder: where it runs; the bundle becomes the live model of every name the file uses.
        parts: what to play on each line, by name.
        rate: parts per second on each line.
        bundle: the model.
    """
    path = folder / "bridge.toml"
    await asyncio.to_thread(_relocate, example, path)
    config = load(path)
    for judge in config.judge.values():
        live = config.data / "models" / judge.options.model / "live"
        await asyncio.to_thread(shutil.copytree, bundle, live)
    async with open_neighbours(config, folder / "neighbours") as stands:
        async with open_bridge(path), asyncio.TaskGroup() as tasks:
            playing = [
                tasks.create_task(stand.play(parts[stand.config.name], rate), name=stand.config.name)
                for stand in stands
            ]
            await asyncio.wait(playing)
            await drained(stands, Reader(config.data))
        return stands


def _relocate(example: Path, path: Path) -> None:
    text = example.read_text(encoding="utf-8")
    ports = iter(free_ports(len(_PORT.findall(text))))
    path.write_text(_PORT.sub(lambda _: f"port = {next(ports)}", text), encoding="utf-8")


@asynccontextmanager
async def open_neighbours(config: Config, home: Path) -> AsyncIterator[list[Stand]]:
    """Open the PLC, the MES and the inspector of every line; the bridge may come later."""
    async with AsyncExitStack() as stack:
        stands: list[Stand] = []
        for line in config.line:
            stand = Stand(line, await stack.enter_async_context(open_peer(line.source, home / line.name)))
            for told in line.reporter:
                peer = await stack.enter_async_context(open_peer(told, home / line.name))
                if told.options.lane == "realtime":
                    stand.plc = peer
                else:
                    stand.mes = peer
            stands.append(stand)
        yield stands


@asynccontextmanager
async def open_bridge(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``aoi-bridge run`` on this file while the context lasts; its log lies beside the file.

    Raises:
        Unavailable: it did not become ready; the end of its log is in the message.
    """
    log = path.with_suffix(".log")
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bridge.cli",
            "run",
            "--config",
            str(path),
            stdout=file,
            stderr=file,
            stdin=asyncio.subprocess.DEVNULL,
        )
    try:
        await _ready(process, load(path), log)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def drained(stands: Sequence[Stand], journal: Reader) -> None:
    """Wait until every part is decided and the outbox is empty, or for so long that it never will be."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while not await asyncio.to_thread(_settled, stands, journal):  # noqa: ASYNC110 - another process's journal
                await asyncio.sleep(POLL_SECONDS)  # the journal is another process's
    except TimeoutError:
        return


def _settled(stands: Sequence[Stand], journal: Reader) -> bool:
    decided = {tally.line: tally.parts for tally in journal.lines()}
    owed = sum(queued for queued, _ in journal.outbox().values())
    return not owed and all(decided.get(stand.config.name, 0) >= len(stand.shown) for stand in stands)


async def _ready(process: asyncio.subprocess.Process, config: Config, log: Path) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while process.returncode is None:
                said = await asyncio.to_thread(ask, config.data, "/readyz")
                if said and said["ready"]:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        pass
    text = await asyncio.to_thread(log.read_text, encoding="utf-8", errors="replace")
    end = text.strip().splitlines()[-3:]
    raise Unavailable(f"the bridge did not become ready; the end of {log}: {' | '.join(end)}")
