"""What people do from a command line, for the audit log: who they are, and writing while no gateway runs."""

from __future__ import annotations

import getpass
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bridge.clock import SystemClock
from bridge.errors import Unavailable
from bridge.store.audit import Entry
from bridge.store.ledger import Ledger
from bridge.store.lock import lock
from bridge.store.schema import FILE, open_to_write


def user() -> str:
    """Return who runs this process; behind sudo, who asked for it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        name = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    before = os.environ.get("SUDO_USER", "")
    return f"{before} as {name}" if before and before != name else name


def record(folder: Path, entry: Entry) -> Entry:
    """Put an entry into the audit log of a data directory on which no gateway runs; blocks on the disk.

    Whoever changes something calls it first: where it raises, nothing may be changed.

    Raises:
        ConfigError: a gateway runs there (ask it instead), or the journal cannot be used.
        Unavailable: the disk refuses.
    """
    try:
        with lock(folder), closing(open_to_write(folder / FILE)) as connection:
            ledger = Ledger(connection, SystemClock())
            with ledger.transaction():
                return ledger.audit(replace(entry, who=entry.who or user()))
    except sqlite3.DatabaseError as exc:
        raise Unavailable(f"{folder / FILE}: {exc}") from exc
