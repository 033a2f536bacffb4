"""How the contract kit sets joined roads up: lines of text for the verdicts, a hot folder for the pictures."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.plugin import Place, Trial


def _options(place: Place) -> Mapping[str, object]:
    pictures = {
        "type": "hotfolder",
        "path": str(place.folder),
        "verdict_in": "name",
        "pattern": r"^(?P<part>[^_/]+)_(?P<view>[^_/.]+)(?P<verdict>)\.png$",
        "complete": "renamed",
        "poll_seconds": 0.02,
        "in_flight": 16,
    }
    return {
        "window_ms": 1000,
        "verdicts": {"type": "tcp", "port": place.port, "reply": "{part},{verdict}"},
        "pictures": pictures,
    }


ROADS = Trial(options=_options, road="folder", stream=False, under_way=32)
"""A road that is away is waited for, so a port that somebody else has is no reason to close the other."""
