"""The store's own words, beside those of ``messages.py``: what is kept of a part after its decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, TypeAlias

from bridge.messages import Decision, Failure, Goal, Origin, Verdict, ViewDecision

Kind: TypeAlias = Literal["shadow", "late", "answered", "guard"]
"""Judged after a pass-through | judged too late | what was answered because the commit landed too late | a live
part that goal 1 would have cleared, and that had a chance of being held back for labelling."""

Lane: TypeAlias = tuple[str, str]
"""A line and the name of one of its guaranteed reporters."""


class Stratum(IntEnum):
    """Of which kind a part is when parts are drawn for labelling. The numbers are for ever: they are in a file."""

    DISAGREED = 1
    """The model's verdict, that of any goal, or that of any view is not the inspector's."""
    UNRELIABLE = 2
    """A view's score lies close to the threshold."""
    UNJUDGED = 3
    """No verdict came."""
    AGREED_NG = 4
    AGREED_OK = 5
    GUARD = 6
    """A live part that goal 1 would have cleared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What became known of a part after it was answered; the answer itself stays as it was given."""

    id: str
    """The inspection id."""
    kind: Kind
    at: float
    """Unix time."""
    model: Verdict | None
    """What the judge says of the part."""
    goals: Mapping[Goal, Verdict | None]
    """What each goal would have answered; a goal that was not scored is absent."""
    failures: tuple[Failure, ...] = ()
    views: tuple[ViewDecision, ...] = ()
    """The judgements, in the order of the part's views."""
    bundle: str = ""
    judge_ms: float = 0.0
    final: Verdict | None = None
    """Kind "answered": the verdict that was really given."""
    origin: Origin | None = None
    """Kind "answered": whose verdict that was."""
    error: bool = False
    """Kind "answered": whether Error was raised with it."""
    fallbacks: Mapping[Goal, Verdict | None] = field(default_factory=dict)
    """Kind "shadow": what each goal would have answered had no second opinion been had."""
    in_time: bool | None = None
    """Kind "shadow": whether the judgement would have come within the deadline; None where nobody knows."""
    stratum: Stratum | None = None
    """Of which kind the part is for sampling, None where it had no chance of being drawn."""
    chance: float | None = None
    """The probability with which it was drawn for labelling, 0 to 1."""
    drawn: bool = False
    """Whether it is to be labelled."""


@dataclass(frozen=True, slots=True)
class Owed:
    """One delivery that a guaranteed reporter still owes its peer."""

    number: int
    """The part's running number; deliveries go out in its order."""
    decision: Decision


@dataclass(frozen=True, slots=True)
class Parked:
    """One delivery that was set aside: its peer will never take it as it is, or its reporter is gone."""

    number: int
    """The part's running number."""
    id: str
    """The inspection id."""
    part: str
    at: float
    """Unix time since when it is parked."""
    reason: str


@dataclass(frozen=True, slots=True)
class Owing:
    """What one guaranteed reporter owes its peer."""

    line: str
    reporter: str
    queued: int
    parked: int
    oldest_at: float | None
    """Unix time of the decision that is queued for the longest, None where none is."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which parked deliveries are meant; what is left out narrows nothing."""

    ids: tuple[str, ...] = ()
    """Inspection ids; none: all."""
    line: str | None = None
    reporter: str | None = None

    def __contains__(self, lane: Lane) -> bool:
        """Return whether deliveries of this reporter are meant."""
        return self.line in {None, lane[0]} and self.reporter in {None, lane[1]}


@dataclass(frozen=True, slots=True)
class Reported:
    """How telling one decision to one reporter went."""

    reporter: str
    outcome: str
    at: float
    """Unix time."""
    latency_ms: float
    """From the part's event to this outcome."""
    said: str
    """The peer's own words, or why it was not told."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a line did at one time; it is noted once a minute, and a gap shows that no gateway ran it."""

    at: float
    """Unix time."""
    line: str
    queued: int
    """Shadow parts that wait for the judge."""
    skipped: int
    """Shadow parts that were passed over since the line was opened; less than before: it was opened again."""
    late: int
    """Parts with a missed deadline since the line was opened."""
    backlog: int
    """Deliveries that its guaranteed reporters owe."""
    disk_free: int
    """Bytes; 0 where the disk could not be asked."""


@dataclass(frozen=True, slots=True)
class Change:
    """A plugin came into another state."""

    at: float
    """Unix time."""
    line: str
    """Empty for a judge, which belongs to no line."""
    name: str
    """``source``, a reporter's name, or ``judge`` and its name."""
    state: str
    """starting, up, degraded, down or ended; stopped after a clean stop."""
    said: str
    """Why it is down or degraded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the journal holds of one line, by the verdicts that were really answered."""

    line: str
    parts: int = 0
    ok: int = 0
    ng: int = 0
    degraded: int = 0
    origins: Mapping[Origin, int] = field(default_factory=dict)
    seconds: int = 0
    """How many second records its parts have."""
