"""Frames ↔ messages: what an old inspector's line or document says, and what it is told in return.

Pure: no clock, no socket, no disk. A verdict is OK only where the configuration lists the very word as meaning
OK; any other word is no verdict at all.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bridge.plugin import Box, Inspection, Verdict, View
from bridge_tcp.framing import FILLING, Frame

GROUPS = frozenset(
    {"part", "verdict", "recipe", "image", "defect", "key", "view", "ng_views", "sequence", "deadline_ms"}
)
"""The named groups that a pattern may have."""
TEXT_LENGTH = 256
"""The longest part id, key, recipe, defect code or view name, in characters."""
_LARGEST = 2**63 - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


NO_TEXT = "(no text)"
"""Stands for a verdict that is a number or the like: a word that no machine uses."""


class Unreadable(ValueError):  # noqa: N818 - it says what the frame is; it is caught and never leaves the plugin
    """A frame that means nothing; the text is the reason that stands in the quarantine."""


class Parts(Protocol):
    """How frames are understood."""

    def __call__(self, frame: Frame, event: float | None = None) -> Inspection | None:
        """Return the part that the frame tells of; None where it is to be ignored.

        Raises:
            Unreadable: it tells of no part.
        """
        ...


@dataclass(frozen=True)
class Words:
    """The machine's words for its two verdicts, compared without regard to case."""

    ok: Sequence[str]
    ng: Sequence[str]

    def verdict(self, word: object) -> Verdict | None:
        """Return what the word means; None for anything that is in neither list."""
        if not isinstance(word, str):
            return None
        said = word.strip().casefold()
        if said in (ok.casefold() for ok in self.ok):
            return Verdict.OK
        return Verdict.NG if said in (ng.casefold() for ng in self.ng) else None

    def understood(self, said: str | None) -> bool:
        """Return whether this is a verdict, or nothing at all."""
        return not (said or "").strip() or self.verdict(said) is not None

    def word(self, verdict: Verdict | None) -> str:
        """Return the machine's own word for a verdict; empty where there is none."""
        if verdict is None:
            return ""
        return (self.ok if verdict is Verdict.OK else self.ng)[0]


@dataclass(frozen=True)
class TextParts:
    """Lines of text, understood by a pattern with named groups."""

    pattern: re.Pattern[str]
    words: Words
    encoding: str = "utf-8"
    ignore: re.Pattern[str] | None = None
    separator: str = ""
    """Between several image paths, or several view names, of one line; empty: there is one."""

    def __call__(self, frame: Frame, event: float | None = None) -> Inspection | None:
        """Return the line's part; None for an empty line and for one that is to be ignored."""
        text = _decoded(frame.payload, self.encoding)
        if not text or (self.ignore and self.ignore.fullmatch(text)):
            return None
        match = self.pattern.fullmatch(text)
        if match is None:
            raise Unreadable("line does not match the pattern")
        said = {name: value.strip() for name, value in match.groupdict().items() if value is not None}
        return Inspection(
            part=_short("part", said.get("part", "")),
            legacy=self.words.verdict(said.get("verdict")),
            legacy_understood=self.words.understood(said.get("verdict")),
            views=self._views(said),
            key=_short("key", said.get("key", "")) or None,
            recipe=_short("recipe", said.get("recipe", "")),
            defect=_short("defect", said.get("defect", "")),
            ng_views=_number("ng_views", said.get("ng_views")),
            sequence=_number("sequence", said.get("sequence")),
            deadline_ms=_number("deadline_ms", said.get("deadline_ms")) or None,
            event=event,
        )

    def _views(self, said: Mapping[str, str]) -> tuple[View, ...]:
        """Return a view for each image path; names count from 1 where the line does not give them."""
        paths = self._several(said.get("image", ""))
        names = self._several(said.get("view", ""))
        if len(names) != len(paths):
            names = [str(number) for number in range(1, len(paths) + 1)]
        return tuple(
            View(name=_short("view", name), reference=path) for name, path in zip(names, paths, strict=True)
        )

    def _several(self, text: str) -> list[str]:
        pieces = text.split(self.separator) if self.separator else [text]
        return [piece.strip() for piece in pieces if piece.strip()]


def _decoded(payload: bytes, encoding: str) -> str:
    try:
        text = payload.decode(encoding)
    except ValueError as exc:
        raise Unreadable(f"bytes are not {encoding} text") from exc
    return text.removeprefix("\ufeff").strip(FILLING.decode())


def _short(name: str, text: str) -> str:
    if len(text) > TEXT_LENGTH:
        raise Unreadable(f"{name} is longer than {TEXT_LENGTH} characters")
    if _CONTROL.search(text):
        raise Unreadable(f"{name} holds a control character")
    return text


def _number(name: str, text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < len(str(_LARGEST))):
        raise Unreadable(f"{name} is no whole number from 0 up")
    return int(text)


