"""A teacher from a pretrained backbone: a small network learns to say of 33 x 33 pixels what the large one says.

As in EfficientAD (Batzner et al., WACV 2024, appendix), where the backbone is a WideResNet-101 and the pictures
are ImageNet's. Here it is any of ``patchcore.LAYERS`` and any pictures: what a line photographs, for instance,
without labels. The backbone sees pictures at twice the size, so that its finer layer has a place for every four
pixels or eight; its numbers are averaged down to 384 and levelled to mean 0 and deviation 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.judging import preprocess
from bridge.judging.spec import Input
from bridge.learning.anomaly import patchcore, pdn
from bridge.learning.anomaly.patchcore import Describer
from bridge.learning.anomaly.pdn import BORDER, NUMBERS, STEP, Size
from bridge.learning.anomaly.teachers import Teacher
from bridge.learning.backend import keras
from bridge.learning.levels import UNIT
from bridge.learning.networks import applications, weights
from bridge.learning.networks.trunk import Tensor

SIDE: Final = 256
"""Pixels of what the teacher is shown."""
_TWICE = 2

Told = Callable[[str, int, int], None]
Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a teacher is distilled."""

    size: Size = Size.SMALL
    backbone: str = "mobilenet_v2"
    source: str | Path = weights.IMAGENET
    steps: int = 1_000
    batch: int = 2
    rate: float = 1e-3
    seed: int = 0


def distil(settings: Settings, pictures: Pictures, told: Told) -> tuple[Teacher, float]:
    """Return a teacher, and how much of what the backbone says it explains on a tenth of the pictures, kept apart.

    Args:
        settings: how.
        pictures: rgb, shape (N, 2 * SIDE, 2 * SIDE, 3), of anything; at least ten.
        told: hears of every step.

    Raises:
        ConfigError: as ``patchcore.describer``.
    """
    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    pictures = pictures[rng.permutation(len(pictures))]
    one = _backbone(settings)
    apart = len(pictures) - max(1, len(pictures) // 10)
    mean, variance = _statistics(one, pictures[:apart])
    model = pdn.build(settings.size, SIDE, SIDE, name="teacher")
    rate = keras.optimizers.schedules.CosineDecay(settings.rate, settings.steps)
    model.compile(keras.optimizers.Adam(rate), "mse", jit_compile=False)
    for step in range(settings.steps):
        chosen = pictures[rng.integers(apart, size=settings.batch)]
        chosen = np.stack([_turned(picture, rng) for picture in chosen])
        model.train_on_batch(_small(chosen), _said(one, chosen, mean, variance))
        told("distilling", step + 1, settings.steps)
    wrong, there = 0.0, 0.0
    for at in range(apart, len(pictures)):
        said = _said(one, pictures[at : at + 1], mean, variance)
        wrong += float(np.square(model.predict_on_batch(_small(pictures[at : at + 1])) - said).mean())
        there += float(np.square(said).mean())
    kept = model.get_weights()
    about = {
        "distilled from": settings.backbone,
        "weights": weights.digest(settings.source),
        "pictures": len(pictures),
        **{name: str(value) for name, value in asdict(settings).items() if name in {"steps", "batch", "seed"}},
    }
    pairs = tuple(zip(kept[::2], kept[1::2], strict=True))
    return Teacher(size=settings.size, convolutions=pairs, about=about), 1 - wrong / there


def _backbone(settings: Settings) -> Describer:
    """Return what describes the places that the teacher is to describe, in 384 numbers."""
    order = applications.APPLICATIONS[settings.backbone].colour
    into = Input(width=_TWICE * SIDE, height=_TWICE * SIDE, colour=order)
    one = patchcore.describer(settings.backbone, into, settings.source)
    grid = SIDE // STEP
    flow = keras.layers.Resizing(grid, grid, interpolation="bilinear")(one.model.output)
    flow = keras.layers.Cropping2D(BORDER)(_fewer(flow))
    return Describer(model=keras.Model(one.model.input, flow), normalisation=one.normalisation, colour=one.colour)


def _fewer(flow: Tensor) -> Tensor:
    """Average neighbouring numbers down to 384, as adaptive pooling does; repeat them where there are fewer."""
    ops, have = keras.ops, int(flow.shape[-1])
    onto = np.zeros((have, NUMBERS), np.float32)
    for number in range(NUMBERS):
        first, last = number * have // NUMBERS, -(-(number + 1) * have // NUMBERS)
        onto[first:last, number] = 1 / (last - first)
    return ops.matmul(flow, onto)


def _statistics(one: Describer, pictures: Pictures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    seen = [_plain(one, pictures[at : at + 1]).reshape(-1, NUMBERS) for at in range(min(len(pictures), 100))]
    every = np.concatenate(seen)
    return every.mean(axis=0), np.maximum(every.var(axis=0), 1e-8)


def _plain(one: Describer, pictures: Pictures) -> NDArray[Any]:
    shown = pictures if one.colour == "rgb" else pictures[..., ::-1]
    return np.asarray(one.model.predict_on_batch(preprocess.normalise(shown, one.normalisation)), np.float32)


def _said(
    one: Describer, pictures: Pictures, mean: NDArray[np.float32], variance: NDArray[np.float32]
) -> NDArray[np.float32]:
    return np.asarray((_plain(one, pictures) - mean) / np.sqrt(variance), np.float32)


def _small(pictures: Pictures) -> NDArray[np.float32]:
    small = np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in pictures])
    return np.asarray(preprocess.normalise(np.asarray(small, np.uint8), UNIT), np.float32)


def _turned(picture: Pictures, rng: np.random.Generator) -> Pictures:
    """Return a picture turned by quarters and mirrored at random: a place looks like no place in particular."""
    turned = np.rot90(picture, int(rng.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.integers(2) else turned)
