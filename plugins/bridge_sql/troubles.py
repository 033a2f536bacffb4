"""What a database driver's error means: one line for people, and who acts next. Pure."""

from __future__ import annotations

from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)

from bridge.plugin import ConfigError, Unavailable

LONGEST_LINE = 300
_SQLSTATE_LENGTH = 5
_OF_THE_ROW = ("22", "23", "44", "P0001")
"""SQLSTATE classes: data exception, integrity violation, check of a view, and a trigger that says no."""
_FORBIDDEN = "42501"
_NOT_UNDERSTOOD = ("no such", "syntax error", "unrecognized token", "incomplete input", "unknown column")
"""What SQLite and MySQL say; all others have an error class for it."""
_LOGIN = ("password authentication failed", "login failed", "access denied", "no password supplied")
_ABSENT = ("does not exist", "unknown database", "cannot open database")


def said(error: BaseException) -> str:
    """Return the first line of what the driver said, without the statement and its values."""
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0][:LONGEST_LINE] if lines else type(cause).__name__


def of_the_row(error: SQLAlchemyError) -> bool:
    """Say whether this very row is refused, by the database or already by its driver, and will be again."""
    unfit = isinstance(error, StatementError) and isinstance(error.orig, OverflowError | TypeError | ValueError)
    return unfit or isinstance(error, DataError | IntegrityError) or _state(error).startswith(_OF_THE_ROW)


def of_the_statement(error: SQLAlchemyError) -> bool:
    """Say whether the database did not understand, or not allow, what it was asked."""
    words = said(error).casefold()
    return isinstance(error, ProgrammingError) or any(each in words for each in _NOT_UNDERSTOOD)


def forbidden(error: SQLAlchemyError) -> bool:
    """Say whether the user may not do what was asked."""
    return _state(error) == _FORBIDDEN or "permission" in said(error).casefold()


def _state(error: SQLAlchemyError) -> str:
    """Return the error's SQLSTATE where the driver tells it; ODBC drivers tell it as their first argument."""
    cause = getattr(error, "orig", None)
    state = getattr(cause, "sqlstate", None) or (getattr(cause, "args", None) or [""])[0]
    return state if isinstance(state, str) and len(state) == _SQLSTATE_LENGTH else ""


def not_connected(error: SQLAlchemyError, place: str) -> ConfigError | Unavailable:
    """Return what to raise where no connection could be had: only a person mends a wrong password."""
    words = said(error)
    if any(each in words.casefold() for each in _LOGIN):
        return ConfigError(
            "user, password", f"{place} does not let us in ({words})", "write those of a user there"
        )
    if any(each in words.casefold() for each in _ABSENT):
        return ConfigError("url", f"{place} lets nobody in by this name ({words})", "write what is there")
    return Unavailable(f"cannot connect to {place}: {words}")
