"""``aoi-bridge simulate aoi|plc|mes``: the other side of a bridge.toml, for commissioning without a line.

``aoi-bridge simulate aoi --plc`` is a whole station: the PLC holds each part until its verdict, as real ones do.
The PLC alone shows the parts that it reads from standard input; the MES does there as it is told, so that each
trouble of a real one can be tried. ``--habit`` lets any of them misbehave from the start.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridge.cli.numbers import count, rate, share
from bridge.cli.typed import typed
from bridge.config import Line, load
from bridge.errors import ConfigError
from bridge.messages import Inspection, Verdict
from bridge.plugin.discovery import Plugged, habits_of, open_peer
from bridge.plugin.habits import read_habits, usual_of
from bridge.plugin.peers import Book, Play, Station, Taken
from bridge.simulate.parts import Played, bolts, folder, inspected
from bridge.simulate.play import play

_TOLD = ("part", "verdict", "origin", "id")
"""What is shown of a document; a text of the user's own template may hold less."""
_TROUBLES = "refuse REASON, accept, stall, resume, half-close, lose-ack COUNT, die or back"


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    roles = parser.add_subparsers(dest="role", metavar="aoi|plc|mes", required=True)
    aoi = roles.add_parser("aoi", help="an old inspector that plays parts into the line's source")
    aoi.add_argument("--images", type=Path, help="a labelled folder, one subfolder per class; bolts if left out")
    aoi.add_argument(
        "--ok", action="append", default=[], metavar="CLASS", help="a class that is good; may be repeated"
    )
    aoi.add_argument("--parts", type=count, default=100, help="how many parts (100); of a folder at most all")
    aoi.add_argument("--rate", type=rate, default=2.0, help="parts per second (2)")
    aoi.add_argument("--false-calls", type=share, default=0.1, help="share of good parts called NG (0.1)")
    aoi.add_argument("--escapes", type=share, default=0.02, help="share of bad parts called OK (0.02)")
    aoi.add_argument("--seed", type=int, default=0, help="order, errors and bolts (0)")
    aoi.add_argument(
        "--plc", action="store_true", help="play the line's PLC too: it holds each part for its verdict"
    )
    aoi.set_defaults(role_run=_aoi)
    plc = roles.add_parser("plc", help="a PLC that shows the parts it reads from standard input")
    plc.set_defaults(role_run=_plc)
    mes = roles.add_parser(
        "mes",
        help="an MES that keeps what the line's guaranteed reporter says",
        description="An MES that keeps what the line's guaranteed reporter says. "
        f"Type on standard input what it shall do: {_TROUBLES}.",
    )
    mes.set_defaults(role_run=_mes)
    for role in (aoi, plc, mes):
        role.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
        role.add_argument("--line", help="the line; may be left out if there is only one")
        role.add_argument("--reporter", help="the reporter; may be left out if one fits")
        role.add_argument(
            "--habit", default="", metavar="NAME[=NUMBER],…", help="bad habits to play from the start"
        )
        role.add_argument("--habits", action="store_true", help="list the bad habits that there are, and stop")
    aoi.add_argument("--plc-habit", default="", metavar="NAME[=NUMBER],…", help="bad habits of the PLC of --plc")


def run(args: argparse.Namespace) -> int:
    """Play one role until done or interrupted."""
    line = _line(args)
    if args.habits:
        _list(_played(args, line))
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(args.role_run(args, line))
    return 0


def _played(args: argparse.Namespace, line: Line) -> Plugged:
    """Return the plugin whose other side is played."""
    if args.role == "aoi":
        plugged: Plugged = line.source
        return plugged
    return _reporter(args, line, "realtime" if args.role == "plc" else "guaranteed")


def _list(plugged: Plugged) -> None:
    known = habits_of(plugged)
    if not known:
        print("This one has no bad habits.")
    for name, habit in known.items():
        print(f"{usual_of(name, known):<20}  {habit.says}")


async def _aoi(args: argparse.Namespace, line: Line) -> None:
    told = _reporter(args, line, "realtime") if args.plc else None
    if args.plc_habit and told is None:
        raise ConfigError("--plc-habit", "no PLC is played", "write --plc too")
    parts = await asyncio.to_thread(_parts, args)
    async with (
        _peer(line.source, args.habit) as inspector,
        _peer(told, args.plc_habit, "--plc-habit") if told else contextlib.nullcontext() as plc,
    ):
        hand_over: Play = inspector
        print(f"# playing {len(parts)} parts into {line.name}, Ctrl-C to stop", flush=True)

        async def announced(part: Inspection) -> Verdict | None:
            print(f"{part.part}  the inspector says {part.legacy}", flush=True)
            return await hand_over(part)

        async for one in play(parts, announced, plc, rate=args.rate, seconds=_patience(line)):
            if one.answer:
                print(f"# {one.part.serial}  is {one.part.truth}, the bridge said {one.answer}", flush=True)
            if one.taken:
                print(f"# {one.part.serial}  is {one.part.truth}, {_done_with(one.taken)}", flush=True)


