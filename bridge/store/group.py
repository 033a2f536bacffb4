"""Doing a group of jobs on the journal in one commit; one that fails does not touch the others.

A group that fails is rolled back and its jobs are done again one by one, each in a commit of its own. When the
disk refuses one of them, the rest that write are Unavailable without being tried, those that read still work, and
the next group begins afresh: so the journal recovers by itself. After anything worse than a full disk the file is
closed and opened anew.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.errors import ConfigError, Unavailable
from bridge.log import logger
from bridge.store import schema
from bridge.store.ledger import Ledger

_REFUSALS = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
"""What the disk does to us; every other error of SQLite is a bug of ours and stays what it is."""


@dataclass(slots=True, eq=False)
class Job:
    """One piece of work on the ledger."""

    work: Callable[[Ledger], Any]
    rows: int
    """How many it writes; 0: it only reads, and works while the disk is full."""
    future: asyncio.Future[Any] | None
    """Who waits; None: nobody does, and it is tried again when the disk refuses."""


@dataclass(slots=True, eq=False)
class Outcome:
    """What became of a job; durable if there is no error."""

    job: Job
    value: Any = None
    error: Exception | None = None

    @property
    def refused(self) -> bool:
        """Whether the disk refused, so that trying again may help."""
        return isinstance(self.error, Unavailable)


class Groups:
    """The open journal; everything here blocks on the disk and belongs to one thread."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._ledger: Ledger | None = None
        self.commits = 0
        """Groups committed since the log was last emptied."""

    def open(self, *, anew: bool = False) -> Ledger:
        """Open the file; only ``anew`` may create it.

        Raises:
            ConfigError: the file is no journal, is of a newer bridge, or may not be written.
            Unavailable: the disk refuses.
        """
        try:
            connection = schema.open_to_write(self._path, anew=anew)
            self._ledger = Ledger(connection, self._clock)
        except sqlite3.DatabaseError as exc:
            raise self._translated(exc) from exc
        return self._ledger

    def close(self) -> None:
        """Close the file, if it is open."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.connection.close()

    def perform(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do the jobs in their order and commit them; return one outcome for each."""
        try:
            ledger = self._ledger or self.open()
            with ledger.transaction():
                outcomes = [Outcome(job, job.work(ledger)) for job in jobs]
        except Exception:  # noqa: BLE001 - whatever it is, the job that raised it will raise it again, alone
            return self._one_by_one(jobs)
        self.commits += 1
        return outcomes

    def tidy(self) -> None:
        """Copy the log into the database, so that the next group writes the log from its start again."""
        self.commits = 0
        if self._ledger is None:
            return
        try:
            self._ledger.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.DatabaseError as exc:
            logger().warning("the journal's log could not be emptied", file=str(self._path), error=str(exc))

    def _one_by_one(self, jobs: Sequence[Job]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        refusal = ""
        for job in jobs:
            outcome = Outcome(job, error=Unavailable(refusal)) if refusal and job.rows else self._alone(job)
            outcomes.append(outcome)
            refusal = str(outcome.error) if outcome.refused else refusal
        return outcomes

    def _alone(self, job: Job) -> Outcome:
        try:
            ledger = self._ledger or self.open()
            with ledger.transaction():
                value = job.work(ledger)
        except sqlite3.DatabaseError as exc:
            return Outcome(job, error=self._translated(exc))
        except ConfigError as exc:  # what stands in the file's place is no journal of ours any more
            return Outcome(job, error=Unavailable(str(exc)))
        except Exception as exc:  # noqa: BLE001 - it belongs to whoever waits for this job, and goes there
            return Outcome(job, error=exc)
        return Outcome(job, value)

    def _translated(self, exc: sqlite3.DatabaseError) -> Exception:
        """Return Unavailable for what the disk did, and begin afresh unless it is merely full."""
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        if code not in _REFUSALS:
            return exc
        if code != sqlite3.SQLITE_FULL:
            self.close()
        refusal = Unavailable(f"{self._path}: {exc}")
        refusal.__cause__ = exc
        return refusal
