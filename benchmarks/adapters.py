"""What the bridge adds between each source and each reporter, and what a big picture costs on its way in.

    python benchmarks/adapters.py [--seconds 20] [--only tcp:modbus,grpc:]
    python benchmarks/adapters.py --big

One line at 20 parts per second with a 70 kB picture, goal 3, the real gateway in a process of its own. The time
runs from the inspector's first byte until the other side of the reporter has the verdict: the PLC's registers, or
the MES's book. What the simulated inspector and MES take for themselves is in it; the judge's time is not, and the
model is a tiny one. Beside every pair, in the same run, a bare loop of one-row commits: what is above its p99 is
ours. A PLC that triggers brings no picture; there the inspector's OK passes under goal 1.

``--big``: see big_pictures.py.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import big_pictures
from harness import bare_commits, config, finish, picture, quantiles, tiny_bundle
from mosquitto_process import FORGETFUL, MosquittoProcess
from rich.console import Console
from rich.table import Table

from bridge.config import load
from bridge.messages import Decision, Verdict
from bridge.plugin.peers import Book
from bridge.simulate.factory import Stand, drained, free_ports, open_bridge, open_neighbours
from bridge.simulate.figures import percentile
from bridge.simulate.parts import Played
from bridge.simulate.play import Shown
from bridge.store import Reader

RATE = 20.0
WARM = 20
"""Parts that do not count: the first ones open connections and fill caches."""
COMMENT = b"\xff\xfe\x00\x06"
"""What stands before four bytes of comment in a JPEG; one that ends as it should is complete at first sight."""
BARE_SECONDS, BARE_RATE = 1.0, 200.0
TARGET_MS, GRPC_TARGET_MS = 6.0, 4.0

LINE = """
[[line]]
name = "line"
goal = {goal}
stage = "live"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 5000
judge = "bolts"

[line.source]
{source}
[[line.reporter]]
name = "told"
{reporter}
"""


@dataclass(frozen=True)
class Road:
    """How one source, or one reporter, is written in bridge.toml, with places for free ports and a folder."""

    table: str
    pictures: bool = True
    """False where the road brings none."""
    broker: bool = False
    """Whether it needs an MQTT broker at ``{broker}``."""


STATION = 'host = "127.0.0.1"\nport = {broker}\nsite = "plant"\narea = "smt"\nline = "line"\n'
"""Where an MQTT broker is, and what both sides call the line there."""
SOURCES: Mapping[str, Road] = {
    "tcp": Road('type = "tcp"\nframing = "len32be"\nport = {port}\n'),
    "hotfolder": Road('type = "hotfolder"\npath = "{folder}/aoi"\ncomplete = "renamed"\n'),
    "grpc": Road('type = "grpc"\nport = {port}\n'),
    "http": Road('type = "http"\nport = {port}\n'),
    "modbus": Road('type = "modbus"\nrole = "server"\nport = {port}\n', pictures=False),
    "camera": Road(
        'type = "camera"\n[line.source.trigger]\ntype = "modbus"\nrole = "server"\nport = {port}\n'
        '[[line.source.camera]]\nname = "1"\nkind = "folder"\ntrigger = "software"\npath = "{folder}/front"\n'
    ),
    "sql": Road(
        'type = "sql"\nurl = "sqlite:///{folder}/aoi.db"\ntable = "results"\ncomplete_column = "ended"\n'
        'views = {{ "1" = "picture" }}\nimages = "{folder}/share"\nimage_settle_ms = 1\nimage_poll_ms = 1\n'
    ),
    "mqtt": Road(f'type = "mqtt"\n{STATION}images = "{{folder}}/aoi"\n', broker=True),
    "join": Road(
        'type = "join"\nverdicts = {{type = "tcp", port = {port}}}\n'
        'pictures = {{type = "tcp", framing = "len32be", port = {port2}}}\n'
    ),
}
REPORTERS: Mapping[str, Road] = {
    "modbus": Road('type = "modbus"\nhost = "127.0.0.1"\nport = {port}\n'),
    "grpc": Road('type = "grpc"\nhost = "127.0.0.1"\nport = {port}\n'),
    "tcp": Road('type = "tcp"\nhost = "127.0.0.1"\nport = {port}\n'),
    "sql": Road('type = "sql"\nurl = "sqlite:///{folder}/mes.db"\ntable = "decisions"\n'),
    "mqtt": Road(f'type = "mqtt"\n{STATION}', broker=True),
    "http": Road('type = "http"\nurl = "http://127.0.0.1:{port}/"\n'),
}


def pairs(only: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a list like ``tcp:modbus,grpc:``; an empty name stands for every one."""
    wanted = [word.partition(":")[::2] for word in only.split(",")]
    for source in SOURCES:
        for reporter in REPORTERS:
            if any(a in {"", source} and b in {"", reporter} for a, b in wanted):
                yield source, reporter


def parts(count: int, seed: int, *, pictures: bool) -> list[Played]:
    """Return parts with pictures of their own: the same JPEG, told apart by a comment of four bytes."""
    image = picture(70, seed=seed)
    return [
        Played(
            serial=f"{seed}-{number}",
            truth=Verdict.OK,
            legacy=Verdict.OK,
            oddness=0.0,
            images={"1": image[:2] + COMMENT + number.to_bytes(4, "big") + image[2:]} if pictures else {},
        )
        for number in range(count)
    ]