def _word(value: object) -> object:
    """A verdict that is no text is not understood; the part itself is still good."""
    return value if value is None or isinstance(value, str) else NO_TEXT


_Text = Annotated[str, Field(max_length=TEXT_LENGTH, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Word = Annotated[_Text | None, BeforeValidator(_word)]
_Count = Annotated[int, Field(ge=0, le=_LARGEST)]
_Pixels = Annotated[float, Field(ge=0, le=1e6)]


class _Fields(BaseModel):
    """Unknown fields are ignored, so that a newer machine can talk to an older bridge."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class _Box(_Fields):
    cx: _Pixels
    cy: _Pixels
    w: _Pixels
    h: _Pixels


class _View(_Fields):
    name: _Text | None = None
    verdict: _Word = None
    defect: _Text = ""
    image: Annotated[str, Field(max_length=4096)] = ""
    roi: _Box | None = None


class _Part(_Fields):
    part: _Text = ""
    verdict: _Word = None
    recipe: _Text = ""
    key: _Text | None = None
    defect: _Text = ""
    ng_views: _Count | None = None
    sequence: _Count | None = None
    deadline_ms: Annotated[float, Field(gt=0, le=3_600_000)] | None = None
    backlog: bool = False
    views: list[_View] = []


@dataclass(frozen=True)
class JsonParts:
    """JSON documents: ``part, verdict, recipe, key, defect, ng_views, sequence, deadline_ms, backlog, views``.

    Each of ``views`` has ``name, verdict, defect, bytes, crc32, image, roi``: ``bytes`` counts the image bytes
    behind a len32be header, ``image`` is a path on the share instead. All fields may be absent.
    """

    words: Words

    def __call__(self, frame: Frame, event: float | None = None) -> Inspection | None:
        """Return the document's part; None for an empty frame."""
        if frame.header is None and not frame.payload.strip(FILLING):
            return None
        try:
            said = (
                _Part.model_validate_json(frame.payload)
                if frame.header is None
                else _Part.model_validate(frame.header)
            )
        except ValidationError as exc:
            raise Unreadable(_first(exc)) from exc
        return Inspection(
            part=said.part,
            legacy=self.words.verdict(said.verdict),
            legacy_understood=all(map(self.words.understood, (said.verdict, *(v.verdict for v in said.views)))),
            views=self._views(said.views, frame.images),
            key=said.key or None,
            recipe=said.recipe,
            defect=said.defect,
            ng_views=said.ng_views,
            sequence=said.sequence,
            deadline_ms=said.deadline_ms,
            backlog=said.backlog,
            event=event,
        )

    def _views(self, said: Sequence[_View], images: Sequence[bytes]) -> tuple[View, ...]:
        return tuple(
            View(
                name=view.name or str(number),
                image=image or None,
                reference="" if image else view.image,
                legacy=self.words.verdict(view.verdict),
                defect=view.defect,
                roi=Box(**view.roi.model_dump()) if view.roi else None,
            )
            for number, (view, image) in enumerate(zip(said, images or [b""] * len(said), strict=True), start=1)
        )


def _first(exc: ValidationError) -> str:
    """Return the first mistake in one line, without the value: it may be an image or a whole document."""
    error = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


def write_part(part: Inspection) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a part as the JSON document and the images that ``JsonParts`` reads; the inspector's side."""
    images = tuple(view.image or b"" for view in part.views)
    document: dict[str, object] = {
        "part": part.part,
        "verdict": part.legacy,
        "recipe": part.recipe,
        "key": part.key,
        "defect": part.defect,
        "ng_views": part.ng_views,
        "sequence": part.sequence,
        "deadline_ms": part.deadline_ms,
        "backlog": part.backlog,
        "views": [_view(view) for view in part.views],
    }
    return json.dumps(_said(document)).encode(), images


def _view(view: View) -> Mapping[str, object]:
    box = view.roi
    said: dict[str, object] = {
        "name": view.name,
        "verdict": view.legacy,
        "defect": view.defect,
        "image": view.reference,
        "bytes": len(view.image) if view.image else None,
        "crc32": zlib.crc32(view.image) if view.image else None,
        "roi": {"cx": box.cx, "cy": box.cy, "w": box.w, "h": box.h} if box else None,
    }
    return _said(said)


def _said(fields: Mapping[str, object]) -> Mapping[str, object]:
    """Leave out what is absent; a count of 0 is not."""
    return {name: value for name, value in fields.items() if value or type(value) is int}


def write_line(part: Inspection, words: Words, separator: str) -> str:
    """Return a part as the line that the default pattern reads; the inspector's side."""
    images = separator.join(view.reference for view in part.views if view.reference)
    fields = [part.part, words.word(part.legacy), part.defect, images]
    return ",".join(fields).rstrip(",") if fields[1] else ",".join(fields)
