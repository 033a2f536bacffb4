"""What the audit log says a line may: the approvals that stand, and whether it fell back to shadow by itself.

There is no file beside it: an approval is an entry of the hash-chained log, so nobody gives one unnoticed. Each
holds until its line goes back to shadow, on a person's word or by itself; then it takes a new one. The log can
lower a line to shadow and never raise it: a line is live only where the configuration says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.config.changes import NOWHERE
from bridge.config.decision import Approval, read_approval
from bridge.errors import ConfigError, Unavailable
from bridge.log import logger
from bridge.store import Entry, Journal, Reader

APPROVAL, LOWERED = "approval", "fell back to shadow"
UNDONE = "could not be done: "
"""How the reason of an entry begins that takes back the one before it."""
KINDS = (APPROVAL, LOWERED, "stage", "line")


@dataclass(frozen=True, slots=True)
class Permit:
    """What one line may."""

    approvals: tuple[Approval, ...] = ()
    """Those that stand, oldest first."""
    lowered: str = ""
    """Why it fell back to shadow by itself; empty where it did not, or was taken live again."""
    shadow_since: float = 0.0
    """Unix time when it last went back to shadow: a report of the time before says nothing of what came then."""


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
        then = _after(now, entry)
        if then != now:
            before[entry.line], permits[entry.line] = now, then
    return permits


def _after(now: Permit, entry: Entry) -> Permit:
    if entry.what == APPROVAL:
        try:
            approval = read_approval(entry.line, entry.new, entry.who, entry.why)
        except ValueError:
            return now
        others = tuple(one for one in now.approvals if one.text() != approval.text())
        return replace(now, approvals=(*others, approval), lowered="")
    if entry.what == LOWERED:
        return Permit(lowered=entry.why, shadow_since=entry.at)
    gone = entry.what == "line" and entry.new == NOWHERE
    return Permit(shadow_since=entry.at) if gone or entry.new.startswith("shadow") else now


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
