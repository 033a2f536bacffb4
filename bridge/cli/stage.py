"""``aoi-bridge stage``: take a line live on a passing report, or back to shadow.

Live takes a report of the shadow month that says *ready* for that goal and for exactly what would be live, or a
person's word. Either is an entry of the audit log. The file is edited with its comments kept; a gateway that runs
takes it at once, all of it or nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bridge import approvals, starting
from bridge.changing import refuse
from bridge.cli.ordering import each_reason, ordered_if_running
from bridge.cli.rewiring import going_back, going_live
from bridge.config import Config, ConfigMistakes, Line, load
from bridge.config.changes import Fact, facts
from bridge.config.decision import SHOWN, Approval, decision_hash
from bridge.config.edit import draft, edited, take
from bridge.errors import ConfigError
from bridge.judges import pinned
from bridge.log import configure
from bridge.shadow import approval as month
from bridge.shadow.approval import Report, Wanted
from bridge.store import Entry, record, user
from bridge.store.lock import make_folder

_GOALS = (1, 2, 3)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("line", metavar="LINE", help="the line's name")
    parser.add_argument("stage", choices=["live", "shadow"])
    parser.add_argument("--goal", type=int, choices=_GOALS, help="live: under which goal")
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="live: by this report (the newest that fits)"
    )
    parser.add_argument("--override", default="", metavar="REASON", help="live: without a passing report, and why")
    parser.add_argument(
        "--recipe", action="append", default=[], metavar="NAME", help="live: for this recipe only; again for more"
    )
    parser.add_argument("--because", default="", metavar="REASON", help="shadow: why, for the audit log")
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")


def run(args: argparse.Namespace) -> int:
    """Change the stage and print what is to be rewired; exit status 2 with a line for each reason against it."""
    path = args.config.resolve()
    config = load(path)
    configure(config.log, "error")
    line = _line(config, args.line)
    _sensible(args)
    with _alone(config.data):
        return _staged(args, path, line)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Let no other change of a stage in between: the gateway and the file could part.

    Raises:
        ConfigError: another one is at work.
    """
    make_folder(data)
    taken = FileLock(data / "stage.lock")
    try:
        taken.acquire(timeout=0)
    except Timeout as exc:
        found = "another aoi-bridge stage is at work"
        raise ConfigError("stage", found, "look what came of it, and write this one again") from exc
    try:
        yield
    finally:
        taken.release()


def _staged(args: argparse.Namespace, path: Path, line: Line) -> int:
    text = path.read_bytes().decode("utf-8")
    if args.stage == "shadow":
        return _shadow(args, path, edited(text, line.name, {"stage": "shadow", "live_recipes": None}), line)
    wanted = {
        "goal": args.goal,
        "stage": "live",
        "live_recipes": list(args.recipe) or None,
        "live_because": None,  # it stands for the approval that there now is
    }
    return _live(args, path, edited(text, line.name, wanted))


def _sensible(args: argparse.Namespace) -> None:
    live = args.stage == "live"
    if live and args.goal is None:
        raise ConfigError("stage live", "needs a goal", "write --goal 1, 2 or 3, the one that the report is for")
    if not live and not args.because.strip():
        raise ConfigError("stage shadow", "needs a reason for the audit log", 'write --because "…"')
    if args.report is not None and args.override:
        raise ConfigError("stage live", "by a report or against one, not both", "leave out --report or --override")


def _shadow(args: argparse.Namespace, path: Path, text: str, before: Line) -> int:
    with draft(path, text) as beside:
        then = _loaded(beside, path)
        body = {"config": str(beside), "line": before.name, "stage": "shadow", "because": args.because}
        with each_reason():
            said = ordered_if_running(then.data, "stage", body)
        if said is None:
            _written(then, Entry(what="stage", line=before.name, old=before.stage, new="shadow", why=args.because))
        take(beside, path)
    _tell(said, f"{before.name} is in shadow: the inspector's own verdict counts.", going_back(before))
    return 0


