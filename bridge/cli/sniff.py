"""``aoi-bridge sniff``: record what an old machine sends, propose how to read it, replay that, make it a case."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import re
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bridge.cli.numbers import above_zero, count
from bridge.cli.recording import record
from bridge.cli.shown import amount, plain
from bridge.config import load
from bridge.config.words import sentences
from bridge.errors import ConfigError
from bridge.log import configure
from bridge.plugin.discovery import AnySource, Plugged
from bridge.sniff.capture import Capture, Event, read

if TYPE_CHECKING:
    from bridge.sniff.feed import Pace
    from bridge.sniff.replay import Outcome, Row

SHOWN_BYTES = 300


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the commands and their flags."""
    commands = parser.add_subparsers(dest="sniff", metavar="record|show|propose|replay|case", required=True)
    recorded = commands.add_parser("record", help="record a machine into a capture file; Ctrl-C ends it")
    _record_options(recorded)
    show = commands.add_parser("show", help="print a capture for people")
    propose = commands.add_parser("propose", help="write a [line.source] table that reads what was captured")
    replay = commands.add_parser(
        "replay", help="play a capture to a configured source; exit status 1 if not all of it is understood"
    )
    case = commands.add_parser("case", help="make a test case of a capture, one for each of its connections")
    for command, work in ((show, _show), (propose, _propose), (replay, _replay), (case, _case)):
        command.add_argument("file", type=Path, help="the capture")
        command.set_defaults(sniff_run=work)
    for command in (propose, replay):
        command.add_argument("--json", action="store_true", help="print one JSON object")
    for command in (replay, case):
        command.add_argument(
            "--config",
            type=Path,
            default=Path("bridge.toml"),
            help="the file (bridge.toml), or one with a [line.source] table only",
        )
        command.add_argument("--line", help="the line; may be left out if there is only one")
    pace = replay.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=above_zero, help="so many times as fast as it was recorded")
    pace.add_argument("--all-at-once", action="store_true", help="without waiting (the default)")
    replay.add_argument(
        "--split",
        type=count,
        default=0,
        metavar="BYTES",
        help="cut the bytes into packets of this size instead of those recorded",
    )
    case.add_argument(
        "--out", type=Path, required=True, help="a folder to make; of several connections they are OUT-1, OUT-2 …"
    )


def _record_options(parser: argparse.ArgumentParser) -> None:
    road = parser.add_mutually_exclusive_group(required=True)
    road.add_argument(
        "--listen", type=_place, metavar="HOST:PORT", help="the machine dials us; PORT alone is on 127.0.0.1"
    )
    road.add_argument("--connect", type=_place, metavar="HOST:PORT", help="we dial the machine")
    road.add_argument("--folder", type=Path, help="the machine writes files")
    parser.add_argument(
        "--forward",
        type=_place,
        metavar="HOST:PORT",
        help="with --listen: pass everything on to the present receiver, and its answers back",
    )
    parser.add_argument(
        "--answer",
        type=_escapes,
        default=b"",
        metavar="TEXT",
        help=r"what to answer each message, as ACK\r\n or \x06; else nothing is ever sent",
    )
    parser.add_argument(
        "--allow",
        action="append",
        type=_network,
        default=[],
        metavar="NETWORK",
        help="with --listen: an address or network that may connect; every one if left out",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="the capture file; one that is there is gone on with",
    )
    parser.add_argument("--megabytes", type=above_zero, default=100.0, help="how large the file may become (100)")
    parser.add_argument("--minutes", type=above_zero, default=24 * 60.0, help="how long to record (1440, a day)")
    parser.set_defaults(sniff_run=record)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    configure(level="error")
    status: int = args.sniff_run(args)
    return status


def _show(args: argparse.Namespace) -> int:
    capture = read(args.file)
    print(f"{capture.kind}, {capture.origin}, {len(capture.events)} events")
    for event in capture.events:
        print(_line(event))
    if capture.torn:
        print(f"# {capture.torn} line(s) of the file are cut, and left out")
    return 0


def _line(event: Event) -> str:
    """Return one event on one line."""
    when = f"{event.t:10.3f}"
    if event.what == "file":
        before = f" (was {plain(event.before)})" if event.before else ""
        read_ = f"  {_bytes(event.data)}" if event.data else ""
        return f"{when}  {event.how:<8} {plain(event.path)}{before}, {amount(event.size)}{read_}"
    if event.what == "resumed":
        return f"{when}  the recording was resumed"
    marks = {"machine": ">", "answer": "<"}
    said = _bytes(event.data) if event.what in marks else f"{event.what} {event.peer}".strip()
    return f"{when}  {event.connection:>3} {marks.get(event.what, '-')} {said}"


def _bytes(data: bytes) -> str:
    text = repr(data[:SHOWN_BYTES])[2:-1]
    return text if len(data) <= SHOWN_BYTES else f"{text} … {len(data)} bytes"


def _propose(args: argparse.Namespace) -> int:
    from bridge.sniff.proposal import propose  # noqa: PLC0415 - numpy, which recording does not need

    found = propose(read(args.file))
    print(
        json.dumps(found.document(), ensure_ascii=False) if args.json else found.table(),
        end="\n" if args.json else "",
    )
    return 0


