"""multipart/form-data (RFC 7578) as it arrives, and as a simulated inspector writes it.

Pure: bytes in, events out, however the bytes are cut. Nothing is held but what may still become a boundary, so
a body of any size passes through a few kilobytes; how much of it is kept is the caller's affair. Strict where
leniency would lose a picture: a form must begin with its boundary and end with the closing one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from bridge.plugin import Unreadable

HEAD_BYTES = 8192
"""The longest head of one field."""
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""A boundary, as RFC 2046 allows it."""
_PADDING_BYTES = 64
"""How much blank may stand behind a boundary; clients send none."""
_CRLF = b"\r\n"
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
_AS_IT_IS = frozenset({"", "7bit", "8bit", "binary"})


class TooLarge(Unreadable):
    """More than we are willing to keep; the text says what, and the limit."""


@dataclass(frozen=True, slots=True)
class Head:
    """A field begins."""

    name: str
    file: bool
    """Whether it is sent as a file, or as something else that is no text."""


class End(Enum):
    """What has ended."""

    FIELD = auto()
    FORM = auto()


Event: TypeAlias = Head | bytes | End


class _State(Enum):
    OPENING = auto()
    BOUNDARY = auto()  # behind one, before it is known whether another field comes
    HEAD = auto()
    FIRST = auto()  # before the first byte of a field
    BODY = auto()
    DONE = auto()


class FormReader:
    """Reads one form."""

    def __init__(self, boundary: str, fields_max: int) -> None:
        """Begin a form whose fields are divided by ``boundary``; more than ``fields_max`` of them are too many."""
        self._delimiter = _CRLF + b"--" + boundary.encode("ascii")
        self._fields_left = self._fields_max = fields_max
        self._held = bytearray(_CRLF)  # so that the first boundary is like every other
        self._state = _State.OPENING

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what these bytes complete; exhaust it before feeding again.

        Raises:
            TooLarge: there are too many fields, or one has too long a head.
            Unreadable: it is no form.
        """
        self._held += data
        while (event := self._next()) is not None:
            yield event

    def finish(self) -> None:
        """Say that there are no more bytes.

        Raises:
            Unreadable: the form has no end.
        """
        if self._state is not _State.DONE:
            raise Unreadable("the form has no closing boundary: it was cut short")

    def _next(self) -> Event | None:
        """Return the next event; None where more bytes are needed."""
        if self._state is _State.OPENING and not self._open():
            return None
        if self._state is _State.BOUNDARY:
            return self._behind_boundary()
        if self._state is _State.HEAD:
            return self._head()
        if self._state in {_State.FIRST, _State.BODY}:
            return self._body()
        self._held.clear()  # what comes behind the form means nothing
        return None

    def _open(self) -> bool:
        if self._held.startswith(_CRLF * 2):  # some clients begin with an empty line
            del self._held[: len(_CRLF)]
        if self._held == _CRLF + b"\r" or self._may_be_boundary():
            return False
        if not self._held.startswith(self._delimiter):
            raise Unreadable("the form does not begin with its boundary")
        self._pass_boundary()
        return True

    def _may_be_boundary(self) -> bool:
        return len(self._held) < len(self._delimiter) and self._delimiter.startswith(self._held)

    def _pass_boundary(self) -> None:
        del self._held[: len(self._delimiter)]
        self._state = _State.BOUNDARY

    def _behind_boundary(self) -> Event | None:
        if self._held.startswith(b"--"):
            self._state = _State.DONE
            return End.FORM
        line, ended, _ = bytes(self._held[:_PADDING_BYTES]).partition(_CRLF)
        more = line == b"-" and not ended
        if (line.strip(b" \t\r") and not more) or (not ended and len(line) == _PADDING_BYTES):
            raise Unreadable("a boundary is not alone on its line")
        if not ended:
            return None
        del self._held[: len(line)]  # not its line end: a field without a head begins with an empty line
        self._state = _State.HEAD
        return self._head()

    def _head(self) -> Event | None:
        end = self._held.find(_CRLF * 2, 0, HEAD_BYTES + 4)
        if end < 0:
            if len(self._held) > HEAD_BYTES:
                raise TooLarge(f"the head of a field has more than {HEAD_BYTES} bytes")
            return None
        if not self._fields_left:
            raise TooLarge(f"the form has more than {self._fields_max} fields")
        self._fields_left -= 1
        head = read_head(bytes(self._held[len(_CRLF) : end]))
        del self._held[: end + len(_CRLF)]  # not the last line end: behind it may come a boundary at once
        self._state = _State.FIRST
        return head

    def _body(self) -> Event | None:
        if self._state is _State.FIRST:
            if self._may_be_boundary():
                return None
            if not self._held.startswith(self._delimiter):
                del self._held[: len(_CRLF)]
            self._state = _State.BODY
        at = self._held.find(self._delimiter)
        if at == 0:
            self._pass_boundary()
            return End.FIELD
        return self._taken(at if at > 0 else self._safe()) or None

    def _safe(self) -> int:
        """Return how many of the bytes held can be no part of a boundary any more."""
        tail = max(0, len(self._held) - len(self._delimiter) + 1)
        at = self._held.find(b"\r", tail)
        while at >= 0 and not self._delimiter.startswith(self._held[at:]):
            at = self._held.find(b"\r", at + 1)
        return at if at >= 0 else len(self._held)

    def _taken(self, size: int) -> bytes:
        data = bytes(memoryview(self._held)[:size])
        del self._held[:size]
        return data


def read_head(head: bytes) -> Head:
    """Return what the head of a field says.

    Raises:
        Unreadable: the field has no name, or is not sent as it is.
    """
    try:
        lines = head.decode().split("\r\n")
    except ValueError as exc:
        raise Unreadable("the head of a field is not UTF-8") from exc
    said = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    kind, _, _ = said.get("content-disposition", "").partition(";")
    parameters = _parameters(said.get("content-disposition", ""))
    if kind.strip().lower() != "form-data" or not parameters.get("name"):
        raise Unreadable("a field has no name")
    if said.get("content-transfer-encoding", "").lower() not in _AS_IT_IS:
        raise Unreadable(f"the field {parameters['name']} is encoded; send it as it is")
    media = said.get("content-type", "text/plain").partition(";")[0].strip().lower()
    file = "filename" in parameters or "filename*" in parameters
    return Head(parameters["name"], file or not (media.startswith("text/") or media.endswith("json")))


def _parameters(disposition: str) -> Mapping[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
        for name, quoted, plain in _PARAMETER.findall(disposition)
    }


@dataclass(frozen=True, slots=True)
class Field:
    """A field to be written."""

    name: str
    body: bytes
    media: str = ""
    """Its media type; empty for plain text."""
    file: str = ""
    """Its file name; empty where it is none."""


def write_form(fields: Sequence[Field], boundary: str) -> bytes:
    """Return a form; the names hold no quotes and no line ends, the bodies not the boundary."""
    pieces = []
    for field in fields:
        file = f'; filename="{field.file}"' if field.file else ""
        media = f"\r\nContent-Type: {field.media}" if field.media else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field.name}"{file}{media}\r\n\r\n'
        pieces += [head.encode(), field.body, _CRLF]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])
