"""The words between gateway and worker, and their bytes. Pure: no sockets, no processes.

A frame is two lengths (big-endian u32: header, body), a JSON header and a raw body. Nothing is pickled.

    gateway → worker   Load                    once, then
                       Request, Cancel         a request's small pictures are the body, one after the other
    worker → gateway   Ready | Rejected        once, then
                       Answer                  several for one request: after each batch, the last one marked

A large picture does not travel: its bytes lie in the shared arena and the request says where.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias

from bridge.judging.spec import Comparison, Detection, HeatMapOutput, Input, Normalisation, Registration
from bridge.messages import Box, Failure, PictureFacts, Spot

PREFIX: Final = struct.Struct(">II")
MAX_HEADER: Final = 4 << 20
MAX_BODY: Final = 1 << 30
MAX_BOXES: Final = 16
WHITE: Final = 255
LARGEST_MAP: Final = 64
"""Rows and columns of a heat map, at most."""

_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Garbled(ValueError):  # noqa: N818 - named after what the bytes are
    """The bytes are no frame of ours."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A golden picture that parts are registered onto; ``how.golden`` is its path."""

    how: Registration
    roi: Box | None = None
    """The region of interest on it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A golden picture of the bundle."""

    path: str
    roi: Box | None = None
    onto: int | None = None
    """Which of the references it is registered onto; None: it is cut as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to run, and how; the gateway has checked every file against its hash."""

    model: str
    """Path of the OpenVINO IR."""
    input: Input
    normalisation: Normalisation
    precision: str
    logits: bool
    classes: int
    ok_outputs: tuple[int, ...]
    threads: int
    max_pixels: int
    memory_bytes: int | None = None
    """How much the process may take; None: what it takes when warm, and a margin."""
    golden: tuple[Sample, ...] = ()
    """To be judged when warm."""
    temperature: float = 1.0
    """What logits are divided by."""
    limit: float | None = None
    """The model says one number, an anomaly; at this one p(OK) is a half. None: it says one for each class."""
    heat_map: HeatMapOutput | None = None
    """None: the model has none, or nobody wants it and it is not computed."""
    references: tuple[Reference, ...] = ()
    """What loose parts are registered onto."""
    detection: Detection | None = None
    """None: the model says classes, not boxes. Of boxes the last class is that of a view without any."""
    comparison: Comparison | None = None
    """Set: there is no model, and parts are compared with what they are registered onto."""
    names: tuple[str, ...] = ()
    """What the classes are called, where boxes are to say so."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The bundle cannot run here; ``why`` is for the user."""

    why: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One picture of a request."""

    size: int
    """Bytes of the encoded picture."""
    shared: int | None = None
    """Where it begins in the arena; None: it is in the frame's body."""
    roi: Box | None = None
    onto: int | None = None
    """Which of the references it is registered onto; None: it is cut as it is."""
    explain: float | None = None
    """Below this p(OK) it is to be told where the model looked; None: never."""


@dataclass(frozen=True, slots=True)
class Request:
    """Judge these pictures."""

    id: int
    asks: tuple[Ask, ...]
    expires: float | None = None
    """The instant (CLOCK_MONOTONIC seconds, one clock for all processes) after which nobody waits."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for this request any more."""

    id: int


