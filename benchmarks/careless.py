"""``aoi-bridge`` with its journal written without fsync: what a power cut must be seen to harm.

    python benchmarks/careless.py run --config bridge.toml

It proves that ``crash.py --power`` would notice; see ``--careless`` there.
"""

from __future__ import annotations

import sqlite3
import sys
from functools import partial

from bridge.cli.main import main


class Careless(sqlite3.Connection):
    """A connection that agrees to every safe setting and keeps to none."""

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Execute, but for what would make commits wait for the disk."""
        return super().execute(
            "PRAGMA synchronous = OFF" if sql.startswith("PRAGMA synchronous") else sql, *values
        )


if __name__ == "__main__":
    sqlite3.connect = partial(sqlite3.connect, factory=Careless)
    sys.exit(main())
