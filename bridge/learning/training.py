"""Training: seeded, balanced, stopped when validation no longer gains, and resumed where it was interrupted.

After each epoch everything that the next one needs lies in the work folder. The same call with the same data and
settings goes on from there; with others it starts again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.judging import preprocess
from bridge.judging.spec import Input
from bridge.learning import augmentation, network, points
from bridge.learning.backend import keras
from bridge.learning.data import Dataset, Indices
from bridge.learning.network import Backbone, Model
from bridge.messages import Verdict

_PROGRESS = "progress.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a person may set; equal settings and data give the same training."""

    backbone: Backbone = Backbone.SMALL
    weights: Path | None = None
    epochs: int = 30
    patience: int = 8
    """Epochs without a better validation before training stops."""
    batch: int = 32
    rate: float = 3e-3
    """The largest learning rate; it falls along a cosine to zero at the last epoch."""
    seed: int = 0
    any_angle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far training has come; told after each epoch."""

    epoch: int
    """The last finished epoch, from 1."""
    loss: float
    """Mean cross-entropy on validation, each class with the same weight."""
    auc: float
    """How well p(OK) ranks validation: the chance that a bad picture scores below a good one."""
    best: int
    """The epoch that ranked best, by lower loss where two rank alike.

    Ranking and not loss, because the threshold is chosen afterwards: a network that is too sure of itself is
    no worse for it.
    """
    best_auc: float
    best_loss: float


_NOTHING = Progress(epoch=0, loss=np.inf, auc=0, best=0, best_auc=0, best_loss=np.inf)

Told: TypeAlias = Callable[[int, int, Progress | None], None]
"""Called after every batch with batches done, batches in all, and after an epoch's last batch how it went."""


def silent(done: int, total: int, progress: Progress | None) -> None:
    """Tell nobody."""


def train(
    dataset: Dataset,
    into: Input,
    parts: tuple[Indices, Indices],
    settings: Settings,
    work: Path,
    told: Told = silent,
) -> tuple[Model, Progress]:
    """Return the network of the best epoch and how training went; blocks for minutes.

    Args:
        dataset: all pictures.
        into: their size and colour.
        parts: what to train on and what to validate on, as a ``data.Split`` has them.
        settings: how.
        work: a folder of its own; it is left behind when interrupted.
        told: hears of every batch.

    Raises:
        KeyboardInterrupt: passed through; the epochs finished so far lie in ``work``.
    """
    run = _Run(dataset, into, parts, settings, work)
    while run.wanted():
        for done in run.epoch():
            told(done, run.batches * settings.epochs, None)
        told(run.progress.epoch * run.batches, run.batches * settings.epochs, run.progress)
    return run.best(), run.progress