@dataclass(frozen=True, slots=True)
class Heat:
    """Where the model looked."""

    explains: int
    """The output that it explains."""
    rows: int
    columns: int
    values: bytes
    """Row by row; 255 is the hottest."""
    corners: tuple[tuple[float, float], ...]
    """Where its top left, top right, bottom right and bottom left lie in the original picture, in pixels."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the worker says of one picture: a score, or why there is none."""

    score: float | None = None
    """p(OK)."""
    top: int = 0
    """The most likely output."""
    ms: float = 0.0
    """Decoding, cropping and this picture's share of the batch."""
    failure: Failure | None = None
    why: str = ""
    boxes: tuple[Box, ...] = ()
    """What is hot or found, the hottest or surest first."""
    heat: Heat | None = None
    """None where it was not asked for, or the model has none."""
    picture: PictureFacts | None = None
    """How what the model was shown looks; None where nothing could be shown."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded and warm."""

    ms_per_view: float
    """The median of several views one at a time, each decoded, cropped and inferred, once the model is warm."""
    memory_bytes: int = 0
    """How much the process may take from here on; past it, it is to be replaced."""
    golden: tuple[Opinion, ...] = ()
    """Of each golden picture, in order."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The next opinions of a request, in order."""

    id: int
    opinions: tuple[Opinion, ...] = ()
    last: bool = True
    """After this nothing more comes for the request and its arena blocks are free; some opinions may be
    missing then, because nobody waited for them."""
    memory_bytes: int = 0
    """How much the process took before this request."""


Message: TypeAlias = Load | Ready | Rejected | Request | Cancel | Answer


def encode(message: Message, pictures: Sequence[bytes] = ()) -> list[bytes]:
    """Return the frame as pieces to be written in order; ``pictures`` become the body."""
    header = _json.encode({"kind": type(message).__name__, **_plain(message)}).encode()
    return [PREFIX.pack(len(header), sum(map(len, pictures))), header, *pictures]


def lengths(prefix: bytes | bytearray) -> tuple[int, int]:
    """Return the sizes of header and body that follow.

    Raises:
        Garbled: larger than we ever write.
    """
    header, body = PREFIX.unpack(prefix)
    if header > MAX_HEADER or body > MAX_BODY:
        raise Garbled(f"a frame of {header} + {body} bytes")
    return header, body


