"""``type = "detector"``: NG if any box of a defect is surer than the threshold allows.

A view's score is 1 - (how sure the surest box is), and it is OK from the threshold on, as everywhere: "NG if any
box scores over 0.8" is threshold 0.2. Boxes of classes that the bundle calls OK do not count.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.judging.bundle import Bundle
from bridge.judging.frames import Opinion, Ready
from bridge.judging.hiring import BundleOptions, Hiring
from bridge.judging.host import PROGRAM
from bridge.judging.relief import Post, manned
from bridge.judging.verdicts import Bundled
from bridge.log import logger
from bridge.messages import Box, Judgement, Spot, View
from bridge.plugin import Judge


class Reported(StrEnum):
    """Which boxes are told and kept."""

    DECIDING = "deciding"
    ALL = "all"


class DetectorOptions(BundleOptions):
    """A detector's bundle and how to run it."""

    kind: ClassVar[str] = "detector"
    harmless: ClassVar[frozenset[str]] = BundleOptions.harmless | {"boxes"}
    sample_name: ClassVar[str] = "hairs"

    model: Annotated[str, Field(min_length=1, examples=["hairs"])]
    """a name under the models folder, or the path of a bundle"""
    threshold: Annotated[float | None, Field(gt=0, le=1, examples=[0.2])] = None
    """the number, above 0 and up to 1, from which 1 - (how sure the surest box is) is OK: 0.2 is NG if any box
    scores over 0.8; left out: the one the bundle was validated with"""
    boxes: Reported = Reported.DECIDING
    """which boxes are told and kept: deciding (those that make a view NG) or all (whatever is sure enough for the
    bundle, of an OK view as well)"""


@asynccontextmanager
async def open_detector(options: DetectorOptions) -> AsyncIterator[Judge]:
    """Load a bundle into a worker of its own; ready when it is warm.

    Raises:
        ConfigError: there is no such bundle, a hash differs, it cannot run here, or it lets a part pass that it
            knows to be bad.
        Unavailable: the worker died or hung, while loading or later.
    """
    async with opened(options) as judge:
        yield judge


@asynccontextmanager
async def opened(options: DetectorOptions, program: Sequence[str] = PROGRAM) -> AsyncIterator[Detector]:
    """Open the judge with a worker that runs this program."""
    hiring = Hiring(options, program)
    async with manned(hiring.hire) as post:
        logger(model=hiring.model.identity).info("judge ready", ms_per_view=round(hiring.ready.ms_per_view, 2))
        yield Detector(options, hiring.model, post, hiring.ready)


class Detector(Bundled):
    """The judge of a detector's bundle."""

    def __init__(self, options: DetectorOptions, model: Bundle, post: Post, ready: Ready) -> None:
        super().__init__(options, model, post, ready)
        self._reported = options.boxes

    def _judgement(self, view: View, opinion: Opinion) -> Judgement:
        said = super()._judgement(view, opinion)
        if said.threshold is None or self._reported is Reported.ALL:
            return said
        return replace(said, boxes=tuple(one for one in said.boxes if _decides(one, said.threshold)))


def _decides(box: Box, threshold: float) -> bool:
    """Return whether this box alone makes a view NG."""
    return isinstance(box, Spot) and box.score is not None and 1 - box.score < threshold
