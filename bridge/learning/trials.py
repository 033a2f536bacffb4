"""Trials of a comparison: trained, asked about what was held out, written down, and found again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass
from bridge.judging.engine import Engine
from bridge.judging.frames import Load
from bridge.judging.preprocess import MAX_PIXELS
from bridge.judging.softmax import softmax
from bridge.judging.spec import Input
from bridge.learning import conversion, features, networks, training
from bridge.learning.backend import keras
from bridge.learning.comparison import Cost, Trial, Way
from bridge.learning.data import Dataset, Shares, Split, split
from bridge.learning.features import Pictures
from bridge.learning.networks import Network, cost
from bridge.learning.settings import Settings, Told

_TIMED: Final = 31
"""Runs of which the median is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where trials are made: a data set, and a folder that keeps what is finished."""

    dataset: Dataset
    shares: Shares
    folder: Path
    torn: bool = False
    """Whether the set's own split is taken even where it tears groups apart."""

    def split(self, seed: int) -> Split:
        """Return what is trained on and held out with this seed.

        Raises:
            ConfigError: the set cannot be split, or nothing would be held out.
        """
        sides = split.by_group(self.dataset, self.shares, seed, torn=self.torn)
        if not len(sides.held_out):
            raise ConfigError("--hold-out", "leaves nothing to compare on", "write a share above 0, as 0.25")
        return sides

    def trial(self, way: Way, settings: Settings, into: Input, told: Told) -> Trial:
        """Return a trial: from its file if it was made, otherwise trained now.

        Raises:
            ConfigError: as ``training.train``.
            KeyboardInterrupt: passed through; the same call goes on.
        """
        name, sides = f"{way.name}-{settings.seed}", self.split(settings.seed)
        path, key = self.folder / "trials" / f"{name}.json", self._key(settings, sides)
        found = _read(path, way, settings.seed, key)
        if found is not None:
            return found
        work = self.folder / "work" / name
        net, progress = training.train(
            lambda: training.begun(settings, into, self.dataset.classes),
            self.dataset,
            sides,
            settings,
            work,
            told,
            self.folder / "features",
        )
        made = self._asked(net, sides, way, settings)
        made = replace(made, seconds=progress.seconds, best=progress.best, epochs=progress.epoch)
        _write(path, made, key)
        training.finished(work)
        return made

    def _asked(self, net: Network, sides: Split, way: Way, settings: Settings) -> Trial:
        """Return what a network says of the pictures that were held out."""
        chosen = sides.held_out
        shown = Pictures(dataset=self.dataset, normalisation=net.normalisation, policy=settings.policy)
        said = training.logits(net.whole, shown, features.places(chosen, 1), settings.batch)
        return Trial(
            way=way,
            seed=settings.seed,
            truth=self.dataset.labels[chosen],
            sure=softmax(said),
            parts=tuple(self.dataset.parts[at] for at in chosen),
            groups=tuple(self.dataset.groups[at] for at in chosen),
            seconds=0.0,
            best=0,
            epochs=0,
        )

    def _key(self, settings: Settings, sides: Split) -> str:
        """Return what a finished trial must have followed from to be taken for this one."""
        told = hashlib.sha256(repr((asdict(settings), self.dataset.pictures.shape)).encode())
        for array in (self.dataset.pictures, self.dataset.labels, *sides.sides.values()):
            told.update(np.ascontiguousarray(array).data)
        return told.hexdigest()

    def close(self) -> None:
        """Give back the room that features took; trials stay."""
        for name in ("features", "work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def priced(settings: Settings, into: Input, classes: tuple[ModelClass, ...]) -> Cost:
    """Return what a network costs to run; weights do not matter, so none are loaded.

    The engine has the threads that the line's judge has: all processors but one.
    """
    colourless = replace(settings, source=networks.NONE, phases=())
    net = training.begun(colourless, into, classes)
    networks.thaw(net, block=False)
    with tempfile.TemporaryDirectory() as scratch:
        files = conversion.save(conversion.convert(net.whole, Path(scratch)), Path(scratch))
        load = Load(
            model=str(files[0]),
            input=into,
            normalisation=net.normalisation,
            precision="f32",
            logits=True,
            classes=len(classes),
            ok_outputs=(0,),
            threads=max(1, len(os.sched_getaffinity(0)) - 1),
            max_pixels=MAX_PIXELS,
        )
        return Cost(
            flops=net.looks * cost.flops(net.once),
            parameters=net.whole.count_params(),
            edge_ms=_timed(Engine(load), into),
        )


def _timed(engine: Engine, into: Input) -> float:
    engine.warm_up()
    shown = [np.random.default_rng(0).uniform(-1, 1, (into.height, into.width, into.channels)).astype(np.float32)]
    took = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        engine.infer(shown)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _write(path: Path, trial: Trial, key: str) -> None:
    facts = asdict(trial) | {"key": key, "keras": keras.__version__}
    facts |= {"truth": trial.truth.tolist(), "sure": np.round(trial.sure, 7).tolist()}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(facts), encoding="utf-8")
    draft.replace(path)


def _read(path: Path, way: Way, seed: int, key: str) -> Trial | None:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if facts.get("key") != key:
        return None
    return Trial(
        way=way,
        seed=seed,
        truth=np.array(facts["truth"], np.int64),
        sure=np.array(facts["sure"], np.float64),
        parts=tuple(facts["parts"]),
        groups=tuple(facts["groups"]),
        seconds=facts["seconds"],
        best=facts["best"],
        epochs=facts["epochs"],
    )
