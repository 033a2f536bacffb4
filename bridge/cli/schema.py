"""``aoi-bridge schema``: the JSON Schema of what goes over the wire, and of bridge.toml itself.

The first is for whoever writes the other side, the second for an editor that completes what one types.
"""

from __future__ import annotations

import argparse
import sys

from bridge.config.completion import config_schema_text, loadable
from bridge.plugin.schemas import DOCUMENTS, schema_text


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument(
        "document",
        choices=[*DOCUMENTS, "config"],
        help="part (what a machine tells), answer (what it is told), decision (what an MES is told), or config "
        "(bridge.toml with every installed plugin)",
    )


def run(args: argparse.Namespace) -> int:
    """Print one schema."""
    if args.document == "config":
        print(config_schema_text(loadable(lambda line: print(line, file=sys.stderr))), end="")
    else:
        print(schema_text(DOCUMENTS[args.document]), end="")
    return 0
