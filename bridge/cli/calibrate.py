"""``aoi-bridge calibrate``: a threshold with a promise, from labelled parts that the bundle has never seen."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import boxing, measured, outlet
from bridge.cli.numbers import share
from bridge.errors import ConfigError
from bridge.messages import Goal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridge.cli.measured import Meeting
    from bridge.judging.spec import HeatMapOutput
    from bridge.learning.operating import Aim
    from bridge.learning.reissue import Calibration

Fitted = Callable[["NDArray[np.float64]", "NDArray[np.int64]"], float]
"""From logits and labels to what the logits are divided by."""
_RISKS = {1: 0.005, 2: 0.01, 3: 0.005}


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge calibrate`` takes."""
    measured.options(parser)
    add = parser.add_argument
    add(
        "--goal",
        type=int,
        choices=(1, 2, 3),
        required=True,
        help="1 cut false calls, 2 catch escapes, 3 replace the inspector",
    )
    add(
        "--risk",
        type=_between,
        help="the most that may go wrong: the share of bad parts that pass (goals 1 and 3, default: 0.005), or of "
        "good parts that are called NG (goal 2, default: 0.01)",
    )
    add(
        "--false-calls",
        type=_between,
        default=0.01,
        help="goal 3: the share of good parts that may be called NG (default: 0.01)",
    )
    add("--confidence", type=_between, default=0.95, help="how sure that shall be (default: 0.95)")
    add("--unit", choices=("part", "group"), default="part", help="what is counted (default: part)")
    add("--unproven", action="store_true", help="write the best threshold also where the claim does not hold")
    add("--out", type=Path, metavar="FOLDER", help="the model's folder (default: that of BUNDLE)")
    boxing.options(parser, otherwise="as in BUNDLE")


def run(args: argparse.Namespace) -> int:
    """Set the threshold, say what may be claimed, and write the next version; exit status 1 if nothing may."""
    from bridge.learning import calibration, operating, reissue, scoring  # noqa: PLC0415 - the help needs none of it

    met = measured.meeting(args)
    folder, boxes = _folder(args, met), _boxes(args, met)
    fresh, known = met.collection.take(met.divided.fresh), measured.left_out(met.divided)
    print(f"{len(fresh.items):,} of {len(met.collection.items):,} pictures; left out: {known or 'none'}")
    if not fresh.items:
        raise ConfigError(str(args.data), f"was all seen ({known})", _advice(met))
    temperature = _temperature(met, calibration.temperature)
    with measured.bar("judging") as told:
        scored = scoring.score(met.model, fresh, told, temperature)
    if scored.failures:
        first = scored.failures[0]
        print(f"{len(scored.failures)} pictures could not be judged; the first: {first.item.path}: {first.why}")
    found = operating.find(scored, _aim(args))
    for line in operating.lines(found):
        print(line)
    if not (found.holds or args.unproven):
        print("nothing was written; --unproven writes this threshold, marked as a guess")
        return 1
    done = reissue.Calibration(
        found=found,
        temperature=temperature,
        past=met.past,
        used=met.divided.known(met.collection, met.divided.fresh),
        data=scored.digest,
        boxes=boxes,
    )
    _write(met, done, folder)
    return 0


def _aim(args: argparse.Namespace) -> Aim:
    from bridge.learning.operating import Aim  # noqa: PLC0415 - the help needs none of it

    return Aim(
        goal=Goal(args.goal),
        risk=args.risk or _RISKS[args.goal],
        false_calls=args.false_calls,
        confidence=args.confidence,
        unit=args.unit,
    )


def _folder(args: argparse.Namespace, met: Meeting) -> Path:
    """Return the model's folder, where the next version goes: known before anything is judged."""
    if args.out:
        return outlet.folder(args.out)
    if not met.model.folder.name.isdecimal():
        found = f"{met.model.folder} is no version in a model's folder"
        raise ConfigError("--out", found, "write --out models/NAME")
    return outlet.folder(met.model.folder.parent)


def _boxes(args: argparse.Namespace, met: Meeting) -> HeatMapOutput | None:
    """Return how the bundle's heat map becomes boxes; None where it has none."""
    before = met.model.manifest.heat_map
    if before is None and (flag := boxing.given(args)):
        raise ConfigError(flag, f"means nothing to {met.model.identity}, which has no heat map", "leave it out")
    return before and boxing.limits(args, before)


def _advice(met: Meeting) -> str:
    if len(met.divided.calibration):
        return f"add new parts, or calibrate the bundle before it ({met.model.manifest.parent}) again"
    return "add labelled parts that it was not trained on"


def _temperature(met: Meeting, fitted: Fitted) -> float:
    """Return the temperature of the validation pictures that are among these; without any, the bundle's own."""
    from bridge.learning import scoring  # noqa: PLC0415 - the help needs none of it

    manifest = met.model.manifest
    if manifest.output != "logits" or not len(met.divided.validation):
        return manifest.temperature
    with measured.bar("temperature") as told:
        scored = scoring.score(met.model, met.collection.take(met.divided.validation), told)
    known = scored.labels < len(manifest.classes)
    found = manifest.temperature * fitted(scored.logarithms[known], scored.labels[known])
    print(
        f"temperature {found:.3g}, from {int(known.sum()):,} validation pictures (was {manifest.temperature:.3g})"
    )
    return found


def _write(met: Meeting, done: Calibration, folder: Path) -> None:
    from bridge.judging import shelf  # noqa: PLC0415 - the help needs none of it
    from bridge.learning import reissue, scoring  # noqa: PLC0415 - same

    made, left = reissue.reissue(met.model, done, scoring.golden(met.model, done.temperature), folder)
    if left:
        print(f"{left} known bad pictures stay behind: the new threshold does not reject them clearly")
    print(f"written: {made.identity} in {made.folder}")
    live = (folder / shelf.LIVE).resolve() == made.folder.resolve()
    manifest = made.manifest
    print("it is live" if live else f"not live yet: aoi-bridge models promote {manifest.name} {manifest.version}")


def _between(text: str) -> float:
    number = share(text)
    if not 0 < number < 1:
        raise ArgumentTypeError(f"{text} is no such share; write a number between 0 and 1, as 0.005")
    return number
