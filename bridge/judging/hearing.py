"""Hearing the judge on one part: bring the images, ask within the time, and name whatever went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.errors import Unavailable
from bridge.explaining import expected, explain
from bridge.judging.album import Album
from bridge.judging.turns import Ticket, TooLate, Turns
from bridge.log import logger
from bridge.messages import Box, Failure, Inspection, Judgement, View
from bridge.plugin.api import Fetch
from bridge.supervise import wall


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of it: judgements by index of the view, and what failed for the part as a whole."""

    judged: Mapping[int, Judgement] = field(default_factory=dict)
    failures: frozenset[Failure] = frozenset()
    pending: asyncio.Task[Mapping[int, Judgement]] | None = None
    """The judge's answer still to come, where it had begun but was too slow."""
    judge_ms: float = 0.0
    """From handing the views over to the answer, or to giving up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: some views of a part, looked at in this way."""

    line: str
    """Which line asks: lines that share a judge take turns."""
    part: Inspection
    wanted: Sequence[int]
    """Indices of the views to judge."""
    album: Album
    fetch: Fetch | None = None
    rois: Mapping[str, Box] = field(default_factory=dict)
    threshold: float | None = None


async def hear(question: Question, turns: Turns, until: float, *, background: bool = False) -> Heard:
    """Ask the judge; answer at ``until`` (an instant of the loop's clock) at the latest.

    Never raises for what a source, an image or a judge may do: each is a failure of its view or of the part.
    """
    looking = asyncio.create_task(_pictures(question), name=f"pictures {question.part.part}")
    if not await within(looking, until):
        looking.cancel()  # not waited for: a fetch that will not stop must not hold the part
        return Heard(failures=frozenset({Failure.IMAGE_MISSING}))
    pictures, failed = looking.result()
    if not pictures:
        return Heard(failed)
    began = asyncio.get_running_loop().time()
    heard = await _answer(question, pictures, failed, turns, until, background=background)
    return replace(heard, judge_ms=(asyncio.get_running_loop().time() - began) * 1000)


async def _answer(
    question: Question,
    pictures: Mapping[int, bytes],
    failed: Mapping[int, Judgement],
    turns: Turns,
    until: float,
    *,
    background: bool,
) -> Heard:
    ticket = Ticket(question.line, until=until)

    async def ask() -> Mapping[int, Judgement]:
        views = [_as_asked(question, index, image) for index, image in pictures.items()]
        judgements = await turns.judge(views, ticket, background=background)
        return {**failed, **dict(zip(pictures, judgements, strict=True))}

    asking = asyncio.create_task(ask(), name=f"judge {question.part.part}")
    if not await within(asking, until):
        ticket.late = True
        if not ticket.begun:
            asking.cancel()
        return Heard(failed, frozenset({Failure.DEADLINE}), asking if ticket.begun else None)
    try:
        return Heard(asking.result())
    except TooLate:
        return Heard(failed, frozenset({Failure.DEADLINE}))
    except Unavailable as exc:
        turns.away(question.line, question.part.part, exc)
        return Heard(failed, frozenset({Failure.JUDGE_DOWN}))


async def within(task: asyncio.Task[Any], until: float) -> bool:
    """Wait for a task until an instant of the loop's clock; return whether it is done."""
    try:
        await asyncio.wait({task}, timeout=max(0.0, until - asyncio.get_running_loop().time()))
    except asyncio.CancelledError:
        task.cancel()
        raise
    return task.done()


async def _pictures(question: Question) -> tuple[dict[int, bytes], dict[int, Judgement]]:
    """Return the pictures by index, and a failed judgement for every wanted view that has none."""
    found = {index: _at_hand(question, index) for index in question.wanted}
    away = [index for index, picture in found.items() if picture is None]
    brought = await asyncio.gather(*(_brought(question, index) for index in away))
    found.update(zip(away, brought, strict=True))
    pictures = {index: picture for index, picture in found.items() if isinstance(picture, bytes)}
    failed = {i: Judgement(failure=why) for i, why in found.items() if isinstance(why, Failure)}
    return pictures, failed


def _at_hand(question: Question, index: int) -> bytes | Failure | None:
    """Return the picture, why there is none, or None where it is to be fetched."""
    view = question.part.views[index]
    if not view.tied:
        return Failure.IMAGE_UNTIED
    if index in question.album.repeated:
        return Failure.IMAGE_REPEATED
    if view.image is not None:
        return view.image
    return Failure.IMAGE_MISSING if question.fetch is None else None


async def _brought(question: Question, index: int) -> bytes | Failure:
    view = question.part.views[index]
    assert question.fetch is not None  # noqa: S101 - _at_hand has seen to it
    try:
        with wall():
            image = await question.fetch(view)
        repeated = await question.album.note(index, image)
    except Exception as exc:  # noqa: BLE001 - whatever a source's fetch does, its view is missing and no more
        tell = logger(part=question.part.part, view=view.name)
        tell.warning("image missing", reason=explain(exc), exc_info=None if expected(exc) else exc)
        return Failure.IMAGE_MISSING
    return Failure.IMAGE_REPEATED if repeated else image


def _as_asked(question: Question, index: int, image: bytes) -> View:
    view = question.part.views[index]
    roi = question.rois.get(view.name) or question.rois.get("*") or view.roi
    threshold = view.threshold if question.threshold is None else question.threshold
    return replace(view, image=image, roi=roi, threshold=threshold)
