"""How fast the bridge is ready, and how small it stays: one line, one bundle.

    python benchmarks/startup.py [--runs 7]

From starting the process until ``/readyz`` says yes, median of the runs; and the proportional set size (PSS) of
all its processes together, the judge's worker included, once it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from harness import config, finish

from bridge.simulate.factory import free_ports, open_bridge

LINE = """
[[line]]
name = "line-1"
goal = 1
judge = "bolts"

[line.source]
type = "tcp"
framing = "len32be"
port = {port}
"""


async def once(folder: Path) -> tuple[float, float, int]:
    """Start the bridge once; return seconds to ready, PSS in MB and the number of processes."""
    path = folder / "bridge.toml"
    path.write_text(config([LINE.format(port=free_ports(1)[0])]))
    began = time.perf_counter()
    async with open_bridge(path) as process:
        took = time.perf_counter() - began
        top = psutil.Process(process.pid)
        family = [top, *top.children(recursive=True)]
        pss = sum(member.memory_full_info().pss for member in family) / 1e6
    return took, pss, len(family)


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    seconds, sizes, processes = [], [], 0
    for _ in range(args.runs):
        with tempfile.TemporaryDirectory() as folder:
            took, pss, processes = asyncio.run(once(Path(folder)))
        seconds.append(took)
        sizes.append(pss)
    finish(
        {
            "runs": args.runs,
            "ready_seconds_median": round(statistics.median(seconds), 3),
            "ready_seconds_max": round(max(seconds), 3),
            "pss_mb": round(statistics.median(sizes), 1),
            "processes": processes,
        }
    )


if __name__ == "__main__":
    main()
