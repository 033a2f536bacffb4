"""Requests ↔ labels: what a document or a CSV says that people said, all of it or nothing. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bridge.plugin import Label, LabelFacts, Unreadable, as_key, csv_labels, first_mistake, read_label, short_text
from bridge_http.codec import write_problem
from bridge_http.options import HttpLabelOptions

MOST = 10_000
"""So many labels may stand in one request."""
UNWRITTEN = "the labels are not written down: this is no acknowledgement, keep them and send them again"


class LabelDocument(BaseModel):
    """What a station says of one part; part or id must be there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str = ""
    id: str = ""
    verdict: str
    who: str = ""
    defect: str = ""
    note: str = ""
    time: str | float = ""
    key: str = ""

    def facts(self) -> LabelFacts:
        """Return what was said, as text."""
        return {name: str(value) for name, value in self}


_MANY = TypeAdapter(Annotated[list[LabelDocument], Field(max_length=MOST)])


def read_labels(data: bytes, media: str, options: HttpLabelOptions, now: float, key: str = "") -> list[Label]:
    """Return the labels that a request tells of.

    Args:
        data: its body.
        media: application/json (a document, or a list of them) or text/csv.
        options: the road's.
        now: Unix time that counts where none is said.
        key: the request's own identity, where it has one.

    Raises:
        Unreadable: one of them is none; then none counts.
    """
    mark = short_text("Idempotency-Key", key.strip().strip('"'))
    labels: list[Label] = []
    for place, facts in _csv(data, options) if media == "text/csv" else _documents(data):
        own = f"{mark}#{len(labels) + 1}" if mark else as_key(facts)
        try:
            labels.append(read_label(facts, options, now, own))
        except Unreadable as exc:
            raise Unreadable(f"{place}: {exc}") from exc
    return labels


def _csv(data: bytes, options: HttpLabelOptions) -> Iterator[tuple[str, LabelFacts]]:
    try:
        text = data.decode("utf-8-sig")
    except ValueError as exc:
        raise Unreadable("the body is not UTF-8 text") from exc
    for number, (line, facts) in enumerate(csv_labels(text, options.columns.wanted())):
        if number == MOST:
            raise Unreadable(f"there are more than {MOST} labels")
        yield f"line {line}", facts


def _documents(data: bytes) -> Iterator[tuple[str, LabelFacts]]:
    try:
        said = json.loads(data)
        found = _MANY.validate_python(said if isinstance(said, list) else [said])
    except ValidationError as exc:
        raise Unreadable(first_mistake(exc)) from exc
    except (ValueError, RecursionError) as exc:
        raise Unreadable(f"the body is not JSON: {exc}") from exc
    for number, one in enumerate(found, start=1):
        yield f"label {number}", one.facts()


def write_taken(labels: int) -> bytes:
    """Return what a station is told whose labels are on the disk."""
    return json.dumps({"taken": labels}).encode()


def write_unwritten(why: str) -> tuple[HTTPStatus, bytes]:
    """Return what a station is told whose labels are not."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return status, write_problem(status, f"{UNWRITTEN} ({why})")
