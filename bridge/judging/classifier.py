"""``type = "classifier"``: p(OK) for each view, held against a threshold.

A view is OK if the probabilities of all classes that the bundle calls OK add up to at least the threshold.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, ClassVar, Self

from pydantic import Field

from bridge.health import count
from bridge.judging import bundle
from bridge.judging.bundle import Bundle
from bridge.judging.frames import Load, Opinion
from bridge.judging.host import Picture, Worker, start
from bridge.log import logger
from bridge.messages import Failure, Judgement, Verdict, View
from bridge.plugin import Judge, JudgeOptions, Milliseconds, Seconds


class ClassifierOptions(JudgeOptions):
    """A model bundle and how to run it."""

    score_limit: ClassVar[float | None] = 1.0
    """p(OK)"""
    harmless: ClassVar[frozenset[str]] = frozenset({"when_unreachable", "threads", "hang_ms", "start_seconds"})

    model: Annotated[str, Field(min_length=1, examples=["pins"])]
    """a name under the models folder, or the path of a bundle"""
    threshold: Annotated[float | None, Field(gt=0, le=1, examples=[0.5])] = None
    """the p(OK), above 0 and up to 1, from which a view is OK; left out: the one the bundle was validated with"""
    threads: Annotated[int | None, Field(ge=1, le=256, examples=[2])] = None
    """a number of processor cores; left out: all but one"""
    hang_ms: Milliseconds = 5000
    """after how many milliseconds of silence a judge counts as hung and is replaced"""
    start_seconds: Seconds = 60
    """how many seconds loading and warming up may take"""
    megapixels: Annotated[float, Field(gt=0, le=1000)] = 100
    """the largest picture that is decoded, in millions of pixels"""

    def pinned(self) -> tuple[Self, str]:
        """Follow the link ``live`` once, and say which bundle that is."""
        folder = bundle.locate(self.home, self.model)
        return self.model_copy(update={"model": str(folder)}), bundle.peek(folder).identity


@asynccontextmanager
async def open_classifier(options: ClassifierOptions) -> AsyncIterator[Judge]:
    """Load a bundle into a worker of its own; ready when it is warm.

    Raises:
        ConfigError: there is no such bundle, a hash differs, or it cannot run here.
        Unavailable: the worker died or hung, while loading or later.
    """
    async with start(options.hang_ms) as worker:
        model = await asyncio.to_thread(_find, options)  # meanwhile the worker imports
        ready = await worker.load(workload(options, model), options.start_seconds)
        logger(model=model.identity).info("judge ready", ms_per_view=round(ready.ms_per_view, 2))
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(worker.serve(), name=f"judge {model.manifest.name}")
            try:
                yield Classifier(options, model, worker, ready.ms_per_view)
            finally:
                serving.cancel()


class Classifier:
    """The judge: a loaded bundle's opinions as judgements."""

    def __init__(self, options: ClassifierOptions, model: Bundle, worker: Worker, ms_per_view: float) -> None:
        self.identity = model.identity
        """Name, version and short hash of the bundle."""
        self.ms_per_view = ms_per_view
        """What one view alone takes, measured when the worker was warm, without handing it over."""
        self._threshold = options.threshold or model.manifest.threshold
        self._model, self._worker = model, worker

    async def __call__(self, views: Sequence[View]) -> list[Judgement]:
        """Judge the views of one part together.

        Raises:
            Unavailable: the worker died or hung.
        """
        present = [view for view in views if view.image is not None]
        opinions = await self._worker.judge([self._picture(view) for view in present]) if present else []
        _note_failures(present, opinions)
        said = iter(opinions)
        return [self._missing() if view.image is None else self._judgement(view, next(said)) for view in views]

    def _picture(self, view: View) -> Picture:
        return Picture(view.image or b"", view.roi or self._model.manifest.region(view.name))

    def _missing(self) -> Judgement:
        return Judgement(failure=Failure.IMAGE_MISSING, bundle=self._model.identity)

    def _judgement(self, view: View, opinion: Opinion) -> Judgement:
        if opinion.score is None:
            return Judgement(
                failure=opinion.failure or Failure.JUDGE_DOWN, bundle=self._model.identity, judge_ms=opinion.ms
            )
        threshold = self._threshold if view.threshold is None else view.threshold
        return Judgement(
            verdict=Verdict.OK if opinion.score >= threshold else Verdict.NG,
            score=opinion.score,
            threshold=threshold,
            label=self._model.manifest.classes[opinion.top].name,
            bundle=self._model.identity,
            judge_ms=opinion.ms,
        )


def _note_failures(views: Sequence[View], opinions: Sequence[Opinion]) -> None:
    """Count what was not judged, and say so in one line per kind of failure.

    A line for each view of a large panel would hold up the event loop, and with it every line, for a second.
    """
    failed = [(view, one) for view, one in zip(views, opinions, strict=True) if one.score is None]
    for failure, times in Counter(one.failure for _, one in failed).items():
        count(str(failure), times)
        view, one = next(pair for pair in failed if pair[1].failure is failure)
        logger(view=view.name).warning("view not judged", failure=str(failure), reason=one.why, views=times)


def _find(options: ClassifierOptions) -> Bundle:
    return bundle.load(bundle.locate(options.home, options.model))


def workload(options: ClassifierOptions, model: Bundle) -> Load:
    """Return what the worker is told to run a bundle."""
    manifest = model.manifest
    return Load(
        model=str(model.model),
        input=manifest.input,
        normalisation=manifest.normalisation,
        precision=manifest.precision,
        logits=manifest.output == "logits",
        classes=len(manifest.classes),
        ok_outputs=manifest.ok_outputs,
        threads=options.threads or max(1, len(os.sched_getaffinity(0)) - 1),
        max_pixels=int(options.megapixels * 1e6),
    )
