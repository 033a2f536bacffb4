"""``type = "classifier"``: p(OK) for each view, held against a threshold.

A view is OK if the probabilities of all classes that the bundle calls OK add up to at least the threshold.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Annotated, ClassVar, Self

from pydantic import Field

from bridge.errors import ConfigError
from bridge.health import count
from bridge.judging import bundle
from bridge.judging.asked import Picture
from bridge.judging.bundle import Bundle
from bridge.judging.frames import Heat, Load, Opinion, Ready, Reference, Sample
from bridge.judging.golden import best_bad, examine
from bridge.judging.host import PROGRAM, Worker, start
from bridge.judging.poison import Poison
from bridge.judging.relief import Post, manned
from bridge.log import logger
from bridge.messages import Failure, HeatMap, Judgement, Verdict, View
from bridge.plugin import Judge, JudgeOptions, Milliseconds, Seconds


class Explained(StrEnum):
    """Of which views it is kept where the model looked."""

    NONE = "none"
    NG = "NG"
    UNSURE = "unsure"
    ALL = "all"


_EVERY_SCORE = 2.0
"""Above all of them."""


class ClassifierOptions(JudgeOptions):
    """A model bundle and how to run it."""

    score_limit: ClassVar[float | None] = 1.0
    """p(OK)"""
    harmless: ClassVar[frozenset[str]] = frozenset(
        {"when_unreachable", "threads", "hang_ms", "start_seconds", "heat_map", "unsure_margin"}
    )

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
    megapixels: Annotated[float, Field(gt=0, le=1000)] = 30
    """the largest picture that is decoded, in millions of pixels; all others wait for it (30 as PNG: about 1 s)"""
    memory_megabytes: Annotated[float | None, Field(gt=0, le=1e6, examples=[1500])] = None
    """how many MB the judge's process may take before it is replaced; left out: 500 more than it took when warm"""

    heat_map: Explained = Explained.NG
    """of which views it is told and kept where the model looked: none, NG, unsure (NG, and what is barely OK) or
    all; means nothing to a bundle without a heat map"""
    unsure_margin: Annotated[float, Field(gt=0, le=1)] = 0.1
    """how far p(OK) may be above the threshold where a view is barely OK"""

    def pinned(self) -> tuple[Self, str]:
        """Follow the link ``live`` once, and say which bundle that is."""
        folder = bundle.locate(self.home, self.model)
        return self.model_copy(update={"model": str(folder)}), bundle.peek(folder).identity


_poison = Poison()
"""Of all judges of this gateway: what broke one model's decoder breaks every model's."""


@asynccontextmanager
async def open_classifier(options: ClassifierOptions) -> AsyncIterator[Judge]:
    """Load a bundle into a worker of its own; ready when it is warm.

    Raises:
        ConfigError: there is no such bundle, a hash differs, it cannot run here, or it lets a part pass that it
            knows to be bad.
        Unavailable: the worker died or hung, while loading or later.
    """
    async with opened(options) as judge:
        yield judge


@asynccontextmanager
async def opened(options: ClassifierOptions, program: Sequence[str] = PROGRAM) -> AsyncIterator[Classifier]:
    """Open the judge with a worker that runs this program."""
    hiring = Hiring(options, program)
    async with manned(hiring.hire) as post:
        logger(model=hiring.model.identity).info("judge ready", ms_per_view=round(hiring.ready.ms_per_view, 2))
        yield Classifier(options, hiring.model, post, hiring.ready)


class Hiring:
    """Starts workers for one bundle, the same each time."""

    def __init__(self, options: ClassifierOptions, program: Sequence[str] = PROGRAM) -> None:
        self._options, self._program = options, program
        self._model: Bundle | None = None
        self.ready = Ready(0.0)
        """What the latest said when it was warm."""

    @property
    def model(self) -> Bundle:
        """The bundle that the workers run, once there is one."""
        assert self._model is not None  # noqa: S101 - nobody asks before the first worker is hired
        return self._model

    @asynccontextmanager
    async def hire(self) -> AsyncIterator[Worker]:
        """Start, load, warm and examine a worker.

        Raises:
            ConfigError: the bundle is not what it was, cannot run here, or lets a known bad part pass.
            Unavailable: the worker died or was not ready in time.
        """
        async with start(self._options.hang_ms, _poison, self._program) as worker:
            self._model = await asyncio.to_thread(self._read)  # meanwhile the worker imports
            self.ready = await worker.load(workload(self._options, self._model), self._options.start_seconds)
            examine(self._model, self.ready.golden, in_force(self._options, self._model))
            yield worker

    def _read(self) -> Bundle:
        """Find the bundle the first time, and hold it to its hashes every time."""
        if self._model is None:
            return bundle.load(bundle.locate(self._options.home, self._options.model))
        again = bundle.load(self._model.folder)
        if again.identity != self._model.identity:
            raise ConfigError(str(again.folder), f"was {self._model.identity} and is {again.identity} now")
        return again


