"""What a verdict of ours depends on, as one hash: what a report is about, and what an approval is for. Pure.

It covers everything of a line that moves verdicts under a goal: goal, judge, bundle (with it the precision of its
numbers), thresholds, regions, fallbacks, codes, recipes. Where an MES lives, or how long a deadline is, does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.config.changes import Fact, Facts
from bridge.messages import Goal

_OF_ONE_GOAL = {
    "clearable_codes": Goal.CUT_FALSE_CALLS,
    "shadow.guard_share": Goal.CUT_FALSE_CALLS,
    "legacy_ok_on_failure": Goal.CATCH_ESCAPES,
}
"""What moves verdicts under one goal only."""
WHETHER_IT_COUNTS = frozenset({"goal", "stage", "live_recipes"})
SHOWN = 16
"""So many digits of a hash are shown, and are enough to know it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody's word that a line may be live under one goal as it is, or the report that says so."""

    line: str
    goal: int
    decision: str
    """The hash of what was approved, 64 hexadecimal digits."""
    recipes: tuple[str, ...] = ()
    """For which recipes; none: for all."""
    report: str = ""
    """The folder of the passing report; empty where a person's word stands instead of one."""
    sha256: str = ""
    """Of that report, in hexadecimal."""
    who: str = ""
    why: str = ""
    """In words; never empty where there is no report."""

    @property
    def reason(self) -> str:
        """Why it was given, in words."""
        return "; ".join(word for word in (self.why, self.report and f"the report {self.report}") if word)

    def text(self) -> str:
        """Return what is not told by an audit entry's own columns."""
        said: dict[str, Any] = {"goal": self.goal, "decision": self.decision}
        said |= {"recipes": list(self.recipes)} if self.recipes else {}
        said |= {"report": self.report, "sha256": self.sha256} if self.report else {}
        return json.dumps(said, ensure_ascii=False)


def read_approval(line: str, text: str, who: str, why: str) -> Approval:
    """Return the approval of an audit entry.

    Raises:
        ValueError: it is none.
    """
    try:
        said = json.loads(text)
        return Approval(
            line=line,
            goal=int(said["goal"]),
            decision=str(said["decision"]),
            recipes=tuple(map(str, said.get("recipes", ()))),
            report=str(said.get("report", "")),
            sha256=str(said.get("sha256", "")),
            who=who,
            why=why,
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"{text[:80]} is no approval") from exc


def decision_hash(line: Mapping[str, Fact], goal: int) -> str:
    """Return the SHA-256, in hexadecimal, over canonical JSON of all that moves a line's verdicts under a goal.

    Args:
        line: the line's facts, with the identities of its bundles.
        goal: the goal, whatever goal the line has now.
    """
    said = {
        key: fact.value
        for key, fact in line.items()
        if fact.guarded and key not in WHETHER_IT_COUNTS and _only_of(key) in {None, goal}
    }
    text = json.dumps([int(goal), said], ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def decision_hashes(line: Mapping[str, Fact]) -> dict[str, str]:
    """Return the hash under every goal, by the goal's number in words of JSON."""
    return {str(int(goal)): decision_hash(line, goal) for goal in Goal}


def live_recipes(line: Mapping[str, Fact]) -> frozenset[str]:
    """Return the recipes whose parts are live; none: all."""
    return frozenset(json.loads(line["live_recipes"].value)) if "live_recipes" in line else frozenset()


def fits(approval: Approval, line: Mapping[str, Fact]) -> bool:
    """Return whether an approval is for what a line is now: its goal, its decision hash, its live recipes."""
    wanted = live_recipes(line)
    wide = not approval.recipes or (bool(wanted) and wanted <= set(approval.recipes))
    same_goal = line["goal"].value == str(int(approval.goal))
    return wide and same_goal and approval.decision == decision_hash(line, approval.goal)


def fitting(facts: Facts, approvals: Iterable[Approval]) -> dict[str, Approval]:
    """Return for each line the newest approval that fits what it is, where there is one.

    Args:
        facts: the lines.
        approvals: those that stand, oldest first.
    """
    return {one.line: one for one in approvals if one.line in facts and fits(one, facts[one.line])}


def unapproved(facts: Facts, fit: Mapping[str, Approval], lowered: Collection[str] = ()) -> list[str]:
    """Return the live lines that neither an approval nor a ``live_because`` of their own speaks for.

    Those that were lowered to shadow are none: nobody need speak for them until they shall be live again.
    """
    return [
        name
        for name, line in facts.items()
        if line["stage"].value == "live"
        and name not in fit
        and name not in lowered
        and not line.get("live_because", Fact("")).value.strip()
    ]


def granted(facts: Facts, lines: Iterable[str], who: str, why: str) -> list[Approval]:
    """Return the approvals of what lines are now, given by a person's word."""
    return [
        Approval(
            line=name,
            goal=int(facts[name]["goal"].value),
            decision=decision_hash(facts[name], int(facts[name]["goal"].value)),
            recipes=tuple(sorted(live_recipes(facts[name]))),
            who=who,
            why=why,
        )
        for name in lines
    ]


def _only_of(key: str) -> Goal | None:
    """Return the one goal under which something moves verdicts; None: under all."""
    return _OF_ONE_GOAL.get(key.rpartition(".")[2] if key.startswith("recipe.") else key)
