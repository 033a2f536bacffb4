"""Real castings under goals 1, 2 and 3: a hot folder, an inspector that errs, a PLC over Modbus, an MES over TCP.

    python benchmarks/impeller.py DATA [--bundle FOLDER]

DATA is the public casting set with ``train`` and ``test`` folders of the classes ``ok`` and ``def``, kept apart
by casting, and a ``manifest.csv``. Where FOLDER holds no model yet, one is trained on ``train`` first (the train
extra) and kept there; interrupted, the same command goes on.
The inspector has 10 % false calls and 2 % escapes on ``test``; each goal's line sees the same pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import finish

from bridge.simulate.factory import run_factory
from bridge.simulate.figures import Figures
from bridge.simulate.parts import folder as labelled
from bridge.simulate.parts import inspected

FALSE_CALLS = 0.10
ESCAPES = 0.02
TRAIN = (
    *("--ok", "ok", "--groups", "../manifest.csv:source_group", "--size", "160x160", "--colour", "gray"),
    *("--any-angle", "--epochs", "40", "--patience", "40", "--rate", "0.001", "--validation", "0.25"),
    *("--escapes", "0.02"),
)
"""A casting lies at any angle, and its colour tells nothing; the rest was chosen on validation castings."""

HEAD = """
data = "var"

[http]
port = 0

[judge.castings]
type = "classifier"
model = "castings"
"""
LINE = """
[[line]]
name = "goal-{goal}"
goal = {goal}
stage = "live"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 2000
judge = "castings"

[line.source]
type = "hotfolder"
path = "aoi-{goal}"
complete = "renamed"
poll_seconds = 0.05

[[line.reporter]]
name = "plc"
type = "modbus"
host = "127.0.0.1"
port = 502

[[line.reporter]]
name = "mes"
type = "tcp"
host = "127.0.0.1"
port = 503
"""


def train(data: Path, out: Path) -> None:
    """Train the bundle with the command that a user would type."""
    command = [sys.executable, "-m", "bridge.cli", "train", str(data / "train"), *TRAIN, "--out", str(out)]
    subprocess.run(command, check=True)


async def run(data: Path, bundle: Path, folder: Path, rate: float) -> list[Figures]:
    """Play the test pictures on all three lines."""
    example = folder / "example.toml"
    example.write_text(HEAD + "".join(LINE.format(goal=goal) for goal in (1, 2, 3)))
    parts = inspected(labelled(data / "test", ["ok"]), FALSE_CALLS, ESCAPES)
    lines = {f"goal-{goal}": parts for goal in (1, 2, 3)}
    stands = await run_factory(example, folder, lines, rate, bundle)
    return [stand.figures(folder / "var") for stand in stands]


def main() -> None:
    """Train if need be, run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--bundle", type=Path, default=Path("build/castings"), help="the model (build/castings)")
    parser.add_argument("--rate", type=float, default=4.0, help="parts per second on each line (4)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not (args.bundle / "live").exists():
            train(args.data, args.bundle)
        lines = asyncio.run(run(args.data, (args.bundle / "live").resolve(), folder, args.rate))
        shutil.rmtree(folder / "var", ignore_errors=True)
    for line in lines:
        print(
            f"| {line.goal} | {line.parts} | {line.false_calls_before} → {line.false_calls_after} | "
            f"{line.escapes_before} → {line.escapes_after} | {line.overruled_true_ng} of {line.true_ng} |"
        )
    finish({"lines": [line.as_dict() for line in lines]})


if __name__ == "__main__":
    main()
