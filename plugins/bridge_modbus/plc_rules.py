"""The rules by which a PLC takes a result: pure, and written apart from the side that writes it.

An OK counts only if everything holds: the heartbeat is fresh, Online, ResultsValid, OK without NG, VERDICT 1,
SEQ_HEAD and SEQ_TAIL both the PLC's own CMD_SEQ, and PART_ID and SERIAL echoed. Anything else is NG, or waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from bridge.plugin import Verdict
from bridge_modbus.codec import SERIAL_CHARACTERS, CommandBlock, Status, StatusBlock, VerdictCode

PART_ID_MAX = 0xFFFFFFFF
NOTHING = "nothing reported"


class Ruling(Enum):
    """What the PLC does about what stands in STS."""

    TAKE = auto()
    """It is the whole result of the part that stands here."""
    WAIT = auto()
    """It cannot be taken as it stands, but may be completed."""
    STALE = auto()
    """It would do, but the bridge's heartbeat is not fresh."""
    DISCARD = auto()
    """It is whole, and the result of another part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """A ruling and its reason."""

    ruling: Ruling
    verdict: Verdict | None = None
    """What was said; None where nothing was taken, or what was taken contradicts itself."""
    why: str = ""
    """Why the part does not pass, empty if it does."""


def rule(said: StatusBlock, shown: CommandBlock, *, fresh: bool) -> Ruled:
    """Say what STS means for the part that CMD shows, where ``fresh`` tells of the bridge's heartbeat."""
    if Status.RESULTS_VALID not in said.status:
        return Ruled(ruling=Ruling.WAIT, why=NOTHING)
    if said.sequence_head != said.sequence_tail:
        torn = f"the result is torn: SEQ_HEAD {said.sequence_head}, SEQ_TAIL {said.sequence_tail}"
        return Ruled(ruling=Ruling.WAIT, why=torn)
    if other := _other(said, shown):
        return Ruled(ruling=Ruling.DISCARD, why=other)
    if Status.ONLINE not in said.status:
        return Ruled(ruling=Ruling.WAIT, why="the bridge is not Online")
    if not fresh:
        return Ruled(ruling=Ruling.STALE, why="the bridge's heartbeat is stale")
    return _taken(said)


def part_id(part: str) -> int:
    """Return PART_ID for a part: its number where it is a plain one that fits 32 bits, else 0."""
    plain = part.isascii() and part.isdigit() and len(part) <= len(str(PART_ID_MAX)) and str(int(part)) == part
    return int(part) if plain and int(part) <= PART_ID_MAX else 0


def presentable(part: str) -> bool:
    """Return whether a part's name fits into SERIAL: 1 to 32 printable ASCII characters."""
    return 0 < len(part) <= SERIAL_CHARACTERS and part.isascii() and part.isprintable()


def _other(said: StatusBlock, shown: CommandBlock) -> str:
    """Return in which way a result is another part's, empty where it is this one's."""
    if said.sequence_head != shown.sequence:
        return f"the result answers CMD_SEQ {said.sequence_head}, not {shown.sequence}"
    if said.serial != shown.serial:
        return f"the result echoes SERIAL {said.serial!r}, not {shown.serial!r}"
    if said.part_id != shown.part_id:
        return f"the result echoes PART_ID {said.part_id}, not {shown.part_id}"
    return ""


def _taken(said: StatusBlock) -> Ruled:
    ok, ng = Status.OK in said.status, Status.NG in said.status
    if (ok, ng, said.verdict) == (True, False, VerdictCode.OK):
        return Ruled(ruling=Ruling.TAKE, verdict=Verdict.OK)
    if (ok, ng, said.verdict) == (False, True, VerdictCode.NG):
        return Ruled(ruling=Ruling.TAKE, verdict=Verdict.NG, why="NG")
    return Ruled(ruling=Ruling.TAKE, why=f"no clear verdict: OK={ok:d}, NG={ng:d}, VERDICT {said.verdict}")
