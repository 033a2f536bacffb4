"""What the bridge adds, from TCP in to register readable: 8 lines, 10 parts per second each, a 70 kB picture.

    python benchmarks/overhead.py [--seconds 30]

The time from the first byte that the inspector sends until the verdict stands, valid, in the PLC's registers; the
judge's time (from handing the views over to its answer) is taken off, and the model is a tiny one, for two cores
must also hold eight inspectors and eight PLCs. Goal 3, so every part is judged and every decision committed.
Beside it, in the same run, a bare loop of one-row commits at the same rate: what is above its p99 is ours.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from harness import bare_commits, config, finish, picture, quantiles, tiny_bundle

from bridge.config import load
from bridge.messages import Verdict
from bridge.simulate.factory import Stand, drained, free_ports, open_bridge, open_neighbours
from bridge.simulate.figures import percentile
from bridge.simulate.parts import Played
from bridge.store import Reader

LINES = 8
RATE = 10.0
BARE_SECONDS = 5.0

LINE = """
[[line]]
name = "line-{number}"
goal = 3
stage = "live"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 900
judge = "bolts"

[line.source]
type = "tcp"
framing = "len32be"
port = {source}

[[line.reporter]]
name = "plc"
type = "modbus"
host = "127.0.0.1"
port = {plc}
"""


def parts(line: int, count: int) -> list[Played]:
    """Return parts with pictures of their own: the same JPEG, told apart by a few bytes behind its end."""
    image = picture(70, seed=line)
    return [
        Played(
            serial=f"{line}-{number}",
            truth=Verdict.OK,
            oddness=0.0,
            images={"1": image + number.to_bytes(4, "big")},
        )
        for number in range(count)
    ]


async def run(folder: Path, seconds: float) -> dict[str, object]:
    """Run the scenario once."""
    ports = iter(free_ports(2 * LINES))
    blocks = [LINE.format(number=number, source=next(ports), plc=next(ports)) for number in range(LINES)]
    path = folder / "bridge.toml"
    path.write_text(config(blocks, tiny_bundle(folder / "model")))
    loaded = load(path)
    bare = bare_commits(folder, BARE_SECONDS, LINES * RATE)
    async with AsyncExitStack() as stack:
        stands = await stack.enter_async_context(open_neighbours(loaded, folder / "neighbours"))
        await stack.enter_async_context(open_bridge(path))
        await asyncio.gather(*(warm(stand, line) for line, stand in enumerate(stands)))
        count = int(seconds * RATE)
        await asyncio.gather(*(staggered(stand, line, count) for line, stand in enumerate(stands)))
        await drained(stands, Reader(loaded.data))
    bare += bare_commits(folder, BARE_SECONDS, LINES * RATE)
    return figures(stands, Reader(loaded.data), bare)


async def staggered(stand: Stand, line: int, count: int) -> None:
    """Play a line's parts, out of step with the other lines, as no two machines run in step."""
    await asyncio.sleep(line / LINES / RATE)
    await stand.play(parts(line, count), RATE)


async def warm(stand: Stand, line: int) -> None:
    """Play a few parts that do not count."""
    await stand.play(parts(line + LINES, 5), RATE)
    stand.shown.clear()


def figures(stands: list[Stand], journal: Reader, bare: list[float]) -> dict[str, object]:
    """Return the overhead of every part that reached its PLC, beside the bare commits."""
    overhead: list[float] = []
    judge: list[float] = []
    shown = missed = 0
    for stand in stands:
        decisions = {d.part: d for d in journal.decisions(stand.config.name, limit=1_000_000)}
        for one in stand.shown:
            shown += 1
            if one.taken is None or one.taken.readable_at is None:
                missed += 1
                continue
            judge_ms = decisions[one.part.serial].judge_ms
            judge.append(judge_ms)
            overhead.append((one.taken.readable_at - one.sent_at) * 1000 - judge_ms)
    above = percentile(overhead, 0.99) - percentile(bare, 0.99)
    return {
        "lines": LINES,
        "rate_per_line": RATE,
        "parts": shown,
        "not_at_the_plc": missed,
        "overhead": quantiles(overhead),
        "bare_commit": quantiles(bare),
        "p99_above_bare_ms": round(above, 3),
        "judge": quantiles(judge),
    }


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish(asyncio.run(run(Path(folder), args.seconds)))


if __name__ == "__main__":
    main()
