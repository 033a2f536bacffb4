"""The judging itself: pictures in, opinions out, a batch at a time for as long as somebody waits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from bridge.judging.engine import Engine
from bridge.judging.frames import Answer, Ask, Load, Opinion, Request
from bridge.judging.headers import Unreadable
from bridge.judging.inbox import Inbox
from bridge.judging.preprocess import prepare
from bridge.messages import Failure

WARM_UP_VIEWS = 5
"""The median of so many is what a view is said to take."""


class Bench:
    """A loaded model and the way to it."""

    def __init__(self, load: Load, inbox: Inbox) -> None:
        """Load the model.

        Raises:
            Unfit: it cannot run here as its manifest says.
        """
        cv2.setNumThreads(load.threads)
        self._load = load
        self._engine = Engine(load)
        self._inbox = inbox

    def warm_up(self) -> float:
        """Run everything until the first times are over; return what one view then takes, in milliseconds."""
        self._engine.warm_up()
        data = _specimen(self._load)
        return statistics.median(self._judge([(Ask(len(data)), data)])[0].ms for _ in range(WARM_UP_VIEWS))

    def answers(self, request: Request, pictures: Sequence[bytes]) -> Iterator[Answer]:
        """Yield an answer for each batch; stop early as soon as nobody waits."""
        todo = list(zip(request.asks, pictures, strict=True))
        while todo and self._inbox.wants(request):
            batch, todo = todo[: self._engine.batch], todo[self._engine.batch :]
            yield Answer(request.id, tuple(self._judge(batch)), last=not todo)
        if todo or not request.asks:
            yield Answer(request.id)

    def _judge(self, batch: Sequence[tuple[Ask, bytes]]) -> list[Opinion]:
        """Judge the readable pictures together; an unreadable one costs only its own opinion."""
        opinions: list[Opinion] = []
        tensors = []
        for ask, inline in batch:
            started = time.perf_counter()
            try:
                data = self._inbox.picture(ask, inline)
                tensors.append(
                    prepare(data, self._load.input, self._load.normalisation, ask.roi, self._load.max_pixels)
                )
                opinions.append(Opinion(ms=_since(started)))
            except Unreadable as exc:
                opinions.append(Opinion(failure=Failure.IMAGE_UNREADABLE, why=str(exc), ms=_since(started)))
        started = time.perf_counter()
        rows = iter(self._engine.infer(tensors)) if tensors else iter(())
        share = _since(started) / max(1, len(tensors))
        return [one if one.failure else self._scored(next(rows), one.ms + share) for one in opinions]

    def _scored(self, row: Sequence[float], ms: float) -> Opinion:
        score = sum(float(row[i]) for i in self._load.ok_outputs)
        if score != score:  # noqa: PLR0124 - NaN is the only number that differs from itself
            return Opinion(failure=Failure.JUDGE_DOWN, why="the model's output is no probability", ms=ms)
        top = max(range(len(row)), key=row.__getitem__)
        return Opinion(score=min(1.0, score), top=top, ms=ms)


def _specimen(load: Load) -> bytes:
    """Return a JPEG of twice the model's width and height, with detail at every scale: an everyday picture."""
    width, height = load.input.width, load.input.height
    times = 2 if 4 * width * height <= load.max_pixels else 1
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    picture = cv2.resize(noise, (times * width, times * height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
