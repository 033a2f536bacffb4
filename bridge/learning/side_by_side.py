"""Finished bundles of any kind on the same pictures: what each is worth, and what it takes and costs.

All are asked about the same pictures, of which none has learnt. What one of them cannot judge is left out for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.bundle import Bundle
from bridge.learning import map_evaluation, metrics
from bridge.learning.data import Collection
from bridge.learning.evaluation import plain
from bridge.learning.map_evaluation import MapEvaluation
from bridge.learning.metrics import Estimate
from bridge.learning.scoring import Scored
from bridge.learning.unseen import Division

Places: TypeAlias = NDArray[np.intp]

_FACTS: Final = ("backbone", "head", "depth", "metric", "memory", "strangest", "size", "decoder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One bundle in the table."""

    model: Bundle
    worth: MapEvaluation
    gain: Estimate | None
    """Its image AUROC less that of the first in the table; None for that one."""
    edge_ms: float
    """One view on this machine, from the encoded picture to the verdict: median, in milliseconds."""

    @property
    def training_seconds(self) -> float | None:
        """How long it was trained; None where the bundle does not say."""
        return trained_for(self.model)

    @property
    def megabytes(self) -> float:
        """The size of its files."""
        return sum(one.stat().st_size for one in self.model.folder.iterdir() if one.is_file()) / 1e6


def common(told: Sequence[tuple[Collection, Division]], *, everything: bool) -> list[Places]:
    """Return for each bundle the places of the pictures that all are asked about, in one order.

    Args:
        told: by bundle, the set read for it and what of that it has seen.
        everything: also what they learnt from.

    Raises:
        ConfigError: the sets mean different verdicts, or nothing is left.
    """
    free = []
    for collection, divided in told:
        allowed = np.arange(len(collection.items)) if everything else _not_learnt(divided)
        free.append({collection.items[place].path: place for place in allowed.tolist()})
    first, divided = told[0]
    wanted = [item.path for item in first.items if all(item.path in one for one in free)]
    if not wanted:
        learnt = "of every picture of it one of the bundles has seen something"
        raise ConfigError(str(first.where), learnt, "add parts that they were not trained on, or write --all")
    places = [np.array([one[path] for path in wanted], np.intp) for one in free]
    truths = [collection.bad[chosen] for (collection, _), chosen in zip(told, places, strict=True)]
    if any((one != truths[0]).any() for one in truths):
        raise ConfigError("--bundles", "do not mean the same by OK", "compare those that do")
    if truths[0].all() or not truths[0].any():
        kind = "bad" if truths[0].all() else "good"
        raise ConfigError(str(first.where), f"holds only {kind} pictures to compare on", "add others, or --all")
    return places


def _not_learnt(divided: Division) -> Places:
    """Return what was at most calibrated on: a threshold ranks no picture otherwise."""
    return np.sort(np.concatenate([divided.fresh, divided.calibration]))


def judged_by_all(scored: Sequence[Scored]) -> list[Scored]:
    """Return what each said of the pictures that all could judge, in one order."""
    known = [{item.path: place for place, item in enumerate(one.items)} for one in scored]
    wanted = [item.path for item in scored[0].items if all(item.path in one for one in known)]
    taken = []
    for one, where in zip(scored, known, strict=True):
        chosen = [where[path] for path in wanted]
        taken.append(
            replace(
                one,
                items=tuple(one.items[place] for place in chosen),
                labels=one.labels[chosen],
                probabilities=one.probabilities[chosen],
                scores=one.scores[chosen],
            )
        )
    return taken


def table(
    models: Sequence[Bundle], scored: Sequence[Scored], worth: Sequence[MapEvaluation], edge_ms: Sequence[float]
) -> tuple[Entry, ...]:
    """Return the bundles, the highest image AUROC first.

    Args:
        models: of any kinds.
        scored: what each said of the same N pictures.
        worth: what each is worth on them.
        edge_ms: what each takes.
    """
    order = sorted(range(len(models)), key=lambda at: (-worth[at].image.auroc.value, edge_ms[at]))
    best = scored[order[0]]
    return tuple(
        Entry(
            model=models[at],
            worth=worth[at],
            gain=None
            if at == order[0]
            else metrics.auc_gain(scored[at].scores, best.scores, best.bad, best.groups),
            edge_ms=edge_ms[at],
        )
        for at in order
    )


def trained_for(model: Bundle) -> float | None:
    """Return how many seconds a bundle was trained; its epochs alone, where it says no more; None if nothing."""
    epochs = model.manifest.recipe.get("epochs")
    said = model.manifest.metrics.get(
        "training_seconds", epochs.get("seconds") if isinstance(epochs, Mapping) else None
    )
    return float(said) if isinstance(said, int | float) else None


def way(model: Bundle) -> str:
    """Return in a few words how a bundle judges: its kind, method and network, as far as it says."""
    one = model.manifest
    network = one.recipe.get("network")
    facts = dict(network) if isinstance(network, Mapping) else {}
    words = [str(one.recipe["method"])] if "method" in one.recipe else []
    words += [_said(name, facts[name]) for name in _FACTS if facts.get(name)]
    return f"{one.kind}: {', '.join(words)}" if words else one.kind


def _said(name: str, value: object) -> str:
    return f"{value:,} places" if name == "memory" else f"strangest {value}" if name == "strangest" else str(value)


def facts(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the table as JSON values; what is not known is null."""
    return [
        {
            "bundle": one.model.identity,
            "folder": str(one.model.folder),
            "kind": one.model.manifest.kind,
            "way": way(one.model),
            "precision": str(one.model.manifest.precision),
            **map_evaluation.facts(one.worth),
            "auroc_gain": None if one.gain is None else plain(one.gain),
            "training_seconds": one.training_seconds,
            "edge_ms": round(one.edge_ms, 3),
            "megabytes": round(one.megabytes, 3),
        }
        for one in entries
    ]
