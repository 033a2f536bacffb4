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


ROWS = Trial(options=_source, road="folder", under_way=256)
DECISIONS = Trial(options=_reporter, road="folder")
