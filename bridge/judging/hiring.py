"""What all judges of bundles have in common before they judge: options, and workers that run the bundle."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar, Self

from pydantic import Field

from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import Bundle
from bridge.judging.frames import Load, Ready, Reference, Sample
from bridge.judging.golden import examine
from bridge.judging.host import PROGRAM, Worker, start
from bridge.judging.poison import Poison
from bridge.plugin import JudgeOptions, Milliseconds, Seconds


class BundleOptions(JudgeOptions):
    """A model bundle and how to run it, whatever kind of model it is."""

    kind: ClassVar[str]
    """The kind of bundle."""
    score_limit: ClassVar[float | None] = 1.0
    """p(OK), or what stands for it"""
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
    megapixels: Annotated[float, Field(gt=0, le=1000)] = 30
    """the largest picture that is decoded, in millions of pixels; all others wait for it (30 as PNG: about 1 s)"""
    memory_megabytes: Annotated[float | None, Field(gt=0, le=1e6, examples=[1500])] = None
    """how many MB the judge's process may take before it is replaced; left out: 500 more than it took when warm"""

    @property
    def explains(self) -> bool:
        """Whether a heat map is to be computed where the bundle has one."""
        return False

    def pinned(self) -> tuple[Self, str]:
        """Follow the link ``live`` once, and say which bundle that is."""
        folder = bundle.locate(self.home, self.model)
        found = bundle.peek(folder)
        self.hold(found)
        return self.model_copy(update={"model": str(folder)}), found.identity

    def hold(self, found: Bundle) -> None:
        """See to it that a bundle is of the right kind.

        Raises:
            ConfigError: it is of another.
        """
        kind = found.manifest.kind
        if kind != self.kind:
            what = f"is of kind {kind}, and this judge runs {self.kind}"
            raise ConfigError(str(found.folder), what, f'write type = "{kind}", or another model')


poison = Poison()
"""Of all judges of this gateway: what broke one model's decoder breaks every model's."""


class Hiring:
    """Starts workers for one bundle, the same each time."""

    def __init__(self, options: BundleOptions, program: Sequence[str] = PROGRAM) -> None:
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
        async with start(self._options.hang_ms, poison, self._program) as worker:
            self._model = await asyncio.to_thread(self._read)  # meanwhile the worker imports
            self.ready = await worker.load(workload(self._options, self._model), self._options.start_seconds)
            examine(self._model, self.ready.golden, in_force(self._options, self._model))
            yield worker

    def _read(self) -> Bundle:
        """Find the bundle the first time, and hold it to its hashes every time."""
        if self._model is None:
            found = bundle.load(bundle.locate(self._options.home, self._options.model))
            self._options.hold(found)
            return found
        again = bundle.load(self._model.folder)
        if again.identity != self._model.identity:
            raise ConfigError(str(again.folder), f"was {self._model.identity} and is {again.identity} now")
        return again


def in_force(options: BundleOptions, model: Bundle) -> float:
    """Return the threshold of views that bring none of their own."""
    return options.threshold or model.manifest.threshold


def workload(options: BundleOptions, model: Bundle) -> Load:
    """Return what the worker is told to run a bundle."""
    manifest = model.manifest
    return Load(
        model=str(model.model),
        input=manifest.input,
        normalisation=manifest.normalisation,
        precision=manifest.precision,
        logits=manifest.output != "probabilities",
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
        limit=manifest.limit,
        heat_map=manifest.heat_map if options.explains else None,
        references=tuple(map(partial(_reference, model), manifest.references)),
        detection=manifest.detection,
        comparison=manifest.comparison,
        names=tuple(one.name for one in manifest.classes) if manifest.kind in {"detector", "template"} else (),
    )


def _reference(model: Bundle, view: str) -> Reference:
    how = model.manifest.registered(view)
    assert how is not None  # noqa: S101 - what references says
    return Reference(replace(how, golden=str(model.folder / how.golden)), model.manifest.region(view))
