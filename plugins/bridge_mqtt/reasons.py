"""A broker's reason codes in words: whose turn it is when it refuses us, and what to write."""

from __future__ import annotations

from typing import Final

from paho.mqtt.reasoncodes import ReasonCode

from bridge.plugin import BridgeError, ConfigError, Refused, Unavailable

UNSUPPORTED_PROTOCOL: Final = 0x84
BAD_CLIENT_ID: Final = 0x85
BAD_PASSWORD: Final = 0x86
NOT_AUTHORIZED: Final = 0x87
TAKEN_OVER: Final = 0x8E
FAILURE: Final = 0x80
"""The lowest code that is a refusal."""
NOBODY: Final = 0x10
"""A publish that nobody has subscribed to; only MQTT 5 says so."""
NEVER: Final = frozenset({0x90, 0x95, 0x99})
"""A publish that will never do: bad topic, too large, payload of a bad form."""


def said(code: ReasonCode) -> str:
    """Return a reason in lower case."""
    return str(code).lower()


def refusal(peer: str, code: ReasonCode) -> BridgeError:
    """Return why a broker did not let us in."""
    if code.value in {BAD_PASSWORD, NOT_AUTHORIZED}:
        return ConfigError(peer, f"does not let us in ({said(code)})", "correct user and password")
    if code.value == UNSUPPORTED_PROTOCOL:
        return ConfigError(peer, "does not speak this version of MQTT", 'write protocol = "3.1.1"')
    if code.value == BAD_CLIENT_ID:
        return ConfigError(peer, "does not take our client id", "write client_id, letters and digits, at most 23")
    return Unavailable(f"{peer} does not let us in: {said(code)}")


def subscription_refused(peer: str, pattern: str, code: object) -> ConfigError:
    """Return why we hear nothing on a topic."""
    reason = said(code) if isinstance(code, ReasonCode) else str(code)
    return ConfigError(
        peer, f"does not let us subscribe to {pattern} ({reason})", "have the broker allow it to this user"
    )


def hung_up(peer: str, code: ReasonCode | None, *, greeted: bool) -> BridgeError:
    """Return why a connection is over; ``code`` is the broker's own last word, where it said one."""
    if code is not None and code.value == TAKEN_OVER:
        return Unavailable(f"{peer} gave our session to another client of the same client_id")
    if code is not None:
        return Unavailable(f"{peer} hung up: {said(code)}")
    if not greeted:
        return Unavailable(f"{peer} hung up before it greeted: no broker of this protocol, or one that wants tls")
    return Unavailable(f"{peer} closed the connection, or fell silent")


def published(peer: str, topic: str, code: ReasonCode) -> BridgeError | None:
    """Return why a publish was not taken; None where it was, if only for want of anybody who listens."""
    if not code.is_failure:
        return None
    words = f"{peer} does not take {topic}: {said(code)}"
    return Refused(words) if code.value in NEVER else Unavailable(words)
