"""Register map v1: what a PLC asks (CMD) and what the bridge says (STS), as words and as registers.

Offsets are 0-based from the start of each block. The map is the same whichever side is the Modbus server. Each
register has one writer, so nobody ever reads, changes and writes back a shared word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from bridge.plugin import Failure
from bridge_modbus.words import (
    CONSTANT_WORDS,
    WordOrder,
    commissioning_words,
    float_value,
    float_words,
    order_of,
    text_value,
    text_words,
    u32_value,
    u32_words,
)

__all__ = [
    "COMMAND_WORDS",
    "STATUS_WORDS",
    "CommandBlock",
    "Control",
    "ErrorCode",
    "LegacyCode",
    "SourceCode",
    "Status",
    "StatusBlock",
    "VerdictCode",
    "WordOrder",
    "commissioning_words",
    "decode_command",
    "decode_status",
    "encode_command",
    "encode_status",
    "order_of",
    "takes_ok",
]

COMMAND_WORDS = 29
STATUS_WORDS = 58
SERIAL_WORDS = 16
SERIAL_CHARACTERS = 2 * SERIAL_WORDS
BITMAP_WORDS = 16
BITMAP_VIEWS = 16 * BITMAP_WORDS
WORD_MAX = 0xFFFF

HEARTBEAT_STALE_SECONDS = 2.0
"""A heartbeat that has not moved for so long belongs to a dead peer."""

HB_BRIDGE_AT = 1
STATUS_AT = 2
"""Offsets in STS of HB_BRIDGE and STATUS, which are also written alone."""
HB_PLC_AT = 1
HB_PLC_ECHO_AT = 14
"""HB_PLC in CMD, and its echo in STS."""
CONSTANTS_AT = 53
ECHO_AT = 24
"""Where the commissioning constants stand in STS, and where the PLC echoes them in CMD."""


class Control(IntFlag):
    """CMD 0, CTRL: levels that the PLC holds, never pulses."""

    IDLE = 0
    ENABLE = 1 << 0
    TRIGGER = 1 << 1
    RESULT_ACK = 1 << 2
    ERROR_RESET = 1 << 3
    BYPASS = 1 << 4


class Status(IntFlag):
    """STS 2, STATUS."""

    OFFLINE = 0
    ONLINE = 1 << 0
    READY = 1 << 1
    TRIGGER_ACK = 1 << 2
    BUSY = 1 << 3
    RESULTS_VALID = 1 << 4
    OK = 1 << 5
    NG = 1 << 6
    ERROR = 1 << 7
    DEGRADED = 1 << 8
    LEGACY_LINK_OK = 1 << 9
    SHADOW = 1 << 10
    TIMEOUT = 1 << 11
    MISSED_TRIGGER = 1 << 12
    BUFFER_OVERRUN = 1 << 13


class VerdictCode(IntEnum):
    """STS 3, VERDICT: what counts."""

    NONE = 0
    OK = 1
    NG = 2
    REVIEW = 3
    ERROR = 4


class LegacyCode(IntEnum):
    """CMD 6 and STS 6, LEGACY: what the inspector said."""

    NONE = 0
    OK = 1
    NG = 2


class SourceCode(IntEnum):
    """STS 7, SOURCE: whose verdict it is."""

    NONE = 0
    LEGACY = 1
    MODEL = 2
    FALLBACK = 3
    OPERATOR = 4


class ErrorCode(IntEnum):
    """STS 8, ERROR_CODE: what went wrong with this part, the most important first."""

    NONE = 0
    DEADLINE = 1
    JUDGE_DOWN = 2
    IMAGE_MISSING = 3
    IMAGE_REPEATED = 4
    IMAGE_UNREADABLE = 5
    IMAGE_UNTIED = 6
    RECIPE_UNKNOWN = 7
    VIEWS_MISSING = 8
    LEGACY_MISSING = 9
    NOT_RECORDED = 10
    SEQUENCE_CONFLICT = 20
    """A sequence number came again with another part (when the bridge is the server)."""

    @classmethod
    def of(cls, failures: Sequence[Failure]) -> ErrorCode:
        """Return the number of the first failure, NONE where there is none."""
        return cls[failures[0].name] if failures else cls.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandBlock:
    """CMD, written by the PLC: which part stands at the station and what is asked of it."""

    control: Control = Control.IDLE
    heartbeat: int = 0
    """HB_PLC, counts up while the PLC runs."""
    sequence: int = 0
    """CMD_SEQ, 1 to 65535; 0 before the first part."""
    recipe: int = 0
    part_id: int = 0
    """PART_ID, 32 bits; 0 where the PLC gives none."""
    legacy: int = LegacyCode.NONE
    """A LegacyCode; a number that is none of them is kept as it came and means no verdict."""
    deadline_ms: int = 0
    serial: str = ""
    """At most 32 characters of one byte; empty where the PLC gives none."""
    echo: tuple[int, ...] = (0,) * CONSTANT_WORDS
    """The registers of the commissioning echo, as they are: see ``order_of``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusBlock:
    """STS, written by the bridge: its state and the result of one part.

    The commissioning constants are not here: encoding always adds them.
    """

    sequence_head: int = 0
    """SEQ_HEAD: the CMD_SEQ that this result answers."""
    heartbeat: int = 0
    """HB_BRIDGE, +1 every 500 ms."""
    status: Status = Status.OFFLINE
    verdict: int = VerdictCode.NONE
    """A VerdictCode; decoding keeps any other number as it came."""
    part_id: int = 0
    legacy: int = LegacyCode.NONE
    source: int = SourceCode.NONE
    error_code: int = ErrorCode.NONE
    views_total: int = 0
    views_ng: int = 0
    defect: int = 0
    """The inspector's defect code of the first NG view; 0 where it is no number up to 65535."""
    confidence: int = 0
    """The model's p(its verdict) × 10000; 0 where there is none."""
    latency_ms: int = 0
    heartbeat_echo: int = 0
    """HB_PLC as last seen."""
    result_id: int = 0
    """The journal's running number, its low 32 bits; 0 where the decision is not recorded."""
    model_version: int = 0
    score: float = 0.0
    """The lowest score among the views, in single precision; 0 where there is none."""
    serial: str = ""
    ng_bitmap: int = 0
    """Bit i is set where view i (from 0) is NG; 256 views."""
    sequence_tail: int = 0
    """SEQ_TAIL: as SEQ_HEAD, written with the far end of the block, so a torn write shows."""


