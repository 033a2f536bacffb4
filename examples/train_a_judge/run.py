"""From a folder of pictures to a judge on a shadow line: the four commands of the README, then bolts to judge.

    python examples/train_a_judge/run.py [--parts 400] [--epochs 10] [--risk 0.05] [--folder KEPT]

Needs the train extra. The pictures are synthetic bolts; the bolts that are played afterwards are none of them.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bridge.simulate.factory import run_factory
from bridge.simulate.figures import Figures
from bridge.simulate.parts import bolts, inspected

HERE = Path(__file__).parent
TOLD = ("--ok", "ok", "--parts", "manifest.csv:part", "--views", "manifest.csv:view")
"""What a folder alone does not say: which class is good, and which pictures show one part."""


def commands(epochs: int, risk: float) -> list[Sequence[str]]:
    """Return the README's four commands, in order, to be run beside bridge.toml."""
    small = ("--backbone", "small", "--size", "53x105", "--epochs", str(epochs))
    return [
        ("data", "check", "pictures", *TOLD, "--out", "check"),
        ("train", "pictures", *TOLD, *small, "--out", "var/models/bolts"),
        ("calibrate", "var/models/bolts@1", "pictures", *TOLD, "--goal", "1", "--risk", str(risk)),
        ("models", "promote", "bolts", "2"),
    ]


def make(folder: Path, parts: int, epochs: int, risk: float) -> Path:
    """Draw the pictures, run the commands; return the bundle that is live in the end."""
    bolt_set = (sys.executable, "-m", "bridge.simulate.bolt_set", str(folder / "pictures"))
    subprocess.run([*bolt_set, "--parts", str(parts)], check=True)  # noqa: S603 - our own command
    shutil.copy(HERE / "bridge.toml", folder)
    for words in commands(epochs, risk):
        print("\n$ aoi-bridge", *words, flush=True)
        subprocess.run([sys.executable, "-m", "bridge.cli", *words], cwd=folder, check=True)  # noqa: S603 - same
    return (folder / "var/models/bolts/live").resolve()


async def shadow(bundle: Path, parts: int) -> Figures:
    """Play new bolts on the line in shadow; return what the judge would have changed."""
    played = inspected(await asyncio.to_thread(bolts, parts, defective=0.2), false_calls=0.2, escapes=0.0)
    with tempfile.TemporaryDirectory() as folder:
        (stand,) = await run_factory(HERE / "bridge.toml", Path(folder), {"press-2": played}, 4, bundle)
        return stand.figures(Path(folder) / "var")


def main(folder: Path, parts: int = 400, epochs: int = 10, risk: float = 0.05, shown: int = 40) -> Figures:
    """Make a judge and let it look over the inspector's shoulder."""
    bundle = make(folder, parts, epochs, risk)
    figures = asyncio.run(shadow(bundle, shown))
    print(f"\n{figures.parts} bolts in shadow; the line got the inspector's own verdict on each of them")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", type=int, default=400, help="how many bolts to learn from (400)")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--risk", type=float, default=0.05, help="the share of bad parts that may pass (0.05)")
    parser.add_argument("--folder", type=Path, help="where it is made, and kept; left out: a temporary folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        where = args.folder or Path(scratch)
        where.mkdir(parents=True, exist_ok=True)
        main(where, args.parts, args.epochs, args.risk)
