"""Protocol Buffers ↔ messages: what an old inspector's call says, and what it is told in return.

Pure: no clock, no socket, no disk. A verdict is OK only where it says VERDICT_OK; zero is no verdict, and a number
that is not known here is one that was not understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from google.protobuf.message import DecodeError

from aoi_bridge.inspection.v1 import inspection_pb2 as pb
from aoi_bridge.inspection.v1 import inspection_service_pb2 as service_pb
from bridge.plugin import Box, Decision, Failure, Inspection, Origin, Unreadable, Verdict, View, short_text
from bridge_grpc.fields import bound

REFERENCE_LENGTH = 4096
"""The longest path of a picture, in characters."""
LARGEST_NUMBER = 2**63 - 1
LONGEST_DEADLINE_MS = 3_600_000
LARGEST_PIXEL = 1e6

VERDICTS: Mapping[Verdict, pb.Verdict] = {Verdict.OK: pb.VERDICT_OK, Verdict.NG: pb.VERDICT_NG}
_READ: Mapping[int, Verdict] = {number: verdict for verdict, number in VERDICTS.items()}
ORIGINS: Mapping[Origin, pb.Origin] = {
    Origin.LEGACY: pb.ORIGIN_LEGACY,
    Origin.MODEL: pb.ORIGIN_MODEL,
    Origin.FALLBACK: pb.ORIGIN_FALLBACK,
    Origin.OPERATOR: pb.ORIGIN_OPERATOR,
}
FAILURES: Mapping[Failure, pb.Failure] = {
    Failure.DEADLINE: pb.FAILURE_DEADLINE,
    Failure.JUDGE_DOWN: pb.FAILURE_JUDGE_DOWN,
    Failure.IMAGE_MISSING: pb.FAILURE_IMAGE_MISSING,
    Failure.IMAGE_REPEATED: pb.FAILURE_IMAGE_REPEATED,
    Failure.IMAGE_UNREADABLE: pb.FAILURE_IMAGE_UNREADABLE,
    Failure.IMAGE_UNTIED: pb.FAILURE_IMAGE_UNTIED,
    Failure.RECIPE_UNKNOWN: pb.FAILURE_RECIPE_UNKNOWN,
    Failure.VIEWS_MISSING: pb.FAILURE_VIEWS_MISSING,
    Failure.LEGACY_MISSING: pb.FAILURE_LEGACY_MISSING,
    Failure.NOT_RECORDED: pb.FAILURE_NOT_RECORDED,
}


def said(verdict: Verdict | None) -> pb.Verdict:
    """Return a verdict's number; unspecified where there is none."""
    return pb.VERDICT_UNSPECIFIED if verdict is None else VERDICTS[verdict]


def verdict_of(number: int) -> Verdict | None:
    """Return the verdict of a number; None for unspecified, and for any that is not known here."""
    return _READ.get(number)


def understood(number: int) -> bool:
    """Return whether this is a verdict, or nothing at all."""
    return number == pb.VERDICT_UNSPECIFIED or number in _READ


def parse_inspect(data: bytes) -> pb.Inspection:
    """Read the message of Inspect.

    Raises:
        Unreadable: it is no such message, or has more views than any part.
    """
    bound(data)
    try:
        request = service_pb.InspectRequest.FromString(data)
    except DecodeError as exc:
        raise Unreadable("message is no InspectRequest") from exc
    if not request.HasField("inspection"):
        raise Unreadable("message has no inspection")
    return request.inspection


def parse_upload(data: bytes) -> pb.Inspection | bytes:
    """Read one message of Upload: the part, or a chunk.

    Raises:
        Unreadable: it is no such message, says neither, or has more views than any part.
    """
    bound(data)
    try:
        request = service_pb.UploadRequest.FromString(data)
    except DecodeError as exc:
        raise Unreadable("message is no UploadRequest") from exc
    content = request.WhichOneof("content")
    if content is None:
        raise Unreadable("message is neither an inspection nor a chunk")
    return request.inspection if content == "inspection" else request.chunk


