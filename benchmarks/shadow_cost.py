"""What a shadow judge costs the old line: the forwarded verdict, with and without judging beside it.

    python benchmarks/shadow_cost.py [--pairs 5] [--turns 5] [--seconds 2] [--rate 8] [--lines 2] [--tiny] [--null]

Inline: the old inspector's verdict goes over TCP into the bridge and on into a PLC's registers. The time is from
the first byte that the inspector sends until the verdict stands there, valid. Two bridges run, each with the same
lines and PLCs of its own: in one every part passes through and nobody judges (goal 1, live, and an inspector that
says OK), in the other every part is judged after its verdict was forwarded (shadow), by the demo's bundle or by a
tiny one. They are played by turns, a second or two each, so that both see the same machine; the other bridge is
idle meanwhile. Some turns of both make a pair, whose ratio is of their p99, and the figure is the median of all
pairs; what all parts together give stands beside it. Every picture is kept in both. With --null both pass through:
what this machine makes of the same thing twice.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median

from harness import config, finish, picture, quantiles, tiny_bundle

from bridge.config import Config, load
from bridge.messages import Verdict
from bridge.simulate.factory import DEMO_BUNDLE, Stand, free_ports, open_bridge, open_neighbours
from bridge.simulate.figures import percentile
from bridge.simulate.parts import Played
from bridge.store import Reader, Second

JUDGED_SECONDS = 60.0
"""How long the shadow's judge may need after a turn for what is left."""

LINE = """
[[line]]
name = "line-{number}"
goal = 1
{stage}
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
LIVE = 'stage = "live"\nlive_because = "a benchmark"'
SHADOW = 'stage = "shadow"'


@dataclass
class Side:
    """One of the two bridges, and what it took."""

    stands: list[Stand]
    journal: Reader
    judges: bool = False
    windows: list[list[float]] = field(default_factory=list)
    """Milliseconds of each part, pair by pair."""
    missed: int = 0
    played: int = 0

    async def play(self, seconds: float, rate: float) -> None:
        """Play for a while on all lines, out of step with each other."""
        count = int(seconds * rate)
        async with asyncio.TaskGroup() as tasks:
            for number, stand in enumerate(self.stands):
                tasks.create_task(self._staggered(stand, number, count, rate))
        self.played += count
        shown = [one for stand in self.stands for one in stand.shown]
        arrived = [one for one in shown if one.taken and one.taken.readable_at is not None]
        self.missed += len(shown) - len(arrived)
        self.windows[-1].extend([(one.taken.readable_at - one.sent_at) * 1000 for one in arrived])  # type: ignore[union-attr,operator]
        for stand in self.stands:
            stand.shown.clear()

    async def _staggered(self, stand: Stand, number: int, count: int, rate: float) -> None:
        await asyncio.sleep(number / len(self.stands) / rate)
        await stand.play(parts(number, self.played, count), rate)

    async def judged(self) -> int:
        """Wait until every part has its second record; return how many were passed over instead of judged."""
        if not self.judges:
            return 0
        async with asyncio.timeout(JUDGED_SECONDS):
            while any(tally.seconds < tally.parts for tally in await asyncio.to_thread(self.journal.lines)):  # noqa: ASYNC110 - another process's journal
                await asyncio.sleep(0.1)
        return await asyncio.to_thread(self._passed_over)

    def _seconds(self) -> list[Second]:
        return [self.journal.seconds(one.id)[0] for one in self.journal.decisions(limit=1_000_000)]

    def _passed_over(self) -> int:
        return sum(one.model is None for one in self._seconds())

    def judge_ms(self) -> list[float]:
        """Return what the judge took for each part, its pictures brought and its turn waited for."""
        return [one.judge_ms for one in self._seconds()]

    def begin(self) -> None:
        """Begin another pair."""
        self.windows.append([])

    def forget(self) -> None:
        """Begin to count anew: what was played so far was for warming up."""
        self.windows.clear()
        self.missed = 0


def parts(line: int, first: int, count: int) -> list[Played]:
    """Return parts that the inspector calls OK, with pictures of their own."""
    image = picture(70, seed=line)
    return [
        Played(
            serial=f"{line}-{number}",
            truth=Verdict.OK,
            oddness=0.0,
            images={"1": image + number.to_bytes(4, "big")},
        )
        for number in range(first, first + count)
    ]


def _written(path: Path, text: str) -> Config:
    path.parent.mkdir()
    path.write_text(text)
    return load(path)


@asynccontextmanager
async def side(folder: Path, stage: str, lines: int, bundle: Path) -> AsyncIterator[Side]:
    """Run one bridge with its neighbours."""
    ports = iter(free_ports(2 * lines))
    blocks = [
        LINE.format(number=number, stage=stage, source=next(ports), plc=next(ports)) for number in range(lines)
    ]
    path = folder / "bridge.toml"
    loaded = await asyncio.to_thread(_written, path, config(blocks, bundle))
    async with open_neighbours(loaded, folder / "neighbours") as stands, open_bridge(path):
        yield Side(stands, Reader(loaded.data), judges=stage == SHADOW)


async def run(folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Run the scenario once."""
    bundle = tiny_bundle(folder / "model") if args.tiny else DEMO_BUNDLE
    async with AsyncExitStack() as stack:
        passing = await stack.enter_async_context(side(folder / "passing", LIVE, args.lines, bundle))
        shadow = await stack.enter_async_context(
            side(folder / "shadow", LIVE if args.null else SHADOW, args.lines, bundle)
        )
        for one in (passing, shadow):
            one.begin()
            await one.play(2, args.rate)
        await shadow.judged()
        passing.forget()
        shadow.forget()
        for turn in range(args.pairs * args.turns):
            for one in (passing, shadow) if turn % 2 else (shadow, passing):
                if turn % args.turns == 0:
                    one.begin()
                await one.play(args.seconds, args.rate)
                if one is shadow:
                    skipped = await shadow.judged()
    return figures(passing, shadow, skipped, args)


