"""A sound judge with a process of its own, and what may be wrong with one: each flaw is one that the kit finds."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from bridge.plugin import Failure, Judge, Judgement, JudgeOptions, Trial, Unavailable, Verdict, View
from bridge.plugin.discovery import Plugin
from bridge.plugin.testkit import Subject

FLAWS: set[str] = set()
"""What is wrong at the moment."""
_asked = itertools.count()


class ScaleOptions(JudgeOptions):
    """A judge that weighs pictures."""

    threshold: float = 0.5
    """a number from 0 to 1"""


class HarmlessOptions(ScaleOptions):
    """Names a harmless option that there is not."""

    harmless: ClassVar[frozenset[str]] = frozenset({"nothing_like_it"})


@asynccontextmanager
async def open_judge(options: ScaleOptions) -> AsyncIterator[Judge]:
    """Start ``cat``, which stands for a worker, and judge by what comes back."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    turn = asyncio.Lock()

    async def judge(views: Sequence[View]) -> list[Judgement]:
        async with turn:
            found = [await _judged(process, options, view) for view in views]
        if "forgets one" in FLAWS:
            return found[1:]
        return found[::-1] if "answers in another order" in FLAWS else found

    try:
        yield judge
    finally:
        process.kill() if process.returncode is None else None
        transport = process._transport  # type: ignore[attr-defined]
        transport.close()
        await process.wait()


async def _judged(process: asyncio.subprocess.Process, options: ScaleOptions, view: View) -> Judgement:
    image = view.image or b""
    if not image.endswith(b"IEND\xaeB`\x82"):
        if "takes nonsense for a picture" in FLAWS:
            return Judgement(verdict=Verdict.OK, score=1.0, threshold=0.5, bundle="scale-1")
        return Judgement(failure=Failure.IMAGE_UNREADABLE, bundle="scale-1")
    score = float(await _echo(process, f"{(sum(image) % 997 + 1) / 1000}\n".encode()))
    if "changes its mind" in FLAWS:
        score += next(_asked) / 1e6
    own = view.threshold is not None and "ignores a view's threshold" not in FLAWS
    threshold = view.threshold if own and view.threshold is not None else options.threshold
    verdict = Verdict.OK if score >= threshold else Verdict.NG
    failure = Failure.DEADLINE if "is of two minds" in FLAWS else None
    bundle = "" if "names no model" in FLAWS else "scale-1"
    return Judgement(verdict=verdict, failure=failure, score=score, threshold=threshold, bundle=bundle)


async def _echo(process: asyncio.subprocess.Process, line: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(line)
        await process.stdin.drain()
        if back := await process.stdout.readline():
            return back
    except OSError as exc:
        if "lets OSError out" not in FLAWS:
            raise Unavailable("the worker has died") from exc
        raise
    raise OSError("the worker has died") if "lets OSError out" in FLAWS else Unavailable("the worker has died")


TRIAL = Trial(options=lambda _: {}, road="none", seconds=5, close_seconds=1)


def judge(options: type[ScaleOptions] = ScaleOptions) -> Subject:
    """Return the judge on trial."""

    @asynccontextmanager
    async def opened(chosen: ScaleOptions) -> AsyncIterator[Judge]:
        async with open_judge(chosen) as one:
            yield one

    return Subject(Plugin("judge", "scale", options, opened, ""), TRIAL)