def read_inspection(
    told: pb.Inspection,
    images: Sequence[bytes] = (),
    event: float | None = None,
    deadline_ms: float | None = None,
) -> Inspection:
    """Return the part that a message tells of.

    Args:
        told: the message.
        images: the pictures of those views that announced one as an upload, in their order.
        event: the instant (monotonic seconds) from which the deadline counts.
        deadline_ms: the deadline of the call; the smaller of this and the part's own holds.

    Raises:
        Unreadable: it says something that no part is.
    """
    uploads = iter(images)
    own = _deadline(told)
    return Inspection(
        part=short_text("part", told.part),
        legacy=verdict_of(told.verdict),
        legacy_understood=all(map(understood, (told.verdict, *(view.verdict for view in told.views)))),
        views=tuple(_view(view, number, uploads) for number, view in enumerate(told.views, start=1)),
        key=short_text("key", told.key) or None,
        recipe=short_text("recipe", told.recipe),
        defect=short_text("defect", told.defect),
        ng_views=told.ng_views if told.HasField("ng_views") else None,
        sequence=_number("sequence", told.sequence) if told.HasField("sequence") else None,
        deadline_ms=min(filter(None, (own, deadline_ms)), default=None),
        backlog=told.backlog,
        lot=short_text("lot", told.lot),
        counter=_number("counter", told.counter) if told.HasField("counter") else None,
        event=event,
    )


def _view(told: pb.View, number: int, uploads: Iterator[bytes]) -> View:
    picture = told.WhichOneof("picture")
    image = told.image if picture == "image" else next(uploads, b"") if picture == "upload" else b""
    reference = told.reference if picture == "reference" else ""
    if len(reference) > REFERENCE_LENGTH:
        raise Unreadable(f"reference is longer than {REFERENCE_LENGTH} characters")
    return View(
        name=short_text("view", told.name) or str(number),
        image=image or None,
        reference=reference,
        legacy=verdict_of(told.verdict),
        defect=short_text("defect", told.defect),
        roi=_box(told.roi) if told.HasField("roi") else None,
    )


def _box(told: pb.Box) -> Box:
    sides = {"cx": told.cx, "cy": told.cy, "w": told.w, "h": told.h}
    for name, pixels in sides.items():
        if not 0 <= pixels <= LARGEST_PIXEL:  # NaN is not either
            raise Unreadable(f"roi.{name} is no number of pixels from 0 to {LARGEST_PIXEL:g}")
    return Box(**sides)


def _number(name: str, number: int) -> int:
    if number > LARGEST_NUMBER:
        raise Unreadable(f"{name} is more than {LARGEST_NUMBER}")
    return number


def _deadline(told: pb.Inspection) -> float | None:
    if not told.HasField("deadline_ms"):
        return None
    if not (isfinite(told.deadline_ms) and 0 < told.deadline_ms <= LONGEST_DEADLINE_MS):
        raise Unreadable(f"deadline_ms is no number above 0 up to {LONGEST_DEADLINE_MS}")
    return told.deadline_ms


def write_answer(part: Inspection, decision: Decision) -> pb.Answer:
    """Return what the machine is told of its part."""
    return pb.Answer(
        part=part.part,
        id=decision.id,
        verdict=said(decision.final),
        recorded=decision.recorded,
        origin=ORIGINS[decision.origin],
        legacy_verdict=said(decision.legacy),
        key=part.key or "",
        recipe=part.recipe,
        sequence=part.sequence,
        number=decision.number,
        line=decision.line,
        degraded=decision.degraded,
        failures=[FAILURES[failure] for failure in decision.failures],
    )


def write_inspection(part: Inspection, told: pb.Inspection) -> None:
    """Write a part into a message that ``read_inspection`` reads; the inspector's side.

    Into one, because a picture is copied as often as the message that holds it is put into another.
    """
    told.SetInParent()
    told.part, told.verdict, told.key = part.part, said(part.legacy), part.key or ""
    told.recipe, told.defect, told.lot, told.backlog = part.recipe, part.defect, part.lot, part.backlog
    if part.ng_views is not None:
        told.ng_views = part.ng_views
    if part.sequence is not None:
        told.sequence = part.sequence
    if part.counter is not None:
        told.counter = part.counter
    if part.deadline_ms is not None:
        told.deadline_ms = part.deadline_ms
    for view in part.views:
        _write_view(view, told.views.add())


def _write_view(view: View, told: pb.View) -> None:
    told.name, told.verdict, told.defect = view.name, said(view.legacy), view.defect
    if view.image:
        told.image = view.image
    elif view.reference:
        told.reference = view.reference
    if (box := view.roi) is not None:
        told.roi.cx, told.roi.cy, told.roi.w, told.roi.h = box.cx, box.cy, box.w, box.h
        told.roi.SetInParent()
