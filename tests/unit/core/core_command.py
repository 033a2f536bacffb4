"""A third party's subcommand; found by entry point, like anybody's."""

from __future__ import annotations

import argparse
import sys

summary = "greet 100 % of all"


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--name", default="you")


def run(args: argparse.Namespace) -> int:
    """Greet."""
    sys.stdout.write(f"hello {args.name}\n")
    return 0
