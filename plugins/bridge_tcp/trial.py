"""How the contract kit sets the TCP plugins up."""

from __future__ import annotations

from bridge.plugin import Trial

LINES = Trial(
    options=lambda place: {"port": place.port},
    road="listens",
    stream=True,
    under_way=16,
)
"""Lines of text, unanswered: the machine sends ahead."""

ANSWERED = Trial(
    options=lambda place: {"port": place.port, "framing": "stx_etx", "reply": "{part},{verdict}"},
    road="listens",
    stream=True,
    under_way=16,
)

PICTURES = Trial(
    options=lambda place: {
        "port": place.port,
        "role": "client",
        "framing": "len32be",
        "reply": "{json}",
        "reply_unrecorded": "{json}",
    },
    road="dials",
    stream=True,
    under_way=16,
)

REPORTS = Trial(
    options=lambda place: {"host": "127.0.0.1", "port": place.port, "ack_timeout_seconds": 1},
    road="dials",
)