def figures(passing: Side, shadow: Side, skipped: int, args: argparse.Namespace) -> dict[str, object]:
    """Return both sides and their ratios."""
    ratios: dict[str, list[float]] = {
        name: [
            percentile(with_judge, share) / percentile(without, share)
            for with_judge, without in zip(shadow.windows, passing.windows, strict=True)
        ]
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }
    all_of = {
        name: list(chain.from_iterable(one.windows)) for name, one in (("passing", passing), ("shadow", shadow))
    }
    return {
        "lines": args.lines,
        "rate_per_line": args.rate,
        "pairs": args.pairs,
        "parts_each": len(all_of["passing"]),
        "not_at_the_plc": passing.missed + shadow.missed,
        "not_judged": skipped,
        **{name: _medians(one.windows) for name, one in (("passing", passing), ("shadow", shadow))},
        "ratio_p50": round(median(ratios["p50"]), 3),
        "ratio_p99": round(median(ratios["p99"]), 3),
        "ratios_p99": [round(one, 3) for one in sorted(ratios["p99"])],
        "all_passing": quantiles(all_of["passing"]),
        "all_shadow": quantiles(all_of["shadow"]),
        "judge_p50_ms": round(median(shadow.judge_ms()), 1) if shadow.judges else 0,
    }


def _medians(windows: list[list[float]]) -> dict[str, float]:
    return {
        f"{name}_ms": round(median(percentile(one, share) for one in windows), 3)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--turns", type=int, default=5, help="of both sides in a pair")
    parser.add_argument("--seconds", type=float, default=2, help="of each turn")
    parser.add_argument("--rate", type=float, default=8, help="parts per second on each line")
    parser.add_argument("--lines", type=int, default=2)
    parser.add_argument("--null", action="store_true", help="nobody judges on either side")
    parser.add_argument("--tiny", action="store_true", help="a judge that costs next to nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish(asyncio.run(run(Path(folder), args)))


if __name__ == "__main__":
    main()
