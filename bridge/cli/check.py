"""``aoi-bridge check``: is the file right, and does every peer answer?

Without a running gateway each plugin is opened and closed once, or its own check is asked; so is a reporter that
the gateway leaves alone in shadow, for its PLC must be proven before the line goes live. While the gateway runs
it is asked instead: some PLCs close the oldest connection when one more dials, and that would be ours.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.asking import ask
from bridge.changing import refuse
from bridge.config import Config, Http, Line, Recipe, load
from bridge.errors import ConfigError
from bridge.explaining import explain
from bridge.judging.claim import Use
from bridge.log import configure
from bridge.messages import Goal
from bridge.plugin.api import Finding
from bridge.plugin.discovery import Plugged, check_of
from bridge.plugin.tls import LOOPBACK, allowed
from bridge.starting import objections

DIAL_SECONDS = 15.0
_ONLY_LIVE = "the gateway itself opens it only when the line is live"
"""Said of a reporter in shadow beside a tap: it is tried all the same, so that going live is no surprise."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    line: str
    plugin: str
    finding: Finding


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
    parser.add_argument("--offline", action="store_true", help="validate the file only, dial nobody")
    parser.add_argument(
        "--write-test", action="store_true", help="also write the commissioning constants to each PLC"
    )


def run(args: argparse.Namespace) -> int:
    """Print what was tried and how it went; exit status 1 if anything is not well."""
    config = load(args.config)
    configure(config.log, "error")
    refuse([f"{args.config}: {one}" for one in objections(config)])
    console = Console()
    found = f"{args.config}: {len(config.line)} line(s), {len(config.judge)} judge(s), no mistakes"
    console.print(found, markup=False, soft_wrap=True)
    if args.offline:
        return 0
    said = ask(config.data, "/v1/status")
    if said is not None:
        console.print(
            f"The gateway is running (configuration {said['config']}), so it was asked; nothing was dialled."
        )
        if said["config"] != config.fingerprint:
            console.print("It still runs an older version of this file; aoi-bridge reload has it take this one.")
        if args.write_test:
            console.print("The write test was not done; stop the gateway for it.")
        rows = _asked(said)
    else:
        with tempfile.TemporaryDirectory(prefix="aoi-bridge-check-") as home:
            rows = asyncio.run(_dialled(config, Path(home), write_test=args.write_test))
    console.print(_table(rows))
    return 1 if any(row.finding.good is False for row in rows) else 0


def _asked(said: Any) -> list[Row]:
    return [
        Row(
            plugin["line"] or "(shared)",
            plugin["name"],
            _state(plugin["state"], plugin["error"]),
        )
        for plugin in said["plugins"]
    ]


def _state(state: str, error: str) -> Finding:
    """Return a plugin's state; what is well keeps its last error to itself."""
    well = state in {"up", "ended"}
    return Finding("state", well, state if well or not error else f"{state}: {error}")


async def _dialled(config: Config, home: Path, *, write_test: bool) -> list[Row]:
    return [row async for row in _every(config, home, write_test=write_test)]


async def _every(config: Config, home: Path, *, write_test: bool) -> AsyncIterator[Row]:
    yield Row("(shared)", "data", await asyncio.to_thread(_data, config.data))
    if (finding := await asyncio.to_thread(_control, config.http)) is not None:
        yield Row("(shared)", "http", finding)
    for name, judge in config.judge.items():
        asked = _asked_of(config, name)
        for finding in await _try(judge, config.data / "models", write_test=write_test, **asked):
            yield Row("(shared)", f"judge {name}", finding)
    for line in config.line:
        async for row in _of_line(line, home / line.name, write_test=write_test):
            yield row


