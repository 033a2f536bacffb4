"""A teacher from a pretrained backbone: a small network learns to say of 33 x 33 pixels what the large one says.

As in EfficientAD (Batzner et al., WACV 2024, appendix), where the backbone is a WideResNet-101 and the pictures
are ImageNet's. Here it is any of ``patchcore.LAYERS`` and any pictures: what a line photographs, for instance,
without labels. The backbone sees pictures at twice the size, so that its finer layer has a place for every four
pixels or eight; its numbers are averaged down to 384 and levelled to mean 0 and deviation 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.judging import preprocess
from bridge.judging.spec import Input
from bridge.learning.anomaly import ahead, patchcore, pdn, progress
from bridge.learning.anomaly.patchcore import Describer
from bridge.learning.anomaly.pdn import BORDER, NUMBERS, STEP, Size
from bridge.learning.anomaly.teachers import Teacher
from bridge.learning.backend import keras, on_gpu
from bridge.learning.levels import UNIT
from bridge.learning.networks import applications, weights
from bridge.learning.networks.trunk import Tensor

SIDE: Final = 256
"""Pixels of what the teacher is shown."""
_TWICE = 2
_MEASURED: Final = 500
"""Pictures at most whose descriptions say what is level."""
_KEPT_EVERY = 25
"""Steps, or more where they are fast."""
BATCH: Final = 2
GPU_BATCH: Final = 16
"""As in the paper."""

Told = Callable[[str, int, int], None]
Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a teacher is distilled."""

    size: Size = Size.SMALL
    backbone: str = "mobilenet_v2"
    source: str | Path = weights.IMAGENET
    steps: int = 1_000
    batch: int = BATCH
    rate: float = 1e-3
    seed: int = 0


def distil(settings: Settings, pictures: Pictures, work: Path, told: Told) -> tuple[Teacher, float]:
    """Return a teacher, and how much of what the backbone says it explains on a tenth of the pictures, kept apart.

    What an interruption leaves is taken up again.

    Args:
        settings: how.
        pictures: rgb, shape (N, 2 * SIDE, 2 * SIDE, 3), of anything; at least ten.
        work: a file for what an interruption leaves.
        told: hears of every step.

    Raises:
        ConfigError: as ``patchcore.describer``.
    """
    keras.utils.set_random_seed(settings.seed)
    order = np.random.default_rng(settings.seed).permutation(len(pictures))
    one = _backbone(settings)
    apart = len(pictures) - max(1, len(pictures) // 10)
    mean, variance = _statistics(one, pictures, order[: min(apart, _MEASURED)])
    model = pdn.build(settings.size, SIDE, SIDE, name="teacher")
    rate = keras.optimizers.schedules.CosineDecay(settings.rate, settings.steps)
    model.compile(keras.optimizers.Adam(rate), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    kept = progress.Kept(work, model, progress.fingerprint((settings, weights.digest(settings.source)), pictures))
    begun, spent = kept.restore()
    started = time.monotonic() - spent

    def shown(step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng([settings.seed, step])
        chosen = order[rng.integers(apart, size=settings.batch)]
        turned = np.stack([_turned(pictures[at], rng) for at in chosen])
        return _small(turned), _normalised(one, turned)

    for step, (small, large) in enumerate(ahead.made(shown, begun, settings.steps), begun + 1):
        model.train_on_batch(small, (_plain(one, large) - mean) / np.sqrt(variance))
        told("distilling", step, settings.steps)
        if step % _KEPT_EVERY == 0:
            kept.write(step, time.monotonic() - started, whatever=False)
    wrong, there = 0.0, 0.0
    for at in order[apart:]:
        picture = pictures[at][None]
        said = (_plain(one, _normalised(one, picture)) - mean) / np.sqrt(variance)
        wrong += float(np.square(model.predict_on_batch(_small(picture)) - said).mean())
        there += float(np.square(said).mean())
    learnt = model.get_weights()
    about = {
        "distilled from": settings.backbone,
        "weights": weights.digest(settings.source),
        "pictures": len(pictures),
        **{name: str(value) for name, value in asdict(settings).items() if name in {"steps", "batch", "seed"}},
    }
    pairs = tuple(zip(learnt[::2], learnt[1::2], strict=True))
    return Teacher(size=settings.size, convolutions=pairs, about=about), 1 - wrong / there


def usual(batch: int | None) -> int:
    """Return the pictures of a step where perhaps nothing is said: the paper's, but on a processor few."""
    return batch or (GPU_BATCH if on_gpu() else BATCH)


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


def _statistics(
    one: Describer, pictures: Pictures, chosen: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and variance of each number, over all places of the chosen pictures."""
    total = squares = np.zeros(NUMBERS)
    for at in chosen:
        said = _plain(one, _normalised(one, pictures[at][None])).reshape(-1, NUMBERS).astype(np.float64)
        total, squares = total + said.mean(axis=0), squares + np.square(said).mean(axis=0)
    mean = total / len(chosen)
    return mean.astype(np.float32), np.maximum(squares / len(chosen) - mean**2, 1e-8).astype(np.float32)


def _plain(one: Describer, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(one.model.predict_on_batch(normalised), np.float32)


def _normalised(one: Describer, pictures: Pictures) -> NDArray[np.float32]:
    shown = pictures if one.colour == "rgb" else pictures[..., ::-1]
    return np.asarray(preprocess.normalise(shown, one.normalisation), np.float32)


def _small(pictures: Pictures) -> NDArray[np.float32]:
    small = np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in pictures])
    return np.asarray(preprocess.normalise(np.asarray(small, np.uint8), UNIT), np.float32)


def _turned(picture: Pictures, rng: np.random.Generator) -> Pictures:
    """Return a picture turned by quarters and mirrored at random: a place looks like no place in particular."""
    turned = np.rot90(picture, int(rng.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.integers(2) else turned)
