"""``aoi-bridge shadow``: the month beside the old machine: what it takes, and what it showed."""

from __future__ import annotations

import argparse
from importlib import import_module

from bridge.errors import ConfigError

COMMANDS = {
    "plan": "how many parts a claim takes, and whether a month on this line supplies them",
    "report": "write the report of a line's month: a page to sign, JSON and CSV",
}
"""Each is a module ``shadow_NAME`` of this package."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the commands and their flags."""
    commands = parser.add_subparsers(dest="shadow", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        try:
            module = import_module(f"bridge.cli.shadow_{name}")
        except ImportError as exc:
            missing = f"{exc.name} is not installed, and the statistics of a month need it"
            raise ConfigError("shadow", missing, "write pip install 'aoi-bridge[report]'") from exc
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        module.options(command)
        command.set_defaults(shadow=module.run)


def run(args: argparse.Namespace) -> int:
    """Run one of them."""
    status: int = args.shadow(args)
    return status
