"""Every error of the bridge, each class saying who acts next.

BridgeError
├── ConfigError    the user: one line says where, what was found and what to write
├── Unavailable    the host: it retries, with back-off
└── Refused        nobody: the peer will never take it; it is parked with its reason

Errors of libraries are translated once, at the edge, with ``from exc``. Anything else is a bug and fails loudly.
"""

from __future__ import annotations


class BridgeError(Exception):
    """The root of all errors that the bridge raises on purpose; ``str()`` is one clear line."""


class ConfigError(BridgeError):
    """A mistake of the user.

    Attributes:
        where: the place, for instance ``bridge.toml: line.smt-3.reporter[0].port``.
        found: what stands there, in words that complete the place.
        write: what to write instead; empty where the finding already says it.
    """

    def __init__(self, where: str, found: str, write: str = "") -> None:
        self.where = where
        self.found = found
        self.write = write
        super().__init__(f"{where}: {found}" + (f"; {write}" if write else ""))


class Unavailable(BridgeError):  # noqa: N818 - named after who acts: it is unavailable now, so retry
    """A peer or a part of the bridge is away for now; the host retries with back-off.

    Attributes:
        after_seconds: how long the peer asks us to wait before that; 0 where it does not say.
    """

    def __init__(self, *said: object, after_seconds: float = 0.0) -> None:
        self.after_seconds = after_seconds
        super().__init__(*said)


class Refused(BridgeError):  # noqa: N818 - named after what the peer said
    """The peer has understood and will never accept; the delivery is parked with this reason."""
