"""Adversarial domain adaptation: pictures of a new line are made to look, to the head, like those of the old one.

ADDA (Tzeng et al., "Adversarial discriminative domain adaptation", 2017). The old line's encoder stays as it is. A
second one begins as its copy and sees unlabelled pictures of the new line. A critic learns to tell the features of
the two; the encoder learns to be taken for the old one (the paper's equation 9: labels inverted); the two take
turns. The head is never touched, so that nothing but what the features mean can move.

What is learnt is the last block, on features that the lower layers gave once: seconds for an epoch on a processor.
As the old encoder is still, its features are computed once, too.

No label of the new line is seen, so nothing here can know whether it helped. It stops by what can be seen without
labels (``Sight``), and undoes all steps where that does not get better. Whether a reader can still tell the lines
apart is not among it: a linear one nearly always can, by differences that the head does not care about.

Two assumptions are the caller's. The share of NG has to be about known: old pictures are drawn so that NG has that
share among them, because a line whose good parts are made to look like a set of half bad ones is a line full of
false calls. And what is to be seen has to be the same: a defect that the old line never had is not learnt from
unlabelled pictures.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from bridge.errors import ConfigError
from bridge.judging import preprocess
from bridge.judging.bundle import ModelClass
from bridge.learning import features
from bridge.learning.backend import keras
from bridge.learning.features import Kept, Places, Rows
from bridge.learning.networks import Network
from bridge.messages import Verdict

Model: TypeAlias = Any
"""A ``keras.Model``; Keras ships no types."""
Floats: TypeAlias = NDArray[np.floating[Any]]

FEWEST = 16
"""Pictures of either line below which two features cannot be told apart reliably."""
_PROGRESS, _STATE = "progress.json", "state-{}.npz"
_CHUNK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptSettings:
    """What a person may set; equal settings and pictures give the same adaptation."""

    epochs: int = 20
    patience: int = 6
    """Epochs without a better sight before it stops."""
    steps: int = 30
    """Turns of critic and encoder in an epoch."""
    batch: int = 32
    """Pictures of each line in a turn."""
    rate: float = 1e-4
    """Of the encoder."""
    critic_rate: float = 1e-3
    critic_turns: int = 2
    """Steps of the critic before each one of the encoder."""
    ng_share: float | None = None
    """The share of NG among the new pictures as far as it is known; None: as among the old ones."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What can be seen without a label of the new line, after an epoch; epoch 0 is before any step."""

    epoch: int
    distance: float
    """Between the lines' mean features, in standard deviations of the old line, averaged over the channels."""
    histogram: float
    """The largest difference between the distributions of p(OK), old against new: 0 alike, 1 nothing in common."""
    unsure: float
    """Mean entropy of p(OK) on the new pictures, in bits: 0 sure of all, 1 of none."""
    ng_share: float
    """The share of new pictures whose p(OK) is below one half."""

    def worth(self, first: Sight, expected: float) -> float:
        """Return how much is still wrong; the least is taken.

        Features that lie close are no merit by themselves: mapping everything to one point does that. So the
        scores have to be spread as on the old line, and the share of NG has to be what was expected.
        """
        return self.distance / max(first.distance, 1e-6) + self.histogram + abs(self.ng_share - expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """Labelled pictures of the old line, as the lower layers give them."""

    entries: Floats
    """Shape (N, ...): what the last block reads."""
    bad: NDArray[np.bool_]
    """Shape (N,): True for NG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """How it went."""

    sights: tuple[Sight, ...]
    """Before any step, and after each epoch."""
    best: int
    """The epoch whose encoder is kept; 0 where no step made anything better and the old one stays."""
    expected: float
    """The share of NG that was assumed."""


Told: TypeAlias = Callable[[int, int, Sight | None], None]
"""Called after every turn with turns done, turns in all, and after an epoch's last turn what is seen."""


def silent(done: int, total: int, sight: Sight | None) -> None:
    """Tell nobody."""


def entries(
    network: Network, pictures: NDArray[np.uint8], kept: Path, told: Callable[[int, int], None] = lambda *_: None
) -> Floats:
    """Return what the last block reads of each picture, float16; kept in a folder, so that it is computed once.

    Args:
        network: cut at its last block.
        pictures: shape (N, height, width, channels).
        kept: a folder.
        told: hears how many are done, and of how many.

    Raises:
        ConfigError: the disk has no room for it.
    """

    def shown(chosen: Places) -> Rows:
        return np.asarray(preprocess.normalise(pictures[chosen[:, 0]], network.normalisation))

    lower = network.lower
    if lower is None:
        raise ValueError("a network that is not cut has nothing that is computed once")
    name = hashlib.sha256(repr((pictures.shape, network.normalisation)).encode() + pictures.tobytes())
    for array in lower.get_weights():
        name.update(np.ascontiguousarray(array).data)
    wanted = features.places(np.arange(len(pictures)), 1)
    rows = Kept(kept / name.hexdigest()[:16], lower, shown, len(pictures))
    rows.fill(wanted, told)
    return np.concatenate(
        [rows(wanted[at : at + _CHUNK]).astype(np.float16) for at in range(0, len(wanted), _CHUNK)]
    )


def adapt(
    network: Network,
    classes: Sequence[ModelClass],
    old: Old,
    new: Floats,
    settings: AdaptSettings,
    work: Path,
    told: Told = silent,
) -> Adapted:
    """Change the last block so that its features of ``new`` are like those of ``old``.

    Args:
        network: cut at its last block, which learns in place.
        classes: what its outputs are called.
        old: pictures of the line that the network was made for.
        new: ``entries`` of unlabelled pictures of the new line, shape (M, ...).
        settings: as a person sets them.
        work: a folder; the same call goes on from the last epoch there.
        told: is told of progress.

    Raises:
        ConfigError: too few pictures, or the old ones are all good or all bad.
    """
    for where, count in (("--old", len(old.bad)), ("the new line", len(new))):
        if count < FEWEST:
            raise ConfigError(where, f"holds {count} pictures", f"give at least {FEWEST}; some hundred are better")
    if old.bad.all() or not old.bad.any():
        raise ConfigError("--old", "holds only one kind", "give good and bad pictures of the old line")
    run = _fingerprint(network, old, new, settings)
    duel = _Duel(network, classes, old, new, settings)
    log = _Log(work, run)
    log.resume(duel)
    total = settings.epochs * settings.steps
    if not log.sights:
        log.keep(duel, duel.sight(0))
        told(0, total, log.sights[0])
    while log.wanted(settings, duel.expected):
        epoch = len(log.sights)
        for step in duel.epoch(epoch):
            told((epoch - 1) * settings.steps + step, total, None)
        log.keep(duel, duel.sight(epoch))
        told(epoch * settings.steps, total, log.sights[-1])
    best = log.best(duel.expected)
    duel.restore(log.state(best))
    return Adapted(sights=tuple(log.sights), best=best, expected=duel.expected)


class _Duel:
    """The encoder, the critic, and the pictures they see."""

    def __init__(
        self, network: Network, classes: Sequence[ModelClass], old: Old, new: Floats, settings: AdaptSettings
    ) -> None:
        keras.utils.set_random_seed(settings.seed)
        block, head = network.block, network.head.model
        block.trainable = True
        good = np.array([one.verdict is Verdict.OK for one in classes])
        self._block, self._new, self._settings = block, new, settings
        self._good, self._bad = np.flatnonzero(~old.bad), np.flatnonzero(old.bad)
        self.expected = float(old.bad.mean()) if settings.ng_share is None else settings.ng_share
        entry, features = keras.Input(block.input.shape[1:]), keras.Input(block.output.shape[1:])
        flow = block(entry, training=False)  # the statistics of batch normalisation stay those of the old line
        pooled = keras.Model(features, _pooled(features), name="pooled")
        self._seen = keras.Model(entry, [pooled(flow), _score(head(flow, training=False), good)])
        self._old, scores = self._look(old.entries)
        self._alike = self._chosen()
        self._scores = scores[self._alike]
        self._scale = _spread(self._old)
        self._critic, self._judge = (_critic(self._old.mean(axis=0), self._scale) for _ in range(2))
        self._judge.trainable = False
        self._critic.compile(_adam(settings.critic_rate), _loss())
        self._fooling = keras.Model(entry, self._judge(pooled(flow), training=False))
        self._fooling.compile(_adam(settings.rate), _loss())
        for model in (self._critic, self._fooling):
            model.optimizer.build(model.trainable_variables)

    def epoch(self, number: int) -> Iterator[int]:
        """Let critic and encoder take turns; yield the turns done."""
        rng = np.random.default_rng([self._settings.seed, number])
        half = self._settings.batch
        truth = np.repeat(np.array([[1], [0]], np.float32), half, axis=0)  # 1: of the old line
        for step in range(self._settings.steps):
            for _ in range(self._settings.critic_turns):
                shown = self._seen.predict_on_batch(self._drawn(rng))[0]
                self._critic.train_on_batch(np.concatenate([self._old[self._like_new(rng)], shown]), truth)
            self._judge.set_weights(self._critic.get_weights())
            self._fooling.train_on_batch(self._drawn(rng), np.ones((half, 1), np.float32))
            yield step + 1

    def sight(self, epoch: int) -> Sight:
        """Look at both lines as a person without labels would."""
        features, scores = self._look(self._new)
        inside = np.clip(scores, 1e-7, 1 - 1e-7)
        return Sight(
            epoch=epoch,
            distance=float(
                np.mean(np.abs(features.mean(axis=0) - self._old[self._alike].mean(axis=0)) / self._scale)
            ),
            histogram=float(ks_2samp(self._scores, scores).statistic),
            unsure=float(-(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)).mean()),
            ng_share=float((scores < 0.5).mean()),  # noqa: PLR2004 - one half, as documented
        )

    def state(self) -> list[Floats]:
        """Return all that the next epoch follows from."""
        return [np.asarray(keras.ops.convert_to_numpy(one.value)) for one in self._variables()]

    def restore(self, state: list[Floats]) -> None:
        """Take up a state."""
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)

    def _variables(self) -> list[Any]:
        both = (self._critic, self._fooling)
        return [
            *self._block.variables,
            *self._critic.variables,
            *(variable for model in both for variable in model.optimizer.variables),
        ]

    def _drawn(self, rng: np.random.Generator) -> Floats:
        return np.asarray(self._new[rng.integers(len(self._new), size=self._settings.batch)], np.float32)

    def _like_new(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw old pictures with as many NG among them as are expected on the new line."""
        ill = rng.random(self._settings.batch) < self.expected
        return np.where(ill, rng.choice(self._bad, ill.size), rng.choice(self._good, ill.size))

    def _chosen(self) -> NDArray[np.intp]:
        """Return the largest choice of old pictures among which NG has the expected share."""
        good, ill, share = len(self._good), len(self._bad), self.expected
        if ill * (1 - share) > share * good:
            ill = max(round(good * share / (1 - share)), 1)
        else:
            good = max(round(ill * (1 - share) / share), 1)
        rng = np.random.default_rng(self._settings.seed)
        return np.concatenate([rng.permutation(self._good)[:good], rng.permutation(self._bad)[:ill]])

    def _look(self, entries: Floats) -> tuple[Floats, Floats]:
        parts = [
            self._seen.predict_on_batch(np.asarray(entries[at : at + _CHUNK], np.float32))
            for at in range(0, len(entries), _CHUNK)
        ]
        return np.concatenate([one[0] for one in parts]), np.concatenate([one[1] for one in parts])


class _Log:
    """What is kept after each epoch, in the work folder."""

    def __init__(self, work: Path, run: str) -> None:
        self._work, self._run = work, run
        self.sights: list[Sight] = []

    def resume(self, duel: _Duel) -> None:
        """Go on from the last epoch of this very run; otherwise begin with an empty folder."""
        try:
            facts = json.loads((self._work / _PROGRESS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = {}
        if facts.get("run") == self._run:
            self.sights = [Sight(**one) for one in facts["sights"]]
            duel.restore(self.state(len(self.sights) - 1))
            return
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)

    def keep(self, duel: _Duel, sight: Sight) -> None:
        """Write state and sight of an epoch; the file that names both comes last."""
        np.savez(self._work / _STATE.format(sight.epoch), *duel.state())
        self.sights.append(sight)
        draft = self._work / f"{_PROGRESS}.new"
        draft.write_text(json.dumps({"run": self._run, "sights": [asdict(one) for one in self.sights]}))
        draft.replace(self._work / _PROGRESS)
        kept = {_STATE.format(one) for one in (self.best(duel.expected), sight.epoch)} | {_PROGRESS}
        for path in self._work.iterdir():
            if path.name not in kept:
                path.unlink()

    def state(self, epoch: int) -> list[Floats]:
        """Return the state after an epoch."""
        with np.load(self._work / _STATE.format(epoch), allow_pickle=False) as arrays:
            return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]

    def best(self, expected: float) -> int:
        """Return the epoch of the best sight so far, the earlier one of two that are equal."""
        return min(self.sights, key=lambda one: (round(one.worth(self.sights[0], expected), 4), one.epoch)).epoch

    def wanted(self, settings: AdaptSettings, expected: float) -> bool:
        """Return whether another epoch may still help."""
        done = len(self.sights) - 1
        return done < settings.epochs and done - self.best(expected) < settings.patience


def _pooled(features: Any) -> Any:
    """Return mean and maximum of each channel: what is everywhere, and what is in one place only."""
    ops = keras.ops
    return ops.concatenate([ops.mean(features, axis=(1, 2)), ops.max(features, axis=(1, 2))], axis=-1)


def _score(logits: Any, good: NDArray[np.bool_]) -> Any:
    """Return p(OK), shape (batch,)."""
    return keras.ops.sum(keras.ops.softmax(logits) * good.astype(np.float32), axis=-1)


def _critic(mean: Floats, spread: Floats) -> Model:
    """Return an untrained critic of standardised features: logit of "of the old line"."""
    layers, seen = keras.layers, keras.Input(mean.shape)
    flow = layers.Normalization(mean=mean, variance=np.square(spread))(seen)
    for units in (128, 64):
        flow = layers.LeakyReLU(0.2)(layers.Dense(units)(flow))
    return keras.Model(seen, layers.Dense(1)(flow), name="critic")


def _spread(features: Floats) -> Floats:
    """Return the spread of each channel; one that hardly ever lights must not be blown up."""
    spread = features.std(axis=0)
    return np.asarray(np.maximum(spread, 0.1 * spread.mean() + 1e-6))


def _adam(rate: float) -> Any:
    return keras.optimizers.Adam(rate, beta_1=0.5, clipnorm=1.0)  # a long memory makes the two chase each other


def _loss() -> Any:
    return keras.losses.BinaryCrossentropy(from_logits=True)


def _fingerprint(network: Network, old: Old, new: Floats, settings: AdaptSettings) -> str:
    """Return a hash over all that an adaptation follows from."""
    told = hashlib.sha256(repr(asdict(settings)).encode())
    for array in (*network.block.get_weights(), *network.head.model.get_weights(), old.entries, old.bad, new):
        told.update(np.ascontiguousarray(array).data)
    return told.hexdigest()
