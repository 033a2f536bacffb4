"""``aoi-bridge status``: how the running gateway does."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.config import load
from bridge.control import ask
from bridge.errors import Unavailable


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the state of every line and plugin; exit status 1 while the gateway is not ready."""
    config = load(args.config)
    said = ask(config.data, "/v1/status")
    if said is None:
        raise Unavailable(f"no gateway runs on {config.data}; start it with aoi-bridge run --config {args.config}")
    if args.json:
        print(json.dumps(said))
    else:
        _show(said)
    return 0 if said["ready"] else 1


def _show(said: Mapping[str, Any]) -> None:
    console = Console()
    up = timedelta(seconds=int(time.time() - said["started"]))
    console.print(f"{'ready' if said['ready'] else 'NOT READY'}, up {up}, configuration {said['config']}")
    lines = _table("line", "goal", "stage", "topology", "parts", "degraded", "under way", "source slowed", "error")
    for line in said["lines"]:
        numbers = [f"{line[key]:g}" for key in ("parts", "degraded", "under_way", "slowed")]
        named = [line["name"], str(line["goal"]), line["stage"], line["topology"]]
        lines.add_row(*named, *numbers, "ERROR" if line["error"] else "")
    console.print(lines)
    console.print(_plugins(said["plugins"]))
    outbox = _table("line", "reporter", "waiting", "parked")
    for row in said["outbox"]:
        outbox.add_row(row["line"], row["reporter"], str(row["queued"]), str(row["parked"]))
    if said["outbox"]:
        console.print(outbox)
    audit = said["audit"]
    console.print(f"Audit log: {audit['entries']} entries, the newest has {audit['hash']}", soft_wrap=True)
    if said["journal"]:
        console.print(f"The journal does not answer: {escape(said['journal'])}")


def _plugins(plugins: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("line", "plugin", "state", "for", "last error")
    for plugin in plugins:
        age = timedelta(seconds=int(time.time() - plugin["since"]))
        named = (plugin["line"] or "(shared)", plugin["name"], plugin["state"], str(age), plugin["error"])
        table.add_row(*map(escape, named))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