def _replay(args: argparse.Namespace) -> int:
    from bridge.sniff.feed import Pace  # noqa: PLC0415 - as above

    capture, plugged = read(args.file), _source(args)
    with _bar(quiet=args.json) as told:
        outcome = _played(capture, plugged, Pace(args.speed, args.split, told))
    if args.json:
        print(json.dumps(_document(outcome), ensure_ascii=False))
    else:
        _print(outcome)
    return 0 if outcome.well else 1


def _case(args: argparse.Namespace) -> int:
    from bridge.sniff import case  # noqa: PLC0415 - as above
    from bridge.sniff.feed import Pace  # noqa: PLC0415 - as above

    capture, plugged = read(args.file), _source(args)
    parts = case.connections(capture)
    if not parts:
        raise ConfigError(str(args.file), "holds nothing that the machine has sent")
    for number, part in enumerate(parts, start=1):
        folder = args.out if len(parts) == 1 else args.out.with_name(f"{args.out.name}-{number}")
        outcome = _played(part, plugged, Pace())
        case.write(part, plugged, outcome, folder)
        print(f"{folder}: {_many(outcome.understood, 'part')}, not understood: {_many(outcome.missed, 'message')}")
    print("Read expected.jsonl: it says what is understood today; correct what should be otherwise.")
    return 0


def _played(capture: Capture, plugged: Plugged, pace: Pace) -> Outcome:
    from bridge.sniff.replay import replay  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory(prefix="aoi-bridge-sniff-") as home:
        return asyncio.run(replay(capture, plugged, Path(home), pace))


def _source(args: argparse.Namespace) -> Plugged:
    """Return the source of a line, or of a file that holds a source and nothing else."""
    alone = _alone(args.config)
    if alone is not None:
        try:
            return TypeAdapter(AnySource).validate_python(alone)
        except ValidationError as exc:
            said = sentences(exc.errors(include_url=False), AnySource, alone)  # type: ignore[arg-type]
            raise ConfigError(f"{args.config}: line.source", said[0]) from exc
    lines = {line.name: line for line in load(args.config).line}
    name = args.line or (next(iter(lines)) if len(lines) == 1 else None)
    if name not in lines:
        found = "is not a line of this file" if name else "is needed, for there are several lines"
        raise ConfigError(f"--line {name or ''}".strip(), found, f"write one of {', '.join(lines)}")
    source: Plugged = lines[name].source
    return source


def _alone(path: Path) -> dict[str, Any] | None:
    """Return the table of a file that has nothing but ``[line.source]``, as propose prints it."""
    with contextlib.suppress(OSError, ValueError):
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        line = document.get("line")
        if isinstance(line, dict) and isinstance(line.get("source"), dict):
            table: dict[str, Any] = line["source"]
            return table
    return None


@contextlib.contextmanager
def _bar(*, quiet: bool) -> Iterator[Any]:
    columns = (TextColumn("replaying"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, transient=True, disable=quiet or not console.is_terminal, console=console) as progress:
        task = progress.add_task("replaying", total=1.0)
        yield lambda share: progress.update(task, completed=share)


def _document(outcome: Outcome) -> dict[str, object]:
    return {
        "understood": outcome.understood,
        "missed": outcome.missed,
        "trouble": outcome.trouble,
        "counts": dict(outcome.counts),
        "rows": [row.document() for row in outcome.rows],
    }


def _print(outcome: Outcome) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for column in ("s", "part", "verdict", "recipe", "defect", "images", "what it said"):
        table.add_column(column, overflow="fold")
    for row in outcome.rows:
        table.add_row(*_cells(row))
    console = Console(highlight=False)
    if outcome.rows:
        console.print(table)
    said = f"understood: {_many(outcome.understood, 'part')}; not understood: {_many(outcome.missed, 'message')}"
    console.print(said, style="green" if outcome.well else "red")
    if outcome.counts:
        counts = ", ".join(f"{event} {times}" for event, times in sorted(outcome.counts.items()))
        console.print(f"The source counted: {counts}.", markup=False, soft_wrap=True)
    if outcome.trouble:
        console.print(outcome.trouble, markup=False, soft_wrap=True)


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _cells(row: Row) -> tuple[str, ...]:
    part = row.part
    if part is None:
        return f"{row.at:.3f}", "", "", "", "", "", f"[red]{escape(row.why)}[/]: {escape(_bytes(row.data[:80]))}"
    said = f"[red]{escape(row.why)}[/]" if row.why else ""
    shown = f"{row.images}/{len(part.views)}" if part.views else ""
    names = (part.part, str(part.legacy or "none"), part.recipe, part.defect)
    return (f"{row.at:.3f}", *(escape(plain(name)) for name in names), shown, said)


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 1 << 16):  # noqa: PLR2004 - of a port
        raise argparse.ArgumentTypeError(f"{text} is no place; write HOST:PORT, or PORT alone for this machine")
    return host.strip("[]") or "127.0.0.1", int(port)


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text} is no address and no network like 192.168.0.0/24") from exc
    return text


_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|[rnt0\\])")
_SAYS = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def _escapes(text: str) -> bytes:
    r"""Return what is to be sent: ``\r \n \t \0 \\ \xHH`` are what they are everywhere, the rest is UTF-8."""
    pieces = _ESCAPE.split(text)
    return b"".join(
        piece.encode()
        if at % 2 == 0
        else bytes([int(piece[1:], 16)])
        if piece[0] == "x"
        else _SAYS[piece].encode()
        for at, piece in enumerate(pieces)
    )
