"""Requests ↔ messages: what a form or a document says of a part, and what the machine is told in return. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import ValidationError

from bridge.plugin import (
    Decision,
    Inspection,
    PartDocument,
    Unreadable,
    ViewDocument,
    Words,
    answer_document,
    first_mistake,
    parse_part,
    read_part,
    short_text,
    whole_number,
)
from bridge_http.form import Form

DOCUMENT = "document"
"""The field that holds a part's document."""
FIELDS = frozenset(PartDocument.model_fields) - {"views"}
"""The fields that say the same one by one."""
LONGEST_MS = 3_600_000
UNRECORDED = "the decision is not recorded: this is no acknowledgement, keep the part and send it again"
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the headers of a request say of its part."""

    key: str = ""
    deadline_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """A part that was understood."""

    part: Inspection
    damaged: int = 0
    """How many pictures have another size or checksum than their document says; they count as missing."""


def read_wishes(key: str, deadline_ms: str) -> Wishes:
    """Return what the headers Idempotency-Key and X-Deadline-Ms say; empty where they are absent.

    Raises:
        Unreadable: one of them means nothing.
    """
    key = key.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':  # as a structured field, and as most send it
        key = key[1:-1]
    limit = whole_number("X-Deadline-Ms", deadline_ms.strip())
    if limit is not None and not 0 < limit <= LONGEST_MS:
        raise Unreadable(f"X-Deadline-Ms is not from 1 to {LONGEST_MS}")
    return Wishes(short_text("Idempotency-Key", key), limit)


def read_document(data: bytes, wishes: Wishes, words: Words, event: float | None = None) -> Understood:
    """Return the part that a JSON document tells of.

    Raises:
        Unreadable: it tells of none.
    """
    return Understood(read_part(_wished(parse_part(data), wishes), words, (), event))


def read_form(form: Form, wishes: Wishes, words: Words, event: float | None = None) -> Understood:
    """Return the part that a form tells of; a file is the picture of the view that its field is named after.

    Raises:
        Unreadable: it tells of none.
    """
    said = _wished(_document_of(form.texts), wishes)
    if not said.views:
        views = [ViewDocument(name=short_text("the name of a file's field", name)) for name in form.images]
        return Understood(
            read_part(said.model_copy(update={"views": views}), words, [*form.images.values()], event)
        )
    images, damaged = _pictures(said.views, form.images)
    return Understood(read_part(said, words, images, event), damaged)


def _document_of(texts: Mapping[str, bytes]) -> PartDocument:
    if DOCUMENT not in texts:
        return _of_fields(texts)
    if more := [name for name in texts if name != DOCUMENT]:
        raise Unreadable(f"the field {more[0]} stands beside a document; write it there")
    return parse_part(texts[DOCUMENT])


def _of_fields(texts: Mapping[str, bytes]) -> PartDocument:
    if strange := [name for name in texts if name not in FIELDS]:
        raise Unreadable(f"there is no field {strange[0]}; a file's field needs a file name")
    said = {name: value for name, data in texts.items() if (value := _text(name, data))}
    read: dict[str, object] = {**said}
    for name in {"ng_views", "sequence", "deadline_ms", "counter"} & said.keys():
        read[name] = whole_number(name, said[name])
    if "backlog" in said:
        read["backlog"] = _TRUTHS.get(said["backlog"].lower(), said["backlog"])
    try:
        return PartDocument.model_validate(read)
    except ValidationError as exc:
        raise Unreadable(first_mistake(exc)) from exc


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode().strip()
    except ValueError as exc:
        raise Unreadable(f"the field {name} is not UTF-8 text") from exc


def _wished(said: PartDocument, wishes: Wishes) -> PartDocument:
    """Return the document with what the headers add to it; the smaller deadline holds."""
    if wishes.key and said.key and wishes.key != said.key:
        raise Unreadable("Idempotency-Key is another than the document's key")
    limits = [limit for limit in (wishes.deadline_ms, said.deadline_ms) if limit is not None]
    return said.model_copy(update={"key": wishes.key or said.key, "deadline_ms": min(limits, default=None)})


def _pictures(views: Sequence[ViewDocument], sent: Mapping[str, bytes]) -> tuple[list[bytes], int]:
    """Return the picture of each view, empty where none was sent or it is damaged, and how many are damaged."""
    names = [view.name or str(number) for number, view in enumerate(views, start=1)]
    if len(set(names)) < len(names):
        raise Unreadable("two views have the same name")
    if strange := [name for name in sent if name not in names]:
        raise Unreadable(f"the file {strange[0]} belongs to no view of the document")
    pictures = [sent.get(name, b"") for name in names]
    sound = [_sound(view, image) for view, image in zip(views, pictures, strict=True)]
    return [image if good else b"" for image, good in zip(pictures, sound, strict=True)], sound.count(False)


def _sound(view: ViewDocument, image: bytes) -> bool:
    """Return whether a picture that was sent is the one that the document speaks of."""
    if not image:
        return True
    return view.bytes in {None, len(image)} and (view.crc32 is None or view.crc32 == zlib.crc32(image))


def write_answer(part: Inspection, decision: Decision, words: Words) -> tuple[HTTPStatus, bytes]:
    """Return what the machine is told of its part: the answer, or that the verdict is safe but not recorded."""
    answer = answer_document(part, decision, words)
    if decision.recorded:
        return HTTPStatus.OK, json.dumps(answer).encode()
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return status, write_problem(status, UNRECORDED, answer)


def write_problem(status: HTTPStatus, detail: str, more: Mapping[str, object] | None = None) -> bytes:
    """Return a problem document (RFC 9457): what went wrong, in one line."""
    said = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return json.dumps({**said, **(more or {})}).encode()
