"""``type = "classifier"``: p(OK) for each view, held against a threshold.

A view is OK if the probabilities of all classes that the bundle calls OK add up to at least the threshold.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.judging.bundle import Bundle
from bridge.judging.frames import Ready
from bridge.judging.hiring import BundleOptions, Hiring
from bridge.judging.host import PROGRAM
from bridge.judging.relief import Post, manned
from bridge.judging.verdicts import Bundled
from bridge.log import logger
from bridge.messages import View
from bridge.plugin import Judge


class Explained(StrEnum):
    """Of which views it is kept where the model looked."""

    NONE = "none"
    NG = "NG"
    UNSURE = "unsure"
    ALL = "all"


_EVERY_SCORE = 2.0
"""Above all of them."""


class ClassifierOptions(BundleOptions):
    """A classifier's bundle and how to run it."""

    kind: ClassVar[str] = "classifier"
    harmless: ClassVar[frozenset[str]] = BundleOptions.harmless | {"heat_map", "unsure_margin"}

    heat_map: Explained = Explained.NG
    """of which views it is told and kept where the model looked: none, NG, unsure (NG, and what is barely OK) or
    all; means nothing to a bundle without a heat map"""
    unsure_margin: Annotated[float, Field(gt=0, le=1)] = 0.1
    """how far p(OK) may be above the threshold where a view is barely OK"""

    @property
    def explains(self) -> bool:
        """Whether a heat map is to be computed where the bundle has one."""
        return self.heat_map is not Explained.NONE


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


class AnomalyOptions(ClassifierOptions):
    """A bundle that was learnt from good parts alone, and how to run it."""

    kind: ClassVar[str] = "anomaly"
    sample_name: ClassVar[str] = "surfaces"


@asynccontextmanager
async def open_anomaly(options: AnomalyOptions) -> AsyncIterator[Judge]:
    """Load a bundle of an anomaly model, in the same way: its map is its heat map.

    Raises:
        ConfigError: as ``open_classifier``.
        Unavailable: same.
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


class Classifier(Bundled):
    """The judge of a classifier's bundle, which may say where the model looked."""

    def __init__(self, options: ClassifierOptions, model: Bundle, post: Post, ready: Ready) -> None:
        super().__init__(options, model, post, ready)
        self._explained, self._margin = options.heat_map, options.unsure_margin

    def _explain_below(self, view: View) -> float | None:
        """Return the p(OK) below which it is wanted where the model looked."""
        if self._model.manifest.heat_map is None or self._explained is Explained.NONE:
            return None
        if self._explained is Explained.ALL:
            return _EVERY_SCORE
        margin = self._margin if self._explained is Explained.UNSURE else 0.0
        return self._threshold_of(view) + margin
