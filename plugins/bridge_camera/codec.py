"""What gateway and camera worker say to each other: frames of a length and a JSON document. No I/O here.

A picture itself never travels in a frame: it lies in memory that both share, and a ``Shot`` says where. Instants
are seconds of ``time.monotonic()``, which is one clock for all processes of a machine.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeAlias

MAX_BODY: Final = 1 << 20
"""Bytes of the longest message; settings of a camera are the largest of them."""
_LENGTH: Final = struct.Struct(">I")


class Garbled(ValueError):  # noqa: N818 - it says what happened
    """What came is no message."""


@dataclass(frozen=True, slots=True)
class Open:
    """To the worker, first of all: the camera to open."""

    camera: Mapping[str, Any]
    """Its options as JSON-ready values."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The camera is open."""

    said: str
    """What it is, for people: size, pixel format, how it is triggered."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The camera is away, or broke; the worker ends."""

    why: str


@dataclass(frozen=True, slots=True)
class Shoot:
    """To the worker: take a picture. It takes the place of an order that is not done yet."""

    number: int
    after: float
    """A frame counts only if its exposure began after this instant."""
    until: float
    """The instant at which the picture is of no use any more."""
    at: int
    """Where it goes in the shared memory."""
    room: int
    """How many bytes it may take there."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture lies in the memory, complete."""

    number: int
    at: int
    size: int
    exposed: float
    """The earliest instant at which its exposure may have begun."""
    arrived: float
    """When the driver handed it over."""
    frame: int
    """The camera's own count of its frames, else ours."""
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no picture for an order."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Alive:
    """Said every second whatever happens: silence is a camera, or a driver, that hangs."""

    frames: int
    """How many frames the driver has handed over since the camera was opened."""
    period: float
    """Seconds between two frames of a camera that runs freely, 0 while nobody knows."""


Message: TypeAlias = Open | Opened | Failed | Shoot | Shot | Missing | Alive
_KINDS: Final[Mapping[str, type[Message]]] = {
    kind.__name__.lower(): kind for kind in (Open, Opened, Failed, Shoot, Shot, Missing, Alive)
}
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {"int": (int,), "float": (int, float), "str": (str,)}


def encode(message: Message) -> bytes:
    """Return a message as one frame."""
    said = {"is": type(message).__name__.lower(), **asdict(message)}
    body = json.dumps(said, ensure_ascii=False).encode()
    if len(body) > MAX_BODY:
        raise Garbled(f"a message of {len(body)} bytes is too long")
    return _LENGTH.pack(len(body)) + body


class Cutter:
    """Cuts a stream of bytes into messages; holds at most one that is not complete."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield every message that is complete now.

        Raises:
            Garbled: it is none; nothing after it can be understood.
        """
        self._held += data
        while len(self._held) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._held)
            if length > MAX_BODY:
                raise Garbled(f"a message of {length} bytes is too long")
            if len(self._held) < _LENGTH.size + length:
                return
            body = bytes(self._held[_LENGTH.size : _LENGTH.size + length])
            del self._held[: _LENGTH.size + length]
            yield _decode(body)


def _decode(body: bytes) -> Message:
    try:
        said = json.loads(body)
        kind = _KINDS[said.pop("is")]
        message = kind(**said)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise Garbled(f"no message: {body[:60]!r}") from exc
    for field in fields(kind):
        wanted = _TYPES.get(str(field.type), (dict,))
        value = getattr(message, field.name)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise Garbled(f"{field.name} of {kind.__name__} is {value!r}")
    return message
