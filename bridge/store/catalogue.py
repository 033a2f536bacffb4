"""What is kept of the pictures, for what, and in which order it came: so that sweeping never has to look at files.

A file of its own beside the pictures, never the journal: losing it loses no picture. Where it is missing, damaged,
or was not closed, the folders are walked through once, one of 256 at a time, and what is found counts as evidence.
Order is the order of arrival, not the time of a clock that may jump. Every call blocks on the disk and belongs to
one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.store.retention import Need

FILE = "catalogue.db"
FOLDERS = 256

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_FOUND = -(10**13)
"""Added to the time of a file that was found: older than everything that has arrived since."""
_SCHEMA = """
BEGIN;
CREATE TABLE image (
    digest BLOB PRIMARY KEY,                    -- SHA-256
    ending TEXT NOT NULL,
    size   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE need (
    digest BLOB NOT NULL,
    need   INTEGER NOT NULL,                    -- see retention.py
    came   INTEGER NOT NULL,                    -- the order of the newest part that has this need
    PRIMARY KEY (digest, need)
) STRICT, WITHOUT ROWID;
CREATE INDEX need_age ON need (need, came);
CREATE TABLE state (walked INTEGER NOT NULL, closed INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (0, 0);
PRAGMA user_version = 1;
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One picture and one need for it."""

    digest: str
    ending: str
    size: int
    need: Need


class Catalogue:
    """The open catalogue of an image folder."""

    def __init__(self, folder: Path) -> None:
        """Open it, beginning a new one where there is none.

        Raises:
            OSError: the folder cannot be made.
            sqlite3.DatabaseError: the disk refuses.
        """
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = _opened(folder / FILE)
        except sqlite3.DatabaseError as exc:
            if exc.sqlite_errorcode & 0xFF not in _DAMAGED:
                raise
            discard(folder)
            self._connection = _opened(folder / FILE)
        ask = self._connection.execute
        self.files, self.bytes = ask("SELECT count(*), coalesce(sum(size), 0) FROM image").fetchone()
        """How many pictures there are, and how large they are together."""
        (self._came,) = ask("SELECT max(0, coalesce(max(came), 0)) FROM need").fetchone()
        walked, closed = ask("SELECT walked, closed FROM state").fetchone()
        self.walked: int = walked if closed else 0
        """How many of the folders were walked through."""
        ask("UPDATE state SET closed = 0, walked = ?", (self.walked,))

    @contextmanager
    def change(self) -> Iterator[None]:
        """Do what is inside, all of it or nothing."""
        before = self.files, self.bytes, self.walked
        self._connection.execute("BEGIN")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self.files, self.bytes, self.walked = before
            with suppress(sqlite3.DatabaseError):  # some errors have SQLite roll back by itself
                self._connection.execute("ROLLBACK")
            raise

    def note(self, digest: str, ending: str, size: int, need: Need) -> None:
        """Note that a picture has come, or has come again, and what it is kept for."""
        self._came += 1
        self._add(bytes.fromhex(digest), ending, size, need, self._came)

    def oldest(self, upto: Need, limit: int) -> list[Kept]:
        """Return what would go first: the lowest needs up to this one, of each the oldest."""
        kept: list[Kept] = []
        for need in (need for need in Need if need <= upto):
            found = self._connection.execute(
                "SELECT digest, ending, size FROM need JOIN image USING (digest) WHERE need = ?"
                " ORDER BY came LIMIT ?",
                (need, limit - len(kept)),
            )
            kept += [Kept(digest.hex(), ending, size, need) for digest, ending, size in found.fetchall()]
        return kept

    def forget(self, kept: Kept) -> bool:
        """Forget one need of a picture; return whether nobody needs it any more, so that its file may go."""
        digest = bytes.fromhex(kept.digest)
        self._connection.execute("DELETE FROM need WHERE digest = ? AND need = ?", (digest, kept.need))
        if self._connection.execute("SELECT 1 FROM need WHERE digest = ?", (digest,)).fetchone():
            return False
        if self._connection.execute("DELETE FROM image WHERE digest = ?", (digest,)).rowcount:
            self.files, self.bytes = self.files - 1, self.bytes - kept.size
        return True

    def protect(self, kept: Kept) -> None:
        """Keep a picture as a labelled one instead."""
        self.note(kept.digest, kept.ending, kept.size, Need.LABELLED)
        self.forget(kept)

    def walk(self, names: Mapping[str, str], sizes: Mapping[str, tuple[int, float]]) -> None:
        """Put the next of the 256 folders right.

        Args:
            names: digest → ending of every picture that lies there.
            sizes: digest → bytes and time of those that ``missing`` named.
        """
        for digest, (size, at) in sizes.items():
            self._add(bytes.fromhex(digest), names[digest], size, Need.EVIDENCE, _FOUND + int(at))
        for digest, size in self._of_folder().items():
            if digest not in names:
                key = bytes.fromhex(digest)
                self._connection.execute("DELETE FROM need WHERE digest = ?", (key,))
                self._connection.execute("DELETE FROM image WHERE digest = ?", (key,))
                self.files, self.bytes = self.files - 1, self.bytes - size
        self.walked += 1
        self._connection.execute("UPDATE state SET walked = ?", (self.walked,))

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return those of the next folder's pictures that the catalogue does not know."""
        known = self._of_folder()
        return [digest for digest in names if digest not in known]

    def close(self) -> None:
        """Close it in order, so that nothing has to be walked through at the next start."""
        with suppress(sqlite3.DatabaseError):
            self._connection.execute("UPDATE state SET closed = 1")
        self._connection.close()

    def _of_folder(self) -> dict[str, int]:
        first, last = bytes([self.walked]), bytes([self.walked]) + b"\xff" * 32  # longer than any digest
        found = self._connection.execute(
            "SELECT digest, size FROM image WHERE digest BETWEEN ? AND ?", (first, last)
        )
        return {digest.hex(): size for digest, size in found.fetchall()}

    def _add(self, digest: bytes, ending: str, size: int, need: Need, came: int) -> None:
        added = self._connection.execute("INSERT OR IGNORE INTO image VALUES (?, ?, ?)", (digest, ending, size))
        if added.rowcount:
            self.files, self.bytes = self.files + 1, self.bytes + size
        self._connection.execute(
            "INSERT INTO need VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET came = max(came, excluded.came)",
            (digest, need, came),
        )


def discard(folder: Path) -> None:
    """Remove a damaged catalogue; the pictures stay."""
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        (folder / name).unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the last entries, which are then found by walking; no picture waits for the disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(_SCHEMA)
        connection.execute("SELECT 1 FROM image, need, state LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
