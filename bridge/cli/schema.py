"""``aoi-bridge schema``: the JSON Schema of what goes over the wire, for whoever writes the other side."""

from __future__ import annotations

import argparse

from bridge.plugin.schemas import DOCUMENTS, schema_text


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument(
        "document",
        choices=sorted(DOCUMENTS),
        help="part (what a machine tells), answer (what it is told), decision (what an MES is told)",
    )


def run(args: argparse.Namespace) -> int:
    """Print one schema."""
    print(schema_text(DOCUMENTS[args.document]), end="")
    return 0