def _live(args: argparse.Namespace, path: Path, text: str) -> int:
    with draft(path, text) as beside:
        then = _loaded(beside, path)
        line = _line(then, args.line)
        approval = _approved(args, then, line)
        body: dict[str, Any] = {
            "config": str(beside),
            "line": line.name,
            "stage": "live",
            "because": approval.why,
            "goal": approval.goal,
            "decision": approval.decision,
            "recipes": approval.recipes,
            "report": approval.report,
            "sha256": approval.sha256,
        }
        with each_reason():
            said = ordered_if_running(then.data, "stage", body)
        if said is None:
            _written(then, approvals.entry_of(approval))
        take(beside, path)
    only = f", for {', '.join(line.live_recipes)} only" if line.live_recipes else ""
    shown = f"decision hash {approval.decision[:SHOWN]}, approved by {approval.reason}"
    _tell(said, f"{line.name} is live under goal {line.goal}{only}: {shown}.", going_live(line))
    return 0


def _approved(args: argparse.Namespace, config: Config, line: Line) -> Approval:
    """Return what takes the line live.

    Raises:
        ConfigMistakes: no report may; a line for each reason.
    """
    about = _facts(config, line)
    approval = Approval(
        line=line.name,
        goal=args.goal,
        decision=decision_hash(about, args.goal),
        recipes=line.live_recipes,
        who=user(),
        why=args.override.strip(),
    )
    if approval.why:
        return approval
    permit = approvals.look(config.data).get(line.name, approvals.Permit())
    wanted = Wanted(
        line=line.name,
        goal=args.goal,
        decision=approval.decision,
        now=time.time(),
        days=line.shadow.report_days,
        since=permit.shadow_since if permit.lowered else 0.0,
    )
    report = _passing(args.report, config.data, wanted)
    return replace(approval, report=str(report.folder), sha256=report.sha256)


def _passing(named: Path | None, data: Path, wanted: Wanted) -> Report:
    """Return the report that was named, or the newest that passes.

    Raises:
        ConfigMistakes: none does; it says what stands against the newest.
    """
    place = f"line.{wanted.line}"
    folders = [named] if named is not None else month.reports(data, wanted.line)
    refused: list[list[str]] = []
    for folder in folders:
        try:
            report = month.read(folder)
            reasons = [f"{place}: the report {folder}: {one}" for one in month.against(report, wanted)]
        except ConfigError as exc:
            reasons = [str(exc)]
        else:
            if not reasons:
                return report
        refused.append(reasons)
    if not refused:
        none = f"{place}: there is no report under {data / 'reports' / wanted.line}"
        refused = [[f"{none}; write one with aoi-bridge shadow report {wanted.line}"]]
    why = 'it stays in shadow until a report passes, or somebody says why without one: --override "reason"'
    raise ConfigMistakes([*refused[0], f"{place}: {why}"])


def _facts(config: Config, line: Line) -> Mapping[str, Fact]:
    """Return the line's facts with the identities of its bundles, each of which must be known."""
    found = starting.models(config)
    refuse(list(_missing(config, line)))
    return facts(config, found)[line.name]


def _missing(config: Config, line: Line) -> Iterator[str]:
    for name in sorted(line.judges()):
        try:
            pinned(config.judge[name], config.data / "models")
        except ConfigError as exc:
            yield f"judge.{name}: {exc}; without it nobody knows what would be live"


def _loaded(beside: Path, path: Path) -> Config:
    """Return what the file would say, its mistakes under its own name."""
    try:
        return load(beside)
    except ConfigMistakes as exc:
        raise ConfigMistakes([one.replace(str(beside), str(path)) for one in exc.mistakes]) from exc


def _line(config: Config, name: str) -> Line:
    for line in config.line:
        if line.name == name:
            return line
    known = ", ".join(line.name for line in config.line)
    raise ConfigError(f"line.{name}", "is not a line of this file", f"write one of {known}")


def _written(config: Config, entry: Entry) -> None:
    """Put it into the audit log where no gateway runs; the next start takes the file."""
    record(config.data, entry)


def _tell(said: Mapping[str, Any] | None, what: str, steps: list[str]) -> None:
    for change in said["changes"] if said is not None else []:
        print(change)
    print(
        what if said is not None else f"{what} No gateway runs; it is written down, and the next start takes it."
    )
    for number, step in enumerate(steps, start=1):
        print(f"{number:3}. {step}")
