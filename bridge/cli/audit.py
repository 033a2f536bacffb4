"""``aoi-bridge audit``: who changed what and why, and whether the log is as it was written."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bridge.cli.shown import plain
from bridge.config import data_of
from bridge.errors import ConfigError
from bridge.store import Copy, Entry, Reader

PAGE = 1000
_HASH = re.compile(r"[0-9a-fA-F]{16,64}")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the two commands and their flags."""
    commands = parser.add_subparsers(dest="audit", metavar="COMMAND", required=True)
    show = commands.add_parser("show", help="list the entries, oldest first")
    show.add_argument("--line", help="only this line")
    show.add_argument(
        "--since", type=_instant, default=0.0, help="only from this day or time on (2026-11-21T08:00)"
    )
    show.add_argument("--json", action="store_true", help="print one JSON object per entry")
    show.set_defaults(audit=_show)
    verify = commands.add_parser("verify", help="follow the chain of hashes; exit status 1 if an entry is wrong")
    verify.add_argument("--hash", type=_hash, help="a hash that was noted down, at least its first 16 digits")
    verify.add_argument("--number", type=_number, help="the number of the entry that it belongs to")
    verify.set_defaults(audit=_verify)
    for command in (show, verify):
        command.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
        command.add_argument("--data", type=Path, help="a data folder, or a copy of one, instead of the file's")


def run(args: argparse.Namespace) -> int:
    """Read the log, whether a gateway runs or not."""
    status: int = args.audit(args, Reader(args.data or data_of(args.config)))
    return status


def _show(args: argparse.Namespace, reader: Reader) -> int:
    entries = _entries(reader, args.line, args.since)
    if args.json:
        for entry in entries:
            print(json.dumps(_plain(entry)))
        return 0
    shown = 0
    for shown, entry in enumerate(entries, start=1):  # noqa: B007 - how many there were
        print("\n    ".join(_written(entry)))
    if not shown:
        print("No entry is as recent, or of this line." if args.line or args.since else "The audit log is empty.")
    return 0


def _verify(args: argparse.Namespace, reader: Reader) -> int:
    if (args.hash is None) != (args.number is None):
        raise ConfigError(
            "aoi-bridge audit verify", "a hash belongs to a number", "write both --hash and --number"
        )
    found = reader.verify(Copy(args.number, args.hash) if args.hash else None)
    if found.fault:
        print(f"The audit log is not as it was written: {found.fault}.")
        return 1
    newest = f"its newest entry is {found.number} with hash {found.hash.hex()}" if found.number else "it is empty"
    print(f"The audit log is whole; {newest}")
    return 0


def _entries(reader: Reader, line: str | None, since: float) -> Iterator[Entry]:
    after = 0
    while page := reader.audit(line, since, after, PAGE):
        yield from page
        after = page[-1].number


def _written(entry: Entry) -> Iterator[str]:
    """Return an entry as a few lines of text; a table would have no room for a configuration."""
    when = datetime.fromtimestamp(entry.at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    where = f"  line {plain(entry.line)}" if entry.line else ""
    who = f", by {plain(entry.who)}" if entry.who else ""
    yield f"{entry.number}  {when}{where}  {plain(entry.what)}{who}"
    if entry.old and entry.new:
        yield f"{plain(entry.old)} → {plain(entry.new)}"
    elif entry.old or entry.new:
        yield plain(entry.old or entry.new)
    if entry.why:
        yield f"because: {plain(entry.why)}"


def _plain(entry: Entry) -> Mapping[str, object]:
    return {
        "number": entry.number,
        "at": datetime.fromtimestamp(entry.at, UTC).isoformat(),
        "who": entry.who,
        "line": entry.line,
        "what": entry.what,
        "old": entry.old,
        "new": entry.new,
        "why": entry.why,
        "hash": entry.hash.hex(),
    }


def _instant(text: str) -> float:
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError) as exc:
        raise argparse.ArgumentTypeError(f"{text} is no time; write 2026-11-21 or 2026-11-21T08:00") from exc


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of an entry; the first has 1")
    return int(text)


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise argparse.ArgumentTypeError("is no hash; write 16 to 64 hexadecimal digits")
    return text
