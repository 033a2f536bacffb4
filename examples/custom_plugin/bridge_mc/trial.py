"""How the contract kit sets this plugin up."""

from __future__ import annotations

from bridge.plugin import Trial

TRIAL = Trial(
    options=lambda place: {"host": "127.0.0.1", "port": place.port, "answer_timeout_seconds": 1},
    road="dials",
)
