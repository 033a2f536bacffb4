"""The shape of ``journal.db`` and how older shapes become today's.

One row per part and one per view, in narrow typed columns: a report over millions of rows reads integers, not
JSON. Verdicts, goals and the like are integers whose meaning stands in ``rows.py``. Strings that come again with
every part (line, recipe, bundle, defect code …) stand once in ``word``, which saves a sixth of the file and
costs no time; the columns hold their numbers, and NULL for the empty string. Columns of type ANY hold text, or
bytes where a source's text was no valid Unicode.

The schema's version is SQLite's ``user_version``. A migration that was ever released is never edited again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from bridge.errors import ConfigError

FILE = "journal.db"
APPLICATION = 0x616F6942
"""Marks a file as ours (SQLite's ``application_id``)."""
OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""
WAL_PAGES = 8192
"""A commit that finds the log longer than this (32 MB) empties it itself, whatever that costs its parts."""

_FORBIDDEN = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)

_VERSION_1 = """
CREATE TABLE word (
    number INTEGER PRIMARY KEY,
    text   ANY NOT NULL UNIQUE
) STRICT;

CREATE TABLE part (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,  -- told to PLCs as RESULT_ID, so never used twice
    id          BLOB NOT NULL UNIQUE,               -- 16 bytes, ordered by time
    line        INTEGER NOT NULL REFERENCES word,
    part        ANY NOT NULL,
    key         ANY,
    recipe      INTEGER REFERENCES word,
    goal        INTEGER NOT NULL,
    stage       INTEGER NOT NULL,
    legacy      INTEGER,
    model       INTEGER,
    operator    INTEGER,
    final       INTEGER,
    origin      INTEGER NOT NULL,
    failures    BLOB,                               -- one byte each, most important first
    degraded    INTEGER NOT NULL,
    error       INTEGER NOT NULL,
    backlog     INTEGER NOT NULL,
    rechecked   INTEGER NOT NULL,
    sequence    INTEGER,
    bundle      INTEGER REFERENCES word,
    config      INTEGER REFERENCES word,
    event_at    REAL NOT NULL,                      -- Unix time
    latency_ms  REAL NOT NULL,                      -- from the event to the decision
    judge_ms    REAL NOT NULL,
    recorded_at REAL NOT NULL                       -- Unix time
) STRICT;
CREATE UNIQUE INDEX part_key ON part (line, key) WHERE key IS NOT NULL;

CREATE TABLE view (
    part      INTEGER NOT NULL REFERENCES part,
    place     INTEGER NOT NULL,                     -- 0, 1, 2 … as the source gave them
    name      INTEGER REFERENCES word,
    legacy    INTEGER,
    defect    INTEGER REFERENCES word,
    image     BLOB,                                 -- SHA-256
    final     INTEGER,
    model     INTEGER,                              -- NULL: not judged; 3: judged without a verdict
    failure   INTEGER,
    score     REAL,
    threshold REAL,
    label     INTEGER REFERENCES word,
    bundle    INTEGER REFERENCES word,
    judge_ms  REAL,
    PRIMARY KEY (part, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE second (
    number   INTEGER PRIMARY KEY,
    id       BLOB NOT NULL,                         -- the part's; it may come before the part's own row
    kind     INTEGER NOT NULL,
    at       REAL NOT NULL,
    model    INTEGER,
    goal_1   INTEGER,                               -- NULL: not scored; 3: scored without a verdict
    goal_2   INTEGER,
    goal_3   INTEGER,
    failures BLOB,
    bundle   INTEGER REFERENCES word,
    judge_ms REAL NOT NULL,
    final    INTEGER,
    origin   INTEGER
) STRICT;
CREATE INDEX second_id ON second (id);
CREATE INDEX second_answered ON second (id) WHERE kind = 3;

CREATE TABLE second_view (
    second    INTEGER NOT NULL REFERENCES second,
    place     INTEGER NOT NULL,
    name      INTEGER REFERENCES word,
    legacy    INTEGER,
    defect    INTEGER REFERENCES word,
    image     BLOB,
    final     INTEGER,
    model     INTEGER,
    failure   INTEGER,
    score     REAL,
    threshold REAL,
    label     INTEGER REFERENCES word,
    bundle    INTEGER REFERENCES word,
    judge_ms  REAL,
    PRIMARY KEY (second, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE report (
    number     INTEGER PRIMARY KEY,
    id         BLOB NOT NULL,                       -- the part's; it may never have been recorded
    reporter   INTEGER NOT NULL REFERENCES word,
    outcome    INTEGER NOT NULL REFERENCES word,
    at         REAL NOT NULL,
    latency_ms REAL NOT NULL,
    said       ANY
) STRICT;
CREATE INDEX report_id ON report (id);

CREATE TABLE outbox (
    line     INTEGER NOT NULL REFERENCES word,
    reporter INTEGER NOT NULL REFERENCES word,
    number   INTEGER NOT NULL REFERENCES part,
    PRIMARY KEY (line, reporter, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked (
    line     INTEGER NOT NULL REFERENCES word,
    reporter INTEGER NOT NULL REFERENCES word,
    number   INTEGER NOT NULL REFERENCES part,
    at       REAL NOT NULL,
    reason   ANY NOT NULL,
    PRIMARY KEY (line, reporter, number)
) STRICT, WITHOUT ROWID;
"""

