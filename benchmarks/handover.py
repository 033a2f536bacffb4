"""What it costs to hand a picture to the judge's process and to get the answer back.

    python benchmarks/handover.py [--seconds 5]

Asked one part at a time with pauses between, as a quiet line asks; all figures are per view. The hand-over is all
the time from the question to the answer less what the worker spent on the picture itself (decoding, cropping,
inference). Beside each, in the same run and by turns: a bare copy of the same bytes, and a bare round trip of the
same bytes to a child that only reads them.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from harness import finish, picture, quantiles, tiny_bundle

from bridge.judging import bundle, host
from bridge.judging.asked import Picture
from bridge.judging.classifier import ClassifierOptions
from bridge.judging.hiring import workload
from bridge.judging.host import Worker
from bridge.simulate.figures import percentile

SIZES = {"70 kB": (70_000, 1), "4 x 70 kB": (70_000, 4), "5 MB": (5_000_000, 1), "20 MB": (20_000_000, 1)}
"""Bytes of a picture, and pictures of a part."""
TARGET_MS = 0.5
PAUSE_SECONDS = 0.005
"""Between two questions: a line does not ask without a break."""

CHILD = """
import socket, sys
link = socket.socket(fileno=int(sys.argv[1]))
size = int(sys.argv[2])
room = memoryview(bytearray(size))
while True:
    at = 0
    while at < size:
        got = link.recv_into(room[at:])
        if not got:
            sys.exit()
        at += got
    link.sendall(b"!")
"""


async def run(folder: Path, seconds: float) -> dict[str, object]:
    """Return the figures of each size."""
    model = bundle.load(tiny_bundle(folder / "model"))
    options = ClassifierOptions(model=str(model.folder), threads=1)
    async with host.start(options.hang_ms) as worker:
        await worker.load(workload(options, model), options.start_seconds)
        serving = asyncio.create_task(worker.serve())
        sizes = {name: await measured(worker, *size, seconds) for name, size in SIZES.items()}
        serving.cancel()
        await asyncio.wait({serving})
    return {"target_ms": TARGET_MS, **sizes}


async def measured(worker: Worker, size: int, views: int, seconds: float) -> dict[str, object]:
    """Ask with parts of so many pictures of one size, by turns with the bare ways."""
    ours: list[float] = []
    copies: list[float] = []
    trips: list[float] = []
    image = picture(69)
    image += bytes(size - len(image))  # what follows the picture's end is handed over, but not decoded
    with Trip(size) as trip:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            await asyncio.sleep(PAUSE_SECONDS)
            copies.append(timed_copy(image))
            await asyncio.sleep(PAUSE_SECONDS)
            trips.append(trip.timed(image))
            await asyncio.sleep(PAUSE_SECONDS)
            began = time.perf_counter()
            opinions = await worker.judge([Picture(image)] * views)
            took = (time.perf_counter() - began) * 1000 - sum(opinion.ms for opinion in opinions)
            assert all(opinion.score is not None for opinion in opinions)
            ours.append(took / views)
    ours, copies, trips = ours[10:], copies[10:], trips[10:]
    return {
        "parts": len(ours),
        "hand_over": quantiles(ours),
        "bare_copy": quantiles(copies),
        "bare_round_trip": quantiles(trips),
        "p50_above_round_trip_ms": round(percentile(ours, 0.5) - percentile(trips, 0.5), 3),
        "p99_above_round_trip_ms": round(percentile(ours, 0.99) - percentile(trips, 0.99), 3),
    }


def timed_copy(image: bytes) -> float:
    """Return the milliseconds of one copy in memory."""
    began = time.perf_counter()
    bytearray(image)
    return (time.perf_counter() - began) * 1000


class Trip:
    """A child that reads so many bytes and answers with one."""

    def __init__(self, size: int) -> None:
        self._ours, theirs = socket.socketpair()
        command = [sys.executable, "-c", CHILD, str(theirs.fileno()), str(size)]
        self._child = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._child.wait()

    def timed(self, image: bytes) -> float:
        """Return the milliseconds of one round trip."""
        began = time.perf_counter()
        self._ours.sendall(image)
        assert self._ours.recv(1)
        return (time.perf_counter() - began) * 1000


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish(asyncio.run(run(Path(folder), args.seconds)))


if __name__ == "__main__":
    main()
