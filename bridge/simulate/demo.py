"""The demo: one line per goal and one in shadow, every part told to a PLC and to an MES over real protocols.

Every line sees the same bolts with the same verdicts of the same old inspector, so the goals can be compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from bridge.config import load
from bridge.simulate.factory import DEMO_BUNDLE, Stand, drained, free_ports, open_bridge, open_neighbours
from bridge.simulate.figures import Figures
from bridge.simulate.parts import Played
from bridge.store import Reader

LINES = (
    ("goal-1", 1, "live"),
    ("goal-2", 2, "live"),
    ("goal-3", 3, "live"),
    ("shadow", 1, "shadow"),
)
FALSE_CALLS = 0.12
"""The simulated inspector's share of good parts called NG."""
ESCAPES = 0.05
"""Its share of bad parts called OK."""
DEFECTIVE = 0.1
"""The share of bad parts."""

_LINE = """
[[line]]
name = "{name}"
goal = {goal}
stage = "{stage}"
{because}topology = "inline"
deadline_ms = 900
judge = "bolts"
views_expected = 4

[line.source]
type = "tcp"
framing = "len32be"
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
"""


_BECAUSE = """live_because = "a demo, no real line"
shadow.guard_share = 0
"""


def configuration() -> str:
    """Return the demo's bridge.toml, with ports that are free now."""
    ports = iter(free_ports(3 * len(LINES)))
    lines = [
        _LINE.format(
            name=name,
            goal=goal,
            stage=stage,
            because=_BECAUSE if stage == "live" else "",
            source=next(ports),
            plc=next(ports),
            mes=next(ports),
        )
        for name, goal, stage in LINES
    ]
    head = 'data = "var"\n\n[http]\nport = 0\n\n[judge.bolts]\ntype = "classifier"\n'
    return head + f'model = "{DEMO_BUNDLE}"\n' + "".join(lines)


async def run(
    parts: Sequence[Played], folder: Path, rate: float, watch: Callable[[Sequence[Stand]], None]
) -> list[Figures]:
    """Play the parts on every line of the demo; return each line's figures.

    Args:
        parts: what to play, in order, verdicts included.
        folder: an empty folder for configuration, journal and log.
        rate: parts per second on each line.
        watch: called a few times per second with the state of every line.
    """
    path = folder / "bridge.toml"
    path.write_text(configuration(), encoding="utf-8")
    config = load(path)
    async with open_neighbours(config, folder / "neighbours") as stands:
        async with open_bridge(path), asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watching(stands, watch), name="watch")
            playing = [tasks.create_task(stand.play(parts, rate), name=stand.config.name) for stand in stands]
            await asyncio.wait(playing)
            await drained(stands, Reader(config.data))
            watching.cancel()
        watch(stands)
        return [stand.figures(config.data) for stand in stands]


async def _watching(stands: Sequence[Stand], watch: Callable[[Sequence[Stand]], None]) -> None:
    while True:
        watch(stands)
        await asyncio.sleep(0.25)
