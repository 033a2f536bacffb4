"""``aoi-bridge sniff record``: while it records, a line says how it does; Ctrl-C ends it and loses nothing."""

from __future__ import annotations

import argparse
import asyncio
import signal
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from bridge.cli.shown import amount
from bridge.errors import ConfigError
from bridge.sniff.capture import Kind
from bridge.sniff.tap import Tap, tapping
from bridge.sniff.watch import watch
from bridge.sniff.wire import Ear, Place, connect, listen

TELL_SECONDS = 0.2
"""How often the progress line is drawn anew."""
SAY_SECONDS = 30.0
"""How often it is printed where there is no terminal."""


def record(args: argparse.Namespace) -> int:
    """Record until the file is full, the time is over, or somebody stops it."""
    if args.forward and not args.listen:
        raise ConfigError("--forward", "is for a machine that dials", "write --listen HOST:PORT too")
    if args.forward and args.answer:
        raise ConfigError("--answer", "stands beside --forward, whose receiver answers", "leave one of them out")
    if args.answer and args.folder:
        raise ConfigError("--answer", "is for a machine on TCP", "leave it out")
    return asyncio.run(_record(args, _origin(args)))


async def _record(args: argparse.Namespace, origin: str) -> int:
    kind: Kind = "folder" if args.folder else "tcp"
    async with tapping(args.out, kind, origin, round(args.megabytes * 1e6)) as tap:
        said = _Said(tap, Console(stderr=False, highlight=False))
        if tap.writer.full:
            raise ConfigError(f"--out {args.out}", "is as large as --megabytes allows", "write another, or more")
        work = asyncio.create_task(_work(args, tap, said), name="sniff-record")
        telling = asyncio.create_task(said.tell(), name="sniff-tell")
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        try:
            why = await _until(work, tap, stopped, args, said)
        finally:
            for task in (work, telling):
                task.cancel()
            await asyncio.gather(work, telling, return_exceptions=True)
    said.end(why, str(args.out))
    return 0 if not tap.failed else 2


async def _until(
    work: asyncio.Task[None], tap: Tap, stopped: asyncio.Event, args: argparse.Namespace, said: _Said
) -> str:
    """Wait for the end of the recording; return why it ended.

    Between a machine and its receiver we stand on after that: only a person may take us out.
    """
    events: dict[asyncio.Task[Any], str] = {
        asyncio.create_task(event.wait()): why for event, why in ((tap.ended, "full"), (stopped, "stopped"))
    }
    try:
        done, _ = await asyncio.wait({work, *events}, timeout=args.minutes * 60, return_when="FIRST_COMPLETED")
        if work in done:
            work.result()
        why = next((events[task] for task in done if task in events), "the time is over")
        if args.forward and why != "stopped":
            said.line(
                f"Recording has ended ({tap.failed or why}); everything is still passed on. Ctrl-C ends that."
            )
            tap.writer.full = True
            await asyncio.wait({work, asyncio.create_task(stopped.wait())}, return_when="FIRST_COMPLETED")
        return why
    finally:
        for task in events:
            task.cancel()


async def _work(args: argparse.Namespace, tap: Tap, said: _Said) -> None:
    ear = Ear(tap, args.answer, args.forward)
    if args.folder:
        begun = f"Watching {args.folder}; nothing in it is touched. Ctrl-C ends."
        await watch(tap, args.folder, lambda: said.line(begun))
    elif args.connect:
        said.line(f"Dialling {_name(args.connect)}; Ctrl-C ends.")
        await connect(ear, args.connect, said.away)
    else:
        to = f", passing on to {_name(args.forward)}" if args.forward else ""
        host = args.listen[0]
        await listen(
            ear, args.listen, args.allow, lambda port: said.line(f"Listening on {host}:{port}{to}; Ctrl-C ends.")
        )


def _origin(args: argparse.Namespace) -> str:
    if args.folder:
        return f"folder {args.folder.resolve()}"
    if args.connect:
        return f"connect {_name(args.connect)}"
    return f"listen {_name(args.listen)}" + (f" forward {_name(args.forward)}" if args.forward else "")


def _name(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


@dataclass
class _Said:
    """What a person sees meanwhile."""

    tap: Tap
    console: Console
    _away: str = ""

    def line(self, text: str) -> None:
        """Print a line, at once."""
        self.console.print(text, markup=False, soft_wrap=True)
        self.console.file.flush()

    def away(self, why: str) -> None:
        """Say that the machine is away, once; empty: it is there."""
        if why != self._away:
            self.line(why or "Connected.")
            self._away = why

    async def tell(self) -> None:
        """Keep a line up to date on a terminal; elsewhere print one now and then."""
        if not self.console.is_terminal:
            while True:
                await asyncio.sleep(SAY_SECONDS)
                self.line(self._now())
        with Status(escape(self._now()), console=self.console) as status:
            while True:
                await asyncio.sleep(TELL_SECONDS)
                status.update(escape(self._now()))

    def end(self, why: str, path: str) -> None:
        """Say how it ended, and what comes next."""
        tap = self.tap
        self.line(f"{self._now()}; {tap.failed or why}.")
        if tap.packets:
            self.line(f"Next: aoi-bridge sniff propose {path}")

    def _now(self) -> str:
        tap = self.tap
        lost = f", {tap.lost} LOST to a slow disk" if tap.lost else ""
        opened = f", {tap.open} open" if tap.open else ""
        last = f", the last {tap.last[-40:]!r}" if tap.last else ""
        packets = "1 packet" if tap.packets == 1 else f"{tap.packets} packets"
        return f"{packets} of {amount(tap.size)} recorded{opened}{lost}{last}"