async def _of_line(line: Line, home: Path, *, write_test: bool) -> AsyncIterator[Row]:
    for finding in await _try(line.source, home, write_test=write_test):
        yield Row(line.name, "source", finding)
    opened = line.reporters_opened()
    for told in line.reporter:
        findings = await _try(told, home, write_test=write_test)
        if told not in opened:
            findings[:1] = [replace(findings[0], said=f"{findings[0].said}; {_ONLY_LIVE}")]
        for finding in findings:
            yield Row(line.name, told.options.name, finding)
    for road in line.labels:
        for finding in await _try(road, home / "labels", write_test=write_test):
            yield Row(line.name, f"labels {road.options.name}", finding)


def _data(folder: Path) -> Finding:
    """Say whether journal and images could be kept there; nothing is made or written."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    good = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    return Finding("folder", good, str(folder) if good else f"{nearest} is no folder that this user may write to")


def _control(http: Http) -> Finding | None:
    """Say whether the control port has a good certificate, and whom it is open to; None where all is as ever."""
    try:
        if http.tls is not None:
            http.tls.context()
    except ConfigError as exc:
        return Finding("certificate", good=False, said=str(exc))
    if http.host == "localhost" or allowed(LOOPBACK, http.host):
        return None if http.tls is None else Finding("certificate", good=True, said="can be used")
    secured = "under TLS" if http.tls else "without TLS"
    whom = f"to {', '.join(http.allow)}" if http.allow else "to the whole network"
    return Finding("open to", good=None, said=f"health and metrics are open {whom}, {secured}, on {http.host}")


def _leaves(line: Line) -> float:
    """Return how many milliseconds a line leaves its judge for each view of a part."""
    views = max([line.views_expected or 1, *(recipe.views_expected or 1 for recipe in line.recipe.values())])
    return (line.deadline_ms - line.reserve_ms) / views


def _asked_of(config: Config, judge: str) -> dict[str, Any]:
    """Judges are also told their lines, the milliseconds that the tightest leaves, and the lowest threshold."""
    budgets = [_leaves(line) for line in config.line if judge in line.judges()]
    stated = [low for line in config.line for _, name, low in line.thresholds() if name == judge]
    asked: dict[str, Any] = {"uses": tuple(_uses(config, judge))}
    return (
        asked | ({"budget_ms": min(budgets)} if budgets else {}) | ({"threshold": min(stated)} if stated else {})
    )


def _uses(config: Config, judge: str) -> Iterator[Use]:
    """Yield each line that asks the judge, once for each threshold and region that it or a recipe states."""
    for line in config.line:
        found: list[Use] = []
        for recipe in (Recipe(), *line.recipe.values()):
            if (recipe.judge or line.judge) == judge:
                threshold = line.threshold if recipe.threshold is None else recipe.threshold
                rois = {view: roi.box() for view, roi in (recipe.roi or line.roi or {}).items()}
                found.append(Use(line.name, Goal(line.goal), threshold, rois))
        yield from (use for place, use in enumerate(found) if use not in found[:place])


async def _try(plugged: Plugged, home: Path, *, write_test: bool, **asked: Any) -> list[Finding]:
    """Ask the plugin's own check, or open and close it."""
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            check = await asyncio.to_thread(check_of, plugged.plugin)
            if check is not None:
                options = plugged.options.model_copy(update={"home": home})
                return list(await check(options, write_test=write_test, **asked))
            async with plugged.open(home):
                return [Finding("opens", good=True, said="opened and closed again")]
    except TimeoutError:
        return [Finding("opens", good=False, said=f"nothing within {DIAL_SECONDS:g} s")]
    except Exception as exc:  # noqa: BLE001 - whatever a peer or a plugin does is a row of the table
        return [Finding("opens", good=False, said=explain(exc))]


def _table(rows: list[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in ("line", "plugin", "tried", "", "what it said"):
        table.add_column(column, overflow="fold")
    words = {True: "[green]well[/]", False: "[red]NOT WELL[/]", None: "not tried"}
    for row in rows:
        finding = row.finding
        said = (row.line, row.plugin, finding.what, finding.said)
        line, plugin, what, words_of_it = map(escape, said)
        table.add_row(line, plugin, what, words[finding.good], words_of_it)
    return table
