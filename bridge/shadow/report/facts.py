"""The report as a plain dictionary, which is its JSON. Everything that the page shows stands in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np

from bridge.config.shadow import Shadow
from bridge.messages import Goal
from bridge.shadow import columns, plant, readiness
from bridge.shadow.approval import sealed
from bridge.shadow.begun import Begun
from bridge.shadow.estimates import Estimate, Estimates
from bridge.shadow.health import PERCENTILES, Health, health_of
from bridge.shadow.month import CONTRADICTED, NG, NONE, OK, SILENT, Month, pooled
from bridge.shadow.reading import Reading
from bridge.shadow.report import curves, grouped, people, pictures, pieces, pooling, seeded, times
from bridge.shadow.report.grouped import DIGITS, Facts, Grouped, rate
from bridge.store import schema

FORM: Final = 1
"""The version of the JSON's shape."""
_LIMIT: Final = ("name", "measured", "bound", "limit", "at_most", "holds", "refuted", "unit", "events", "trials")
_VERDICTS: Final = ((OK, "OK"), (NG, "NG"), (NONE, "none"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a report is about, beside the journal."""

    shadow: Shadow
    goal: Goal
    """The line's own."""
    decisions: Mapping[str, str]
    """The decision hash of each goal, by its number; empty where it is not known."""
    begun: Begun
    """When the month began, and why then."""
    unbound: Sequence[str] = ()
    """Why no decision hash is known, one sentence each."""
    clearable: Sequence[str] = ()
    """The defect codes that may be cleared."""
    topology: str = "tap"
    pool: Mapping[str, Month] = field(default_factory=dict)
    """The parts of other lines that are taken together with it, by their names."""


def report_of(folder: Path, found: Reading, subject: Subject) -> Facts:
    """Return the facts; blocks on the disk, for some seconds where there are millions of parts.

    Raises:
        ConfigError: there is no journal that this version can read.
        Unavailable: the disk refuses.
    """
    shadow, whole, found = subject.shadow, found, found.own()
    month = found.month
    day = plant.days(month.at, shadow.timezone)
    health = health_of(folder, found, day, shadow.timezone)
    parts = Grouped(month, shadow.confidence)
    lines = {found.line: whole.month, **{name: one for name, one in subject.pool.items() if len(one)}}
    together = pooled(lines) if len(lines) > 1 else whole.month
    every = Grouped(together.own(), shadow.confidence) if len(lines) > 1 else parts
    estimates = Estimates(together, shadow.confidence, shadow.correlation)
    goal = subject.goal
    return {
        "form": FORM,
        "line": found.line,
        "from": found.begin,
        "to": found.end,
        "days": _days(found, len(plant.ranked(day)[0]), shadow.timezone),
        "goal": int(goal),
        "topology": subject.topology,
        "decision_hash": dict(sorted(subject.decisions.items())),
        "began": asdict(subject.begun) | {"unbound": list(subject.unbound)},
        "verdict": {str(int(one)): _verdict(replace(whole, month=together), subject, one, lines) for one in Goal},
        "parts": _parts(found),
        "pool": pooling.facts_of(lines, shadow.confidence),
        "seeded": seeded.facts_of(together, shadow.seeded, shadow.confidence),
        "numbers": _numbers(estimates),
        "goals": {str(int(one)): _goal(estimates, every, one) for one in Goal},
        "confusion": _confusion(every.month, every),
        "curves": [curves.curve(every, one) for one in Goal],
        "rates": _rates(every, shadow, goal) | {"view": pieces.views(folder, found, parts)},
        "calendar": times.calendar(month, day, health, shadow.timezone),
        "drift": times.drifts(month, day),
        "pictures": pictures.pictures(folder, found, day),
        "stability": times.stability(parts, goal, day),
        "health": _health(health),
        "worst": pieces.worst(folder, whole),
        "labels": people.labels(found, parts) | {"machines": people.machines(parts)},
        "limits": json.loads(shadow.model_dump_json()),
        "provenance": _provenance(folder, found),
    }


def _rates(parts: Grouped, shadow: Shadow, goal: Goal) -> Facts:
    month = parts.month
    week, weeks = times.weeks(plant.days(month.at, shadow.timezone))
    _, shift = plant.shifts(month.at, shadow)
    return {
        "recipe": grouped.table(parts, month.recipe, month.recipes, goal),
        "defect": grouped.table(parts, month.defect, month.defects, goal),
        "shift": grouped.table(parts, shift, shadow.shifts, goal),
        "week": grouped.table(parts, week, weeks, goal),
    }


def encoded(facts: Facts) -> str:
    """Return the JSON, sealed; what is no number is null."""
    return json.dumps(sealed(_plain(facts)), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()  # serial numbers are bytes to some machines
    return None if isinstance(value, float) and not isfinite(value) else value


def _days(found: Reading, seen: int, timezone: str) -> Facts:
    ends = plant.days(np.array([found.begin, found.end - 1e-3]), timezone)
    first, last = (plant.day_name(int(one)) for one in ends)
    return {
        "first": first,
        "last": last,
        "count": int(ends[1] - ends[0]) + 1,
        "with_parts": seen,
        "timezone": timezone,
    }


def _verdict(found: Reading, subject: Subject, goal: Goal, lines: Mapping[str, Month]) -> Facts:
    days = (found.end - found.begin) / plant.DAY
    said = readiness.readiness(found.month, subject.shadow, goal, days, tuple(subject.clearable))
    said = pooling.agreed(said, lines, subject.shadow, days)
    limits = [{name: getattr(one, name) for name in _LIMIT} | {"said": readiness.said(one)} for one in said.limits]
    return asdict(replace(said, limits=())) | {"goal": int(goal), "limits": limits}


def _parts(found: Reading) -> Facts:
    month = found.month
    usable = (month.model == OK) | (month.model == NG)
    return {
        "presentations": found.presentations,
        "distinct": len(month),
        "reinspected": int((month.presentations > 1).sum()),
        "judged": int(usable.sum()),
        "without_verdict": int((~usable).sum()),
        "late": int((month.in_time == 2).sum()),  # noqa: PLR2004 - too late
        "backlog": found.backlog,
        "live": found.live,
        "lots": len(np.unique(month.lot)),
        "drawn": int(month.drawn.sum()),
        "labelled": int((month.truth != NONE).sum()),
        "contradicted": int((month.truth == CONTRADICTED).sum()),
        "disagreements": int(times.disagreed(month).sum()),
    }


def told(one: Estimate) -> Facts:
    """Return an estimate as the report tells it."""
    found = rate(one.events, one.weighted, one.trials, one.lower, one.upper, one.outstanding)
    value = None if one.value is None else round(one.value, DIGITS)
    return found | {"value": value, "uncovered": one.uncovered}


def _numbers(estimates: Estimates) -> Facts:
    """Return false calls and escapes, by the inspector and with each goal."""
    whose: Sequence[tuple[str, Goal | None]] = (("inspector", None), *((str(int(goal)), goal) for goal in Goal))
    return {
        "false_calls": {name: told(estimates.false_calls(goal)) for name, goal in whose},
        "escapes": {name: told(estimates.escapes(goal)) for name, goal in whose},
    }


def _goal(estimates: Estimates, parts: Grouped, goal: Goal) -> Facts:
    return {
        "overruled": told(estimates.overruled(goal)),
        "cut": told(estimates.cut(goal)),
        "caught": told(estimates.caught(goal)),
        "added_escapes": told(estimates.added_escapes(goal)),
        "added_false_calls": told(estimates.added_false_calls(goal)),
        "discordant": people.discordant(parts.month, parts, goal, parts.confidence),
    }


def _confusion(month: Month, parts: Grouped) -> list[Facts]:
    """Return every pair of verdicts of inspector and model, with what people say of its parts."""
    model = np.where(month.model == SILENT, NONE, month.model)
    rows = []
    for legacy, legacy_name in _VERDICTS:
        for said, model_name in _VERDICTS:
            cell = (month.legacy == legacy) & (model == said)
            total = int(cell.sum())
            if not total and NONE in {legacy, said}:
                continue
            known = np.flatnonzero(cell & parts.known)
            bad = known[month.truth[known] == NG]
            weighted, whole = float(parts.weights(bad).sum()), float(parts.weights(known).sum())
            bounds = grouped.share(len(bad), len(known), parts.confidence)
            rows.append(
                {
                    "inspector": legacy_name,
                    "model": model_name,
                    "parts": total,
                    "good": len(known) - len(bad),
                    "bad": len(bad),
                    "contradicted": int((cell & (month.truth == CONTRADICTED)).sum()),
                    "weighted_good": round(whole - weighted, 6),
                    "weighted_bad": round(weighted, 6),
                    "share_bad": bounds,
                }
            )
    return rows


def _health(health: Health) -> Facts:
    counting = health.counting
    return {
        "starts": health.starts,
        "stops": health.stops,
        "crashes": health.crashes,
        "away": [asdict(one) for one in health.away],
        "silences": [asdict(one) for one in health.silences],
        "days": [asdict(one) | {"day": plant.day_name(one.day)} for one in health.days],
        "percentiles": list(PERCENTILES),
        "latencies": [asdict(one) | {"day": plant.day_name(one.day)} for one in health.latencies],
        "peers": [asdict(one) for one in health.peers],
        "counting": {
            "seen": counting.seen,
            "missing": counting.missing,
            "wraps": counting.wraps,
            "resets": list(counting.resets),
            "gaps": [asdict(gap) for gap in counting.gaps],
        },
    }


def _provenance(folder: Path, found: Reading) -> Facts:
    with columns.open_journal(folder) as journal:
        head = journal.rows(
            "SELECT number, hash FROM audit WHERE at < ? ORDER BY number DESC LIMIT 1", (found.end,)
        )
    number, digest = head[0] if head else (0, b"")
    return {
        "aoi_bridge": version("aoi-bridge"),
        "journal_version": schema.NEWEST,
        "configurations": dict(found.configs),
        "bundles": dict(found.bundles),
        "audit_number": number,
        "audit_hash": digest.hex(),
        "labels_until": max(found.said.number, default=0),
    }


def lines(found: Reading, everything: bool = False) -> Iterator[Sequence[object]]:  # noqa: FBT001, FBT002
    """Return the rows of the table of parts, the headers first; of all parts, or of those of interest."""
    month = found.month
    yield (
        *("number", "at", "lot", "recipe", "defect", "inspector", "model", "goal_1", "goal_2", "goal_3", "truth"),
        *("stratum", "chance", "drawn", "lowest_score", "threshold", "presentations"),
        "seeded",
    )
    rows = np.arange(len(month)) if everything else pieces.rows_of_interest(month)
    words = np.array(["", "OK", "NG", "silent"], object)
    truths = np.array(["", "OK", "NG", "contradicted"], object)
    for start in range(0, len(rows), columns.ROWS):
        some = rows[start : start + columns.ROWS]
        table = (
            month.number[some],
            np.round(month.at[some], 6),
            np.array(month.lots, object)[month.lot[some]],
            np.array(month.recipes, object)[month.recipe[some]],
            np.array(month.defects, object)[month.defect[some]],
            words[month.legacy[some]],
            words[month.model[some]],
            *(words[month.goals[some, goal]] for goal in range(3)),
            truths[month.truth[some]],
            month.stratum[some],
            np.round(month.chance[some].astype(np.float64), 9),
            month.drawn[some].astype(int),
            np.array(["" if np.isnan(one) else f"{one:.6g}" for one in month.lowest[some, 1].tolist()], object),
            np.array(["" if np.isnan(one) else f"{one:.6g}" for one in month.threshold[some].tolist()], object),
            month.presentations[some],
            month.seeded[some].astype(int),
        )
        yield from zip(*(column.tolist() for column in table), strict=True)