async def pair(source: str, reporter: str, folder: Path, seconds: float) -> dict[str, object]:
    """Run one pair, and return its figures."""
    port = free_ports(1)[0]
    path = await written(source, reporter, folder, port)
    loaded = await asyncio.to_thread(load, path)
    bare = await asyncio.to_thread(bare_commits, folder, BARE_SECONDS, BARE_RATE)
    needed = SOURCES[source].broker or REPORTERS[reporter].broker
    async with broker(folder / "broker", port) if needed else nullcontext(), running(path) as stand:
        pictures = SOURCES[source].pictures
        await stand.play(parts(WARM, 1, pictures=pictures), RATE)
        await stand.play(parts(int(seconds * RATE), 2, pictures=pictures), RATE)
        await drained([stand], Reader(loaded.data))
        decisions = {d.part: d for d in Reader(loaded.data).decisions("line", limit=1_000_000)}
        counted = stand.shown[WARM:]
        took = list(milliseconds(stand, counted, decisions))
        judged = [decisions[one.part.serial].judge_ms for one in counted]
    bare += await asyncio.to_thread(bare_commits, folder, BARE_SECONDS, BARE_RATE)
    return {
        "parts": len(counted),
        "not_told": len(counted) - len(took),
        "overhead": quantiles(took),
        "bare_commit": quantiles(bare),
        "p99_above_bare_ms": round(percentile(took, 0.99) - percentile(bare, 0.99), 3),
        "judge_p50_ms": round(statistics.median(judged), 3),
    }


@asynccontextmanager
async def broker(folder: Path, port: int) -> AsyncIterator[None]:
    """Hold a Mosquitto that keeps nothing on its disk, whose time is not ours."""
    mosquitto = MosquittoProcess(folder, port, settings=FORGETFUL)
    await mosquitto.start()
    try:
        yield
    finally:
        mosquitto.kill()


async def written(source: str, reporter: str, folder: Path, broker_port: int) -> Path:
    """Write the bridge.toml of a pair; return its path."""
    free = free_ports(4)
    fill = {"folder": folder, "port": free[0], "port2": free[1], "broker": broker_port}
    text = config(
        [
            LINE.format(
                goal=3 if SOURCES[source].pictures else 1,
                source=SOURCES[source].table.format(**fill),
                reporter=REPORTERS[reporter].table.format(**fill | {"port": free[2], "port2": free[3]}),
            )
        ],
        tiny_bundle(folder / "model"),
    )
    (folder / "aoi").mkdir()
    path = folder / "bridge.toml"
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    return path


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Stand]:
    """Hold the gateway and its neighbours; yield its one line."""
    async with AsyncExitStack() as stack:
        loaded = await asyncio.to_thread(load, path)
        [stand] = await stack.enter_async_context(open_neighbours(loaded, path.parent / "neighbours"))
        await stack.enter_async_context(open_bridge(path))
        yield stand


def milliseconds(stand: Stand, counted: Sequence[Shown], decisions: Mapping[str, Decision]) -> Iterator[float]:
    """Yield each part's time from its first byte until it was told, without the judge's; not of one never told."""
    told = at_the_mes(stand.mes) if stand.mes else {}
    for one in counted:
        until = told.get(one.part.serial) if stand.mes else (one.taken.readable_at if one.taken else None)
        if until is not None:
            yield (until - one.sent_at) * 1000 - decisions[one.part.serial].judge_ms


def at_the_mes(mes: Book) -> Mapping[str, float]:
    """Return when the MES was first told of each part, by its serial number."""
    return {str(document["part"]): mes.told_at[name] for name, document in mes.documents.items()}


def shown(rows: Mapping[str, Mapping[str, object]]) -> Table:
    """Return the pairs as a table for people."""
    table = Table(title="milliseconds, the judge's time taken off")
    for column in ("source", "reporter", "p50", "p99", "bare p99", "above bare", "judge p50", "not told"):
        table.add_column(column, justify="left" if column in {"source", "reporter"} else "right")
    for name, row in rows.items():
        overhead, bare = row["overhead"], row["bare_commit"]
        assert isinstance(overhead, dict)
        assert isinstance(bare, dict)
        figures = (overhead["p50_ms"], overhead["p99_ms"], bare["p99_ms"], row["p99_above_bare_ms"])
        table.add_row(*name.split(":"), *map(str, (*figures, row["judge_p50_ms"], row["not_told"])))
    return table


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20, help="of each pair (20)")
    parser.add_argument("--only", default=":", help="pairs like tcp:modbus,grpc: (every one)")
    parser.add_argument("--big", action="store_true", help="a picture of 5 MB by gRPC, TCP and hot folder instead")
    parser.add_argument("--rounds", type=int, default=20, help="how many of the big pictures by each road (20)")
    args = parser.parse_args()
    if args.big:
        finish({"picture_bytes": big_pictures.BYTES, "roads": asyncio.run(big_pictures.run(args.rounds))})
        return
    rows: dict[str, dict[str, object]] = {}
    for source, reporter in pairs(args.only):
        with tempfile.TemporaryDirectory() as folder:
            rows[f"{source}:{reporter}"] = asyncio.run(pair(source, reporter, Path(folder), args.seconds))
            print(f"{source}:{reporter}", rows[f"{source}:{reporter}"], flush=True)
    Console().print(shown(rows))
    finish({"rate": RATE, "pairs": rows})


if __name__ == "__main__":
    main()
