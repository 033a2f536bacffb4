"""Play a PLC and four cameras against a real bridge; print each verdict and what it took from the trigger on."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridge.config import Config, load
from bridge.messages import Decision, Verdict
from bridge.simulate.factory import DEMO_BUNDLE, free_ports, open_bridge
from bridge.simulate.parts import Played, bolts
from bridge.store import Reader
from bridge_camera.peer import Station, folders_of, make
from bridge_modbus.codec import CommandBlock, Control, Status, StatusBlock
from bridge_modbus.plc_trigger import Registers, TriggeringPlc, as_server

HERE = Path(__file__).parent


@dataclass
class Timed:
    """A PLC's registers, and when it triggered and found a valid result in them."""

    registers: Registers
    milliseconds: list[float] = field(default_factory=list)
    _triggered_at: float | None = None

    async def show(self, command: CommandBlock) -> None:
        """Put CMD where the bridge finds it."""
        if Control.TRIGGER in command.control and self._triggered_at is None:
            self._triggered_at = asyncio.get_running_loop().time()
        await self.registers.show(command)

    async def said(self) -> StatusBlock:
        """Return STS as it stands."""
        said = await self.registers.said()
        if Status.RESULTS_VALID in said.status and self._triggered_at is not None:
            self.milliseconds.append((asyncio.get_running_loop().time() - self._triggered_at) * 1000)
            self._triggered_at = None
        return said


@dataclass(frozen=True)
class Shown:
    """What became of one bolt."""

    part: Played
    verdict: Verdict | None
    milliseconds: float


async def main(parts: int = 24) -> tuple[list[Shown], list[Decision]]:
    """Play so many bolts, and one more whose front camera sees nothing."""
    bolted = await asyncio.to_thread(bolts, parts + 1, defective=0.25)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bridge.toml"
        config = await asyncio.to_thread(_prepared, path)
        async with as_server(config.line[0].source.options.trigger.options) as plc:
            timed = Timed(plc.registers)
            plc.registers = timed
            async with open_bridge(path):
                shown = await _play(bolted, plc, timed, config)
        decisions = await asyncio.to_thread(Reader(config.data).decisions)
    for one in shown:
        print(
            f"{one.part.serial}  is {one.part.truth}, the PLC took {one.verdict} after {one.milliseconds:.0f} ms"
        )
    took = sorted(one.milliseconds for one in shown)
    print(f"trigger to verdict: median {statistics.median(took):.0f} ms, longest {took[-1]:.0f} ms")
    return shown, decisions


def _prepared(path: Path) -> Config:
    """Put the example into a folder of its own, on free ports, with the demo's model."""
    plc, http = free_ports(2)
    text = (HERE / "bridge.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("15502", str(plc)).replace("9464", str(http)), encoding="utf-8")
    config = load(path)
    shutil.copytree(DEMO_BUNDLE, config.data / "models" / "bolts" / "live")
    make(folders_of(config.line[0].source.options))
    return config


async def _play(bolted: Sequence[Played], plc: TriggeringPlc, timed: Timed, config: Config) -> list[Shown]:
    station = Station(plc.play, folders_of(config.line[0].source.options))
    shown = []
    for number, part in enumerate(bolted, start=1):
        inspection = replace(part.inspection(), legacy=None)
        if number == len(bolted):  # a hand before the lens
            inspection = replace(inspection, views=inspection.views[1:])
        verdict = await station.play(inspection)
        shown.append(Shown(part, verdict, timed.milliseconds[-1]))
    return shown


if __name__ == "__main__":
    asyncio.run(main())
