"""``aoi-bridge label sheet``: label part after part, in this terminal or on a page in a browser.

The terminal shows where the pictures lie and opens nothing. Each answer is on the disk before the next part is
shown; going back says it again, and what a person says last counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from bridge.cli import labelling, outlet
from bridge.cli.numbers import count
from bridge.cli.shown import amount, plain
from bridge.config import shadow_of
from bridge.errors import ConfigError
from bridge.labels import Label
from bridge.messages import Verdict
from bridge.store import LabelBook, open_labels
from bridge.store.words import restored

if TYPE_CHECKING:
    from bridge.store.reading import Drawn

ROAD = "sheet"
PAGE = 100
KEYS = {"o": "OK", "n": "NG", "s": "skip", "u": "back", "q": "quit"}

Key = Callable[[], str]
"""Waits for one key; empty at the end of the input."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("line", help="the line")
    add("--who", type=labelling.person, required=True, help="who labels")
    add("--html", type=Path, metavar="PAGE", help="write a page with the pictures instead, to open in any browser")
    add("--most", type=count, help=f"at most so many parts (all; {PAGE} on a page)")
    labelling.second(parser)


def run(args: argparse.Namespace) -> int:
    """Go through the parts."""
    from bridge.shadow import todo  # noqa: PLC0415 - numpy, which the help does not need

    data, shadow = shadow_of(args.config, args.line)
    most = args.most or (PAGE if args.html else None)
    work = todo.work(data, args.line, shadow.reinspected_within_hours, shadow.seeded)
    chosen = todo.todo(work, args.who, args.second)
    shown = chosen[:most]
    if not shown:
        print(f"{args.line}: nothing to label for {args.who}")
        return 0
    pictures = todo.pictures(data, shown)
    if args.html:
        _page(args, shown, pictures, len(chosen))
        return 0
    with open_labels(data) as book:
        told = Sheet(args.line, args.who, shown, pictures, book).fill(_key())
    print(f"{told} label(s) written, {len(chosen) - told} part(s) left")
    return 0


def _page(args: argparse.Namespace, shown: Sequence[Drawn], pictures: list[list[Path]], all_of_them: int) -> None:
    from bridge.shadow import label_page  # noqa: PLC0415 - only a page needs it

    out = outlet.file(args.html, "--html")
    text = label_page.page(args.line, args.who, shown, pictures)
    out.write_text(text, encoding="utf-8")
    print(f"{out}: {len(shown)} of {all_of_them} part(s), {amount(out.stat().st_size)}; open it in a browser,")
    print(f"save at its end, then: aoi-bridge label import FILE.csv --line {args.line} --who {args.who}")


class Sheet:
    """One person's way through the parts, in a terminal."""

    def __init__(
        self, line: str, who: str, drawn: Sequence[Drawn], pictures: Sequence[Sequence[Path]], book: LabelBook
    ) -> None:
        self._line, self._who, self._book = line, who, book
        self._drawn, self._pictures = drawn, pictures
        self._said: dict[int, Verdict] = {}

    def fill(self, key: Key) -> int:
        """Ask for one part after the other until the last, or the end; return how many parts were labelled."""
        print("o: OK, as it came   n: NG   s: skip   u: back, to say it again   q: quit")
        at = 0
        while at < len(self._drawn):
            self._show(at)
            match self._asked(key):
                case "q" | "":
                    break
                case "u":
                    at = max(0, at - 1)
                    continue
                case "o":
                    self._say(at, Verdict.OK)
                case "n":
                    self._say(at, Verdict.NG)
            at += 1
        return len(self._said)

    def _show(self, at: int) -> None:
        one = self._drawn[at]
        again = f"   (you said {self._said[at].value}; s keeps it)" if at in self._said else ""
        print(f"\n{at + 1}/{len(self._drawn)}  part {plain(restored(one.part)) or '(no serial number)'}{again}")
        print(f"    inspected {labelling.when(one.at)}, id {UUID(bytes=one.id)}")
        print("\n".join(f"    {path}" for path in self._pictures[at]) or "    no picture of it is kept")

    def _asked(self, key: Key) -> str:
        while True:
            print("    > ", end="", flush=True)
            said = key().lower()
            print(KEYS.get(said, "" if not said else f"{plain(said)}: write one of {', '.join(KEYS)}"))
            if said in {*KEYS, ""}:
                return said

    def _say(self, at: int, verdict: Verdict) -> None:
        one = self._drawn[at]
        label = Label(
            verdict=verdict,
            who=self._who,
            at=time.time(),
            id=one.id.hex(),
            part=restored(one.part),
            blind=True,
            line=self._line,
            road=ROAD,
        )
        self._book.add([label])
        self._said[at] = verdict


def _key() -> Key:
    """Return how keys are read: one at a time from a terminal, the first letter of each line from a pipe."""
    if not sys.stdin.isatty():
        return lambda: sys.stdin.readline().strip()[:1] if sys.stdin.readable() else ""
    try:
        import termios  # noqa: PLC0415 - not on Windows
        import tty  # noqa: PLC0415 - same
    except ImportError as exc:
        raise ConfigError("sheet", "this terminal gives no single keys", "use --html, or label todo") from exc

    def pressed() -> str:
        usual = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin)
            return sys.stdin.read(1)
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, usual)

    return pressed
