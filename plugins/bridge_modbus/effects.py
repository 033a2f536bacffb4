"""The words of the handshake: what a PLC asked for, and what is to be done because of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from bridge_modbus.codec import STATUS_WORDS, CommandBlock, StatusBlock

NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """By what a request is known again."""

    sequence: int
    part_id: int
    serial: str
    recipe: int
    legacy: int
    """An OK that was given for an inspector's OK is no answer once the inspector says NG."""

    @classmethod
    def of(cls, command: CommandBlock) -> Asked:
        """Return what CMD asks for."""
        return cls(
            sequence=command.sequence,
            part_id=command.part_id,
            serial=command.serial,
            recipe=command.recipe,
            legacy=command.legacy,
        )

    @property
    def part(self) -> str:
        """The part's name: SERIAL, else PART_ID, else nothing."""
        return self.serial.rstrip(" ") or (str(self.part_id) if self.part_id else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The last request that was taken; kept over a restart of ours, so that its repeat gets the same decision."""

    boot: str
    """Names the run of the PLC in which its sequence numbers mean something."""
    asked: Asked
    acknowledged: bool = False

    @property
    def key(self) -> str:
        """The presentation's identity, the same when it is asked for again."""
        return f"{self.boot}-{self.asked.sequence}-{self.asked.part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Write registers of STS, unless their time is over when their bytes would leave."""

    block: StatusBlock
    first: int = 0
    count: int = STATUS_WORDS
    expires: float = NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Hand in a part, then say ``begun``."""

    command: CommandBlock
    key: str
    event: float
    """When the request was seen."""


@dataclass(frozen=True, slots=True)
class Count:
    """Something happened that people want to see in the counts."""

    what: str


@dataclass(frozen=True, slots=True)
class Reset:
    """The PLC's operator resets the line's error."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """The PLC asks for a bypass, or does not any more."""

    wanted: bool


Effect: TypeAlias = Write | Begin | Count | Reset | Bypass
