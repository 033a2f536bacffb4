"""How many parts per second pass through: 8 lines on TCP, each part committed and told to one acknowledging MES.

    python benchmarks/throughput.py [--seconds 10]

Goal 1 and an inspector that says OK: nothing waits for a judge. Each line keeps up to 32 parts under way, as a
busy inspector would. Twice: without picture, and with a 70 kB picture that is stored. Every part is counted only
when its inspector has the answer, which comes after the commit; at the end the MES must hold every one.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from harness import config, finish, picture

from bridge.simulate.factory import free_ports, open_bridge
from bridge_tcp.framing import Crlf
from bridge_tcp.len32be import Len32be
from bridge_tcp.peer import Inspector, Mes, dial_bridge, serve_mes

LINES = 8
UNDER_WAY = 32
MAX_BYTES = 1 << 20

LINE = """
[[line]]
name = "line-{number}"
goal = 1
stage = "live"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 5000
judge = "bolts"

[line.source]
type = "tcp"
framing = "len32be"
reply = "{{json}}"
in_flight = {under_way}
port = {port}

[[line.reporter]]
name = "mes"
type = "tcp"
host = "127.0.0.1"
port = {mes}
window = 64
"""


async def feed(inspector: Inspector, line: int, picture_: bytes | None, until: float) -> int:
    """Send parts and take answers until the time is over; return how many were answered."""
    room = asyncio.Semaphore(UNDER_WAY)
    answered = sent = 0
    done = asyncio.Event()

    async def take() -> None:
        nonlocal answered
        while not (done.is_set() and answered == sent):
            reply = json.loads((await inspector.reply()).payload)
            assert reply["recorded"]
            answered += 1
            room.release()

    taking = asyncio.create_task(take())
    for number in itertools.count():
        if time.monotonic() >= until:
            break
        await room.acquire()
        images = [] if picture_ is None else [picture_ + (number * LINES + line).to_bytes(4, "big")]
        views = [{"name": "1", "bytes": len(image)} for image in images]
        header = {"part": f"{line}-{number}", "verdict": "OK", "key": f"{line}-{number}", "views": views}
        await inspector.send(json.dumps(header).encode(), images)
        sent += 1
    done.set()
    if answered < sent:
        await taking
    taking.cancel()
    return answered


async def run(folder: Path, picture_: bytes | None, seconds: float) -> dict[str, float]:
    """Run the scenario once."""
    ports = free_ports(LINES)
    async with AsyncExitStack() as stack:
        mes: Mes = await stack.enter_async_context(serve_mes(lambda: Crlf(MAX_BYTES)))
        blocks = [
            LINE.format(number=n, port=port, mes=mes.port, under_way=UNDER_WAY) for n, port in enumerate(ports)
        ]
        path = folder / "bridge.toml"
        path.write_text(config(blocks))
        await stack.enter_async_context(open_bridge(path))
        inspectors = [
            await stack.enter_async_context(dial_bridge("127.0.0.1", port, Len32be(MAX_BYTES))) for port in ports
        ]
        began = time.monotonic()
        counts = await asyncio.gather(
            *(feed(inspector, line, picture_, began + seconds) for line, inspector in enumerate(inspectors))
        )
        took = time.monotonic() - began
        parts = sum(counts)
        while len(mes.documents) < parts and time.monotonic() < began + took + 30:  # noqa: ASYNC110 - a peer's book
            await asyncio.sleep(0.01)
        drained = time.monotonic() - began
        assert len(mes.documents) == parts, f"the MES holds {len(mes.documents)} of {parts}"
    images = sum(1 for _ in (folder / "var" / "images").rglob("*.jpg")) if picture_ else 0
    return {
        "parts": parts,
        "parts_per_second": round(parts / drained, 1),
        "answered_per_second": round(parts / took, 1),
        "images_stored": images,
    }


def main() -> None:
    """Run both variants and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    figures: dict[str, object] = {"lines": LINES, "seconds": args.seconds}
    for name, picture_ in (("without_image", None), ("with_70_kb_image", picture(70))):
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = asyncio.run(run(Path(folder), picture_, args.seconds))
            print(name, figures[name])
    finish(figures)


if __name__ == "__main__":
    main()
