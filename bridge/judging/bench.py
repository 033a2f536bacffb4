"""The judging itself: pictures in, opinions out, a batch at a time for as long as somebody waits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from bridge.judging.engine import Engine, Scores
from bridge.judging.frames import Answer, Load, Opinion, Request
from bridge.judging.headers import Data, Unreadable
from bridge.judging.inbox import Inbox
from bridge.judging.memory import taken
from bridge.judging.preprocess import Tensor, prepare
from bridge.messages import Box, Failure

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
        self._memory_bytes = 0

    def warm_up(self) -> float:
        """Run everything until the first times are over; return what one view then takes, in milliseconds."""
        self._engine.warm_up()
        data = specimen(self._load)
        return statistics.median(self.judge([(data, None)])[0].ms for _ in range(WARM_UP_VIEWS))

    def judge_golden(self) -> tuple[Opinion, ...]:
        """Judge the bundle's golden pictures just as a part's."""
        samples = ((Path(one.path).read_bytes(), one.roi) for one in self._load.golden)
        return tuple(self.judge([sample])[0] for sample in samples)

    def answers(self, request: Request, pictures: Sequence[bytes]) -> Iterator[Answer]:
        """Yield an answer for each batch; stop early as soon as nobody waits."""
        done, total = 0, len(request.asks)
        while done < total and self._inbox.wants(request):
            batch = range(done, min(done + self._engine.batch, total))
            opinions = tuple(self._judge(request, batch, pictures))
            done = batch.stop
            yield Answer(request.id, opinions, last=done == total, memory_bytes=self._memory_bytes)
        if done < total or not total:
            yield Answer(request.id, memory_bytes=self._memory_bytes)
        self._memory_bytes = taken()  # looked at while nobody waits, told with the next answer

    def _judge(self, request: Request, batch: range, pictures: Sequence[bytes]) -> list[Opinion]:
        """Note which picture is in hand, one by one while they are decoded, then all together."""

        def seen() -> Iterator[tuple[Data, Box | None]]:
            for index in batch:
                self._inbox.in_hand(request.id, index, 1)
                ask = request.asks[index]
                yield self._inbox.picture(ask, pictures[index]), ask.roi
            if len(batch) > 1:
                self._inbox.in_hand(request.id, batch.start, len(batch))

        return self.judge(seen())

    def judge(self, pictures: Iterable[tuple[Data, Box | None]]) -> list[Opinion]:
        """Judge up to a batch of readable pictures together; an unreadable one costs only its own opinion."""
        opinions: list[Opinion] = []
        tensors: list[Tensor] = []
        for data, roi in pictures:
            started = time.perf_counter()
            try:
                tensors.append(self._prepared(data, roi))
                opinions.append(Opinion(ms=_since(started)))
            except Unreadable as exc:
                opinions.append(Opinion(failure=Failure.IMAGE_UNREADABLE, why=str(exc), ms=_since(started)))
        started = time.perf_counter()
        rows = iter(self.infer(tensors)) if tensors else iter(())
        share = _since(started) / max(1, len(tensors))
        return [one if one.failure else self._scored(next(rows), one.ms + share) for one in opinions]

    def _prepared(self, data: Data, roi: Box | None) -> Tensor:
        return prepare(data, self._load.input, self._load.normalisation, roi, self._load.max_pixels)

    def infer(self, tensors: Sequence[Tensor]) -> Scores:
        """Return the model's probabilities, a row for each."""
        return self._engine.infer(tensors)

    def _scored(self, row: Sequence[float], ms: float) -> Opinion:
        score = sum(float(row[i]) for i in self._load.ok_outputs)
        if score != score:  # noqa: PLR0124 - NaN is the only number that differs from itself
            return Opinion(failure=Failure.JUDGE_DOWN, why="the model's output is no probability", ms=ms)
        top = max(range(len(row)), key=row.__getitem__)
        return Opinion(score=min(1.0, score), top=top, ms=ms)


def specimen(load: Load) -> bytes:
    """Return a JPEG of twice the model's width and height, with detail at every scale: an everyday picture."""
    width, height = load.input.width, load.input.height
    times = 2 if 4 * width * height <= load.max_pixels else 1
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    picture = cv2.resize(noise, (times * width, times * height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
