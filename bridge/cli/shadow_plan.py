"""``aoi-bridge shadow plan``: what a claim takes, whether a month supplies it, and what to do if not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Table

from bridge.cli.numbers import above_zero, count, share
from bridge.config import load
from bridge.config.shadow import Shadow
from bridge.errors import ConfigError
from bridge.shadow.planning import Claim, Line, Need, needs, nothing_found

LIKELY: Final = 0.8
"""A month that passes less often than this, though all goes as expected, is no plan."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("line", nargs="?", metavar="LINE", help="a line of the file, whose limits are meant")
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
    expected = parser.add_argument_group("what is expected of the line")
    expected.add_argument("--parts-per-day", type=count, help="how many parts a day (the line's parts_per_day)")
    expected.add_argument("--ng", type=share, required=True, help="share of all parts that are bad and called NG")
    expected.add_argument("--false-calls", type=share, required=True, help="share of all: good, and called NG")
    expected.add_argument("--missed", type=share, default=0.0, help="share of true NG that is overruled (0)")
    expected.add_argument("--added", type=share, default=0.0, help="share of all: false calls that are added (0)")
    expected.add_argument("--lots-per-day", type=above_zero, help="lots a day (one a shift)")
    claim = parser.add_argument_group("the claim, where it is not the line's")
    claim.add_argument("--days", type=count, help="the planned days")
    claim.add_argument("--miss-limit", type=share, help="of true NG at most this share overruled")
    claim.add_argument("--escapes-ppm", type=above_zero, help="at most so many escapes added, per million parts")
    claim.add_argument("--false-calls-ppm", type=above_zero, help="at most so many false calls added, per million")
    claim.add_argument("--confidence", type=share, help="one-sided")
    claim.add_argument("--correlation", type=share, help="within a lot, where the parts do not show it")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the plan; exit status 1 where a month on this line does not supply what the claim takes."""
    limits = _limits(args)
    parts = args.parts_per_day or limits.parts_per_day
    if parts is None:
        raise ConfigError("--parts-per-day", "is missing", "write how many parts a day come, about")
    if args.ng + args.false_calls > 1:
        raise ConfigError(
            "--ng", "and --false-calls are more than all parts", "write shares of all parts, as 0.004"
        )
    line = Line(
        parts_per_day=parts,
        ng=args.ng,
        false_calls=args.false_calls,
        lots_per_day=args.lots_per_day or len(limits.shifts),
        missed=args.missed,
        added=args.added,
        labels_per_day=limits.labels_per_day,
    )
    claim = Claim(
        days=limits.days,
        miss_limit=limits.miss_limit,
        escapes=limits.escapes_ppm / 1e6,
        false_calls=limits.false_calls_ppm / 1e6,
        confidence=limits.confidence,
        correlation=limits.correlation,
        min_lots=limits.min_lots,
    )
    found = needs(line, claim)
    if args.json:
        print(json.dumps({"line": asdict(line), "claim": asdict(claim), "needs": [asdict(one) for one in found]}))
    else:
        _print(line, claim, found)
    enough = line.lots_per_day * claim.days >= claim.min_lots
    return 0 if enough and all(one.allowed >= 0 and one.power >= LIKELY for one in found) else 1


def _limits(args: argparse.Namespace) -> Shadow:
    """Return the limits of the line, with what the command line says over them."""
    limits = Shadow()
    if args.line is not None:
        config = load(args.config)
        line = next((line for line in config.line if line.name == args.line), None)
        if line is None:
            known = ", ".join(line.name for line in config.line)
            raise ConfigError(args.line, "is no line of this file", f"write one of {known}")
        limits = line.shadow
    over = {name: value for name in Shadow.model_fields if (value := getattr(args, name, None)) is not None}
    try:
        return Shadow.model_validate({**limits.model_dump(), **over})
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        flag = "--" + str(fault["loc"][0]).replace("_", "-")
        raise ConfigError(flag, f"{fault['input']}: {fault['msg'].lower()}", "write another value") from exc


def _print(line: Line, claim: Claim, found: Sequence[Need]) -> None:
    lots = line.lots_per_day * claim.days
    print(
        f"{claim.days} days of {line.parts_per_day:,} parts in {lots:,.0f} lots; correlation within a lot"
        f" {claim.correlation:g}; {claim.confidence:.0%} confidence, of which the first look spends most"
        f" ({claim.level:.1%})."
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column, right in (
        ("claim", False),
        ("limit", True),
        ("it takes", True),
        ("month has", True),
        ("may go wrong", True),
        ("passes", True),
        ("days", True),
    ):
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for one in found:
        limit = f"{one.limit:.3%}" if one.unit != "parts" else f"{one.limit * 1e6:,.0f} ppm"
        takes = "–" if one.needed is None else f"{one.needed:,} {one.unit}"
        wrong = str(one.allowed) if one.allowed >= 0 else "not one"
        days = "over 3,660" if one.days is None else f"{one.days:,}"
        table.add_row(one.claim, limit, takes, f"{one.in_month:,}", wrong, f"{one.power:.0%}", days)
    Console().print(table)
    for one in found:
        print(_advice(one, claim))
    if lots < claim.min_lots:
        print(f"Lots: a month has {lots:,.0f}, and at least {claim.min_lots:,} are asked for; let it last longer.")
    print(_audit(line, claim))


def _advice(need: Need, claim: Claim) -> str:
    name = need.claim[:1].upper() + need.claim[1:]
    if need.allowed >= 0 and need.power >= LIKELY:
        return f"{name}: a month supplies it, and passes in {need.power:.0%} of months that go as expected."
    if need.days is None:
        return (
            f"{name}: what is expected is too close to the limit, or nothing is supplied; no month would show it."
        )
    ways = [f"{max(need.days, claim.days):,} days"]
    if need.seeded:
        ways.append(
            f"{need.seeded:,} known-bad parts more, spread over the month's lots (shadow.seeded tells which)"
        )
    if need.lines and need.lines > 1:
        ways.append(f"{need.lines} lines like this, pooled (shadow.pool, or shadow report --pool)")
    short = "a month is not enough" if need.allowed < 0 else f"a month would pass in {need.power:.0%} only"
    return f"{name}: {short}; instead {', or '.join(ways)}."


def _audit(line: Line, claim: Claim) -> str:
    """Say what a blind audit can see of escapes that nobody looks for."""
    parts = line.parts_per_day * claim.days
    audited = min(line.labels_per_day * claim.days, parts)
    missed = nothing_found(parts, claim.escapes, audited)
    bound, said = 3 / max(audited, 1) * 1e6, f"{claim.escapes * 1e6:g} ppm"
    return (
        f"The audit of {audited:,} agreed parts, if nothing else takes those labels, bounds escapes that nobody"
        f" looked for by {bound:,.0f} ppm if it finds none; at {said} it finds none in {missed:.0%} of months."
    )