def encode_command(block: CommandBlock, order: WordOrder = WordOrder.ABCD) -> list[int]:
    """Return CMD as 29 registers.

    Raises:
        ValueError: a value does not fit.
    """
    words = [
        int(block.control),
        block.heartbeat,
        block.sequence,
        block.recipe,
        *u32_words(block.part_id, order),
        block.legacy,
        block.deadline_ms,
        *text_words(block.serial, SERIAL_WORDS, order),
        *block.echo,
    ]
    return _checked(words, COMMAND_WORDS)


def decode_command(words: Sequence[int], order: WordOrder = WordOrder.ABCD) -> CommandBlock:
    """Return what 29 registers say; any registers can be read.

    Raises:
        ValueError: not 29 registers.
    """
    _checked(words, COMMAND_WORDS)
    return CommandBlock(
        control=Control(words[0]),
        heartbeat=words[1],
        sequence=words[2],
        recipe=words[3],
        part_id=u32_value(words[4:6], order),
        legacy=words[6],
        deadline_ms=words[7],
        serial=text_value(words[8:24], order),
        echo=tuple(words[ECHO_AT:]),
    )


def encode_status(block: StatusBlock, order: WordOrder = WordOrder.ABCD) -> list[int]:
    """Return STS as 58 registers, commissioning constants included.

    Raises:
        ValueError: a value does not fit.
    """
    words = [
        block.sequence_head,
        block.heartbeat,
        int(block.status),
        block.verdict,
        *u32_words(block.part_id, order),
        block.legacy,
        block.source,
        block.error_code,
        block.views_total,
        block.views_ng,
        block.defect,
        block.confidence,
        block.latency_ms,
        block.heartbeat_echo,
        *u32_words(block.result_id, order),
        block.model_version,
        *float_words(block.score, order),
        *text_words(block.serial, SERIAL_WORDS, order),
        *(block.ng_bitmap >> 16 * i & WORD_MAX for i in range(BITMAP_WORDS)),
        block.sequence_tail,
        *commissioning_words(order),
    ]
    return _checked(words, STATUS_WORDS)


def decode_status(words: Sequence[int], order: WordOrder = WordOrder.ABCD) -> StatusBlock:
    """Return what 58 registers say; any registers can be read.

    Raises:
        ValueError: not 58 registers.
    """
    _checked(words, STATUS_WORDS)
    return StatusBlock(
        sequence_head=words[0],
        heartbeat=words[HB_BRIDGE_AT],
        status=Status(words[STATUS_AT]),
        verdict=words[3],
        part_id=u32_value(words[4:6], order),
        legacy=words[6],
        source=words[7],
        error_code=words[8],
        views_total=words[9],
        views_ng=words[10],
        defect=words[11],
        confidence=words[12],
        latency_ms=words[13],
        heartbeat_echo=words[14],
        result_id=u32_value(words[15:17], order),
        model_version=words[17],
        score=float_value(words[18:20], order),
        serial=text_value(words[20:36], order),
        ng_bitmap=sum(word << 16 * i for i, word in enumerate(words[36:52])),
        sequence_tail=words[52],
    )


def takes_ok(status: StatusBlock, command: CommandBlock, heartbeat_fresh: bool) -> str:  # noqa: FBT001 - the PLC's own observation, not a mode
    """Return why a PLC must not take an OK from these registers; empty where it may.

    Anything that is not an OK by this rule is NG or hold.
    """
    reasons = {
        "heartbeat stale": heartbeat_fresh,
        "not online": Status.ONLINE in status.status,
        "results not valid": Status.RESULTS_VALID in status.status,
        "OK not set": Status.OK in status.status,
        "NG set": Status.NG not in status.status,
        "verdict is not OK": status.verdict == VerdictCode.OK,
        "no sequence": command.sequence != 0,
        "another sequence": status.sequence_head == command.sequence,
        "torn write": status.sequence_head == status.sequence_tail,
        "another part id": status.part_id == command.part_id,
    }
    return next((reason for reason, holds in reasons.items() if not holds), "")


def _checked(words: Sequence[int], count: int) -> list[int]:
    """Return the words as a list, sure to be ``count`` registers of 16 bits."""
    if len(words) != count:
        raise ValueError(f"{len(words)} registers instead of {count}")
    if bad := [word for word in words if not 0 <= word <= WORD_MAX]:
        raise ValueError(f"{bad[0]} does not fit into 16 bits")
    return list(words)
