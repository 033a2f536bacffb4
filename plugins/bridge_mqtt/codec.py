"""Bytes ↔ messages: what a machine's message says, what it is told, and what an MES acknowledges. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.plugin import Decision, Inspection, Unreadable, Words, answer_document, parse_part, read_part

REASON_LENGTH = 500
"""How many characters of an MES's reason are kept."""


def read_message(payload: bytes, words: Words, max_bytes: int, event: float | None = None) -> Inspection:
    """Return the part that a message tells of.

    Raises:
        Unreadable: it tells of none, or is too large.
    """
    if len(payload) > max_bytes:
        raise Unreadable(f"message is larger than {max_bytes} bytes")
    return read_part(parse_part(payload), words, event=event)


def fingerprint(topic: str, payload: bytes) -> str:
    """Return what tells messages apart by their content: 32 hexadecimal digits."""
    whole = hashlib.sha256(topic.encode("utf-8", "surrogatepass"))
    whole.update(b"\0")
    whole.update(payload)
    return whole.hexdigest()[:32]


def write_answer(part: Inspection, decision: Decision, words: Words) -> bytes:
    """Return what the machine is told of its part."""
    return json.dumps(answer_document(part, decision, words), ensure_ascii=False).encode()


def write_result(decision: Decision) -> bytes:
    """Return a decision as every MES is told it; the same bytes at every resend."""
    return json.dumps(decision.document(), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Ack:
    """One acknowledgement of an MES."""

    id: str
    accepted: bool | None
    """None where the status is in neither list of words: neither taken nor refused."""
    reason: str = ""


def read_ack(payload: bytes, accepted: Sequence[str], refused: Sequence[str]) -> Ack:
    """Return what an MES says: ``{"id": "…", "status": "accepted" | "refused", "reason": "…"}``.

    Raises:
        Unreadable: it is no acknowledgement.
    """
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError) as exc:
        raise Unreadable("acknowledgement is no JSON") from exc
    if not isinstance(said, dict):
        raise Unreadable("acknowledgement is no JSON object")
    key, status = said.get("id"), said.get("status")
    if not isinstance(key, str) or not isinstance(status, str):
        raise Unreadable("acknowledgement has no id or no status")
    reason = str(said.get("reason") or "")[:REASON_LENGTH].encode("utf-8", "replace").decode()
    return Ack(key, _taken(status, accepted, refused), reason)


def _taken(status: str, accepted: Sequence[str], refused: Sequence[str]) -> bool | None:
    said = status.strip().casefold()
    if said in (word.casefold() for word in accepted):
        return True
    return False if said in (word.casefold() for word in refused) else None
