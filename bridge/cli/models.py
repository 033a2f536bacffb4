"""``aoi-bridge models``: the versions of every model; which one is live, and which one runs.

A gateway that runs loads and warms a version before the link ``live`` is moved to it, and lets it judge then.
Without one it is only checked here, as the gateway will check it at its next start.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge import approvals, in_force, starting
from bridge.asking import ask
from bridge.changing import Trial, Wanted, audited, write_down
from bridge.cli.ordering import each_reason, ordered_if_running, show
from bridge.clock import SystemClock
from bridge.config import Config, load
from bridge.in_force import InForce
from bridge.judges import Judges, Sitting
from bridge.judging import bundle, shelf
from bridge.judging.claim import short
from bridge.judging.shelf import Version
from bridge.log import configure
from bridge.objections import naming
from bridge.store import lock, open_journal, user


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    _common(parser, Path("bridge.toml"))
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    _common(actions.add_parser("list", help="list all versions (what is done without an action)"))
    promote = actions.add_parser("promote", help="let a version judge, and make it live")
    rollback = actions.add_parser("rollback", help="go back to the version that was live before")
    for action in (promote, rollback):
        _common(action)
        action.add_argument("name", help="the model's name, as in judge.NAME.model")
        action.add_argument("--override", default="", metavar="REASON", help="why a live line may have it")
    promote.add_argument("version", type=int, help="the version's number")


def _common(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """Take --config before the action as well as behind it."""
    parser.add_argument("--config", type=Path, default=default, help="the file (bridge.toml)")


def run(args: argparse.Namespace) -> int:
    """List the versions, or move the link ``live``; exit status 2 with a line for each reason against it."""
    config = load(args.config)
    models = config.data / "models"
    if args.action in {None, "list"}:
        _list(config, ask(config.data, "/v1/status"))
        return 0
    back = args.action == "rollback"
    folder = shelf.before(models, args.name) if back else shelf.folder_of(models, args.name, args.version)
    body = {"name": args.name, "override": args.override, "version": None if back else args.version}
    with each_reason():
        said = ordered_if_running(config.data, "promote", body)
    if said is not None:
        show(said["changes"])
        print(f"{said['folder']} runs and is live.")
        return 0
    configure(config.log, "error")
    show(asyncio.run(_moved(config, args.name, folder, args.override, back=back)))
    print(f"{folder} is live; no gateway runs, so it was only checked.")
    return 0


async def _moved(config: Config, name: str, folder: Path, override: str, *, back: bool) -> list[str]:
    """Hold a version to everything that a gateway would, and move the link; return what that changes."""
    before = await asyncio.to_thread(in_force.read, config.data)
    await asyncio.to_thread(bundle.load, folder)
    judges = await _unopened(config)
    why = override or ("" if before else "before the first start")
    aimed = dict.fromkeys(naming(config, name), folder)
    wanted = Wanted(config, why, user(), aimed, grants=bool(override.strip()))
    with lock(config.data):
        async with (
            open_journal(config.data) as journal,
            Trial(config, before.facts if before else {}, judges, await approvals.read(journal)) as trial,
        ):
            approved = await trial.approve(wanted)
            move = partial(asyncio.to_thread, shelf.put_live, folder, back=back)
            if before is None:
                await audited(approved.reasoned, journal)
                await move()
            else:
                await write_down(approved, journal, config.data, move)
                await asyncio.to_thread(in_force.write, config.data, InForce({**before.facts, **approved.facts}))
    return [str(one.change) for one in approved.reasoned]


async def _unopened(config: Config) -> Judges:
    """Return the judges as the next start would find them, none of them open."""
    judges, clock = Judges(config.data / "models", SystemClock()), SystemClock()
    for name, identity in (await asyncio.to_thread(starting.models, config)).items():
        judges.sitting[name] = Sitting(name, config.judge[name], judges.models, clock, identity)
    return judges


def _list(config: Config, said: Mapping[str, Any] | None) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in ("model", "version", "", "hash", "made", "threshold", "promise", "judges for"):
        table.add_column(column, overflow="fold")
    running = set(said["models"].values()) if said else set()
    found = shelf.versions(config.data / "models")
    for one in found:
        users = ", ".join(_users(config, one.name)) if one.live else ""
        table.add_row(*map(escape, (one.name, *_row(one, running), users)))
    Console().print(table)
    if not found:
        print(f"There is no model under {config.data / 'models'}; train one with aoi-bridge train.")


def _row(one: Version, running: set[str]) -> tuple[str, ...]:
    if one.bundle is None:
        return one.folder.name, "live" if one.live else "", one.trouble, "", "", ""
    made, identity = one.bundle.manifest, one.bundle.identity
    version = str(made.version) if one.folder.name == str(made.version) else f"{made.version} ({one.folder.name})"
    state = " ".join(word for word, true in (("live", one.live), ("runs", identity in running)) if true)
    digest, at = identity.rpartition(" ")[2], made.made_at[:16].replace("T", " ")
    return version, state, digest, at, f"{made.threshold:g}", short(made.operating_point)


def _users(config: Config, model: str) -> list[str]:
    judges = set(naming(config, model))
    return [f"{line.name} ({line.stage})" for line in config.line if judges & line.judges()]
