"""How the contract kit sets the HTTP plugins up."""

from __future__ import annotations

from bridge.plugin import Trial

UPLOADS = Trial(options=lambda place: {"port": place.port}, road="listens", under_way=16)

LABELS = Trial(options=lambda place: {"port": place.port}, road="listens")

REPORTS = Trial(
    options=lambda place: {"url": f"http://127.0.0.1:{place.port}/hook", "answer_timeout_seconds": 1},
    road="dials",
)
