"""How the contract kit sets the hot folder up."""

from __future__ import annotations

from bridge.plugin import Place, Trial


def _options(place: Place) -> dict[str, object]:
    return {"path": str(place.folder), "poll_seconds": 0.02, "stable_seconds": 0.05, "image_wait_seconds": 0.2}


def _labels(place: Place) -> dict[str, object]:
    return {"path": str(place.folder), "poll_seconds": 0.02, "stable_seconds": 0.05}


RESULTS = Trial(options=_options, road="folder", under_way=4)
LABELS = Trial(options=_labels, road="folder")
