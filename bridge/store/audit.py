"""The audit log's chain: each entry's hash covers the entry and the hash before it. Pure.

Whoever changes, removes or slips in an entry must compute every later hash anew; the newest hash is therefore
shown by ``aoi-bridge status`` and logged at each start and stop, so that copies of it lie elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
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
    """Unix time of what happened; filled in when it is handed over."""
    number: int = 0
    """From 1 without a gap; filled in when it is written."""
    hash: bytes = b""
    """Filled in when it is written."""


def chained(before: bytes, entry: Entry) -> bytes:
    """Return the SHA-256 over the hash before and all that the entry says, in canonical JSON."""
    said = [entry.number, repr(entry.at), entry.who, entry.line, entry.what, entry.old, entry.new, entry.why]
    return hashlib.sha256(before + json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()).digest()


@dataclass(frozen=True, slots=True)
class Copy:
    """A hash that somebody noted down, and the entry that it belongs to."""

    number: int
    hash: str
    """In hexadecimal; its first digits are enough to compare."""


class Verification:
    """Follows the log from its first entry and stops at the first that is wrong.

    Hand every entry in the order of the log to ``follow``, then call ``end``.
    """

    def __init__(self, copy: Copy | None = None) -> None:
        self.number = 0
        """The last entry that was found right."""
        self.hash = GENESIS
        """Its hash."""
        self.fault = ""
        """What is wrong, naming the entry; empty while all is well."""
        self._copy = copy

    def follow(self, entries: Iterable[Entry]) -> None:
        """Hold some entries, the next in order, to those before."""
        for entry in entries:
            self.fault = self.fault or self._wrong(entry)
            if self.fault:
                return
            self.number, self.hash = entry.number, entry.hash

    def end(self, last: int) -> None:
        """Say that this was all, and what number was ever given last."""
        if not self.fault and self.number < last:
            self.fault = _missing(self.number + 1, last) + ": the end was cut off"
        if not self.fault and self._copy and self._copy.number > self.number:
            self.fault = f"entry {self._copy.number} is missing: the copy of its hash says that it was there"

    def _wrong(self, entry: Entry) -> str:
        if entry.number <= self.number:
            return f"entry {entry.number} was slipped in: entries are counted from 1"
        if entry.number > self.number + 1:
            return _missing(self.number + 1, entry.number - 1)
        if chained(self.hash, entry) != entry.hash:
            return f"entry {entry.number} is not what was written: its hash does not fit"
        if self._copy and entry.number == self._copy.number and not _fits(self._copy.hash, entry.hash):
            return f"entry {entry.number} is not the one whose hash was copied: here it has {entry.hash.hex()}"
        return ""


def _fits(digits: str, whole: bytes) -> bool:
    return whole.hex().startswith(digits.lower())


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
