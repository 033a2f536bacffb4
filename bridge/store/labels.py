"""``labels.db``: what people said of parts. A book that is only written on, beside the journal.

Unlike the journal it has several writers: the gateway, the command line, the console. So it has no write-ahead log
(two processes that write and empty one can damage it in SQLite older than 3.51.3): each commit goes through a
rollback journal and is on the disk when it returns. It is small, and read in one short look.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bridge.clock import Clock, SystemClock
from bridge.errors import ConfigError, Unavailable
from bridge.labels import Label
from bridge.messages import Verdict
from bridge.store import rows
from bridge.store.lock import make_folder
from bridge.store.words import restored, stored

FILE = "labels.db"
APPLICATION = 0x616F694C
"""Marks a file as ours (SQLite's ``application_id``)."""
BUSY_SECONDS = 10.0
"""So long another writer is waited for."""
AT_ONCE = 1000
"""So many labels are written in one transaction; other writers come in between."""

_VERSION_1 = """
CREATE TABLE label (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    at          REAL NOT NULL,                  -- Unix time when it was said
    who         TEXT NOT NULL,
    road        TEXT NOT NULL,
    line        TEXT NOT NULL,
    id          BLOB,                           -- 16 bytes, where the inspection is known
    part        ANY NOT NULL,                   -- the serial number, '' where the id tells
    verdict     INTEGER NOT NULL,               -- 1 OK, 2 NG
    defect      TEXT NOT NULL,
    note        TEXT NOT NULL,
    blind       INTEGER NOT NULL,
    decides     INTEGER NOT NULL,
    key         TEXT,
    recorded_at REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX label_key ON label (line, road, key) WHERE key IS NOT NULL;
CREATE INDEX label_line ON label (line, number);
CREATE TRIGGER label_is_not_changed BEFORE UPDATE ON label
    BEGIN SELECT raise(ABORT, 'labels are append-only'); END;
CREATE TRIGGER label_is_not_removed BEFORE DELETE ON label
    BEGIN SELECT raise(ABORT, 'labels are append-only'); END;
"""
MIGRATIONS: Sequence[str] = (_VERSION_1,)
"""Step n brings a file from version n to n + 1; one that was ever released is never edited again."""

_COLUMNS = "at, who, road, line, id, part, verdict, defect, note, blind, decides, key"
_ADD = f"INSERT INTO label ({_COLUMNS}, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608, E501 - our own columns
_READ = f"SELECT number, {_COLUMNS} FROM label"  # noqa: S608 - our own columns
_BULK = "SELECT number, at, who, road, id, part, verdict, defect, blind, decides FROM label"


class Added(NamedTuple):
    """What became of labels that were to be added."""

    new: int = 0
    known: int = 0
    """Those that stood in the book under the same road and key."""


class Columns(NamedTuple):
    """Labels in order of their numbers, column by column as SQLite gives them; all of one length."""

    number: Sequence[int] = ()
    at: Sequence[float] = ()
    who: Sequence[str] = ()
    road: Sequence[str] = ()
    id: Sequence[bytes | None] = ()
    part: Sequence[str | bytes] = ()
    """As the journal holds serial numbers: bytes where they are no Unicode."""
    verdict: Sequence[int] = ()
    defect: Sequence[str] = ()
    blind: Sequence[int] = ()
    decides: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class LabelBook:
    """The open book; belongs to one thread, and every call blocks on the disk."""

    connection: sqlite3.Connection
    path: Path
    clock: Clock

    def add(self, labels: Sequence[Label]) -> Added:
        """Write labels down; when it returns they are on the disk. A line, road and key that is known stays as is.

        Raises:
            ValueError: a label names neither an inspection nor a serial number, no person or no line.
            Unavailable: the disk refuses; a part of them may be written, and comes as known the next time.
        """
        written = [_row(label, self.clock.wall()) for label in labels]
        new = 0
        with _saying(self.path):
            for start in range(0, len(written), AT_ONCE):
                new += self._write(written[start : start + AT_ONCE])
        return Added(new, len(written) - new)

    def _write(self, written: Sequence[tuple[Any, ...]]) -> int:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            new = sum(self.connection.execute(_ADD, row).rowcount for row in written)
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        return new


@contextmanager
def open_labels(folder: Path, clock: Clock | None = None) -> Iterator[LabelBook]:
    """Hold the book of a data folder open for writing, beginning one where there is none; blocks.

    Raises:
        ConfigError: the file is no book of labels, is of a newer bridge, or may not be written.
        Unavailable: the disk refuses.
    """
    path = folder / FILE
    try:
        make_folder(folder)
    except OSError as exc:
        write = "write a data folder that this user may write to"
        raise ConfigError(str(folder), f"cannot be used ({exc.strerror})", write) from exc
    with _saying(path):
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    with closing(connection):
        with _saying(path):
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = FULL")
            _migrate(connection, path)
        yield LabelBook(connection, path, clock or SystemClock())


def labels(folder: Path, line: str | None = None, after: int = 0, limit: int = 1_000_000) -> list[Label]:
    """Return labels with a number above ``after``, in order, of one line or of all; blocks.

    Raises:
        ConfigError: the file is no book of labels, or of a newer bridge.
        Unavailable: the disk refuses.
    """
    with _looking(folder) as connection:
        if connection is None:
            return []
        found = connection.execute(
            f"{_READ} WHERE number > ? AND (? IS NULL OR line = ?) ORDER BY number LIMIT ?",
            (after, line, line, limit),
        )
        return [_label(row) for row in found.fetchall()]


def columns(folder: Path, line: str) -> Columns:
    """Return all labels of a line at once: 50,000 in a tenth of a second; blocks and raises as ``labels``."""
    with _looking(folder) as connection:
        if connection is None:
            return Columns()
        found = connection.execute(f"{_BULK} WHERE line = ? ORDER BY number", (line,)).fetchall()
    return Columns(*zip(*found, strict=True)) if found else Columns()


@contextmanager
def _looking(folder: Path) -> Iterator[sqlite3.Connection | None]:
    """Lend the file to read in; None where there is none, or nobody ever wrote in it."""
    path = folder / FILE
    if not path.exists():
        yield None
        return
    with _saying(path):  # rw, not ro: what a crash left half-written is rolled back by whoever comes next
        uri = f"{path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    with closing(connection), _saying(path):
        connection.execute("PRAGMA query_only = ON")
        yield connection if _version(connection, path) else None


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the newest version; several processes may come to it at once."""
    if _version(connection, path) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, step in enumerate(MIGRATIONS[_version(connection, path) :], start=1):
            for statement in _statements(step):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(step: str) -> Iterator[str]:
    """Cut a migration into its statements, so that all of them stand in one transaction."""
    statement = ""
    for line in step.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the file's version, 0 for an empty file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (application or version or tables):
        raise _stranger(path)
    if version > len(MIGRATIONS):
        found = f"is a book of labels of version {version}, this aoi-bridge knows {len(MIGRATIONS)}"
        raise ConfigError(str(path), found, "install the aoi-bridge that wrote it, or newer")
    return int(version)


@contextmanager
def _saying(path: Path) -> Iterator[None]:
    """Say in one line why the disk refuses."""
    try:
        yield
    except sqlite3.DatabaseError as exc:
        if exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB:
            raise _stranger(path) from exc
        raise Unavailable(f"{path}: {exc}") from exc


def _stranger(path: Path) -> ConfigError:
    return ConfigError(str(path), "is no book of labels", "move it away, or set another data folder")


def _row(label: Label, now: float) -> tuple[Any, ...]:
    if not (label.id or label.part):
        raise ValueError("a label names neither an inspection nor a serial number")
    if not (label.who.strip() and label.line and label.road):
        raise ValueError("a label without a person, a line or a road")
    return (
        label.at,
        _text(" ".join(label.who.split())),
        label.road,
        label.line,
        rows.hexadecimal(label.id, 16) if label.id else None,
        stored(label.part),
        rows.VERDICTS[label.verdict],
        _text(label.defect),
        _text(label.note),
        label.blind,
        label.decides,
        None if label.key is None else _text(label.key),
        now,
    )


def _label(row: rows.Row) -> Label:
    number, at, who, road, line, id_, part, verdict, defect, note, blind, decides, key = row
    found = rows.verdict_of(verdict)
    return Label(
        number=number,
        at=at,
        who=who,
        road=road,
        line=line,
        id=id_.hex() if id_ else "",
        part=restored(part),
        verdict=Verdict.NG if found is None else found,
        defect=defect,
        note=note,
        blind=bool(blind),
        decides=bool(decides),
        key=key,
    )


def _text(text: str) -> str:
    """Return a text that SQLite takes: halves of characters, as broken JSON has them, become question marks."""
    return text.encode("utf-8", "replace").decode()
