"""The judging itself: pictures in, opinions out, a batch at a time for as long as somebody waits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bridge.judging import heat, looks, preprocess, spots
from bridge.judging.comparer import Comparer
from bridge.judging.engine import Engine, Heats, Scores, Unfit
from bridge.judging.finder import Finder
from bridge.judging.frames import Answer, Load, Opinion, Reference, Request
from bridge.judging.headers import Data, Unreadable
from bridge.judging.inbox import Inbox
from bridge.judging.memory import taken
from bridge.judging.preprocess import Cut, Tensor
from bridge.judging.registration import Aligner
from bridge.messages import Box, Failure

WARM_UP_VIEWS = 5
"""The median of so many is what a view is said to take."""


ALWAYS = 2.0
"""As ``Shown.explain``: whatever p(OK) is."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture and how to look at it."""

    data: Data
    roi: Box | None = None
    onto: int | None = None
    """Which of the references it is registered onto; None: it is cut as it is."""
    explain: float | None = None
    """Below this p(OK) it is said where the model looked; None: never."""


class Bench:
    """A loaded model and the way to it."""

    def __init__(self, load: Load, inbox: Inbox) -> None:
        """Load the model.

        Raises:
            Unfit: it cannot run here as its manifest says.
        """
        cv2.setNumThreads(load.threads)
        self._load = load
        self._aligners = tuple(map(_aligner, load.references))
        self._comparer = Comparer(load, self._aligners) if load.comparison else None
        self._engine = self._comparer or (Finder(load) if load.detection else Engine(load))
        self._inbox = inbox
        self._memory_bytes = 0

    def warm_up(self) -> float:
        """Run everything until the first times are over; return what one view then takes, in milliseconds."""
        self._engine.warm_up()
        shown = Shown(specimen(self._load), explain=ALWAYS)
        if self._load.references:  # nothing but a part can be registered
            first = self._load.references[0]
            shown = Shown(Path(first.how.golden).read_bytes(), first.roi, 0, ALWAYS)
        return statistics.median(self.judge([shown])[0].ms for _ in range(WARM_UP_VIEWS))

    def judge_golden(self) -> tuple[Opinion, ...]:
        """Judge the bundle's golden pictures just as a part's."""
        samples = (Shown(Path(one.path).read_bytes(), one.roi, one.onto) for one in self._load.golden)
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

        def seen() -> Iterator[Shown]:
            for index in batch:
                self._inbox.in_hand(request.id, index, 1)
                ask = request.asks[index]
                yield Shown(self._inbox.picture(ask, pictures[index]), ask.roi, ask.onto, ask.explain)
            if len(batch) > 1:
                self._inbox.in_hand(request.id, batch.start, len(batch))

        return self.judge(seen())

    def judge(self, pictures: Iterable[Shown]) -> list[Opinion]:
        """Judge up to a batch of readable pictures together; an unreadable one costs only its own opinion."""
        opinions: list[Opinion] = []
        cuts: list[tuple[Cut, float | None]] = []
        tensors: list[Tensor] = []
        for shown in pictures:
            started = time.perf_counter()
            try:
                cut = self._cut(shown)
                cuts.append((cut, shown.explain))
                tensors.append(self._tensor(cut, shown))
                seen = looks.measured(cut, self._load.input.colour)
                opinions.append(Opinion(ms=_since(started), picture=seen))
            except Unreadable as exc:
                opinions.append(Opinion(failure=Failure.IMAGE_UNREADABLE, why=str(exc), ms=_since(started)))
        started = time.perf_counter()
        said = iter(self._opinions(cuts, tensors) if tensors else ())
        share = _since(started) / max(1, len(tensors))
        return [
            one if one.failure else replace(next(said), ms=one.ms + share, picture=one.picture) for one in opinions
        ]

    def _cut(self, shown: Shown) -> Cut:
        onto = None if shown.onto is None else self._aligners[shown.onto]
        return preprocess.cut(shown.data, self._load.input, shown.roi, self._load.max_pixels, onto)

    def _tensor(self, cut: Cut, shown: Shown) -> Any:
        """Return what the engine takes: numbers, or the picture with its template."""
        if self._comparer is not None and shown.onto is not None:
            return self._comparer.pair(cut.picture, shown.onto, shown.roi)
        return preprocess.normalise(cut.picture, self._load.normalisation)

    def infer(self, tensors: Sequence[Tensor]) -> tuple[Scores, Any]:
        """Return the model's probabilities, a row for each, and where it looked or what it found."""
        return self._engine.explain(tensors)

    def _opinions(self, cuts: Sequence[tuple[Cut, float | None]], tensors: Sequence[Tensor]) -> list[Opinion]:
        rows, more = self.infer(tensors)
        opinions = [self._scored(row) for row in rows]
        if self._load.names:
            return [
                replace(opinion, boxes=spots.placed(finds, self._load.names, cut))
                for opinion, finds, (cut, _) in zip(opinions, more, cuts, strict=True)
            ]
        return self._all_explained(opinions, rows, more, cuts)

    def _all_explained(
        self,
        opinions: list[Opinion],
        rows: Scores,
        heats: Heats | None,
        cuts: Sequence[tuple[Cut, float | None]],
    ) -> list[Opinion]:
        if heats is None or self._load.heat_map is None:
            return opinions
        for place, (opinion, (cut, explain)) in enumerate(zip(opinions, cuts, strict=True)):
            if explain is not None and opinion.score is not None and opinion.score < explain:
                opinions[place] = self._explained(opinion, rows[place], heats[place], cut)
        return opinions

    def _scored(self, row: Sequence[float]) -> Opinion:
        score = sum(float(row[i]) for i in self._load.ok_outputs)
        if score != score:  # noqa: PLR0124 - NaN is the only number that differs from itself
            return Opinion(failure=Failure.JUDGE_DOWN, why="the model's output is no probability")
        top = max(range(len(row)), key=row.__getitem__)
        return Opinion(score=min(1.0, score), top=top)

    def _explained(self, opinion: Opinion, row: Sequence[float], heats: Heats, cut: Cut) -> Opinion:
        """Add what speaks for the likeliest NG class: what an NG rests on."""
        assert self._load.heat_map is not None  # noqa: S101 - asked by the caller
        explains = max(set(range(len(row))) - set(self._load.ok_outputs), key=row.__getitem__)
        seen = heats[:, :, min(explains, heats.shape[2] - 1)]
        size = (self._load.input.width, self._load.input.height)
        if not np.isfinite(seen).all():
            return opinion
        found = heat.boxes(seen, self._load.heat_map, cut.placement, *size)
        return replace(opinion, boxes=found, heat=heat.packed(seen, explains, cut.placement, *size))


def _aligner(reference: Reference) -> Aligner:
    try:
        return Aligner(Path(reference.how.golden).read_bytes(), reference.how, reference.roi)
    except Unreadable as exc:
        raise Unfit(f"its golden picture {Path(reference.how.golden).name} {exc}") from exc


def specimen(load: Load) -> bytes:
    """Return a JPEG of twice the model's width and height, with detail at every scale: an everyday picture."""
    width, height = load.input.width, load.input.height
    times = 2 if 4 * width * height <= load.max_pixels else 1
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    picture = cv2.resize(noise, (times * width, times * height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
