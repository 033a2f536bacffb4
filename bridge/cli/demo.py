"""``aoi-bridge demo``: four simulated lines beside the real bridge, and what it did for them."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bridge.cli.numbers import count, rate
from bridge.errors import ConfigError
from bridge.messages import Verdict
from bridge.simulate import demo
from bridge.simulate.factory import Stand
from bridge.simulate.figures import Figures
from bridge.simulate.parts import Played, bolts, inspected


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--parts", type=count, default=400, help="parts on each line (400)")
    parser.add_argument("--rate", type=rate, default=10.0, help="parts per second on each line (10)")
    parser.add_argument("--seed", type=int, default=0, help="which bolts (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--keep", type=Path, help="an empty folder for configuration, journal and log, to look at")


def run(args: argparse.Namespace) -> int:
    """Render the bolts, play them, print the figures; exit status 1 if a part was lost or told twice."""
    console = Console(stderr=args.json)
    with _folder(args.keep) as folder:
        parts = _rendered(args, console)
        console.print("Four lines; each has an inspector and an MES on TCP and a PLC on Modbus TCP.")
        with Live(console=console, refresh_per_second=4) as live:
            lines = asyncio.run(demo.run(parts, folder, args.rate, lambda stands: live.update(_progress(stands))))
    _print(console, lines)
    if args.json:
        print(json.dumps({"lines": [line.as_dict() for line in lines]}))
    return 1 if any(line.lost or line.duplicated for line in lines) else 0


def _rendered(args: argparse.Namespace, console: Console) -> list[Played]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("rendering bolts, four views each", total=args.parts)
        parts = bolts(args.parts, demo.DEFECTIVE, args.seed, lambda done: progress.update(task, completed=done))
    return inspected(parts, demo.FALSE_CALLS, demo.ESCAPES, args.seed)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield _kept(keep)
        return
    with tempfile.TemporaryDirectory(prefix="aoi-bridge-demo-") as folder:
        yield Path(folder)


def _kept(keep: Path) -> Path:
    try:
        keep.mkdir(parents=True, exist_ok=True)
        taken = any(keep.iterdir())
    except OSError as exc:
        raise ConfigError(f"--keep {keep}", f"cannot be used ({exc.strerror})", "write another folder") from exc
    if taken:
        raise ConfigError(f"--keep {keep}", "is not empty", "write another folder")
    return keep.resolve()


def _progress(stands: Sequence[Stand]) -> Table:
    table = _table("line", "parts", "inspector NG", "now NG", "ejected", "MES holds", "last part")
    for stand in stands:
        taken = [one.taken for one in stand.shown if one.taken]
        counts = (
            len(stand.shown),
            sum(one.part.legacy is Verdict.NG for one in stand.shown),
            sum(one.verdict is Verdict.NG for one in taken),
            sum(not one.passed for one in taken),
            stand.told(),
        )
        table.add_row(stand.config.name, *map(str, counts), _last(stand))
    return table


def _last(stand: Stand) -> str:
    if not stand.shown or not (taken := stand.shown[-1].taken):
        return ""
    was, now = stand.shown[-1].part.legacy, taken.verdict or "nothing"
    return f"{was} → [{'green' if taken.passed else 'red'}]{now}[/]"


def _print(console: Console, lines: Sequence[Figures]) -> None:
    table = _table("line", "false calls", "escapes", "ejected", "PLC", "MES", "lost", "twice", "ms p50 / p99")
    for line in lines:
        table.add_row(
            line.name,
            f"{line.false_calls_before} → {line.false_calls_after}",
            f"{line.escapes_before} → {line.escapes_after}",
            *map(str, (line.ejected, line.plc_reported, line.mes_reported, line.lost, line.duplicated)),
            f"{line.overhead_p50_ms:.1f} / {line.overhead_p99_ms:.1f}",
        )
    console.print(table)
    for line in lines:
        if line.goal == 1 and line.stage == "live":
            console.print(
                f"{line.name}: of {line.true_ng} true NG {line.overruled_true_ng} were overruled; "
                f"at most {line.overruled_upper_95:.2%} with 95 % confidence (one-sided Clopper–Pearson)."
            )
    console.print("ms: from handing a part over to its verdict in the PLC's registers, without the judge.")


def _table(*columns: str) -> Table:
    """Return a table that fits into eighty columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column, justify="left" if column in {"line", "last part"} else "right", no_wrap=True)
    return table
