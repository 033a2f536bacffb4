"""What an MES answers: which decision it means, and whether it took it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.plugin import Unreadable
from bridge_tcp.framing import Frame

ACK_GROUPS = frozenset({"id", "status", "reason"})
"""The named groups that a pattern for acknowledgements may have; ``id`` it must have."""
REASON_LENGTH = 500
"""How many characters of a reason are kept."""


@dataclass(frozen=True, slots=True)
class Ack:
    """One acknowledgement."""

    id: str
    accepted: bool | None
    """None where the status is in neither list of words: neither taken nor refused."""
    reason: str = ""


class Acks(Protocol):
    """How acknowledgements are understood."""

    def __call__(self, frame: Frame) -> Ack:
        """Return the acknowledgement.

        Raises:
            Unreadable: the frame is none.
        """
        ...


@dataclass(frozen=True)
class Statuses:
    """The peer's words for having taken a decision and for never taking it, without regard to case."""

    accepted: Sequence[str]
    refused: Sequence[str]

    def __call__(self, word: str) -> bool | None:
        """Return True for taken, False for refused for ever, None for any other word."""
        said = word.strip().casefold()
        if said in (word.casefold() for word in self.accepted):
            return True
        return False if said in (word.casefold() for word in self.refused) else None


@dataclass(frozen=True)
class JsonAcks:
    """``{"id": "…", "status": "accepted" | "refused", "reason": "…"}``."""

    statuses: Statuses

    def __call__(self, frame: Frame) -> Ack:
        """Return what the document says; it must name an id and a status in text."""
        try:
            said = frame.header if frame.header is not None else json.loads(frame.payload)
        except (ValueError, RecursionError) as exc:
            raise Unreadable("acknowledgement is no JSON") from exc
        if not isinstance(said, dict):
            raise Unreadable("acknowledgement is no JSON object")
        key, status = said.get("id"), said.get("status")
        if not isinstance(key, str) or not isinstance(status, str):
            raise Unreadable("acknowledgement has no id or no status")
        return Ack(key, self.statuses(status), _sound(str(said.get("reason", ""))))


@dataclass(frozen=True)
class TextAcks:
    """A line of text; a pattern without a group ``status`` matches acceptances only."""

    pattern: re.Pattern[str]
    statuses: Statuses
    encoding: str = "utf-8"

    def __call__(self, frame: Frame) -> Ack:
        """Return what the line says."""
        try:
            match = self.pattern.fullmatch(frame.payload.decode(self.encoding).strip())
        except ValueError as exc:
            raise Unreadable(f"bytes are not {self.encoding} text") from exc
        if match is None:
            raise Unreadable("acknowledgement does not match the pattern")
        said = match.groupdict(default="")
        accepted = self.statuses(said["status"]) if "status" in said else True
        return Ack(said["id"], accepted, _sound(said.get("reason", "")))


def _sound(reason: str) -> str:
    """Return a reason that can be stored and printed whatever the peer wrote."""
    return reason[:REASON_LENGTH].encode("utf-8", "replace").decode()
