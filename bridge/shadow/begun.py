"""Since when a month is about one decision, and whether a report speaks of that decision. Pure.

Parts that were judged by another model, at another threshold, under other limits say nothing of the one that is
asked for: a change of any of them begins the month anew. And a month whose first day, or whose limits, are chosen
when the figures are known shows nothing: of many windows one will look good. So the first day is that of the first
part, or was said beforehand (``shadow.begins``), or is that of the last change; all of these are on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from bridge.config.changes import GUARDED, Fact
from bridge.config.decision import WHETHER_IT_COUNTS
from bridge.config.shadow import Shadow
from bridge.store import Entry

PROMISED: Final = frozenset(
    f"shadow.{key}"
    for key in (
        "days",
        "begins",
        "confidence",
        "correlation",
        "miss_limit",
        "escapes_ppm",
        "false_calls_ppm",
        "false_calls_cut",
        "min_lots",
        "min_ng",
        "seeded",
        "pool",
        "reinspected_within_hours",
        "shifts",
    )
)
"""What a month must show, and how parts and lots are told apart for it: fixed before anybody looks."""
_SAYS_NOTHING_OF_PARTS: Final = WHETHER_IT_COUNTS | {"shadow.guard_share", "fallbacks_in_a_row"}
_EACH_ITS_OWN: Final = frozenset({"shadow.begins", "shadow.pool", "shadow.seeded"})
"""In these lines that are pooled may differ."""
SETTLED_SECONDS: Final = 60.0
"""What was on its way when something changed is answered by then."""
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """When a month began, and why then."""

    at: float
    """Unix time."""
    because: str = ""
    """What was changed; empty where nothing was since the first part."""


def begun(
    first: float, shadow: Shadow, entries: Iterable[Entry], now: Mapping[str, Fact], back_in_shadow: float = 0.0
) -> Begun:
    """Return when the month of a line began.

    Args:
        first: Unix time of the line's first part.
        shadow: the line's own.
        entries: what the audit log says of the line, in order.
        now: what the line says of itself.
        back_in_shadow: Unix time when it last went back to shadow, 0 where it never did.
    """
    zone = ZoneInfo(shadow.timezone)
    found = Begun(at=_midnight(datetime.fromtimestamp(first, zone).date(), zone))
    if back_in_shadow > first:
        found = Begun(at=back_in_shadow + SETTLED_SECONDS, because="the line went back to shadow")
    for entry in entries:
        if entry.at > max(first, found.at - SETTLED_SECONDS) and _begins_anew(entry.what, now):
            found = Begun(
                at=entry.at + SETTLED_SECONDS,
                because=f"{entry.what} was changed from {entry.old or 'nothing'} to {entry.new or 'nothing'}",
            )
    said = _midnight(date.fromisoformat(shadow.begins), zone) if shadow.begins else 0.0
    return Begun(at=said, because=f"shadow.begins is {shadow.begins}") if said > found.at else found


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def _begins_anew(what: str, now: Mapping[str, Fact]) -> bool:
    """Return whether a change moves verdicts or promises; of what is gone now nobody knows, so it counts."""
    if what in _SAYS_NOTHING_OF_PARTS:
        return False
    if what in now:
        return now[what].guarded or what in PROMISED
    return what in GUARDED or what.startswith(("recipe.", "judge.", "source."))


def against(
    begin: float, month: Begun, bundles: Iterable[str], named: Iterable[str], *, timezone: str = "UTC"
) -> list[str]:
    """Return why parts from a Unix time on say nothing of the decision that is asked for now.

    Args:
        begin: from when on parts were read.
        month: when the month of this decision began.
        bundles: which judged them.
        named: the bundles of the line's judges.
        timezone: of the plant.
    """
    reasons = []
    if begin < month.at:
        reasons.append(f"parts of before {_day(month.at, timezone)} are in it, when {month.because}")
    if begin > month.at + DAY:
        reasons.append(
            f"the month began on {_day(month.at, timezone)}, and its first day is not chosen afterwards: "
            "write the next one beforehand, as shadow.begins"
        )
    others = sorted(set(bundles) - set(named))
    if others:
        reasons.append(f"judged by {', '.join(others)}, which is not what would be live")
    return reasons


def not_as_run(file: Mapping[str, Fact], running: Mapping[str, Fact]) -> list[str]:
    """Return what of a line the file says otherwise than the gateway took it: nobody was promised that."""
    keys = sorted(key for key in {*file, *running} if _begins_anew(key, {**running, **file}))
    return [
        f"the file says {key} {file[key].value if key in file else 'nothing'}, and the gateway runs with "
        f"{running[key].value if key in running else 'nothing'}: aoi-bridge reload takes it"
        for key in keys
        if (file[key].value if key in file else "") != (running[key].value if key in running else "")
    ]


def apart(one: Mapping[str, Fact], other: Mapping[str, Fact]) -> str:
    """Return the first thing in which two lines decide, or promise, differently; empty where they are alike."""
    for key in sorted({*one, *other}):
        fact = one.get(key) or other[key]
        counts = (fact.guarded and key not in WHETHER_IT_COUNTS) or key in PROMISED - _EACH_ITS_OWN
        said = [line[key].value if key in line else "nothing" for line in (one, other)]
        if counts and said[0] != said[1]:
            return f"{key} is {said[1]} there, and {said[0]} here"
    return ""


def _day(at: float, timezone: str) -> str:
    zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"
