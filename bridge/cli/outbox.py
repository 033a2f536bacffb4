"""``aoi-bridge outbox``: what reporters still owe their peers; parked deliveries tried again, or dropped."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bridge.cli.ordering import ordered_if_running
from bridge.cli.shown import ago, plain
from bridge.config import Config, load
from bridge.errors import ConfigError, Refused
from bridge.log import configure
from bridge.store import Choice, Owing, Parked, Reader, lock, open_journal, user
from bridge.unparking import unpark

SHOWN = 100
"""So many parked deliveries are listed for each reporter; --json lists all of them."""
_ID = re.compile(r"[0-9a-f]{32}")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.set_defaults(ids=[], all=False, because="", yes=False)
    _common(parser, Path("bridge.toml"), None, as_json=False)
    kinds = parser.add_subparsers(dest="what", metavar="list | retry | drop")
    for name, words in (("list", "what waits and what is parked"), ("retry", "try again"), ("drop", "give up")):
        kind = kinds.add_parser(name, help=words)
        _common(kind, argparse.SUPPRESS, argparse.SUPPRESS, as_json=argparse.SUPPRESS)
        if name != "list":
            kind.add_argument("ids", nargs="*", metavar="ID", help="parked deliveries, by the ids that list shows")
            kind.add_argument("--all", action="store_true", help="every parked delivery, instead of ids")
            kind.add_argument("--because", default="", help="why, for the audit log; needed to drop")
        if name == "drop":
            kind.add_argument("--yes", action="store_true", help="do not ask")


def _common(parser: argparse.ArgumentParser, config: object, narrow: object, *, as_json: object) -> None:
    """Declare what may stand before the word and after it; after it there is no default, else it would win."""
    parser.add_argument("--config", type=Path, default=config, help="the file (bridge.toml)")
    parser.add_argument("--line", default=narrow, help="only of this line")
    parser.add_argument("--reporter", default=narrow, help="only of this reporter")
    parser.add_argument("--json", action="store_true", default=as_json, help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """List, retry or drop; exit status 1 where there was something that could not be tried again."""
    config = load(args.config)
    if args.what in {None, "list"}:
        _list(config, args)
        return 0
    configure(config.log, "error")
    choice = _choice(args)
    if args.what == "drop":
        _be_sure(args)
    moved = _moved(config, args, choice)
    if args.json:
        print(json.dumps({"moved": moved}))
    else:
        for one in moved:
            print(_said(one, args.what))
    return 1 if any(one["orphan"] for one in moved) else 0


def _choice(args: argparse.Namespace) -> Choice:
    if bool(args.ids) == args.all:
        raise ConfigError(f"outbox {args.what}", "needs to know which", "write ids, or --all, and not both")
    if wrong := [id_ for id_ in args.ids if not _ID.fullmatch(id_)]:
        raise ConfigError(wrong[0], "is no inspection id", "write the 32 digits that aoi-bridge outbox shows")
    return Choice(tuple(dict.fromkeys(args.ids)), args.line, args.reporter)


def _be_sure(args: argparse.Namespace) -> None:
    """Raise Refused unless the user says why and means it."""
    if not args.because.strip():
        raise ConfigError("outbox drop", "needs a reason for the audit log", 'write --because "…"')
    which = "every parked delivery" if args.all else f"{len(args.ids)} parked deliveries"
    if args.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():  # None: it was closed
        raise ConfigError("outbox drop", "would ask, and nobody is there", "write --yes")
    print(f"Drop {which} for good? The peer will never be told. [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refused("nothing was dropped")


def _moved(config: Config, args: argparse.Namespace, choice: Choice) -> list[dict[str, Any]]:
    """Have the running gateway do it, or do it here where none runs."""
    wish = {"what": args.what, "because": args.because, **asdict(choice)}
    said = ordered_if_running(config.data, "outbox", wish)
    if said is not None:
        found: list[dict[str, Any]] = said["moved"]
        return found
    return asyncio.run(_directly(config, args, choice))


async def _directly(config: Config, args: argparse.Namespace, choice: Choice) -> list[dict[str, Any]]:
    with lock(config.data):
        async with open_journal(config.data) as journal:
            moved = await unpark(journal, args.what, choice, config.lanes(), user(), args.because)
    return [asdict(one) for one in moved]


def _said(one: dict[str, Any], what: str) -> str:
    place = f"{one['line']} {one['reporter']}"
    if one["orphan"]:
        return (
            f"{place}: {one['deliveries']} left parked, for bridge.toml has no such reporter; add it, or drop them"
        )
    done = "back in the outbox" if what == "retry" else "dropped"
    return f"{place}: {one['deliveries']} {done}"


def _list(config: Config, args: argparse.Namespace) -> None:
    reader = Reader(config.data)
    owing = [one for one in reader.owing() if (one.line, one.reporter) in Choice((), args.line, args.reporter)]
    known = config.lanes()
    if args.json:
        rows = [
            {**asdict(one), "configured": (one.line, one.reporter) in known, "deliveries": _every(reader, one)}
            for one in owing
        ]
        print(json.dumps({"reporters": rows}))
        return
    console = Console(highlight=False, markup=False)
    for one in owing:
        _show(console, one, (one.line, one.reporter) in known)
        _show_parked(console, list(_parked(reader, one, SHOWN + 1)))
    if not owing:
        chosen = " there" if args.line or args.reporter else ""
        console.print(f"Nothing waits and nothing is parked{chosen}.", soft_wrap=True)


def _show(console: Console, one: Owing, configured: bool) -> None:  # noqa: FBT001 - private, and named by its callers
    waits = f"{one.queued} waiting"
    if one.oldest_at is not None:
        waits += f", the oldest for {ago(time.time() - one.oldest_at)}"
    gone = "" if configured else "  (not in bridge.toml any more)"
    console.print(f"{one.line} {one.reporter}: {waits}; {one.parked} parked{gone}", soft_wrap=True)


def _show_parked(console: Console, parked: Sequence[Parked]) -> None:
    for delivery in parked[:SHOWN]:
        when = datetime.fromtimestamp(delivery.at).astimezone().strftime("%Y-%m-%d %H:%M")
        console.print(f"  {delivery.id}  {when}  {plain(delivery.part)}", soft_wrap=True)
        console.print(f"      {plain(delivery.reason)}", soft_wrap=True)
    if len(parked) > SHOWN:
        console.print("  … and more; --json lists all of them")


def _every(reader: Reader, one: Owing) -> list[dict[str, Any]]:
    return [asdict(delivery) for delivery in _parked(reader, one, sys.maxsize)]


def _parked(reader: Reader, one: Owing, limit: int) -> Iterator[Parked]:
    """Yield up to so many, in short looks: a long one would keep the gateway from emptying its log."""
    after = 0
    while limit > 0 and (page := reader.parked(one.line, one.reporter, after, min(limit, 1000))):
        yield from page
        limit -= len(page)
        after = page[-1].number
