"""What a training learns from: pictures varied anew, or features of fixed copies that are computed once and kept.

A place in a training is a picture and the number of its copy. Copy 0 is the picture as it is; what becomes of the
others follows from picture, number and policy alone. Whatever is held still in a training sees each of them once:
its features are kept in a file of float16, filled where they are missing, and good for every later training on the
same pictures with the same network below.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import preprocess
from bridge.judging.spec import Normalisation
from bridge.learning import augmentation
from bridge.learning.augmentation import Policy
from bridge.learning.backend import keras
from bridge.learning.data import Dataset
from bridge.learning.networks.trunk import Model

Places: TypeAlias = NDArray[np.intp]
"""Shape (n, 2): picture and copy."""
Rows: TypeAlias = NDArray[np.float32]
"""Shape (n, rows, columns, channels)."""

_BATCH: Final = 16
"""Pictures that the network sees together; always so many, so that a row does not depend on its neighbours."""
_FLUSHED: Final = 4
"""After so many batches what is there is safe from an interruption."""
_LARGEST: Final = float(np.finfo(np.float16).max)


class Feed(Protocol):
    """Gives what a network is to be shown."""

    def __call__(self, chosen: Places, /) -> Rows:
        """Return a row for each place."""


def places(pictures: NDArray[np.intp], copies: int) -> Places:
    """Return all places of these pictures: all of copy 0 first."""
    copy, picture = np.divmod(np.arange(len(pictures) * copies), len(pictures))
    return np.stack([pictures[picture], copy], axis=1)


def answers(model: Model, feed: Feed, chosen: Places, batch: int) -> Rows:
    """Return what a model says of these places, always so many at a time: else it would be compiled once more."""
    said = []
    for begin in range(0, len(chosen), batch):
        some = chosen[begin : begin + batch]
        padded = np.concatenate([some, np.repeat(some[-1:], batch - len(some), axis=0)])
        said.append(keras.ops.convert_to_numpy(model.predict_on_batch(feed(padded)))[: len(some)])
    return np.asarray(np.concatenate(said), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Normalised pictures; what happens to a copy follows from picture and number."""

    dataset: Dataset
    normalisation: Normalisation
    policy: Policy
    seed: int = 0
    fixed: bool = True
    """Whether copy 0 is the picture as it is."""

    def __call__(self, chosen: Places) -> Rows:
        """Return a row for each place."""
        return preprocess.normalise(
            np.stack([self._copy(int(picture), int(copy)) for picture, copy in chosen]), self.normalisation
        )

    def _copy(self, picture: int, copy: int) -> NDArray[np.uint8]:
        shown: NDArray[np.uint8] = self.dataset.pictures[picture]
        if self.fixed and not copy:
            return shown
        varied = self.policy.apply(shown, augmentation.generator(self.seed, picture, copy))
        return np.asarray(varied, np.uint8)


class Kept:
    """Features of fixed copies in a file."""

    def __init__(self, folder: Path, model: Model, source: Feed, pictures: int) -> None:
        """Open the file, or begin one.

        Args:
            folder: of its own; two uses of one must mean the same features (see ``fingerprint``).
            model: from what ``source`` gives to features.
            source: what the model is shown.
            pictures: how many there are; a file grows with the copies that are asked for.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._model, self._source, self._pictures = folder, model, source, pictures
        self._shape = tuple(int(one) for one in model.output.shape[1:])
        self._features: Any = None
        self._done: Any = None

    def fill(self, wanted: Places, told: Callable[[int, int], None]) -> None:
        """Compute what is missing; interrupted, the next call goes on from there.

        Raises:
            ConfigError: the disk has no room for it.
        """
        rows = self._grown(wanted)
        missing = np.flatnonzero(self._done[rows] == 0)
        self._need(len(missing))
        for begin in range(0, len(missing), _BATCH):
            chosen = wanted[missing[begin : begin + _BATCH]]
            self._features[self._rows(chosen)] = self._computed(chosen)
            told(len(wanted) - len(missing) + begin + len(chosen), len(wanted))
            if begin // _BATCH % _FLUSHED == _FLUSHED - 1 or begin + _BATCH >= len(missing):
                self._flush(wanted[missing[: begin + len(chosen)]])

    def __call__(self, chosen: Places) -> Rows:
        """Return a row for each place."""
        return np.asarray(self._features[self._rows(chosen)], np.float32)

    def _computed(self, chosen: Places) -> NDArray[np.float16]:
        made = answers(self._model, self._source, chosen, _BATCH)
        return np.asarray(np.clip(made, -_LARGEST, _LARGEST), np.float16)

    def _rows(self, chosen: Places) -> Places:
        return np.asarray(chosen[:, 1] * self._pictures + chosen[:, 0], np.intp)

    def _grown(self, wanted: Places) -> Places:
        """Map the files, as long as they must be; what was never written takes no room."""
        count = (int(wanted[:, 1].max()) + 1) * self._pictures
        features, done = self._folder / "features.f16", self._folder / "done.u8"
        for path, size in ((features, 2 * int(np.prod(self._shape))), (done, 1)):
            with path.open("ab") as file:
                if file.tell() < count * size:
                    file.truncate(count * size)
        self._features = np.memmap(features, np.float16, "r+", shape=(count, *self._shape))
        self._done = np.memmap(done, np.uint8, "r+", shape=(count,))
        return self._rows(wanted)

    def _flush(self, finished: Places) -> None:
        """Say that rows are there only after they are."""
        self._features.flush()
        self._done[self._rows(finished)] = 1
        self._done.flush()

    def _need(self, rows: int) -> None:
        need, free = rows * 2 * int(np.prod(self._shape)), shutil.disk_usage(self._folder).free
        if need > 0.9 * free:
            raise ConfigError(
                "--copies",
                f"the features take {need / 1e9:.1f} GB in {self._folder} and {free / 1e9:.1f} GB are free",
                "write fewer copies, or --copies 0, which keeps none",
            )


def fingerprint(dataset: Dataset, models: Sequence[Model], normalisation: Normalisation, policy: Policy) -> str:
    """Return a hash over all that features follow from: pictures, network, levels, and how copies are made."""
    told = hashlib.sha256(repr((normalisation, policy, dataset.pictures.shape)).encode())
    told.update(np.ascontiguousarray(dataset.pictures).data)
    for model in models:
        told.update(repr(model.output.shape).encode())
        for one in model.weights:
            told.update(np.ascontiguousarray(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(one))).data)
    return told.hexdigest()[:16]
