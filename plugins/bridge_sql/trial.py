"""How the contract kit sets the SQL plugins up: on SQLite, which needs no server."""

from __future__ import annotations

from bridge.plugin import Place, Trial


def _source(place: Place) -> dict[str, object]:
    return {
        "url": f"sqlite:///{place.folder}/aoi.db",
        "table": "results",
        "complete_column": "ended",
        "details": {
            "table": "details",
            "joined_by": "result",
            "view": "view",
            "verdict": "verdict",
            "image": "image",
        },
        "images": str(place.folder / "share"),
        "start": "beginning",
        "poll_ms": 5,
        "query_timeout_seconds": 2,
    }


def _reporter(place: Place) -> dict[str, object]:
    return {"url": f"sqlite:///{place.folder}/mes.db", "table": "decisions", "query_timeout_seconds": 1}


def _labels(place: Place) -> dict[str, object]:
    return {
        "url": f"sqlite:///{place.folder}/repair.db",
        "table": "repair",
        "columns": {"who": "who", "defect": "defect", "time": "said"},
        "start": "beginning",
        "poll_ms": 5,
        "query_timeout_seconds": 2,
    }


LABELS = Trial(
    options=_labels,
    road="folder",
    unfit={"label-key-is-stable": "each row is a label; what is said again is another row"},
)
ROWS = Trial(options=_source, road="folder", under_way=256)
DECISIONS = Trial(
    options=_reporter,
    road="folder",
    unfit={
        "accepted-is-taken": "a row is there once it is committed, and seen by whoever looks",
        "told-again-is-the-same": "a row that comes again is not written again",
        "lost-acknowledgement": "a database's acknowledgement is its commit",
        "refused-is-parked": "what a database refuses its table says, and not a word of the MES",
        "troubled-peer": "a database that is away, locked or frozen is tried on a real one",
        "idle-loss": "a database that was away is tried on a real one",
        "several-at-once": "a row is there once it is committed, and seen by whoever looks",
    },
)
"""A database shows its rows to who looks and has no half of a connection to close; ``tests/plugins/sql`` tries on
SQLite and PostgreSQL what needs an MES with a will of its own."""
