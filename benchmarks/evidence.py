"""What a journal proves after the crash: every acknowledged part once, an intact file, an unbroken audit chain."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.store import Entry
from bridge.store.audit import GENESIS, chained
from bridge.store.schema import FILE

_PARTS = """
    SELECT part.number, word.text, part.key, lower(hex(part.id))
    FROM part JOIN word ON word.number = part.line WHERE part.number > ? ORDER BY part.number"""
_AUDIT = "SELECT number, at, who, line, what, old, new, why, hash FROM audit ORDER BY number"


@dataclass
class Evidence:
    """The journal of one data folder, read again and again while its gateway runs."""

    data: Path
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    """The id of each part, by line and key, in the order of the commits."""
    duplicated: int = 0
    """Keys that stand under two ids."""
    checks: int = 0
    _last: int = 0

    def read_on(self, *, anew: bool = False) -> None:
        """Read what was recorded since, or everything again."""
        if anew:
            self.ids.clear()
            self._last = self.duplicated = 0
        with self._look() as connection:
            for number, line, key, id_ in connection.execute(_PARTS, (self._last,)):
                self.duplicated += self.ids.setdefault((line, key), id_) != id_
                self._last = number

    def lost(self, line: str, answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Return the acknowledged keys that are not recorded under the id of their acknowledgement."""
        return [key for key, answer in answers.items() if self.ids.get((line, key)) != answer["id"]]

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with the file, and where the audit log's chain is broken."""
        self.checks += 1
        with self._look() as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            found += [f"foreign key: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
            return found + list(_breaks(connection))

    def audited(self) -> Counter[str]:
        """Return how many entries of each kind the audit log has."""
        with self._look() as connection:
            return Counter(dict(connection.execute("SELECT what, count(*) FROM audit GROUP BY what")))

    def settled(self) -> bool:
        """Return whether nothing is owed to any MES."""
        with self._look() as connection:
            return connection.execute("SELECT NOT EXISTS (SELECT 1 FROM outbox)").fetchone() == (1,)

    @contextmanager
    def _look(self) -> Iterator[sqlite3.Connection]:
        uri = f"{(self.data / FILE).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)) as connection:
            yield connection


def _breaks(connection: sqlite3.Connection) -> Iterator[str]:
    before = GENESIS
    for place, row in enumerate(connection.execute(_AUDIT), start=1):
        number, at, who, line, what, old, new, why, hash_ = row
        entry = Entry(number=number, at=at, who=who, line=line, what=what, old=old, new=new, why=why)
        if number != place or chained(before, entry) != hash_:
            yield f"audit entry {number} does not follow from the one before"
        before = hash_