async def _plc(args: argparse.Namespace, line: Line) -> None:
    told = _reporter(args, line, "realtime")
    async with _peer(told, args.habit) as peer:
        plc: Station = peer
        print(f"# PLC of {line.name} is listening; each line on standard input is the next part", flush=True)
        async for words in typed():
            one = await plc.present(words[0], _patience(line))
            print(f"{one.part}  {_done_with(one)}", flush=True)


async def _mes(args: argparse.Namespace, line: Line) -> None:
    told = _reporter(args, line, "guaranteed")
    async with _peer(told, args.habit) as peer:
        mes: Book = peer
        print(f"# MES of {line.name} is listening, Ctrl-C to stop", flush=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_show(mes), name="mes-show")
            tasks.create_task(_obey(mes), name="mes-obey")


async def _show(mes: Book) -> None:
    """Print each document once, as it comes."""
    seen = 0
    while True:
        for document in list(mes.documents.values())[seen:]:
            print("  ".join(str(document[key]) for key in _TOLD if document.get(key)), flush=True)
            seen += 1
        await asyncio.sleep(0.1)


async def _obey(mes: Book) -> None:
    """Do what is typed; once nobody types any more, go on as things are."""
    async for word, *more in typed():
        print(f"# {await _done(mes, word, ' '.join(more))}", flush=True)


async def _done(mes: Book, word: str, reason: str) -> str:
    match word:
        case "refuse":
            mes.refuse_all(reason or "refused by hand")
        case "accept":
            mes.accept_all()
        case "stall":
            mes.stall()
        case "resume":
            mes.resume()
        case "half-close":
            mes.half_close()
        case "lose-ack":
            mes.lose(int(reason) if reason.isdecimal() else 1)
        case "die":
            mes.die()
        case "back":
            try:
                await mes.start()
            except OSError as exc:
                return f"cannot come back: {exc.strerror or exc}"
        case _:
            return f"{word} is no word of an MES; write {_TROUBLES}"
    return word


def _patience(line: Line) -> float:
    """Return how many seconds a PLC holds a part: its deadline, and what handing it over takes."""
    return line.deadline_ms / 1000 + 1


def _done_with(one: Taken) -> str:
    return "passed" if one.passed else f"EJECTED: {one.why}"


def _peer(plugged: Plugged, habits: str, flag: str = "--habit") -> Any:
    chosen = read_habits(habits, habits_of(plugged), flag)
    return open_peer(plugged, Path(tempfile.gettempdir()) / "aoi-bridge-simulate", chosen)


def _parts(args: argparse.Namespace) -> list[Played]:
    """Return what to play; each run has serial numbers of its own, for the bridge answers no part twice."""
    if args.images is None:
        parts = bolts(args.parts, seed=args.seed)
    elif args.ok:
        parts = folder(args.images, args.ok)
    else:
        raise ConfigError("--images", "no class is named good", "write --ok CLASS")
    run = secrets.token_hex(2)
    said = inspected(parts, args.false_calls, args.escapes, args.seed)[: args.parts]
    return [replace(part, serial=f"{part.serial}-{run}") for part in said]


def _line(args: argparse.Namespace) -> Line:
    lines = {line.name: line for line in load(args.config).line}
    if args.line is None and len(lines) == 1:
        return next(iter(lines.values()))
    if args.line not in lines:
        found = "is not a line of this file" if args.line else "is needed, for there are several lines"
        raise ConfigError(f"--line {args.line or ''}".strip(), found, f"write one of {', '.join(lines)}")
    return lines[args.line]


def _reporter(args: argparse.Namespace, line: Line, lane: str) -> Plugged:
    fitting = {told.options.name: told for told in line.reporter if told.options.lane == lane}
    if args.reporter in fitting:
        return fitting[args.reporter]
    if args.reporter is None and len(fitting) == 1:
        return next(iter(fitting.values()))
    known = ", ".join(fitting) or "none is configured"
    raise ConfigError("--reporter", f"line {line.name} has no single {lane} reporter", f"write one of: {known}")
