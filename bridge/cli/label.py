"""``aoi-bridge label``: what people say of parts, in and out, whether a gateway runs or not.

It never shows a verdict of the inspector or of the model, so that who labels with it judges blind.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bridge.cli import label_export, label_import, label_settle, label_sheet, label_status, label_todo

COMMANDS = {
    "todo": (label_todo, "list the parts that are to be labelled"),
    "sheet": (label_sheet, "label part after part, in this terminal or on a page in a browser"),
    "import": (label_import, "take labels from a CSV file"),
    "settle": (label_settle, "decide a part on which people disagree"),
    "status": (label_status, "show how far labelling has come"),
    "export": (label_export, "write all labels as CSV"),
}
"""Each is a module with ``options(parser)`` and ``run(args)``."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the commands and their flags."""
    commands = parser.add_subparsers(dest="label", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        command.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
        module.options(command)
        command.set_defaults(label=module.run)


def run(args: argparse.Namespace) -> int:
    """Do what the command says."""
    status: int = args.label(args)
    return status
