"""Deliveries that were parked, on a person's word: told again, or given up; either way the audit log knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bridge.errors import Refused
from bridge.store import Choice, Entry, Journal

What: TypeAlias = Literal["retry", "drop"]
NAMED = 20
"""So many ids stand in the audit log; of more, how many there are."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of it for one reporter."""

    line: str
    reporter: str
    deliveries: int
    orphan: bool = False
    """Its reporter is not configured, so that nothing could be tried again."""


async def unpark(
    journal: Journal, what: What, choice: Choice, known: Collection[tuple[str, str]], who: str, because: str = ""
) -> list[Moved]:
    """Try the chosen deliveries again, or drop them; return what was moved, by line and reporter.

    Args:
        journal: the journal that holds them.
        what: ``retry`` puts them back into the outbox, ``drop`` gives them up for good.
        choice: which ones.
        known: lines and reporters that are configured; to others nothing can be told again.
        who: the person, for the audit log.
        because: why, for the audit log and, where they are dropped, for each report.

    Raises:
        Refused: none of the chosen is parked.
        Unavailable: the disk refuses; what was moved until then stays moved.
    """
    moved = []
    for lane, amount in (await journal.parked(choice)).items():
        orphan = what == "retry" and lane not in known
        if not orphan:
            await journal.audit(_entry(what, lane, amount, choice, who, because))
            if what == "retry":
                amount = await journal.retry(lane, choice)  # noqa: PLW2901 - what was really there by then
            else:
                amount = await journal.drop(lane, choice, because)  # noqa: PLW2901 - same
        moved.append(Moved(*lane, amount, orphan))
    if not moved:
        raise Refused("none of these is parked; aoi-bridge outbox lists what is")
    return moved


def _entry(what: What, lane: tuple[str, str], amount: int, choice: Choice, who: str, because: str) -> Entry:
    named = ", ".join(choice.ids) if len(choice.ids) <= NAMED else f"{len(choice.ids)} ids"
    return Entry(
        what=f"outbox {what}",
        who=who,
        line=lane[0],
        old=f"{amount} parked for {lane[1]}",
        new=named or "all of them",
        why=because,
    )
