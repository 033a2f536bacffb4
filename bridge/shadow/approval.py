"""Whether a report of the shadow month may take a line live: read, and held to what would be live. No numpy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.config.decision import SHOWN
from bridge.errors import ConfigError

FILE = "report.json"
_DAY = 86_400.0


class GoalVerdict(BaseModel):
    """What a report says of one goal; it says more, which is for people."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: Literal["ready", "not ready", "need more"]


class Said(BaseModel):
    """What of a ``report.json`` it takes to go live."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    line: str
    decision_hash: dict[str, str]
    """By the goal's number; all digits of the hash."""
    verdict: dict[str, GoalVerdict]
    to: float = Field(allow_inf_nan=False)
    """Unix time of the end of what it is about."""
    seal: str
    """As ``sealed`` sets it."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report, and where it lies."""

    folder: Path
    sha256: str
    said: Said


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON says, with a seal: a change by hand shows, unless somebody means to forge it.

    The seal is the SHA-256, in hexadecimal, over canonical JSON of all the rest.
    """
    said = {key: value for key, value in facts.items() if key != "seal"}
    text = json.dumps(said, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return {**said, "seal": hashlib.sha256(text.encode()).hexdigest()}


def reports(data: Path, line: str) -> list[Path]:
    """Return the folders of a line's reports, those that were written last first; blocks on the disk."""
    found = (data / "reports" / line).glob(f"*/{FILE}")
    return [path.parent for path in sorted(found, key=lambda path: (path.stat().st_mtime, path), reverse=True)]


def read(folder: Path) -> Report:
    """Return a report; blocks on the disk.

    Raises:
        ConfigError: it cannot be read, is none, or was changed after it was written.
    """
    path = folder / FILE
    try:
        text = path.read_bytes()
        report = Report(folder.resolve(), hashlib.sha256(text).hexdigest(), Said.model_validate_json(text))
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read ({exc.strerror})", "name the folder of a report") from exc
    except ValidationError as exc:
        fault = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "it"
        raise ConfigError(str(path), f"is no report ({place}: {fault['msg']})", "write it anew") from exc
    if sealed(json.loads(text))["seal"] != report.said.seal:
        raise ConfigError(str(path), "was changed after it was written", "write it anew")
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be live."""

    line: str
    goal: int
    decision: str
    """Its decision hash."""
    now: float
    """Unix time."""
    days: float
    """For how many days after its end a report may take the line live."""
    since: float = 0.0
    """Unix time when the line last fell back to shadow by itself; an older report did not see why."""


def against(report: Report, wanted: Wanted) -> list[str]:
    """Return each reason for which a report may not take a line live. Pure."""
    said, goal = report.said, str(wanted.goal)
    if said.line != wanted.line:
        return [f"it is about line {said.line}"]
    reasons = []
    state = said.verdict[goal].state if goal in said.verdict else "silent"
    if state != "ready":
        reasons.append(f"under goal {goal} it says: {state}")
    about = said.decision_hash.get(goal, "")
    if about != wanted.decision:
        reasons.append(
            f"it is about decision hash {about[:SHOWN] or 'none'} under goal {goal}, and live would be "
            f"{wanted.decision[:SHOWN]}: something that moves verdicts has changed since"
        )
    age = (wanted.now - said.to) / _DAY
    if age > wanted.days:
        reasons.append(f"it ends {age:.0f} days ago, and shadow.report_days is {wanted.days:g}")
    if said.to > wanted.now + _DAY:
        reasons.append(f"it ends in the future, on {_day(said.to)}; set the clock right")
    if said.to <= wanted.since:
        reasons.append(f"it ends on {_day(said.to)}, before the line fell back to shadow on {_day(wanted.since)}")
    return reasons


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
