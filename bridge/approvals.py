"""What the audit log says a line may: the approvals that stand, and whether it fell back to shadow by itself.

There is no file beside it: an approval is an entry of the hash-chained log, so nobody gives one unnoticed. Each
holds until its line goes back to shadow, on a person's word or by itself; then it takes a new one. The log can
lower a line to shadow and never raise it: a line is live only where the configuration says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.config.changes import NOWHERE, Facts
from bridge.config.decision import Approval, decision_hash, read_approval
from bridge.errors import ConfigError, Unavailable
from bridge.log import logger
from bridge.store import Entry, Journal, Reader

APPROVAL, LOWERED, DECISION = "approval", "fell back to shadow", "decision hash"
UNDONE = "could not be done: "
"""How the reason of an entry begins that takes back the one before it."""
KINDS = (APPROVAL, LOWERED, DECISION, "stage", "line")


@dataclass(frozen=True, slots=True)
class Permit:
    """What one line may."""

    approvals: tuple[Approval, ...] = ()
    """Those that stand, oldest first."""
    lowered: str = ""
    """Why it fell back to shadow by itself; empty where it did not, or was taken live again."""
    shadow_since: float = 0.0
    """Unix time when it last went back to shadow: a report of the time before says nothing of what came then."""
    decision: str = ""
    """The decision hash under which it last ran."""
    since: float = 0.0
    """Unix time from which on it is live as it is now; 0 where nobody knows."""


def followed(entries: Iterable[Entry]) -> dict[str, Permit]:
    """Return what every line may, from the entries of KINDS in their order. Pure."""
    permits: dict[str, Permit] = {}
    before: dict[str, Permit] = {}
    for entry in entries:
        now = permits.get(entry.line, Permit())
        if entry.why.startswith(UNDONE):
            if entry.what == APPROVAL or entry.new == "live":
                permits[entry.line] = before.get(entry.line, now)
            continue
        then = permits[entry.line] = _after(now, entry)
        if (then.approvals, then.lowered) != (now.approvals, now.lowered):
            before[entry.line] = now
    return permits


def _after(now: Permit, entry: Entry) -> Permit:
    if entry.what == APPROVAL:
        try:
            approval = read_approval(entry.line, entry.new, entry.who, entry.why)
        except ValueError:
            return now
        others = tuple(one for one in now.approvals if one.text() != approval.text())
        since = entry.at if now.lowered else now.since
        return replace(now, approvals=(*others, approval), lowered="", since=since)
    if entry.what == LOWERED:
        return Permit(lowered=entry.why, shadow_since=entry.at, decision=now.decision)
    if entry.what == DECISION:
        return replace(now, decision=entry.new, since=entry.at)
    if entry.new == NOWHERE or entry.new.startswith("shadow"):
        return Permit(shadow_since=entry.at, decision=now.decision)
    return replace(now, since=entry.at)


def moved(permits: Mapping[str, Permit], facts: Facts) -> list[Entry]:
    """Return an entry for each live line whose decision hash is another than it last ran under. Pure."""
    live = {name: line for name, line in facts.items() if line["stage"].value == "live"}
    now = {name: decision_hash(line, int(line["goal"].value)) for name, line in live.items()}
    return [
        Entry(what=DECISION, line=name, old=before, new=after)
        for name, after in now.items()
        if (before := permits.get(name, Permit()).decision) != after
    ]


def lowered(permits: Mapping[str, Permit], whys: Mapping[str, str]) -> dict[str, Permit]:
    """Return what lines may, those that fell back to shadow just now included: their entries may be under way."""
    known = {name: permits.get(name, Permit()) for name in [*permits, *whys]}
    return {
        name: one if one.lowered or name not in whys else Permit(lowered=whys[name], decision=one.decision)
        for name, one in known.items()
    }


def in_shadow(permits: Mapping[str, Permit]) -> frozenset[str]:
    """Return the lines that fell back to shadow by themselves."""
    return frozenset(name for name, permit in permits.items() if permit.lowered)


def standing(permits: Mapping[str, Permit]) -> list[Approval]:
    """Return every approval that stands, of all lines."""
    return [approval for permit in permits.values() for approval in permit.approvals]


def entry_of(approval: Approval) -> Entry:
    """Return the audit entry by which an approval is given."""
    return Entry(what=APPROVAL, who=approval.who, line=approval.line, new=approval.text(), why=approval.why)


def undone(approval: Approval, why: str) -> Entry:
    """Return the audit entry by which one is taken back that came to nothing."""
    return Entry(what=APPROVAL, line=approval.line, old=approval.text(), why=f"{UNDONE}{why}")


async def read(journal: Journal) -> dict[str, Permit]:
    """Return what every line may.

    Raises:
        Unavailable: the disk refuses.
    """
    return followed(await journal.audited_as(*KINDS))


async def read_at_start(journal: Journal) -> dict[str, Permit] | None:
    """Return what every line may, None where the disk does not say: a line comes back from a power cut anyway."""
    try:
        return await read(journal)
    except Unavailable as exc:
        logger().error("the approvals cannot be read", reason=str(exc))
        return None


def look(data: Path) -> dict[str, Permit]:
    """Return what every line may, whether a gateway runs or not; nothing where none ever ran; blocks on the disk.

    Raises:
        Unavailable: the disk refuses.
    """
    try:
        return followed(Reader(data).audited_as(*KINDS))
    except ConfigError:
        return {}  # there is no journal, or one of a time without approvals
