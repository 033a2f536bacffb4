"""``aoi-bridge status``: how the running gateway does."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.asking import ask
from bridge.cli.shown import ago, amount, plain
from bridge.config import data_of, fingerprint_of, load
from bridge.errors import Unavailable

_NUMBERS = {"parts", "degraded", "slowed", "waiting", "parked", "opened"}
NO_ROOM_BYTES = 1_000_000
"""With less than this the journal may be unable to grow."""
LONGER_THAN_A_DISK = 3650
"""Ten years, in days; nobody plans with more."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the state of every line and plugin; exit status 1 while the gateway is not ready."""
    data = data_of(args.config)
    said = ask(data, "/v1/status")
    if said is None:
        load(args.config)  # a mistake in the file may be why
        raise Unavailable(f"no gateway runs on {data}; start it with aoi-bridge run --config {args.config}")
    if args.json:
        print(json.dumps(said))
    else:
        _show(said, changed=said["config"] != fingerprint_of(args.config))
    return 0 if said["ready"] else 1


def _show(said: Mapping[str, Any], *, changed: bool) -> None:
    console = Console(highlight=False)
    ready = "[green]ready[/]" if said["ready"] else "[red]NOT READY[/]"
    console.print(f"{ready}, up {ago(time.time() - said['started'])}, configuration {said['config']}")
    if changed:
        console.print("The file has changed since; aoi-bridge check finds its mistakes, reload takes it over.")
    tables = [_lines(said), _plugins(said["plugins"]), *([_outbox(said["outbox"])] if said["outbox"] else [])]
    for table in tables:
        console.print()
        console.print(table)
    console.print()
    for sentence in _sentences(said):
        console.print(sentence, soft_wrap=True, markup=False)


def _lines(said: Mapping[str, Any]) -> Table:
    table = _table("line", "goal", "stage", "parts", "degraded", "slowed", "told", "state")
    for line in said["lines"]:
        numbers = [f"{line[key]:,.0f}" for key in ("parts", "degraded", "slowed")]
        stage = f"{'fell back to shadow' if line.get('lowered') else line['stage']}, {line['topology']}"
        told = _told(said["plugins"], line["name"])
        table.add_row(
            escape(line["name"]), str(line["goal"]), stage, *numbers, told, _state(line, said["plugins"])
        )
    return table


def _state(line: Mapping[str, Any], plugins: Sequence[Mapping[str, Any]]) -> str:
    """Say what an operator must know of a line at a glance."""
    said = ["[red]ERROR[/]"] if line["error"] else []
    needed = {(line["name"], "source"), *(("", f"judge {judge}") for judge in line["judges"])}
    ill = [one for one in plugins if (one["line"], one["name"]) in needed and one["state"] not in {"up", "ended"}]
    said += [f"{escape(one['name'])} [red]{one['state']}[/]" for one in ill]
    said += ["[red]ALARM[/]"] if line.get("alarms") else []
    said += ["[red]READY DROPPED[/]"] if line.get("held") else []
    if line["bypass_seconds"] > 0:
        said.append(f"[red]BYPASS[/] {ago(line['bypass_seconds'])} left")
    return ", ".join(said) or "well"


def _told(plugins: Sequence[Mapping[str, Any]], line: str) -> str:
    """Say which of a line's reporters are connected."""
    reporters = [one for one in plugins if one["line"] == line and one["name"] != "source"]
    said = [
        escape(one["name"]) + ("" if one["state"] == "up" else f" [red]{one['state']}[/]") for one in reporters
    ]
    return ", ".join(said) or "nobody"


def _plugins(plugins: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("line", "plugin", "state", "for", "opened", "last error")
    for one in plugins:
        state = str(one["state"])
        shown = state if state in {"up", "ended"} else f"[red]{state}[/]"
        named = (escape(one["line"] or "(shared)"), escape(one["name"]), shown)
        table.add_row(*named, ago(time.time() - one["since"]), f"{one['opened']:,} ×", escape(plain(one["error"])))
    return table


def _outbox(owed: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("line", "reporter", "waiting", "parked")
    for row in owed:
        table.add_row(escape(row["line"]), escape(row["reporter"]), f"{row['queued']:,}", f"{row['parked']:,}")
    return table


def _sentences(said: Mapping[str, Any]) -> Iterator[str]:
    for line in said["lines"]:
        yield from _promise(line)
    if any(row["parked"] for row in said["outbox"]):
        yield "Parked is what a peer has refused: aoi-bridge outbox says why."
    if said["disk"] is not None:
        yield held(said["disk"])
    if said["journal"]:
        yield f"The journal does not answer: {said['journal']}"
    audit = said["audit"]
    yield f"Audit log: the newest entry is {audit['entries']} with hash {audit['hash']}"
    yield pictures(said["images"])


def _promise(line: Mapping[str, Any]) -> Iterator[str]:
    """Say what is known of what a live line promised; a gateway of before says nothing."""
    name, bounds = line["name"], line.get("bounds")
    if lowered := line.get("lowered"):
        yield f"{name} fell back to shadow by itself: {lowered}. aoi-bridge stage {name} live ends that."
    yield from (f"{name} ALARMS: {said}." for said in line.get("alarms", ()))
    if held := line.get("held"):
        yield f"{name} is not ready: {held}. aoi-bridge reset {name} ends that."
    if bounds:
        missed, added = bounds["miss rate"], bounds["escapes"]
        yield (
            f"{name}: of the true NG {missed['lower']:.2%} to {missed['upper']:.2%} are let through (limit "
            f"{missed['limit']:.2%}); that adds {added['lower']:,.0f} to {added['upper']:,.0f} ppm escapes (limit "
            f"{added['limit']:,.0f})."
        )


def pictures(images: Mapping[str, Any]) -> str:
    """Say how much the kept pictures take, and what was lost or removed."""
    removed = images["removed_over_cap"] + images["removed_below_floor"]
    there = f"{images['files']:,.0f} pictures are kept, {amount(images['bytes'])} of {amount(images['cap_bytes'])}"
    return f"{there}; since the start {images['dropped']:,.0f} were dropped and {removed:,.0f} removed."


def held(disk: Mapping[str, Any]) -> str:
    """Say for how long an MES may be away."""
    free = f"{amount(disk['free_bytes'])} free"
    if disk["free_bytes"] < NO_ROOM_BYTES:
        return f"THE DISK IS FULL ({free}): decisions may go unrecorded and nothing can be changed; make room."
    if disk["bytes_per_part"] is None or disk["parts_per_day"] is None:
        return f"How long the disk holds while an MES is away is unknown yet ({free})."
    rate = f"at {disk['parts_per_day']:,.0f} parts a day of {amount(disk['bytes_per_part'])}, {free}"
    if disk["days"] is None or disk["days"] > LONGER_THAN_A_DISK:
        return f"While an MES is away, the disk holds for more than ten years ({rate})."
    return f"While an MES is away, the disk holds for {disk['days']:,.1f} days ({rate})."


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in _NUMBERS else "left")
    return table
