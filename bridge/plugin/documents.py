"""The JSON forms that every road shares: a part as a machine tells it, and the answer that the machine is told.

A part over TCP, MQTT and HTTP is the same document, so that a machine changes its road without changing its
words. Unknown fields are ignored: a newer machine can talk to an older bridge. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bridge.messages import Box, Decision, Failure, Goal, Inspection, Origin, Stage, Verdict, View
from bridge.plugin.reading import LARGEST_NUMBER, TEXT_LENGTH, Unreadable, Words

NO_TEXT = "(no text)"
"""Stands for a verdict that is a number or the like: a word that no machine uses."""
DEFAULT_WORDS = Words(("OK", "PASS"), ("NG", "FAIL"))


def _word(value: object) -> object:
    """A verdict that is no text is not understood; the part itself is still good."""
    return value if value is None or isinstance(value, str) else NO_TEXT


_Text = Annotated[str, Field(max_length=TEXT_LENGTH, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Word = Annotated[_Text | None, BeforeValidator(_word)]
_Count = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
_Pixels = Annotated[float, Field(ge=0, le=1e6)]


class Document(BaseModel):
    """What all documents have in common."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class BoxDocument(Document):
    """A region of interest, in pixels of the picture."""

    cx: _Pixels
    """the centre, pixels from the left"""
    cy: _Pixels
    """the centre, pixels from the top"""
    w: _Pixels
    """the width in pixels"""
    h: _Pixels
    """the height in pixels"""


class ViewDocument(Document):
    """One picture of a part: a camera's, or that of one component of a board."""

    name: _Text | None = None
    """the camera or component, the same from part to part; left out, its place counted from 1"""
    verdict: _Word = None
    """the machine's word for its verdict on this view alone"""
    defect: _Text = ""
    """the machine's defect code for this view"""
    image: Annotated[str, Field(max_length=4096)] = ""
    """the path of the picture on the share that the bridge reads, where it is not sent along"""
    bytes: _Count | None = None
    """how many bytes the picture has, where the road sends it behind the document"""
    crc32: _Count | None = None
    """the CRC-32 of these bytes (zlib's), where the road sends them"""
    roi: BoxDocument | None = None
    """where in the picture to look"""


class PartDocument(Document):
    """One part presented once to the old inspector; every field may be absent."""

    part: _Text = ""
    """the serial number or barcode"""
    verdict: _Word = None
    """the machine's word for its verdict on the part"""
    recipe: _Text = ""
    """the product or program"""
    key: _Text | None = None
    """what stays the same when this presentation is sent again: the stored decision is then repeated"""
    defect: _Text = ""
    """the machine's defect code for the part as a whole"""
    ng_views: _Count | None = None
    """how many NG views the machine counted"""
    sequence: _Count | None = None
    """the PLC's number of the request"""
    deadline_ms: Annotated[float, Field(gt=0, le=3_600_000)] | None = None
    """the part's own deadline in milliseconds; the smaller of this and the line's holds"""
    backlog: bool = False
    """true for a part told late: judged and recorded, never told to a PLC"""
    lot: _Text = ""
    """the production lot: defects come in bursts, lot by lot"""
    counter: _Count | None = None
    """the machine's own running number of the part: a gap shows parts that never reached the bridge"""
    views: list[ViewDocument] = []
    """the part's pictures"""


class AnswerDocument(Document):
    """What the machine is told of its part."""

    part: str
    """the serial number or barcode, as it came"""
    key: str
    """the key, as it came; empty where there was none"""
    id: str
    """the inspection id, the same wherever this decision is told"""
    verdict: str
    """what counts, in the machine's own word; empty in shadow where the machine gave no verdict"""
    recorded: bool
    """true once the decision is committed; only then is the part acknowledged"""
    origin: str
    """whose verdict it is: legacy, model, fallback or operator"""
    legacy: str
    """the machine's own verdict, in its word; empty where it gave none"""
    recipe: str
    """the product or program, as it came"""
    sequence: int | str
    """the PLC's number of the request; an empty text where there was none"""
    number: int
    """the journal's running number; 0 where the decision is not recorded"""
    line: str
    """the name of the line"""


class DecidedBoxDocument(Document):
    """A rectangle in the picture, in its pixels."""

    cx: float
    """the centre, pixels from the left"""
    cy: float
    """the centre, pixels from the top"""
    w: float
    """the width in pixels"""
    h: float
    """the height in pixels"""
    label: str = ""
    """the class of what was found there, in the model's own words; left out where it has none"""
    score: float | None = None
    """how sure the model is that there is something, 0 to 1; left out where it cannot tell"""
    area: float | None = None
    """how many pixels of the picture are marked, which the box holds and more; left out where it cannot tell"""


class DecidedViewDocument(Document):
    """One view's share of a decision."""

    name: str
    """the camera or component"""
    verdict: Verdict | None
    """what counts for this view"""
    legacy: Verdict | None
    """what the inspector said of it"""
    defect: str
    """the inspector's defect code"""
    image: str
    """the SHA-256 of the picture in hexadecimal; empty where there was none"""
    model: Verdict | None
    """what the model says of it; null where it was not asked or could not say"""
    score: float | None
    """the number that was held against the threshold"""
    threshold: float | None
    """the operating point"""
    label: str
    """the class that the model finds likeliest, in its own words; empty where it was not asked or could not say"""
    boxes: list[DecidedBoxDocument]
    """where the model saw the defect, the clearest first; empty where nothing stands out or it cannot tell"""


