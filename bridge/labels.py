"""What a person said of a part: a label. No I/O, and no opinion on who is right."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.messages import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One person's verdict on one part; never changed, a correction is another one."""

    verdict: Verdict
    who: str
    """The person; two people count as independent of each other."""
    at: float
    """Unix time when it was said."""
    part: str = ""
    """The serial number: then the newest inspection of it before that time is meant. Empty where ``id`` tells."""
    id: str = ""
    """The inspection id, where it is known."""
    defect: str = ""
    note: str = ""
    blind: bool = False
    """Whether the person saw neither the inspector's verdict nor the model's."""
    decides: bool = False
    """Whether it settles what others said differently."""
    key: str | None = None
    """The road's own identity of this label, stable when it is told again; without one every label is new."""
    line: str = ""
    """The line, filled in by the host."""
    road: str = ""
    """By which road it came: ``csv``, ``sheet``, ``settle`` or the name of a label road; filled in by the host."""
    number: int = 0
    """Where it stands in the book; 0 while it stands in none."""
