"""What a service says to a webhook: taken, try again, or never. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

ANSWER_BYTES = 1 << 16
"""How much of an answer is read."""
REASON_LENGTH = 300
_WORDS = ("detail", "reason", "message", "error", "title")
"""Where services say why, the most telling first."""


class Fate(Enum):
    """What becomes of a decision."""

    TAKEN = "taken"
    AGAIN = "again"
    NEVER = "never"


@dataclass(frozen=True)
class Statuses:
    """Which statuses mean what."""

    taken: Collection[int] = ()
    """Beside 200 to 299."""
    retried: Collection[int] = ()
    """Beside 300 to 399, which concern the road and no decision, and everything from 500."""

    def __call__(self, status: int) -> Fate:
        """Return what a status means: taken only by a positive statement, never only by a clear one."""
        if 200 <= status < 300 or status in self.taken:  # noqa: PLR2004 - the classes of RFC 9110
            return Fate.TAKEN
        if 400 <= status < 500 and status not in self.retried:  # noqa: PLR2004 - same
            return Fate.NEVER
        return Fate.AGAIN


def reason_of(status: int, body: bytes) -> str:
    """Return why a service did not take a decision, in its own words where it has any."""
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    said = _said(body)
    return f"{phrase}: {said}" if said else phrase


def _said(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = text if "<" not in text else ""  # a page for a browser tells little in its first line
    if isinstance(document, dict):
        words = (document.get(name) for name in _WORDS)
        document = next((word for word in words if isinstance(word, str) and word), "")
    line = " ".join(document.split()) if isinstance(document, str) else ""
    return "".join(filter(str.isprintable, line))[:REASON_LENGTH]


def wait_of(retry_after: str, now: float) -> float:
    """Return how many seconds a service asks us to wait; 0 where it does not say."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
