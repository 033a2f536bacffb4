"""What is in force: the facts of every line as they were last approved, kept beside the journal.

A start is held against it, so that a live line does not come back from a stop with another goal or another model
that nobody gave a reason for. It is replaced whole, before what it says is done: a gateway that is killed in
between finds at its next start what was ``pending``, and goes on with either. A start that the record lets pass
replaces it; where it is lost or cannot be read, the configuration stands as it is and the audit log says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bridge.config.changes import BUNDLE, Change, Fact, Facts, compare
from bridge.config.decision import Approval
from bridge.durable import replace_text
from bridge.errors import ConfigError, Unavailable

FILE = "in_force.json"


@dataclass(frozen=True, slots=True)
class Pending:
    """What was approved and may not be done yet."""

    facts: Facts
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class InForce:
    """What was last in force."""

    facts: Facts
    pending: Pending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoned:
    """A change, and why it may be."""

    change: Change
    who: str
    why: str


def read(data: Path) -> InForce | None:
    """Return what was last in force in a data directory, None before the first start; blocks on the disk.

    Raises:
        ConfigError: the record cannot be read.
    """
    path = data / FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        pending = said["pending"]
        return InForce(
            _facts(said["facts"]),
            Pending(_facts(pending["facts"]), str(pending["who"]), str(pending["why"])) if pending else None,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(
            str(path), f"cannot be read ({exc})", "remove it to let the file stand as it is"
        ) from exc


def write(data: Path, in_force: InForce) -> None:
    """Replace the record in one step, and bring it to the disk; blocks.

    Raises:
        Unavailable: the disk refuses.
    """
    path = data / FILE
    try:
        replace_text(path, json.dumps(asdict(in_force), ensure_ascii=False))
    except OSError as exc:
        raise Unavailable(f"{path} cannot be written ({exc.strerror})") from exc


def held_against(
    record: InForce | None,
    facts: Facts,
    override: str,
    who: str,
    fit: Mapping[str, Approval] = MappingProxyType({}),
) -> tuple[list[Reasoned], list[Change]]:
    """Return what a start changes with its reasons, and what of it has none and therefore may not be.

    A reason is the word given at the start, a line's new ``live_because``, an approval that fits what the line is
    now, or the one that was approved with what is pending. Before the first start nothing is a change.

    Args:
        record: what was last in force.
        facts: what shall be.
        override: the word given at the start.
        who: whose word that is.
        fit: the approval that fits each line, where there is one.
    """
    if record is None:
        return [], []
    if record.pending is not None and not _guarded(compare(record.pending.facts, facts)):
        pending = record.pending
        done = [Reasoned(change=c, who=pending.who, why=pending.why) for c in compare(record.facts, pending.facts)]
        rest = [Reasoned(change=c, who=who, why=override) for c in compare(pending.facts, facts)]
        return done + rest, []
    changes = compare(record.facts, facts)
    whys = {change.line: override or _new_because(change.line, record.facts, facts) for change in changes}
    reasoned = [reasoned_by(change, who, whys[change.line], fit) for change in changes]
    return reasoned, [one.change for one in reasoned if one.change.guarded and not one.why]


def reasoned_by(change: Change, who: str, why: str, fit: Mapping[str, Approval]) -> Reasoned:
    """Return a change with the reason that was given, or else, where it needs one, with its line's approval."""
    if not why and change.guarded and (approval := fit.get(change.line)) is not None:
        return Reasoned(change=change, who=who or approval.who, why=f"approved: {approval.reason}")
    return Reasoned(change=change, who=who, why=why)


def remembered(old: Facts, new: Facts) -> Facts:
    """Return the new facts, with the bundles of before for judges whose bundle cannot be found just now."""
    return {line: {**_bundles(old.get(line, {}), said), **said} for line, said in new.items()}


def approved_bundles(facts: Facts) -> dict[str, str]:
    """Return the bundle of each judge that a live line asks, by the judge's name."""
    return {
        key.removeprefix("judge.").removesuffix(f".{BUNDLE}"): fact.value
        for said in facts.values()
        if said["stage"].value == "live"
        for key, fact in said.items()
        if key.endswith(f".{BUNDLE}")
    }


def _bundles(old: Mapping[str, Fact], new: Mapping[str, Fact]) -> dict[str, Fact]:
    return {
        key: fact
        for key, fact in old.items()
        if key.endswith(f".{BUNDLE}") and f"{key.removesuffix(BUNDLE)}type" in new
    }


def _new_because(line: str, old: Facts, new: Facts) -> str:
    """Return a line's own reason; one that it had before, or that a line had which is gone now, is not new."""
    known = [line] if line in old else [name for name in old if name not in new]
    after = _because(new, line)
    return "" if after.strip() in {_because(old, name).strip() for name in known} else after


def _because(facts: Facts, line: str) -> str:
    return facts.get(line, {}).get("live_because", Fact("")).value


def _guarded(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.guarded]


def _facts(said: Any) -> Facts:
    return {
        str(line): {str(key): Fact(str(fact["value"]), bool(fact["guarded"])) for key, fact in facts.items()}
        for line, facts in said.items()
    }