def decode(header: bytes) -> Message:
    """Return the message of a frame's header.

    Raises:
        Garbled: not what ``encode`` writes.
    """
    try:
        facts = json.loads(header)
        return _READERS[facts.pop("kind")](facts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise Garbled(f"no message: {header[:80]!r}") from exc


class Cutter:
    """Cuts bytes into messages, in whatever pieces they arrive."""

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._data = bytearray()
        self._max_body = max_body

    def feed(self, data: bytes | memoryview) -> Iterator[tuple[Message, bytes]]:
        """Yield each message that is complete now, with its body.

        Raises:
            Garbled: these bytes are none of ours; nothing that follows can be trusted.
        """
        self._data += data
        while len(self._data) >= PREFIX.size:
            header, body = lengths(self._data[: PREFIX.size])
            if body > self._max_body:
                raise Garbled(f"a body of {body} bytes")
            begin, end = PREFIX.size + header, PREFIX.size + header + body
            if len(self._data) < end:
                return
            message, rest = decode(bytes(self._data[PREFIX.size : begin])), bytes(self._data[begin:end])
            del self._data[:end]
            yield message, rest


def _plain(message: Any) -> dict[str, Any]:
    """Return a dataclass as JSON-ready values: nested dataclasses become objects, tuples lists."""
    return {one.name: _value(getattr(message, one.name)) for one in fields(message)}


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return _plain(value) if hasattr(value, "__dataclass_fields__") else value


def _load(facts: dict[str, Any]) -> Load:
    shown = facts.pop("normalisation")
    normalisation = Normalisation(scale=shown["scale"], mean=tuple(shown["mean"]), std=tuple(shown["std"]))
    outputs = tuple(facts.pop("ok_outputs"))
    golden = tuple(Sample(one["path"], _box(one["roi"]), one["onto"]) for one in facts.pop("golden"))
    references = tuple(map(_reference, facts.pop("references")))
    heat, shown, found = facts.pop("heat_map"), Input(**facts.pop("input")), facts.pop("detection")
    compared = facts.pop("comparison")
    return Load(
        input=shown,
        normalisation=normalisation,
        ok_outputs=outputs,
        golden=golden,
        references=references,
        heat_map=HeatMapOutput(**heat) if heat else None,
        detection=Detection(**found) if found else None,
        comparison=Comparison(**compared) if compared else None,
        names=tuple(facts.pop("names")),
        **facts,
    )


def _reference(facts: dict[str, Any]) -> Reference:
    how = facts["how"]
    return Reference(Registration(**how | {"anchor": _box(how["anchor"])}), _box(facts["roi"]))


def _ready(facts: dict[str, Any]) -> Ready:
    return Ready(float(facts["ms_per_view"]), int(facts["memory_bytes"]), tuple(map(_opinion, facts["golden"])))


def _request(facts: dict[str, Any]) -> Request:
    return Request(facts["id"], tuple(map(_ask, facts["asks"])), facts["expires"])


def _ask(facts: dict[str, Any]) -> Ask:
    return Ask(facts["size"], facts["shared"], _box(facts["roi"]), facts["onto"], facts["explain"])


def _box(facts: dict[str, Any] | None) -> Box | None:
    return Box(**facts) if facts else None


def _answer(facts: dict[str, Any]) -> Answer:
    opinions = tuple(map(_opinion, facts["opinions"]))
    return Answer(int(facts["id"]), opinions, facts["last"] is True, int(facts["memory_bytes"]))


def _opinion(facts: dict[str, Any]) -> Opinion:
    """Read an opinion; a score that is no probability must never be held against a threshold."""
    failure, score, top = facts.pop("failure"), facts["score"], facts["top"]
    if not (score is None or 0 <= score <= 1) or not (isinstance(top, int) and top >= 0):
        raise ValueError("no probability, or no output")
    boxes, heat = tuple(map(_hot, facts.pop("boxes"))), facts.pop("heat")
    if len(boxes) > MAX_BOXES:
        raise ValueError("too many boxes")
    seen, looks = _heat(heat) if heat else None, facts.pop("picture")
    picture = PictureFacts(**looks) if looks else None
    if picture is not None and not are_facts(picture):
        raise ValueError("no picture looks so")
    failed = Failure(failure) if failure else None
    return Opinion(failure=failed, boxes=boxes, heat=seen, picture=picture, **facts)


def _hot(facts: dict[str, Any]) -> Box:
    box = Spot(**facts) if "label" in facts else Box(**facts)
    if not is_box(box):
        raise ValueError("no box")
    return box


def is_box(box: Box) -> bool:
    """Return whether a judge's box is one, and what it says of it holds.

    Raises:
        TypeError: something is of another type altogether.
    """
    if not all(map(math.isfinite, (box.cx, box.cy, box.w, box.h))) or min(box.w, box.h) <= 0:
        return False
    if not isinstance(box, Spot):
        return True
    sure = box.score is None or 0 <= box.score <= 1
    return sure and (box.area is None or 0 <= box.area < math.inf) and isinstance(box.label, str)


def are_facts(seen: PictureFacts) -> bool:
    """Return whether a picture can look so.

    Raises:
        TypeError: something is of another type altogether.
    """
    return 0 <= seen.brightness <= WHITE and 0 <= seen.contrast <= WHITE and 0 <= seen.sharpness < math.inf


def _heat(facts: dict[str, Any]) -> Heat:
    values = base64.b64decode(facts["values"], validate=True)
    rows, columns, explains = int(facts["rows"]), int(facts["columns"]), int(facts["explains"])
    corners = tuple((float(x), float(y)) for x, y in facts["corners"])
    whole = 0 < rows <= LARGEST_MAP and 0 < columns <= LARGEST_MAP and len(values) == rows * columns
    if not whole or explains < 0 or len(corners) != 4 or not all(map(math.isfinite, sum(corners, ()))):  # noqa: PLR2004
        raise ValueError("no heat map")
    return Heat(explains, rows, columns, values, corners)


_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "Load": _load,
    "Ready": _ready,
    "Rejected": lambda facts: Rejected(**facts),
    "Request": _request,
    "Cancel": lambda facts: Cancel(**facts),
    "Answer": _answer,
}
