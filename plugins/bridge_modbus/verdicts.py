"""From a decision, and from how the line stands, to the STS block: which part the PLC shows, what it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from bridge.plugin import Decision, Failure, Host, Origin, Verdict, ViewDecision
from bridge_modbus.codec import (
    BITMAP_VIEWS,
    SERIAL_CHARACTERS,
    WORD_MAX,
    CommandBlock,
    ErrorCode,
    LegacyCode,
    SourceCode,
    Status,
    StatusBlock,
    VerdictCode,
)
from bridge_modbus.words import U32_MAX

Tie: TypeAlias = Literal["either", "serial", "part_id"]
"""By which of the PLC's two names a part is known."""

_VERDICTS = {None: VerdictCode.ERROR, Verdict.OK: VerdictCode.OK, Verdict.NG: VerdictCode.NG}
_LEGACY = {None: LegacyCode.NONE, Verdict.OK: LegacyCode.OK, Verdict.NG: LegacyCode.NG}
_LEVELS = {None: Status(0), Verdict.OK: Status.OK, Verdict.NG: Status.NG}
RESULT = Status.OK | Status.NG | Status.ERROR | Status.DEGRADED | Status.TIMEOUT
"""The bits of a result, beside ResultsValid; the last three show between parts how the line itself stands."""
_VERSION = re.compile(r"v?(\d{1,5})(?!\d)")


def shows(command: CommandBlock, part: str, tie: Tie = "either") -> bool:
    """Say whether this part is the one at the PLC's station; a blank name is nobody's."""
    serial = part.isascii() and part != "" and part in (command.serial, command.serial.rstrip(" "))
    number = command.part_id != 0 and _number(part) == command.part_id
    return (serial and tie != "part_id") or (number and tie != "serial")


def showable(part: str, tie: Tie = "either") -> bool:
    """Say whether CMD can ever name this part: SERIAL holds 32 ASCII characters, PART_ID 32 bits."""
    serial = 0 < len(part) <= SERIAL_CHARACTERS and part.isascii()
    number = 0 < _number(part) <= U32_MAX
    return (serial and tie != "part_id") or (number and tie != "serial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the line stands now, whatever part was the last."""

    ready: bool
    """Whether the next part would be answered as planned."""
    error: bool = False
    link_ok: bool = True
    shadow: bool = False

    @classmethod
    def of(cls, line: Host, recipe: str = "") -> Standing:
        """Ask the line, for parts of this recipe."""
        return cls(ready=line.ready(recipe), error=line.error, link_ok=line.link_ok, shadow=line.shadow)


def present(line: Standing) -> Status:
    """Return the bits that tell of the line rather than of a part; Degraded: no second opinion would be had."""
    flags = {
        Status.READY: line.ready and not line.error,
        Status.ERROR: line.error,
        Status.DEGRADED: not line.ready,
        Status.LEGACY_LINK_OK: line.link_ok,
        Status.SHADOW: line.shadow,
    }
    return _set(flags)


def echo_of(command: CommandBlock) -> StatusBlock:
    """Return the names of the part that CMD asks for, and no result yet."""
    return StatusBlock(
        sequence_head=command.sequence,
        part_id=command.part_id,
        legacy=command.legacy,
        serial=command.serial,
        sequence_tail=command.sequence,
    )


def conflict_of(command: CommandBlock) -> StatusBlock:
    """Return NG for a sequence number that was used before, for another part or for one that is done with."""
    return replace(
        echo_of(command),
        status=Status.ONLINE | Status.RESULTS_VALID | Status.NG,
        verdict=VerdictCode.NG,
        source=SourceCode.FALLBACK,
        error_code=ErrorCode.SEQUENCE_CONFLICT,
    )


def failure_of(command: CommandBlock) -> StatusBlock:
    """Return NG for a part on which the line itself failed."""
    return replace(
        conflict_of(command),
        status=Status.ONLINE | Status.RESULTS_VALID | Status.NG | Status.DEGRADED,
        error_code=ErrorCode.JUDGE_DOWN,
    )


def status_of(decision: Decision, command: CommandBlock, *, heartbeat: int = 0) -> StatusBlock:
    """Return the result of one part, complete and marked valid, as an answer to this command.

    A decision without a final verdict (a shadow line whose inspector gave none) is VERDICT 4 with neither
    OK nor NG set: the PLC holds or ejects.
    """
    ng = [index for index, view in enumerate(decision.views) if view.final is Verdict.NG]
    return replace(
        echo_of(command),
        heartbeat=heartbeat,
        status=Status.ONLINE | Status.RESULTS_VALID | _levels(decision),
        verdict=_VERDICTS[decision.final],
        legacy=_LEGACY[decision.legacy],
        source=SourceCode[decision.origin.name],
        error_code=ErrorCode.of(decision.failures),
        views_total=min(len(decision.views), WORD_MAX),
        views_ng=min(len(ng), WORD_MAX),
        defect=_defect(decision.views),
        confidence=_confidence(decision),
        latency_ms=min(max(round(decision.latency_ms), 0), WORD_MAX),
        heartbeat_echo=command.heartbeat,
        result_id=decision.number & U32_MAX,
        model_version=_version(decision.bundle),
        score=_score(decision.views) or 0.0,
        ng_bitmap=sum(1 << index for index in ng if index < BITMAP_VIEWS),
    )


def _levels(decision: Decision) -> Status:
    return _LEVELS[decision.final] | _set(
        {
            Status.ERROR: decision.error,
            Status.DEGRADED: decision.degraded or decision.origin is Origin.FALLBACK,
            Status.TIMEOUT: Failure.DEADLINE in decision.failures,
        }
    )


def _set(flags: Mapping[Status, bool]) -> Status:
    status = Status(0)
    for flag, holds in flags.items():
        if holds:
            status |= flag
    return status


def _score(views: Sequence[ViewDecision]) -> float | None:
    """Return the lowest score, the one of the view that looks worst."""
    scores = [view.judgement.score for view in views if view.judgement and view.judgement.score is not None]
    return min(scores, default=None)


def _confidence(decision: Decision) -> int:
    score = _score(decision.views)
    if score is None or decision.model is None or not 0 <= score <= 1:
        return 0
    return round(10_000 * (score if decision.model is Verdict.OK else 1 - score))


def _defect(views: Sequence[ViewDecision]) -> int:
    code = next((view.defect for view in views if view.final is Verdict.NG), "")
    return number if 0 < (number := _number(code)) <= WORD_MAX else 0


def _number(text: str) -> int:
    """Return what plain digits mean, -1 for anything else and for more digits than SERIAL has room for."""
    plain = text.isascii() and text.isdecimal() and len(text) <= SERIAL_CHARACTERS
    return int(text) if plain else -1


def _version(bundle: str) -> int:
    """Return the leading number of the version in ``name version hash``, 0 where there is none."""
    words = bundle.split()
    found = _VERSION.match(words[-2]) if len(words) >= 2 else None  # noqa: PLR2004 - a hash stands behind it
    return int(found[1]) if found and int(found[1]) <= WORD_MAX else 0