_VERSION_2 = """
ALTER TABLE part ADD COLUMN bypassed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE second ADD COLUMN error INTEGER;            -- of kind 3: whether Error was raised with the answer

CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- without gaps; a last one that is missing shows
    at     REAL NOT NULL,                               -- Unix time
    who    TEXT NOT NULL,
    line   TEXT NOT NULL,
    what   TEXT NOT NULL,
    old    TEXT NOT NULL,
    new    TEXT NOT NULL,
    why    TEXT NOT NULL,
    hash   BLOB NOT NULL                                -- SHA-256 over the hash before and all of the above
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
    BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
"""

_VERSION_3 = """
CREATE TABLE view_heat (                                -- only of views of which the judge told where it looked
    part        INTEGER NOT NULL REFERENCES part,
    place       INTEGER NOT NULL,
    boxes       BLOB,                                   -- cx, cy, w, h of each as little-endian doubles
    explains    INTEGER REFERENCES word,                -- the class; NULL, with the four below: no map
    map_rows    INTEGER,
    map_columns INTEGER,
    map_values  BLOB,                                   -- row by row, a byte each
    map_corners BLOB,                                   -- x, y of four corners as little-endian doubles
    PRIMARY KEY (part, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE second_view_heat (
    second      INTEGER NOT NULL REFERENCES second,
    place       INTEGER NOT NULL,
    boxes       BLOB,
    explains    INTEGER REFERENCES word,
    map_rows    INTEGER,
    map_columns INTEGER,
    map_values  BLOB,
    map_corners BLOB,
    PRIMARY KEY (second, place)
) STRICT, WITHOUT ROWID;
"""

_VERSION_4 = """
ALTER TABLE view_heat ADD COLUMN spots BLOB;            -- class's word, score, area of each box as doubles
ALTER TABLE second_view_heat ADD COLUMN spots BLOB;     -- NULL: nothing more is known of any
"""

