"""Structured logs: readable on a console, JSON lines for a collector; never an image, never a secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

# structlog draws tracebacks with rich wherever it is installed. We print plain ones, and importing it would cost
# an eighth of the time to readiness; so it is out of sight for this one import.
_hidden = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402 - after the lines above

if _hidden is None:
    del sys.modules["rich"]
else:
    sys.modules["rich"] = _hidden


def configure(
    form: Literal["console", "json"] = "console", level: str = "info", stream: TextIO | None = None
) -> None:
    """Send every log line of this process, the libraries' too, to ``stream`` (standard error) in this form."""
    target = stream or sys.stderr
    colors = form == "console" and target.isatty()
    render: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=colors, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _said,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _discreetly,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Unbreakable(target))),
        cache_logger_on_first_use=False,
    )
    _listen_to_libraries()


def _said(_: object, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave out what says nothing: a judge that is shared has no line, a plugin that is up no error."""
    return {name: fact for name, fact in facts.items() if fact != "" or name == "event"}


SHORTEST_SECRET = 4
"""What is shorter would be found in every other word."""
_secrets: set[str] = set()


def conceal(secret: str) -> None:
    """Let no log line and no error text of this process show this secret from now on."""
    if len(secret) >= SHORTEST_SECRET:
        _secrets.add(secret)


def discreet(text: str) -> str:
    """Return a text without the secrets that libraries may have put into it."""
    for secret in tuple(_secrets):
        text = text.replace(secret, "***")
    return text


def _discreetly(_: object, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: discreet(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}


class _Libraries(logging.Handler):
    """What libraries log, in the same form and to the same place as our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        said = structlog.get_logger(library=record.name.partition(".")[0])
        said.log(record.levelno, " ".join(record.getMessage().split()), exc_info=record.exc_info)


def _listen_to_libraries() -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Libraries)]:
        root.removeHandler(handler)
    root.addHandler(_Libraries(logging.WARNING))


class _Unbreakable:
    """A stream whose reader may go: a log line that nobody can read must not cost a part its answer."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def logger(**facts: object) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that adds these facts to each of its lines."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(**facts)
    return bound
