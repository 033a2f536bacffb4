"""``aoi-bridge reset``: clear a line's error, after whatever caused it was mended."""

from __future__ import annotations

import argparse
from pathlib import Path

from bridge.cli.ordering import ordered


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("line", metavar="LINE", help="the line's name")
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")


def run(args: argparse.Namespace) -> int:
    """Ask the running gateway; the audit log keeps who did it."""
    said = ordered(args.config, "reset", {"line": args.line})
    print(f"{args.line}: " + ("the error is cleared" if said["was_in_error"] else "was not in error"))
    return 0