class DecisionDocument(Document):
    """The decision on one part, as every MES is told it: the same bytes at every resend."""

    id: str
    """the inspection id, 32 hexadecimal digits, ordered by time; an id that is known is done"""
    line: str
    """the name of the line"""
    part: str
    """the serial number or barcode; empty where the inspector has none"""
    recipe: str
    """the product or program"""
    goal: Goal
    """1 cuts false calls, 2 catches escapes, 3 replaces the inspector"""
    stage: Stage
    """shadow (nothing of ours counts) or live"""
    verdict: Verdict | None
    """what counts; null only in shadow where the inspector gave no verdict"""
    origin: Origin
    """whose verdict it is"""
    legacy: Verdict | None
    """the inspector's verdict"""
    model: Verdict | None
    """the model's verdict; null where it was not asked or could not say"""
    operator: Verdict | None
    """the operator's verdict"""
    degraded: bool
    """true where a fallback answered: safe, but no second opinion was had"""
    error: bool
    """true where the inspector's own verdict was unusable, or too many fallbacks came in a row"""
    failures: list[Failure]
    """what went wrong, most important first"""
    backlog: bool
    """true for a part told late"""
    bypassed: bool
    """true where a bypass was in force, so that the inspector's verdict counted"""
    number: int
    """the journal's running number"""
    sequence: int | None
    """the PLC's number of the request"""
    bundle: str
    """name, version and short hash of the model bundle"""
    config: str
    """a short hash of the configuration in force"""
    event_at: float
    """Unix time of the part's own event, in seconds"""
    latency_ms: float
    """milliseconds from the part's event to the decision"""
    views: list[DecidedViewDocument]
    """the part's pictures"""


def parse_part(data: bytes | bytearray | str) -> PartDocument:
    """Read a part's document from JSON.

    Raises:
        Unreadable: it is no JSON, or says something that no part is.
    """
    try:
        return PartDocument.model_validate_json(data)
    except ValidationError as exc:
        raise Unreadable(first_mistake(exc)) from exc


def read_part(
    said: PartDocument, words: Words, images: Sequence[bytes] = (), event: float | None = None
) -> Inspection:
    """Return the part that a document tells of.

    Args:
        said: the document.
        words: the machine's words for its verdicts.
        images: the pictures, one for each view, empty where it has none; no entry at all where none was sent.
        event: the instant (monotonic seconds) from which the deadline counts.
    """
    return Inspection(
        part=said.part,
        legacy=words.verdict(said.verdict),
        legacy_understood=all(map(words.understood, (said.verdict, *(view.verdict for view in said.views)))),
        views=_views(said.views, words, images),
        key=said.key or None,
        recipe=said.recipe,
        defect=said.defect,
        ng_views=said.ng_views,
        sequence=said.sequence,
        deadline_ms=said.deadline_ms,
        backlog=said.backlog,
        lot=said.lot,
        counter=said.counter,
        event=event,
    )


def _views(said: Sequence[ViewDocument], words: Words, images: Sequence[bytes]) -> tuple[View, ...]:
    return tuple(
        View(
            name=view.name or str(number),
            image=image or None,
            reference="" if image else view.image,
            legacy=words.verdict(view.verdict),
            defect=view.defect,
            roi=Box(**view.roi.model_dump()) if view.roi else None,
        )
        for number, (view, image) in enumerate(zip(said, images or [b""] * len(said), strict=True), start=1)
    )


def first_mistake(exc: ValidationError) -> str:
    """Return the first mistake in one line, without the value: it may be an image or a whole document."""
    error = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


def part_document(part: Inspection, words: Words = DEFAULT_WORDS) -> dict[str, object]:
    """Return a part as the document that ``read_part`` reads; the inspector's side.

    Pictures are named by their size and checksum; how they travel is the road's own.
    """
    return _said(
        {
            "part": part.part,
            "verdict": words.word(part.legacy),
            "recipe": part.recipe,
            "key": part.key,
            "defect": part.defect,
            "ng_views": part.ng_views,
            "sequence": part.sequence,
            "deadline_ms": part.deadline_ms,
            "backlog": part.backlog,
            "lot": part.lot,
            "counter": part.counter,
            "views": [_view(view, words) for view in part.views],
        }
    )


def _view(view: View, words: Words) -> Mapping[str, object]:
    box = view.roi
    return _said(
        {
            "name": view.name,
            "verdict": words.word(view.legacy),
            "defect": view.defect,
            "image": view.reference,
            "bytes": len(view.image) if view.image else None,
            "crc32": zlib.crc32(view.image) if view.image else None,
            "roi": {"cx": box.cx, "cy": box.cy, "w": box.w, "h": box.h} if box else None,
        }
    )


def _said(fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is absent; a count of 0 is not."""
    return {name: value for name, value in fields.items() if value or type(value) is int}


def answer_document(part: Inspection, decision: Decision, words: Words) -> dict[str, object]:
    """Return what the machine is told of its part, as ``AnswerDocument`` describes it."""
    return {
        "part": part.part,
        "key": part.key or "",
        "id": decision.id,
        "verdict": words.word(decision.final),
        "recorded": decision.recorded,
        "origin": str(decision.origin),
        "legacy": words.word(decision.legacy),
        "recipe": part.recipe,
        "sequence": "" if part.sequence is None else part.sequence,
        "number": decision.number,
        "line": decision.line,
    }
