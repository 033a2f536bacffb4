"""What was handed in already, kept over restarts: a small SQLite file in the plugin's own folder.

A file is remembered by path, size and time of change; its digest tells a file that was only touched from one
that was written anew. It survives ``kill -9``; losing it whole costs no decision, because each part is then
offered again under the same key. In memory is only what lies in the folder: of what vanished the file tells if it
comes back, and after a while that is forgotten too.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bridge.plugin import count, logger
from bridge_hotfolder.listing import Stat

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  digest BLOB NOT NULL, flag TEXT NOT NULL, gone_at REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_gone ON files (gone_at);
CREATE TABLE IF NOT EXISTS tails (
  path TEXT PRIMARY KEY, origin TEXT NOT NULL, generation INTEGER NOT NULL, done INTEGER NOT NULL,
  head BLOB NOT NULL, head_bytes INTEGER NOT NULL
) WITHOUT ROWID;
"""
_FORGET_AT_ONCE = 10_000
_CACHE = "PRAGMA cache_size = -1024"
"""1 MiB: what is asked for is mostly what was never seen, and one page tells that."""


class SeenFile(NamedTuple):
    """One file as it was when its part was handed in."""

    stat: Stat
    digest: bytes = b""
    flag: str = ""
    """The done-flag that was used up with it."""


_STAT = struct.Struct(">Qq")


def _packed(seen: SeenFile) -> bytes:
    return b"%b%c%b%b" % (_STAT.pack(*seen.stat), len(seen.digest), seen.digest, seen.flag.encode())


def _unpacked(data: bytes) -> SeenFile:
    digest_end = _STAT.size + 1 + data[_STAT.size]
    digest, flag = data[_STAT.size + 1 : digest_end], data[digest_end:].decode()
    return SeenFile(Stat(*_STAT.unpack_from(data)), digest, flag)


@dataclass(frozen=True, slots=True)
class TailState:
    """How far an appended file was read, and how to know it again."""

    origin: str
    """The path under which it was first seen; part of its lines' keys."""
    generation: int
    """How many files have stood under that path before it."""
    done: int
    """All lines before this offset are recorded."""
    head: bytes
    """Hash of its first ``head_bytes`` bytes."""
    head_bytes: int


class Seen:
    """The seen-set; every method may be called from any thread and blocks on the disk.

    Threads may be left behind on a hung share and come back after the end: they then get a
    ``sqlite3.ProgrammingError``, because using a connection while it is closed would crash the process.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._lock = threading.Lock()
        rows = database.execute("SELECT path, size, mtime_ns, digest, flag FROM files WHERE gone_at IS NULL")
        # Packed, for an old machine may keep a hundred thousand files: half of what objects would take.
        self._near = {
            path: _packed(SeenFile(Stat(size, mtime), digest, flag)) for path, size, mtime, digest, flag in rows
        }
        """All that is not noted as gone, and what was asked for since; empty where a file was never seen."""
        self._back: set[str] = set()
        """What is noted as gone and was asked for since."""

    def get(self, path: str) -> SeenFile | None:
        """Return what is known of a path."""
        packed = self._near.get(path)
        if packed is None:
            packed = self._recall(path)
        return _unpacked(packed) if packed else None

    def has(self, path: str, found: os.stat_result) -> bool:
        """Say whether a file was handed in as it is now."""
        known = self._near.get(path)
        if known is None:
            known = self._recall(path)
        return known.startswith(_STAT.pack(*Stat.of(found)))

    def _recall(self, path: str) -> bytes:
        with self._lock:
            return self._recall_locked(path)

    def _recall_locked(self, path: str) -> bytes:
        """Look a path up in the file, once for as long as it lies in the folder."""
        if path not in self._near:
            row = self._row(path)
            self._near[path] = _packed(SeenFile(Stat(*row[:2]), *row[2:4])) if row else b""
            if row and row[4] is not None:
                self._back.add(path)
        return self._near[path]

    def _row(self, path: str) -> tuple[int, int, bytes, str, float | None] | None:
        query = "SELECT size, mtime_ns, digest, flag, gone_at FROM files WHERE path = ?"
        try:
            found: tuple[int, int, bytes, str, float | None] | None
            found = self._database.execute(query, (path,)).fetchone()
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as exc:  # a broken disk: then it is offered again, under its key
            count("seen_set_unread")
            logger().error("the seen-set cannot be read", path=path, reason=str(exc))
            return None
        return found

    def __len__(self) -> int:
        with self._lock:
            return int(self._database.execute("SELECT count(*) FROM files").fetchone()[0])

    def close(self) -> None:
        """End; waits for what another thread is writing."""
        with self._lock:
            self._database.close()

    def mark(self, files: Mapping[str, SeenFile]) -> None:
        """Remember files as done with, in one commit."""
        rows = [(path, *seen.stat, seen.digest, seen.flag) for path, seen in files.items()]
        with self._lock:
            self._near.update({path: _packed(seen) for path, seen in files.items()})
            self._back.difference_update(files)
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, NULL)", rows)

    def tidy(self, present: set[str], now: float, keep_seconds: float) -> None:
        """Note what is gone from the folder, and forget what has been gone for ``keep_seconds``."""
        with self._lock:
            for path in present - self._near.keys():
                self._recall_locked(path)
            gone = [(now, path) for path in self._near.keys() - present if self._near.pop(path)]
            back = [(None, path) for path in self._back & present]
            self._back.clear()
            if gone or back:
                with self._database:
                    self._database.executemany("UPDATE files SET gone_at = ? WHERE path = ?", [*gone, *back])
            self._forget(now - keep_seconds)

    def _forget(self, before: float) -> None:
        query = "SELECT path FROM files WHERE gone_at < ? LIMIT ?"
        old = self._database.execute(query, (before, _FORGET_AT_ONCE)).fetchall()
        if old:
            with self._database:
                self._database.executemany("DELETE FROM files WHERE path = ?", old)

    def tails(self) -> dict[str, TailState]:
        """Return how far each appended file was read."""
        with self._lock:
            rows = self._database.execute("SELECT path, origin, generation, done, head, head_bytes FROM tails")
            return {row[0]: TailState(*row[1:]) for row in rows}

    def keep_tail(self, path: str, state: TailState, replaces: str = "") -> None:
        """Remember how far an appended file was read; ``replaces`` is its path before it was renamed."""
        row = (path, state.origin, state.generation, state.done, state.head, state.head_bytes)
        with self._lock, self._database:
            if replaces:
                self._database.execute("DELETE FROM tails WHERE path = ?", (replaces,))
            self._database.execute("INSERT OR REPLACE INTO tails VALUES (?, ?, ?, ?, ?, ?)", row)

    def drop_tail(self, path: str) -> None:
        """Forget an appended file."""
        with self._lock, self._database:
            self._database.execute("DELETE FROM tails WHERE path = ?", (path,))


@contextmanager
def open_seen(path: Path) -> Iterator[Seen]:
    """Open the seen-set, making it if need be; a broken one is put aside and begun anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        database = _connect(path)
    except sqlite3.DatabaseError as exc:
        aside = path.with_suffix(".broken")
        logger().warning("the seen-set is broken and begun anew", aside=str(aside), reason=str(exc))
        count("seen_set_broken")
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.replace(aside)
        database = _connect(path)
    with contextlib.closing(Seen(database)) as seen:
        yield seen


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        # A power cut may lose the last marks: those parts come again under their keys, which is no harm.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_CACHE)
        database.executescript(_SCHEMA)
        database.execute("SELECT count(*) FROM files").fetchone()
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
