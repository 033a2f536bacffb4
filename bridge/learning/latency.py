"""How long one view takes on this machine: bundles in turns, so that what else runs slows all alike."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final, cast

from bridge.errors import ConfigError
from bridge.judging import hiring
from bridge.judging.bench import Bench, Shown
from bridge.judging.bundle import Bundle
from bridge.judging.classifier import ClassifierOptions
from bridge.judging.engine import Unfit
from bridge.judging.inbox import Inbox
from bridge.learning.data import Item
from bridge.learning.data.pictures import Told, silent

ROUNDS: Final = 31
"""Of which the median is told."""


def measured(models: Sequence[Bundle], item: Item, rounds: int = ROUNDS, told: Told = silent) -> list[float]:
    """Return milliseconds from the encoded picture to the verdict, and its boxes if it is NG; blocks.

    Each bundle has the threads and makes the map that a judge of the line has and makes where nothing is set.

    Args:
        models: of any kinds.
        item: the picture that all are shown.
        rounds: in each of which every bundle has its turn; before them it is warmed up.
        told: how far it is.

    Raises:
        ConfigError: a bundle cannot run here.
    """
    data = item.path.read_bytes()
    turns = [(_bench(one), _shown(one, item, data)) for one in models]
    took: list[list[float]] = [[] for _ in models]
    for done in range(1, rounds + 1):
        for (bench, shown), mine in zip(turns, took, strict=True):
            mine.append(bench.judge([shown])[0].ms)
        told(done, rounds)
    return [statistics.median(mine) for mine in took]


def _bench(model: Bundle) -> Bench:
    try:
        bench = Bench(hiring.workload(ClassifierOptions(model=str(model.folder)), model), cast("Inbox", None))
    except Unfit as exc:
        raise ConfigError(str(model.folder), str(exc)) from exc
    bench.warm_up()
    return bench


def _shown(model: Bundle, item: Item, data: bytes) -> Shown:
    one = model.manifest
    return Shown(data, one.region(item.view), one.reference(item.view), one.threshold)
