"""What a bundle says of labelled pictures, through the very code that judges on the line; without Keras.

A picture that the line could not judge is not judged here either: it is listed with the reason, and its part is
left out of what is counted by part, because on the line a part of which a view failed gets its safe verdict.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import hiring
from bridge.judging.bench import Bench, Shown
from bridge.judging.bundle import Bundle, ModelClass
from bridge.judging.classifier import ClassifierOptions, Explained
from bridge.judging.engine import BATCH, Heats, Scores, Unfit
from bridge.judging.frames import Load, Opinion
from bridge.judging.inbox import Inbox
from bridge.judging.preprocess import Tensor
from bridge.learning.data import Collection, Item
from bridge.learning.data.pictures import Told, silent
from bridge.learning.kept_scores import KeptScores, Said
from bridge.messages import Goal, Verdict

Unit: TypeAlias = Literal["part", "group"]

_LEAST: float = np.finfo(np.float64).tiny
"""Stands in for a probability that underflowed, so that it has a logarithm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A picture that could not be judged."""

    item: Item
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What is counted: parts, or groups of them; N of each."""

    scores: NDArray[np.float64]
    """p(OK) by which the unit passes or not."""
    bad: NDArray[np.bool_]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    """What each belongs to."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A bundle's probabilities for N pictures of known truth."""

    bundle: str
    """The bundle's identity."""
    classes: tuple[ModelClass, ...]
    """The bundle's, then those that only the pictures have."""
    items: tuple[Item, ...]
    labels: NDArray[np.int64]
    """The place of each true class in ``classes``, shape (N,)."""
    probabilities: NDArray[np.float64]
    """Shape (N, the bundle's classes)."""
    scores: NDArray[np.float64]
    """p(OK), shape (N,)."""
    failures: tuple[Failed, ...] = ()
    digest: str = ""
    """SHA-256 over the pictures' bytes, classes, parts, views and groups."""

    @cached_property
    def bad(self) -> NDArray[np.bool_]:
        """Which pictures are NG, shape (N,)."""
        ng = np.array([one.verdict is Verdict.NG for one in self.classes])
        return np.asarray(ng[self.labels], np.bool_)

    @property
    def groups(self) -> tuple[str, ...]:
        """What each picture belongs to."""
        return tuple(item.group for item in self.items)

    @property
    def logarithms(self) -> NDArray[np.float64]:
        """The logarithms of the probabilities: logits, up to what a softmax does not see."""
        return np.log(np.maximum(self.probabilities, _LEAST))

    def units(self, unit: Unit = "part", goal: Goal = Goal.REPLACE) -> Units:
        """Return what passes and what does not, as the line decides it.

        A part passes if its lowest view does. Under goal 1 the model sees only what the inspector called NG, so a
        bad part counts by its views that are NG: a good view of it would not be there to stop it. A group of bad
        parts passes if any of them does, a group of good parts is called NG if any of them is; one that holds both
        counts as two.
        """
        parts = self._parts(goal)
        return parts if unit == "part" else _grouped(parts)

    def _parts(self, goal: Goal) -> Units:
        broken = {one.item.part for one in self.failures}
        bad_parts = {item.part for item, ill in zip(self.items, self.bad, strict=True) if ill}
        lowest: dict[str, float] = {}
        groups: dict[str, str] = {}
        for item, ill, score in zip(self.items, self.bad.tolist(), self.scores.tolist(), strict=True):
            unseen = goal is Goal.CUT_FALSE_CALLS and item.part in bad_parts and not ill
            if item.part not in broken and not unseen:
                lowest[item.part] = min(score, lowest.get(item.part, math.inf))
                groups[item.part] = item.group
        return Units(
            scores=np.array(list(lowest.values()), np.float64),
            bad=np.array([name in bad_parts for name in lowest], np.bool_),
            names=tuple(lowest),
            groups=tuple(groups.values()),
        )


def _grouped(parts: Units) -> Units:
    keys = [(bool(ill), group) for ill, group in zip(parts.bad, parts.groups, strict=True)]
    worst: dict[tuple[bool, str], float] = {}
    for (ill, group), score in zip(keys, parts.scores.tolist(), strict=True):
        known = worst.get((ill, group), score)
        worst[ill, group] = max(known, score) if ill else min(known, score)
    names = tuple(group for _, group in worst)
    return Units(
        scores=np.array(list(worst.values()), np.float64),
        bad=np.array([ill for ill, _ in worst], np.bool_),
        names=names,
        groups=names,
    )


