"""Four lines around one gateway: an inspector and a PLC each, one MES for all, and parts that keep coming.

Goals 1 and 2 inline, goal 3 beside a tap, goal 1 in shadow: on every line each part stops for its verdict at the
PLC, and each is told to the MES.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway_process import COMMAND, GatewayProcess
from harness import config, tiny_bundle
from insisting import Bodies, Passed, Pictures, Station

from bridge.config import load
from bridge.simulate.factory import free_ports
from bridge_modbus.peer import serve_plc
from bridge_tcp.peer import Mes, serve_mes

DEADLINE_MS = 400
STANDS_SECONDS = 0.75
"""So long a part stops at its PLC: past its deadline, and gone before a new gateway could be ready."""
LINES = (
    ("cut-false-calls", 1, "live", "inline"),
    ("catch-escapes", 2, "live", "inline"),
    ("replace", 3, "live", "tap"),
    ("shadow", 1, "shadow", "inline"),
)
LINE = """
[[line]]
name = "{name}"
goal = {goal}
stage = "{stage}"
live_because = "a benchmark"
shadow.guard_share = 0
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


@dataclass(frozen=True)
class FourLines:
    """A gateway that does not run yet, and its neighbours."""

    data: Path
    gateway: GatewayProcess
    stations: Sequence[Station]
    mes: Mes
    bodies: Bodies

    @asynccontextmanager
    async def fed(self, rate: float) -> AsyncIterator[asyncio.Event]:
        """Let so many parts per second come, over all lines, until the event that is yielded is set.

        The inspectors go on asking for acknowledgements until the context ends.
        """
        over, count = asyncio.Event(), len(self.stations)
        tasks = [asyncio.create_task(station.inspector.run()) for station in self.stations]
        tasks += [
            asyncio.create_task(station.run(rate / count, place / rate, over))
            for place, station in enumerate(self.stations)
        ]
        try:
            yield over
        finally:
            over.set()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    @property
    def made(self) -> int:
        """How many parts have come so far."""
        return sum(station.made for station in self.stations)

    @property
    def acknowledged(self) -> int:
        """How many parts were acknowledged."""
        return sum(len(station.inspector.answers) for station in self.stations)

    @property
    def owed(self) -> int:
        """How many parts have come and are not acknowledged."""
        return sum(station.inspector.owed for station in self.stations)

    def passed(self, since: float = 0.0, until: float = float("inf")) -> Iterator[Passed]:
        """Yield the parts that were handed over within a time (monotonic seconds) and have left."""
        for station in self.stations:
            yield from (one for one in station.passed if since <= one.sent_at < until)


@asynccontextmanager
async def four_lines(
    folder: Path,
    seed: int,
    *,
    data: Path | None = None,
    command: Sequence[str] = COMMAND,
    cap_bytes: int = 1_000_000_000,
    picture_bytes: Sequence[int] = (0, 0, 0, 0),
) -> AsyncIterator[FourLines]:
    """Build it all in a folder, on free ports.

    Args:
        folder: for bridge.toml, the model and, unless told otherwise, the data.
        seed: of the pictures.
        data: the gateway's data folder.
        command: what starts the gateway.
        cap_bytes: how much of the disk pictures may take.
        picture_bytes: how large each line's pictures are at least.
    """
    data = data or folder / "var"
    mes_port, *ports = free_ports(1 + 2 * len(LINES))
    free = iter(ports)
    blocks = [
        LINE.format(
            name=name,
            goal=goal,
            stage=stage,
            topology=topology,
            deadline_ms=DEADLINE_MS,
            source=next(free),
            plc=next(free),
            mes=mes_port,
        )
        for name, goal, stage, topology in LINES
    ]
    path = folder / "bridge.toml"
    text = config(blocks, tiny_bundle(folder / "model")).replace('"var"', f'"{data}"')
    text = text.replace("[images]", f"[images]\ncap_bytes = {cap_bytes}")
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    loaded = await asyncio.to_thread(load, path)
    async with AsyncExitStack() as stack:
        bodies, framed = Bodies(), loaded.line[0].reporter[1].options.framed
        mes = await stack.enter_async_context(serve_mes(framed, "127.0.0.1", mes_port, bodies.read))
        stations = []
        for number, line in enumerate(loaded.line):
            plc = await stack.enter_async_context(serve_plc(line.reporter[0].options))
            pictures = Pictures(1000 * seed + number, picture_bytes[number])
            stations.append(Station(line, plc, pictures, STANDS_SECONDS))
        gateway = GatewayProcess(path, data, command)
        stack.push_async_callback(gateway.stop)
        yield FourLines(data, gateway, stations, mes, bodies)
