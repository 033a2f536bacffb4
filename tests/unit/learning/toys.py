"""Toy sets and networks that the tests of training share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from bridge.judging.bundle import ModelClass
from bridge.judging.spec import Input
from bridge.learning import networks, training
from bridge.learning.backend import keras
from bridge.learning.data import Dataset, Shares, Split, split
from bridge.learning.networks import Network
from bridge.learning.settings import ALL, Settings
from bridge.messages import Verdict

INTO = Input(width=32, height=32, colour="gray")
CLASSES = (ModelClass(name="marked", verdict=Verdict.NG), ModelClass(name="plain", verdict=Verdict.OK))
QUICK = Settings(phases=(replace(ALL, epochs=3, rate=5e-3),), batch=16, seed=3)


def marked(count: int, seed: int) -> Dataset:
    """Noise pictures of every brightness; every second one carries a bright square somewhere: that one is NG."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    pictures = rng.normal(rng.uniform(60, 140, (count, 1, 1, 1)), 8, (count, 32, 32, 1))
    for index in np.flatnonzero(labels == 0):
        x, y = rng.integers(4, 22, 2)
        pictures[index, y : y + 6, x : x + 6] += 90
    names = tuple(str(index) for index in range(count))
    return Dataset(
        pictures=np.clip(pictures, 0, 255).astype(np.uint8),
        labels=labels,
        groups=names,
        parts=names,
        classes=CLASSES,
        digest="0" * 64,
    )


def sides_of(dataset: Dataset) -> Split:
    return split.by_group(dataset, Shares(validation=0.25, held_out=0))


def pretrained(path: Path) -> Path:
    """Write weights for the small network, as if it had been taught before."""
    keras.utils.set_random_seed(5)
    networks.build(networks.Backbone.SMALL, INTO, 2).block.save_weights(path)
    return path


def beginning(settings: Settings) -> Callable[[], Network]:
    def make() -> Network:
        if settings.source == networks.NONE:
            return training.begun(settings, INTO, CLASSES)
        keras.utils.set_random_seed(settings.seed)  # gray pictures, which no published weights would take
        net = networks.build(settings.backbone, INTO, len(CLASSES), head=settings.head, ok=(1,), cut=True)
        assert isinstance(settings.source, Path)
        rebuilt = networks.build(settings.backbone, INTO, len(CLASSES), head=settings.head, ok=(1,))
        rebuilt.block.load_weights(settings.source)
        networks.stored.fill(net, networks.stored.arrays(rebuilt, (networks.stored.BLOCK,)), "toy")
        return net

    return make