def in_force(options: ClassifierOptions, model: Bundle) -> float:
    """Return the threshold of views that bring none of their own."""
    return options.threshold or model.manifest.threshold


class Classifier:
    """The judge: a loaded bundle's opinions as judgements."""

    def __init__(self, options: ClassifierOptions, model: Bundle, post: Post, ready: Ready) -> None:
        self.identity = model.identity
        """Name, version and short hash of the bundle."""
        self.ms_per_view = ready.ms_per_view
        """What one view alone takes, measured when the worker was warm, without handing it over."""
        self.best_bad = best_bad(model, ready.golden)
        """The highest p(OK) of its pictures known to be bad, if it has any; every threshold must be above it."""
        self._threshold = in_force(options, model)
        self._explained, self._margin = options.heat_map, options.unsure_margin
        self._model, self._post = model, post
        self._too_low: set[float] = set()

    async def __call__(self, views: Sequence[View]) -> list[Judgement]:
        """Judge the views of one part together.

        Raises:
            Unavailable: the worker died or hung.
        """
        failures = [await self._unfit(view) for view in views]
        asked = [view for view, failure in zip(views, failures, strict=True) if failure is None]
        opinions = await self._post.judge([self._picture(view) for view in asked]) if asked else []
        _note_failures(asked, opinions)
        said = (self._judgement(view, one) for view, one in zip(asked, opinions, strict=True))
        return [next(said) if failure is None else self._failed(failure) for failure in failures]

    async def _unfit(self, view: View) -> Failure | None:
        """Return why the worker is not even asked."""
        if view.image is None:
            return Failure.IMAGE_MISSING
        if await _poison.has(view.image):
            count("poison")
            logger(view=view.name).warning("not judged again", reason="a judge died over this very picture")
            return Failure.JUDGE_DOWN
        return None

    def _picture(self, view: View) -> Picture:
        manifest = self._model.manifest
        roi = view.roi or manifest.region(view.name)
        return Picture(view.image or b"", roi, manifest.reference(view.name), self._explain_below(view))

    def _explain_below(self, view: View) -> float | None:
        """Return the p(OK) below which it is wanted where the model looked."""
        if self._model.manifest.heat_map is None or self._explained is Explained.NONE:
            return None
        if self._explained is Explained.ALL:
            return _EVERY_SCORE
        margin = self._margin if self._explained is Explained.UNSURE else 0.0
        return self._threshold_of(view) + margin

    def _threshold_of(self, view: View) -> float:
        return self._threshold if view.threshold is None else view.threshold

    def _failed(self, failure: Failure) -> Judgement:
        return Judgement(failure=failure, bundle=self._model.identity)

    def _judgement(self, view: View, opinion: Opinion) -> Judgement:
        if opinion.score is None:
            return Judgement(
                failure=opinion.failure or Failure.JUDGE_DOWN, bundle=self._model.identity, judge_ms=opinion.ms
            )
        threshold = self._threshold_of(view)
        self._note_threshold(threshold)
        return Judgement(
            verdict=Verdict.OK if opinion.score >= threshold else Verdict.NG,
            score=opinion.score,
            threshold=threshold,
            label=self._label(opinion.top),
            bundle=self._model.identity,
            judge_ms=opinion.ms,
            boxes=opinion.boxes,
            heat_map=self._heat_map(opinion.heat) if opinion.heat else None,
        )

    def _heat_map(self, heat: Heat) -> HeatMap:
        label = self._label(heat.explains)
        return HeatMap(label=label, rows=heat.rows, columns=heat.columns, values=heat.values, corners=heat.corners)

    def _label(self, output: int) -> str:
        return self._model.manifest.classes[output].name

    def _note_threshold(self, threshold: float) -> None:
        """Say once of each threshold of a line that a part known to be bad would pass it."""
        if self.best_bad is not None and threshold <= self.best_bad and threshold not in self._too_low:
            self._too_low.add(threshold)
            count("threshold below known bad")
            tell = logger(model=self.identity)
            tell.warning(
                "a line's threshold lets a known bad part pass", threshold=threshold, known_bad=self.best_bad
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
        memory_bytes=None if options.memory_megabytes is None else int(options.memory_megabytes * 1e6),
        golden=tuple(
            Sample(str(model.folder / one.file), manifest.region(one.view), manifest.reference(one.view))
            for one in manifest.golden
        ),
        temperature=manifest.temperature,
        heat_map=None if options.heat_map is Explained.NONE else manifest.heat_map,
        references=tuple(map(partial(_reference, model), manifest.references)),
    )


def _reference(model: Bundle, view: str) -> Reference:
    how = model.manifest.registered(view)
    assert how is not None  # noqa: S101 - what references says
    return Reference(replace(how, golden=str(model.folder / how.golden)), model.manifest.region(view))