class _Run:
    """One training between two interruptions."""

    def __init__(
        self, dataset: Dataset, into: Input, parts: tuple[Indices, Indices], settings: Settings, work: Path
    ) -> None:
        self._dataset, self._settings, self._work = dataset, settings, work
        self._learned, self._validated = parts
        self._weight = _balance(dataset.labels[self._learned], len(dataset.classes))
        self.batches = -(-len(self._learned) // settings.batch)
        self.progress = _NOTHING
        keras.utils.set_random_seed(settings.seed)
        net = network.build(settings.backbone, into, len(dataset.classes), settings.weights)
        self._model = _compiled(net, settings, self.batches)
        self._resume(_fingerprint(dataset, into, parts, settings))

    def wanted(self) -> bool:
        """Return whether another epoch may still gain something."""
        waited = self.progress.epoch - self.progress.best
        return self.progress.epoch < self._settings.epochs and waited < self._settings.patience

    def epoch(self) -> Iterator[int]:
        """Learn from every picture once; yield the number of batches done since the very first."""
        epoch = self.progress.epoch
        for layer in self._model.layers:
            if isinstance(layer, keras.layers.Dropout):  # its place in the random numbers is not saved with it
                layer.seed_generator.state.assign([self._settings.seed, epoch * self.batches])
        order = np.random.default_rng([self._settings.seed, epoch]).permutation(self._learned)
        for index in range(self.batches):
            chosen = order[index * self._settings.batch : (index + 1) * self._settings.batch]
            labels = self._dataset.labels[chosen]
            varied = self._varied(chosen, epoch * self.batches + index)
            self._model.train_on_batch(varied, labels, sample_weight=self._weight[labels])
            yield epoch * self.batches + index + 1
        self._keep()

    def best(self) -> Model:
        """Return the network with the weights of its best epoch."""
        self._model.load_weights(self._file("best", self.progress.best))
        return self._model

    def _seen(self, chosen: Indices) -> NDArray[np.float32]:
        return preprocess.normalise(self._dataset.pictures[chosen], network.NORMALISATION)

    def _varied(self, chosen: Indices, batch: int) -> NDArray[np.float32]:
        rng = np.random.default_rng([self._settings.seed, batch])
        pictures = augmentation.vary(self._dataset.pictures[chosen], rng, any_angle=self._settings.any_angle)
        return preprocess.normalise(pictures, network.NORMALISATION)

    def _measure(self) -> tuple[float, float]:
        """Return loss and AUC on validation."""
        labels = self._dataset.labels[self._validated]
        size = self._settings.batch
        logits = np.concatenate(
            [np.asarray(self._model.predict_on_batch(self._seen(self._validated[at : at + size])), np.float64)
             for at in range(0, len(labels), size)]
        )  # fmt: skip
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        surprise = -np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-12))
        loss = np.mean([surprise[labels == label].mean() for label in np.unique(labels)])
        good = [index for index, one in enumerate(self._dataset.classes) if one.verdict is Verdict.OK]
        return float(loss), points.auc(chances[:, good].sum(axis=1), self._dataset.bad[self._validated])

    def _keep(self) -> None:
        """Write the epoch's state; ``progress.json`` is replaced last and names the files that count."""
        (loss, auc), epoch, last = self._measure(), self.progress.epoch + 1, self.progress
        now = Progress(epoch=epoch, loss=loss, auc=auc, best=epoch, best_auc=auc, best_loss=loss)
        better = last.best == 0 or (auc, -loss) > (last.best_auc, -last.best_loss)
        if better:
            self._model.save_weights(self._file("best", epoch))
        self._model.save(self._file("state", epoch))
        self.progress = now if better else replace(last, epoch=epoch, loss=loss, auc=auc)
        draft = self._work / f"{_PROGRESS}.new"
        draft.write_text(json.dumps({"run": self._run, **asdict(self.progress)}), encoding="utf-8")
        draft.replace(self._work / _PROGRESS)
        counted = {self._file("best", self.progress.best), self._file("state", epoch), self._work / _PROGRESS}
        for path in set(self._work.iterdir()) - counted:
            path.unlink()

    def _resume(self, run: str) -> None:
        self._run = run
        try:
            facts = json.loads((self._work / _PROGRESS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = {}
        if facts.pop("run", None) != run:
            shutil.rmtree(self._work, ignore_errors=True)
            self._work.mkdir(parents=True)
            return
        self.progress = Progress(**facts)
        self._model = keras.saving.load_model(self._file("state", self.progress.epoch))

    def _file(self, what: str, epoch: int) -> Path:
        return self._work / f"{what}-{epoch:04d}{'.keras' if what == 'state' else '.weights.h5'}"


def _compiled(net: Model, settings: Settings, batches: int) -> Model:
    rate = keras.optimizers.schedules.CosineDecay(settings.rate, batches * settings.epochs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4), loss)
    return net


def _balance(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return a weight per class so that each counts the same, however many pictures it has."""
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), np.float32)


def _fingerprint(dataset: Dataset, into: Input, parts: tuple[Indices, Indices], settings: Settings) -> str:
    """Return a hash over all that a training follows from; a region of interest is seen in the pictures."""
    told = hashlib.sha256(repr((asdict(into), asdict(settings), tuple(asdict(_NOTHING)))).encode())
    for array in (dataset.pictures, dataset.labels, *parts):
        told.update(np.ascontiguousarray(array).data)
    return told.hexdigest()
