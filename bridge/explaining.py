"""Errors in words: what is told of one, who acts next, and whether it is a bug; looking into groups. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.errors import BridgeError, ConfigError, Unavailable
from bridge.log import discreet


def explain(error: BaseException) -> str:
    """Return an error as one line without secrets, looking into groups."""
    return discreet("; ".join(dict.fromkeys(_said(error))))


def _said(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _said(inner)
    else:
        text = " ".join(str(error).split())
        yield text if isinstance(error, BridgeError) else f"{type(error).__name__}: {text}"


def expected(error: BaseException) -> bool:
    """Return whether an error says who acts next, rather than being a bug."""
    if isinstance(error, BaseExceptionGroup):
        return all(expected(inner) for inner in error.exceptions)
    return isinstance(error, BridgeError)


def mistake(error: BaseException) -> ConfigError | None:
    """Return the user's mistake that an error tells of, looking into groups; None where it tells of none."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := mistake(inner))), None)
    return error if isinstance(error, ConfigError) else None


def asked_pause(error: BaseException) -> float:
    """Return the seconds for which a peer asks us to wait, looking into groups; 0 where none does."""
    if isinstance(error, BaseExceptionGroup):
        return max(map(asked_pause, error.exceptions))
    return error.after_seconds if isinstance(error, Unavailable) else 0.0


def unavailable(error: Exception) -> Unavailable:
    """Return any error of a plugin's verb as the one that makes the host reopen it."""
    return error if isinstance(error, Unavailable) else Unavailable(explain(error))
