"""Who wrote a webhook, and when: signatures after the Standard Webhooks convention. Pure.

A receiver checks with any library of https://www.standardwebhooks.com, or with a few lines: HMAC-SHA256 over
``id.timestamp.body``, in base64 behind ``v1,``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
KEY_BYTES = (16, 64)
"""How many bytes a key may have, from and to."""
TOLERANCE_SECONDS = 300
"""How far the clocks of sender and receiver may differ; what is older may be a recording."""


def key_of(secret: str) -> bytes:
    """Return the key that a secret writes in base64, with ``whsec_`` before it or without.

    Raises:
        ValueError: it is none; the text completes "the secret".
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("is no base64") from exc
    if not KEY_BYTES[0] <= len(key) <= KEY_BYTES[1]:
        raise ValueError(f"holds {len(key)} bytes, not from {KEY_BYTES[0]} to {KEY_BYTES[1]}")
    return key


def sign(key: bytes, name: str, timestamp: int, body: bytes) -> str:
    """Return the signature of one sending: the same body sent again later has another."""
    content = f"{name}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def verify(key: bytes, name: str, timestamp: str, body: bytes, signatures: str, now: float) -> str:
    """Return what is wrong with a sending; empty where its signature is good and its time is near ``now``."""
    if not (timestamp.isascii() and timestamp.isdigit()):
        return "webhook-timestamp is no Unix time"
    if abs(int(timestamp) - now) > TOLERANCE_SECONDS:
        return "webhook-timestamp is too far from this machine's time"
    expected = sign(key, name, int(timestamp), body).encode()
    given = (one.encode("utf-8", "surrogateescape") for one in signatures.split())
    return "" if any(hmac.compare_digest(one, expected) for one in given) else "webhook-signature is wrong"
