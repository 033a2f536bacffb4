"""Frames ↔ messages: what an old inspector's line or document says, and what it is told in return.

Pure: no clock, no socket, no disk. A verdict is OK only where the configuration lists the very word as meaning
OK; any other word is no verdict at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from bridge.plugin import (
    Inspection,
    PartDocument,
    Unreadable,
    View,
    Words,
    first_mistake,
    parse_part,
    part_document,
    read_part,
    short_text,
    whole_number,
)
from bridge_tcp.framing import FILLING, Frame

GROUPS = frozenset(
    {
        *("part", "verdict", "recipe", "image", "defect", "key", "view", "ng_views", "sequence", "deadline_ms"),
        *("lot", "counter"),
    }
)
"""The named groups that a pattern may have."""


class Parts(Protocol):
    """How frames are understood."""

    def __call__(self, frame: Frame, event: float | None = None) -> Inspection | None:
        """Return the part that the frame tells of; None where it is to be ignored.

        Raises:
            Unreadable: it tells of no part.
        """
        ...


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
            part=short_text("part", said.get("part", "")),
            legacy=self.words.verdict(said.get("verdict")),
            legacy_understood=self.words.understood(said.get("verdict")),
            views=self._views(said),
            key=short_text("key", said.get("key", "")) or None,
            recipe=short_text("recipe", said.get("recipe", "")),
            defect=short_text("defect", said.get("defect", "")),
            ng_views=whole_number("ng_views", said.get("ng_views")),
            sequence=whole_number("sequence", said.get("sequence")),
            deadline_ms=whole_number("deadline_ms", said.get("deadline_ms")) or None,
            lot=short_text("lot", said.get("lot", "")),
            counter=whole_number("counter", said.get("counter")),
            event=event,
        )

    def _views(self, said: Mapping[str, str]) -> tuple[View, ...]:
        """Return a view for each image path; names count from 1 where the line does not give them."""
        paths = self._several(said.get("image", ""))
        names = self._several(said.get("view", ""))
        if len(names) != len(paths):
            names = [str(number) for number in range(1, len(paths) + 1)]
        return tuple(
            View(name=short_text("view", name), reference=path) for name, path in zip(names, paths, strict=True)
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


@dataclass(frozen=True)
class JsonParts:
    """JSON documents as ``PartDocument`` describes them; ``bytes`` counts those behind a len32be header."""

    words: Words

    def __call__(self, frame: Frame, event: float | None = None) -> Inspection | None:
        """Return the document's part; None for an empty frame."""
        if frame.header is None:
            if not frame.payload.strip(FILLING):
                return None
            return read_part(parse_part(frame.payload), self.words, frame.images, event)
        try:
            said = PartDocument.model_validate(frame.header)
        except ValidationError as exc:
            raise Unreadable(first_mistake(exc)) from exc
        return read_part(said, self.words, frame.images, event)


def write_part(part: Inspection) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a part as the JSON document and the images that ``JsonParts`` reads; the inspector's side."""
    return json.dumps(part_document(part)).encode(), tuple(view.image or b"" for view in part.views)


def write_line(part: Inspection, words: Words, separator: str) -> str:
    """Return a part as the line that the default pattern reads; the inspector's side."""
    images = separator.join(view.reference for view in part.views if view.reference)
    fields = [part.part, words.word(part.legacy), part.defect, images]
    return ",".join(fields).rstrip(",") if fields[1] else ",".join(fields)
