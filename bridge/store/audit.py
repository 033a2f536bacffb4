"""The audit log's chain: each entry's hash covers the entry and the hash before it. Pure.

Whoever changes, removes or slips in an entry must compute every later hash anew; the newest hash is therefore
shown by ``aoi-bridge status`` and logged at each start and stop, so that copies of it lie elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

GENESIS = bytes(32)
"""What stands for the hash before the first entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the audit log: who changed what, when, from what to what, and why."""

    what: str
    """For instance ``start``, ``goal``, ``threshold``, ``model``, ``bypass``."""
    who: str = ""
    """A user's name, a plugin's name, or empty for the gateway itself."""
    line: str = ""
    """The inspection line, empty where it concerns all."""
    old: str = ""
    new: str = ""
    why: str = ""
    at: float = 0.0
    """Unix time; filled in when it is written."""
    number: int = 0
    """From 1 without a gap; filled in when it is written."""
    hash: bytes = b""
    """Filled in when it is written."""


def chained(before: bytes, entry: Entry) -> bytes:
    """Return the SHA-256 over the hash before and all that the entry says, in canonical JSON."""
    said = [entry.number, repr(entry.at), entry.who, entry.line, entry.what, entry.old, entry.new, entry.why]
    return hashlib.sha256(before + json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()).digest()
