"""Play a PLC against a real bridge, in both roles, by the steps of aoi_bridge.st; raw registers on the wire."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

sys.path.insert(0, str(Path(__file__).parent))

from function_block import AoiBridge, Why
from pymodbus.client import AsyncModbusTcpClient

from bridge.simulate.factory import DEMO_BUNDLE, free_ports, open_bridge
from bridge_modbus.plc_memory import Memory, serve

HERE = Path(__file__).parent
CMD_AT, STS_AT, STS_WORDS = 0, 100, 58
SCAN_SECONDS = 0.01
LIMIT_SECONDS = 30.0
OK, NG = 1, 2

Exchange: TypeAlias = Callable[[list[int]], Awaitable[list[int]]]
"""Gives CMD to the bridge and returns STS."""


@dataclass
class Station:
    """The PLC's program around the function block: it scans as long as there is something to wait for."""

    block: AoiBridge
    exchange: Exchange

    async def until(self, what: Callable[[AoiBridge], bool]) -> None:
        """Scan until the function block's outputs say what is waited for."""
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                self.block.scan(await self.exchange(self.block.cmd), clock())
                if what(self.block):
                    return
                await asyncio.sleep(SCAN_SECONDS)

    async def inspect(self, number: int, legacy: int, recipe: int = 1) -> tuple[bool, Why]:
        """Let one part come, take its verdict, and let it go; return whether it passes, and why not."""
        block = self.block
        block.recipe = recipe
        await self.until(lambda b: b.cmd[3] == recipe and b.ready)
        block.part_id, block.serial, block.legacy, block.part = number, f"BOLT-{number:05}", legacy, True
        await self.until(lambda b: b.done)
        said = block.ok, block.why
        block.part = False
        await self.until(lambda b: not b.done)
        return said


@asynccontextmanager
async def as_server(port: int) -> AsyncIterator[Exchange]:
    """The PLC's own registers, which the bridge reads and writes."""
    memory = Memory(holding=[0] * (STS_AT + STS_WORDS), bridge_holding=range(STS_AT, STS_AT + STS_WORDS))

    async def exchange(cmd: list[int]) -> list[int]:
        memory.put(CMD_AT, cmd)
        return memory.holding[STS_AT : STS_AT + STS_WORDS]

    async with serve(memory, "127.0.0.1", port, lambda: None):
        yield exchange


@asynccontextmanager
async def as_client(port: int) -> AsyncIterator[Exchange]:
    """The PLC's Modbus client: CMD by FC16, then STS by FC4; while the bridge is away STS stays as it was."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0, reconnect_delay=0)
    seen = [0] * STS_WORDS

    async def exchange(cmd: list[int]) -> list[int]:
        if client.connected or await client.connect():
            await client.write_registers(CMD_AT, cmd)
            seen[:] = (await client.read_input_registers(0, count=STS_WORDS)).registers
        return seen

    try:
        yield exchange
    finally:
        client.close()


async def main(role: str) -> dict[str, object]:
    """Run a bridge in this role, play a few parts, and return what became of them."""
    with tempfile.TemporaryDirectory() as folder:
        path, (port, http) = Path(folder) / "bridge.toml", free_ports(2)
        text = await asyncio.to_thread((HERE / f"{role}.toml").read_text, encoding="utf-8")
        text = text.replace("15502", str(port)).replace("9464", str(http))
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        live = Path(folder) / "var" / "models" / "bolts" / "live"
        await asyncio.to_thread(shutil.copytree, DEMO_BUNDLE, live)
        opened = as_server if role == "client" else as_client
        async with opened(port) as exchange:
            station = Station(AoiBridge(), exchange)
            async with open_bridge(path):
                said = {
                    "OK": await station.inspect(1, OK),
                    "NG": await station.inspect(2, NG),
                    "another recipe": await station.inspect(3, OK, recipe=2),
                    "a recipe nobody knows": await station.inspect(4, NG, recipe=9),
                }
            await station.until(lambda b: b.fault)
            station.block.part = True
            await station.until(lambda b: b.done)
            said["a dead bridge"] = station.block.ok, station.block.why
    for what, (passes, why) in said.items():
        print(f"{role}: {what}: {'pass' if passes else f'reject ({why.name})'}")
    return dict(said)


if __name__ == "__main__":
    for which in ("client", "server"):
        asyncio.run(main(which))