def score(model: Bundle, collection: Collection, told: Told = silent, temperature: float | None = None) -> Scored:
    """Judge every picture; blocks.

    Args:
        model: the bundle.
        collection: read for the bundle's classes, which then come first in its own.
        told: how far it is; what was judged when it raises, as on Ctrl-C, is not judged again.
        temperature: another one than the bundle's.

    Raises:
        ConfigError: the bundle cannot run here, or means another verdict by a class than the collection.
    """
    _same_classes(model, collection)
    at = model.manifest.temperature if temperature is None else temperature
    witness = _Witness(model, replace(workload(model), temperature=at))
    kept, digest = KeptScores(model, at), hashlib.sha256(repr(collection.classes).encode())
    said: list[Said] = []
    for batch in _batches(collection.items):
        read = [_read(item, digest) for item in batch]
        keys = [(_hashed(data), item.view) for item, data in zip(batch, read, strict=True)]
        known = kept.of(keys)
        if known is None:
            known = witness.judged(batch, read)
            kept.keep(keys, known)
        said += known
        told(len(said), len(collection.items))
    kept.forget()
    return _scored(model, collection, said, digest.hexdigest())


def _scored(model: Bundle, collection: Collection, said: Sequence[Said], digest: str) -> Scored:
    """Return what was said, beside what is known."""
    judged = [place for place, one in enumerate(said) if one.score is not None]
    rows = [said[place].row for place in judged]
    return Scored(
        bundle=model.identity,
        classes=collection.classes,
        items=tuple(collection.items[place] for place in judged),
        labels=collection.labels[judged],
        probabilities=np.array(rows, np.float64).reshape(len(judged), len(model.manifest.classes)),
        scores=np.array([said[place].score for place in judged], np.float64),
        failures=tuple(
            Failed(item=item, why=one.why)
            for item, one in zip(collection.items, said, strict=True)
            if one.score is None
        ),
        digest=digest,
    )


def golden(model: Bundle, temperature: float) -> tuple[Opinion, ...]:
    """Return what the bundle's golden pictures score at a temperature, in order; blocks.

    Raises:
        ConfigError: the bundle cannot run here.
    """
    return _Witness(model, replace(workload(model), temperature=temperature)).judge_golden()


def workload(model: Bundle) -> Load:
    """Return what a worker of the line would be told to run; only why is not asked."""
    options = ClassifierOptions(model=str(model.folder), heat_map=Explained.NONE)
    return hiring.workload(options, model)


def _same_classes(model: Bundle, collection: Collection) -> None:
    known = model.manifest.classes
    if collection.classes[: len(known)] != known:
        names = ", ".join(f"{one.name} = {one.verdict}" for one in known)
        raise ConfigError("--ok", f"means others than the bundle {model.identity}", f"its classes are {names}")


class _Witness(Bench):
    """The bench of a worker, which also keeps the probabilities of all classes."""

    def __init__(self, model: Bundle, load: Load) -> None:
        try:
            super().__init__(load, cast("Inbox", None))  # nobody asks through a socket
        except Unfit as exc:
            raise ConfigError(str(model.folder), str(exc)) from exc
        self._manifest = model.manifest
        self._rows: list[NDArray[np.float64]] = []

    def infer(self, tensors: Sequence[Tensor]) -> tuple[Scores, Heats | None]:
        rows, heats = super().infer(tensors)
        self._rows = [row for row in rows if np.isfinite(row).all()]
        return rows, heats

    def judged(self, items: Sequence[Item], read: Sequence[bytes | str]) -> list[Said]:
        """Judge a batch; of what could not even be read, the reason stands instead of its bytes."""
        how = self._manifest
        pictures = [
            Shown(data, how.region(item.view), how.reference(item.view))
            for item, data in zip(items, read, strict=True)
            if isinstance(data, bytes)
        ]
        self._rows = []
        opinions = iter(self.judge(pictures))
        said = [Opinion(why=one) if isinstance(one, str) else next(opinions) for one in read]
        rows = iter(self._rows)
        return [Said(one.score, () if one.score is None else tuple(next(rows).tolist()), one.why) for one in said]


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield pieces of one size, whatever the processor's speed: another size may change a score's last digit."""
    for at in range(0, len(items), BATCH):
        yield items[at : at + BATCH]


def _read(item: Item, digest: hashlib._Hash) -> bytes | str:
    """Return a file's bytes, or why there are none; the set's digest knows of it."""
    try:
        data = item.path.read_bytes()
    except OSError as exc:
        return f"cannot be read ({exc.strerror})"
    digest.update(repr((_hashed(data), item.label, item.part, item.view, item.group)).encode())
    return data


def _hashed(data: bytes | str) -> str:
    return hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else data