_VERSION_5 = """
ALTER TABLE part ADD COLUMN lot INTEGER REFERENCES word;
ALTER TABLE part ADD COLUMN counter INTEGER;            -- the inspector's own running number
ALTER TABLE part ADD COLUMN said INTEGER;               -- its verdict on the part as a whole
ALTER TABLE part ADD COLUMN defect INTEGER REFERENCES word;
ALTER TABLE part ADD COLUMN ng_views INTEGER;           -- how many it counted
ALTER TABLE second ADD COLUMN fallback_1 INTEGER;       -- what goal 1 would have answered without a second opinion
ALTER TABLE second ADD COLUMN fallback_2 INTEGER;
ALTER TABLE second ADD COLUMN fallback_3 INTEGER;
ALTER TABLE second ADD COLUMN in_time INTEGER;          -- NULL: not known
ALTER TABLE second ADD COLUMN stratum INTEGER;
ALTER TABLE second ADD COLUMN chance REAL;              -- with which it was drawn for labelling
ALTER TABLE second ADD COLUMN drawn INTEGER;
ALTER TABLE view ADD COLUMN brightness REAL;            -- mean grey level; with the two below: NULL, not measured
ALTER TABLE view ADD COLUMN contrast REAL;              -- standard deviation
ALTER TABLE view ADD COLUMN sharpness REAL;             -- variance of the Laplacian
ALTER TABLE second_view ADD COLUMN brightness REAL;
ALTER TABLE second_view ADD COLUMN contrast REAL;
ALTER TABLE second_view ADD COLUMN sharpness REAL;

CREATE TABLE pulse (                                    -- how a line did, once a minute
    at        REAL NOT NULL,                            -- Unix time
    line      INTEGER NOT NULL REFERENCES word,
    queued    INTEGER NOT NULL,                         -- shadow parts that wait for the judge
    skipped   INTEGER NOT NULL,                         -- shadow parts passed over since the start of the gateway
    late      INTEGER NOT NULL,                         -- parts with a missed deadline since the start
    backlog   INTEGER NOT NULL,                         -- deliveries owed to guaranteed reporters
    disk_free INTEGER NOT NULL,                         -- bytes
    PRIMARY KEY (line, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE peer (                                     -- each change of a plugin's state
    number INTEGER PRIMARY KEY,
    at     REAL NOT NULL,                               -- Unix time
    line   INTEGER REFERENCES word,                     -- NULL: a judge, which belongs to no line
    name   INTEGER NOT NULL REFERENCES word,
    state  INTEGER NOT NULL REFERENCES word,
    said   ANY
) STRICT;
"""

MIGRATIONS: Sequence[str] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
"""Step n brings a file from version n to n + 1."""
NEWEST = len(MIGRATIONS)
"""The version that this aoi-bridge writes."""


def open_to_write(path: Path, *, anew: bool = True) -> sqlite3.Connection:
    """Open the journal for the one connection that writes, creating or migrating it.

    Every commit is on the disk when it returns (write-ahead log, synchronous=FULL). The connection is in
    autocommit mode: transactions begin and end in so many words. Without ``anew`` a missing file is an error of
    the disk: a journal that vanishes while the gateway runs (an unmounted disk) is not begun again elsewhere.

    Raises:
        ConfigError: the file is not a journal, is of a newer bridge, or, if anew, may not be written.
        sqlite3.DatabaseError: the disk refuses.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigError("SQLite", f"is version {sqlite3.sqlite_version}", "install 3.37 or newer")
    try:
        return _opened(path, "rwc" if anew else "rw")
    except sqlite3.DatabaseError as exc:
        if exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB:
            raise _stranger(path) from exc
        if anew and exc.sqlite_errorcode & 0xFF in _FORBIDDEN:
            write = "write a data folder that this user may write to"
            raise ConfigError(str(path), f"cannot be opened ({exc})", write) from exc
        raise


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=1.0)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    check(connection, path)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise ConfigError(str(path), "is on a disk without shared memory", "write a data folder on a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {2 * WAL_PAGES * 4096}")
    connection.execute("PRAGMA cache_size = -2000")  # kB; more fills with time and makes no commit cheaper
    connection.execute("PRAGMA secure_delete = OFF")  # Debian's default writes zeros over every outbox row
    migrate(connection, path)


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[str] = MIGRATIONS) -> None:
    """Bring a file of any older version, or an empty one, to the newest; each step is one transaction.

    Raises:
        ConfigError: the file is not a journal, or newer than this bridge.
    """
    version = check(connection, path, len(steps))
    for number, step in enumerate(steps[version:], start=version + 1):
        try:
            connection.executescript(
                f"BEGIN;{step};PRAGMA application_id = {APPLICATION};PRAGMA user_version = {number};COMMIT;"
            )
        except sqlite3.DatabaseError:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def check(connection: sqlite3.Connection, path: Path, newest: int = len(MIGRATIONS)) -> int:
    """Return the file's version, 0 for an empty file.

    Raises:
        ConfigError: the file is not a journal, or newer than this bridge.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (application or version or tables):
        raise _stranger(path)
    if version > newest:
        raise ConfigError(
            str(path),
            f"is a journal of version {version}, this aoi-bridge knows {newest}",
            "install the aoi-bridge that wrote it, or newer",
        )
    return int(version)


def _stranger(path: Path) -> ConfigError:
    return ConfigError(str(path), "is not a journal of aoi-bridge", "move it away, or set another data folder")
