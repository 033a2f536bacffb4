"""Training: phases, each seeded, balanced, stopped when validation no longer gains, and resumed where it was.

What stays as it is through all phases looks at fixed copies of the pictures once (``features``), so that an epoch
costs only what learns in it. After each epoch everything that the next one needs lies in the work folder: the same
call with the same data and settings goes on from there and ends as it would have; with others it starts again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.judging.bundle import ModelClass
from bridge.judging.softmax import softmax
from bridge.judging.spec import Input
from bridge.learning import features, networks, points
from bridge.learning.backend import keras, on_gpu
from bridge.learning.data import Dataset, Indices
from bridge.learning.features import Feed, Kept, Pictures, Places
from bridge.learning.networks import Network, stored
from bridge.learning.networks.stored import BLOCK, HEAD
from bridge.learning.networks.trunk import Model
from bridge.learning.settings import Phase, Progress, Settings, Share, Told, silent
from bridge.messages import Verdict

__all__ = ["Progress", "Settings", "Told", "begun", "logits", "silent", "train"]

_PROGRESS: Final = "progress.json"
_FIRST: Final = Progress()


class Split(Protocol):
    """Places in the data set."""

    @property
    def train(self) -> Indices:
        """What is learnt from."""

    @property
    def validation(self) -> Indices:
        """What says when to stop and which epoch was best."""


def begun(settings: Settings, into: Input, classes: Sequence[ModelClass]) -> Network:
    """Return the network that a training begins with: the same each time.

    Raises:
        ConfigError: as ``networks.build``.
    """
    keras.utils.set_random_seed(settings.seed)
    ok = [place for place, one in enumerate(classes) if one.verdict is Verdict.OK]
    return networks.build(
        settings.backbone,
        into,
        len(classes),
        head=settings.head,
        ok=ok,
        source=settings.source,
        tta=settings.tta,
    )


def train(
    make: Callable[[], Network],
    dataset: Dataset,
    split: Split,
    settings: Settings,
    work: Path,
    told: Told = silent,
    kept: Path | None = None,
) -> tuple[Network, Progress]:
    """Return the network of the best epoch and how training went; blocks for minutes to hours.

    Args:
        make: gives the network to begin with, the same each time, for instance ``begun``.
        dataset: all pictures.
        split: what to learn from and what to validate on.
        settings: how.
        work: a folder of its own; it is left behind when interrupted.
        told: hears of every batch.
        kept: where features are kept for later trainings too; left out: in ``work``.

    Raises:
        ConfigError: a network of ``make``, or features for which the disk has no room.
        KeyboardInterrupt: passed through; the epochs finished so far lie in ``work``.
    """
    with _policy(settings.precision):
        run = _Run(make(), dataset, split, settings, work, kept or work / "features")
        run.feed(told)
        for epoch in run.epochs():
            for done in epoch:
                told(run.phase.learns, *done, None)
            told(run.phase.learns, *run.done, run.progress)
        best, progress = run.best(), run.progress
    if settings.precision != "float32":
        plain = make()
        stored.fill(plain, stored.arrays(best), "mixed precision")
        return plain, progress
    return best, progress


def logits(model: Model, feed: Feed, places: Places, batch: int = 32) -> NDArray[np.float64]:
    """Return the logits of these places, shape (n, classes)."""
    return np.asarray(features.answers(model, feed, places, batch), np.float64)


class _Run:
    """One training between two interruptions."""

    def __init__(
        self, network: Network, dataset: Dataset, split: Split, settings: Settings, work: Path, kept: Path
    ) -> None:
        self._network, self._dataset, self._split, self._settings = network, dataset, split, settings
        self._work, self._kept = work, kept
        self._weight = _weights(dataset.labels[split.train], dataset.classes, balanced=settings.balanced)
        self.progress = _FIRST
        self._learner: _Learner | None = None
        self._feeds: dict[Share, Feed] = {}
        self._start = stored.arrays(network, (BLOCK, HEAD))
        self._resume()

    @property
    def phase(self) -> Phase:
        """The phase under way."""
        return self._settings.phases[self.progress.phase]

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return -(-len(self._split.train) * max(self._settings.copies, 1) // self._settings.batch)

    @property
    def done(self) -> tuple[int, int]:
        """Batches done in this phase, and in all of it."""
        return (self.progress.epoch - self.progress.began) * self.batches, self.phase.epochs * self.batches

    def feed(self, told: Told) -> None:
        """Make ready what each phase learns from."""
        settings, network = self._settings, self._network
        pictures = Pictures(
            dataset=self._dataset, normalisation=network.normalisation, policy=settings.policy, fixed=True
        )
        if network.lower is None or not settings.copies:
            fresh = replace(pictures, seed=settings.seed + 1, fixed=False)
            feed: Feed = pictures if settings.copies else _Anew(fresh, pictures)
            self._feeds = dict.fromkeys(Share, feed)
            return
        learns = {phase.learns for phase in settings.phases}
        source: Feed = pictures
        below = [network.lower, network.block] if learns == {Share.HEAD} else [network.lower]
        if Share.BLOCK in learns:
            source = self._feeds[Share.BLOCK] = self._filled([network.lower], pictures, told)
            below = [network.block]
        if Share.HEAD in learns:
            self._feeds[Share.HEAD] = self._filled(below, source, told)

    def _filled(self, models: list[Model], source: Feed, told: Told) -> Kept:
        """Return features of these models one after the other, computed once for all copies."""
        seen = keras.Input(models[0].input.shape[1:])
        flow = seen
        for model in models:
            flow = model(flow, training=False)
        dataset, network = self._dataset, self._network
        beneath = [network.lower] if models[0] is network.lower else [network.lower, network.block]
        name = features.fingerprint(dataset, [*beneath, *models[1:]], network.normalisation, self._settings.policy)
        kept = Kept(self._kept / name, keras.Model(seen, flow), source, len(dataset.labels))
        wanted = [features.places(self._split.train, self._settings.copies), self._validated]
        kept.fill(np.concatenate(wanted), lambda done, total: told("features", done, total, None))
        return kept

    @property
    def _validated(self) -> Places:
        return features.places(self._split.validation, 1)

    def epochs(self) -> Iterator[Iterator[tuple[int, int]]]:
        """Yield epochs as long as one may still gain something; each yields batches done and in all."""
        while self._wanted():
            if self._learner is None:
                self._learner = self._opened()
            yield self._epoch(self._learner)

    def _wanted(self) -> bool:
        """Return whether this phase goes on, or another one begins."""
        now = self.progress
        waited = now.epoch - max(now.best, now.began)
        if now.epoch - now.began < self.phase.epochs and waited < self.phase.patience:
            return True
        if now.phase + 1 == len(self._settings.phases):
            return False
        self.best()
        self._learner = None
        self.progress = replace(now, phase=now.phase + 1, began=now.epoch)
        return self._wanted()

    def _opened(self) -> _Learner:
        """Return what learns in this phase, in the state of the last epoch if it has had one."""
        learner = _Learner(self._network, self.phase, self._settings, self.batches)
        if self.progress.epoch > self.progress.began:
            state = self._file("state", self.progress.epoch)
            learner.restore(stored.read(state), str(state))
        elif self.phase.learns is Share.HEAD:
            self._standardise()
        return learner

    def _standardise(self) -> None:
        """Let a head that learns alone see its features in units of their deviation."""
        places, feed, network = features.places(self._split.train, 1), self._feeds[Share.HEAD], self._network
        feed = feed.plain if isinstance(feed, _Anew) else feed
        below = (
            [] if isinstance(feed, Kept) else [one for one in (network.lower, network.block) if one is not None]
        )

        def seen() -> Iterator[features.Rows]:
            for begin in range(0, len(places), self._settings.batch):
                rows = feed(places[begin : begin + self._settings.batch])
                for model in below:
                    rows = model(rows, training=False)
                yield rows

        network.head.standardise(seen)

    def _epoch(self, learner: _Learner) -> Iterator[tuple[int, int]]:
        """Learn from every place once."""
        settings, epoch, began = self._settings, self.progress.epoch, time.monotonic()
        learner.reseed(settings.seed, epoch)
        places = features.places(self._split.train, max(settings.copies, 1))
        if not settings.copies:
            places[:, 1] = epoch
        places = places[np.random.default_rng([settings.seed, epoch]).permutation(len(places))]
        feed, losses = self._feeds[self.phase.learns], []
        for index in range(self.batches):
            chosen = places[index * settings.batch : (index + 1) * settings.batch]
            labels = self._dataset.labels[chosen[:, 0]]
            losses.append(learner.learn(feed(chosen), labels, self._weight[labels]) * len(chosen))
            yield self.done[0] + index + 1, self.done[1]
        self._keep(learner, sum(losses) / len(places), time.monotonic() - began)

    def best(self) -> Network:
        """Return the network with the weights of its best epoch; one of the first phase knows only a head's."""
        stored.fill(self._network, self._start, "the first weights")
        if self.progress.best:
            name = self._file("best", self.progress.best)
            stored.fill(self._network, stored.read(name), str(name))
        return self._network

    def _measure(self, learner: _Learner) -> tuple[float, float]:
        """Return loss and AUC on validation."""
        labels = self._dataset.labels[self._split.validation]
        feed = self._feeds[self.phase.learns]
        feed = feed.plain if isinstance(feed, _Anew) else feed
        sure = softmax(logits(learner.model, feed, self._validated, self._settings.batch))
        surprise = -np.log(np.maximum(sure[np.arange(len(labels)), labels], 1e-12))
        loss = np.mean([surprise[labels == label].mean() for label in np.unique(labels)])
        good = [index for index, one in enumerate(self._dataset.classes) if one.verdict is Verdict.OK]
        return float(loss), points.auc(sure[:, good].sum(axis=1), self._dataset.bad[self._split.validation])

    def _keep(self, learner: _Learner, learnt: float, seconds: float) -> None:
        """Write the epoch's state; ``progress.json`` is replaced last and names the files that count."""
        (loss, auc), last = self._measure(learner), self.progress
        epoch = last.epoch + 1
        top = max(auc, last.top_auc)
        better = last.best == 0 or self._no_worse(auc, loss, top)
        if better:
            self._write("best", epoch, stored.arrays(self._network, learner.parts))
        self._write("state", epoch, learner.state())
        now = replace(
            last, epoch=epoch, learnt_loss=learnt, loss=loss, auc=auc, seconds=last.seconds + seconds, top_auc=top
        )
        self.progress = replace(now, best=epoch, best_auc=auc, best_loss=loss) if better else now
        draft = self._work / f"{_PROGRESS}.new"
        draft.write_text(json.dumps({"run": self._run, **asdict(self.progress)}), encoding="utf-8")
        draft.replace(self._work / _PROGRESS)
        counted = {self._file("best", self.progress.best), self._file("state", epoch)}
        for path in set(self._work.glob("*.npz")) - counted:
            path.unlink()

    def _no_worse(self, auc: float, loss: float, top: float) -> bool:
        """Return whether an epoch takes the place of the one that is kept; see ``Progress.best``."""
        last = self.progress
        if self.phase.learns is Share.BLOCK:
            return (auc, -loss) > (last.best_auc, -last.best_loss)
        bad = self._dataset.bad[self._split.validation]
        return auc >= top - points.auc_error(top, int((~bad).sum()), int(bad.sum()))

    def _resume(self) -> None:
        self._run = _fingerprint(self._network, self._dataset, self._split, self._settings)
        try:
            facts = json.loads((self._work / _PROGRESS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = {}
        self._work.mkdir(parents=True, exist_ok=True)
        if facts.pop("run", None) == self._run:
            self.progress = Progress(**facts)
            return
        for path in (*self._work.glob("*.npz"), self._work / _PROGRESS):
            path.unlink(missing_ok=True)

    def _write(self, what: str, epoch: int, arrays: stored.Arrays) -> None:
        self._file(what, epoch).write_bytes(stored.encoded(arrays))

    def _file(self, what: str, epoch: int) -> Path:
        return self._work / f"{what}-{epoch:04d}.npz"


class _Anew:
    """Every copy is varied, none is the picture as it is; validation sees pictures as they are."""

    def __init__(self, varied: Feed, plain: Feed) -> None:
        self._varied, self.plain = varied, plain

    def __call__(self, chosen: Places) -> features.Rows:
        return self._varied(chosen)


class _Learner:
    """What learns in one phase: a model on whatever its feed gives, and its optimizer."""

    def __init__(self, network: Network, phase: Phase, settings: Settings, batches: int) -> None:
        kept = bool(settings.copies) and network.lower is not None
        self._network = network
        networks.thaw(network, block=phase.learns is not Share.HEAD)
        self.parts = (HEAD,) if phase.learns is Share.HEAD else (BLOCK, HEAD)
        self.model = _model(network, phase.learns, kept=kept)
        jit = "auto" if on_gpu() else False  # on a processor XLA is the slower one
        self.model.compile(_optimizer(phase, batches), network.head.loss(), jit_compile=jit)
        self.model.optimizer.build(self.model.trainable_variables)

    def learn(self, rows: features.Rows, labels: NDArray[np.int64], weight: NDArray[np.float32]) -> float:
        """Take one step; return the mean loss of the batch before it."""
        self.model.reset_metrics()
        return float(self.model.train_on_batch(rows, labels, sample_weight=weight))

    def reseed(self, seed: int, epoch: int) -> None:
        """Let what is dropped follow from seed and epoch: the place in random numbers is not saved."""
        for layer in self.model._flatten_layers():  # noqa: SLF001 - Keras has no public walk through nested models
            if isinstance(layer, keras.layers.Dropout) and layer.seed_generator is not None:
                layer.seed_generator.state.assign([seed, epoch * 1_000_003 & 0x7FFFFFFF])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that the next epoch follows from."""
        steps = {f"optimizer.{at:03d}": stored.array(one) for at, one in enumerate(self.model.optimizer.variables)}
        return stored.arrays(self._network, self.parts) | steps

    def restore(self, arrays: stored.Arrays, where: str) -> None:
        """Take a state up again."""
        steps = {name: one for name, one in arrays.items() if name.startswith("optimizer.")}
        stored.fill(self._network, {name: one for name, one in arrays.items() if name not in steps}, where)
        for at, one in enumerate(self.model.optimizer.variables):
            one.assign(steps[f"optimizer.{at:03d}"])


def _model(network: Network, learns: Share, *, kept: bool) -> Model:
    """Return the model that learns, on its feed: kept features or pictures; compiled apart from the network's."""
    above = network.head.model if learns is Share.HEAD else network.tail
    model = above if kept else network.once
    return keras.Model(model.input, model.output)


def _optimizer(phase: Phase, batches: int) -> Any:
    if phase.learns is Share.BLOCK:
        return keras.optimizers.SGD(phase.rate, momentum=phase.momentum)
    rate = keras.optimizers.schedules.CosineDecay(phase.rate, batches * phase.epochs)
    return keras.optimizers.AdamW(rate, weight_decay=1e-4)


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _weights(labels: NDArray[np.int64], classes: Sequence[ModelClass], *, balanced: bool) -> NDArray[np.float32]:
    """Return a weight per class: both verdicts count the same, and the classes of each, however many pictures.

    Were only the classes to, OK would weigh a sixth beside five kinds of defect, though its pictures are half.
    """
    counts = np.bincount(labels, minlength=len(classes))
    if not balanced:
        return np.ones(len(classes), np.float32)
    ok, there = np.array([one.verdict is Verdict.OK for one in classes]), counts > 0
    alike = np.where(ok, np.count_nonzero(ok & there), np.count_nonzero(~ok & there))
    verdicts = len({bool(one) for one in ok[there]})
    return np.asarray(len(labels) / (verdicts * np.maximum(alike * counts, 1)), np.float32)


def _fingerprint(network: Network, dataset: Dataset, split: Split, settings: Settings) -> str:
    """Return a hash over all that a training follows from; a region of interest is seen in the pictures."""
    told = hashlib.sha256(repr((asdict(settings), tuple(asdict(_FIRST)), network.normalisation)).encode())
    for array in (dataset.pictures, dataset.labels, split.train, split.validation):
        told.update(np.ascontiguousarray(array).data)
    for array in stored.arrays(network).values():
        told.update(np.ascontiguousarray(array).data)
    return told.hexdigest()


def finished(work: Path) -> None:
    """Remove what an interrupted training would have needed."""
    shutil.rmtree(work, ignore_errors=True)
