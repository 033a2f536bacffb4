"""``aoi-bridge reload``: the running gateway reads its file again, all of it or nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from bridge.cli.ordering import each_reason, ordered, show


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
    parser.add_argument("--override", default="", metavar="REASON", help="why a live line may change what it says")


def run(args: argparse.Namespace) -> int:
    """Print what changed, one line each; exit status 2 with a line for each reason where nothing may."""
    wish = {"config": str(args.config.resolve()), "override": args.override}
    with each_reason():
        said = ordered(args.config, "reload", wish)
    show(said["changes"])
    print(f"The gateway runs configuration {said['config']}.")
    return 0
