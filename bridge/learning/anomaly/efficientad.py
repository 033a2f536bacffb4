"""EfficientAD (Batzner et al., WACV 2024): a student that fails to follow its teacher where parts are strange.

A teacher describes every place of a picture. On good parts a student learns to say the same of each place, and
an autoencoder to say it from 64 numbers for the whole picture, so that it misses what does not belong together;
a second half of the student learns what the autoencoder says of good parts. What they differ by is the map:

    local = mean over channels of (teacher - student)²
    global = mean over channels of (autoencoder - the student's second half)²
    each scaled by quantiles of good validation maps, 0.1 (map - q90) / (q99.5 - q90); their mean; its highest
    value

Losses are the paper's: the mean of the highest thousandth of squared differences between teacher and student,
the mean squared output of the student on other pictures where there are any, the autoencoder's error, and the
student's against it; the latter two on pictures that are varied in brightness, contrast or colour.

Otherwise than in the paper: Keras' Adam decays weights apart from the gradient; the highest thousandth is taken
of each batch; pictures that the student must not follow are optional; the map is told on the grid of places, a
quarter of the picture's size with its border 0, and stretched by the live path; and decoding is transposed by
default (see ``autoencoder``). On a processor 70,000 steps take days: far fewer are asked for, and said, of ten
times the rate and from the highest tenth of differences; and in each of them student and teacher are shown a
window of the picture, whose places they describe just as in the whole, at a fifth of the cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import preprocess
from bridge.judging.spec import Input
from bridge.learning import points
from bridge.learning.anomaly import ahead, autoencoder, network, pdn, progress, tiling
from bridge.learning.anomaly.autoencoder import Decoder
from bridge.learning.anomaly.network import AnomalyNetwork
from bridge.learning.anomaly.teachers import Teacher
from bridge.learning.anomaly.tiling import Tiling
from bridge.learning.backend import keras, on_gpu
from bridge.learning.levels import UNIT
from bridge.learning.networks.trunk import Model, Tensor

FULL_STEPS: Final = 70_000
"""As in the paper."""
CPU_STEPS: Final = 1_000
RATE: Final = 1e-4
"""As in the paper, over its many steps."""
CPU_RATE: Final = 1e-3
"""Of few steps larger ones."""
HARD: Final = 0.001
"""The share of squared differences that the student learns from, as in the paper."""
CPU_HARD: Final = 0.1
"""In few steps from more of them."""
LOWER, UPPER = 0.9, 0.995
"""The quantiles of good maps that scale them to 0 and 0.1."""
_LATE = 0.95
"""From this share of the steps on the rate is a tenth."""
_LOOKS = 5
"""So often validation is looked at meanwhile."""
_LOOKED_AT = 24
_KEPT_EVERY = 25
"""Steps, or more where they are fast; an interruption costs half a minute of a processor."""
CPU_WINDOW: Final = 128
"""Pixels."""

_UNIT = (
    "highest value of the mean of two maps, student against teacher and against autoencoder, each 0.1 where one "
    "in 200 places of good parts reaches"
)

Told = Callable[[str, int, int], None]
Say = Callable[[str], None]
Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How it is trained."""

    decoder: Decoder = Decoder.TRANSPOSED
    steps: int = CPU_STEPS
    batch: int = 1
    rate: float = RATE
    decay: float = 1e-5
    hard: float = HARD
    seed: int = 0
    window: int | None = None
    """Student and teacher are shown a window of so many pixels a side in each step, a multiple of 4; None: all."""
    tiling: Tiling | None = None
    """How a picture larger than the networks are shown is cut; None: they are shown the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What it is trained on, and looked at with."""

    good: Pictures
    """To learn from, shape (N, height, width, 3)."""
    validation: Pictures
    """Good ones to scale the maps by, and bad ones, if any, to look at meanwhile."""
    bad: NDArray[np.bool_]
    """Which of the validation pictures are bad."""
    other: Pictures | None = None
    """Pictures of anything else, which the student must not follow the teacher on; as ImageNet's in the paper."""


def train(
    settings: Settings,
    into: Input,
    teacher: Teacher,
    material: Material,
    work: Path,
    told: Told,
    say: Say,
) -> AnomalyNetwork:
    """Return the trained network; blocks for minutes to hours. What an interruption leaves is taken up again.

    Args:
        settings: how.
        into: what it is shown; rgb, both sides of it, or of its tiles, multiples of 32.
        teacher: whose descriptions are learnt.
        material: pictures, as large as ``into``; other pictures as large as a tile.
        work: a folder of its own for what an interruption leaves.
        told: hears of every step.
        say: hears a line at each look.

    Raises:
        ConfigError: a picture of this size or these colours cannot be encoded.
        KeyboardInterrupt: passed through.
    """
    suits(into, settings.tiling)
    started = time.monotonic()
    keras.utils.set_random_seed(settings.seed)
    run = progress.fingerprint(
        (settings, into, teacher.digest), material.good, material.validation, material.bad, material.other
    )
    if settings.tiling:
        material = replace(material, good=settings.tiling.cut(material.good))
    parts = _Parts(settings, into, teacher, material.good)
    learner = parts.learner(settings, other=material.other is not None)
    kept = progress.Kept(work / "efficientad.npz", learner, run)
    begun, spent = kept.restore()
    started -= spent
    if begun:
        say(f"goes on after step {begun:,}")
    every = max(1, settings.steps // _LOOKS)
    shown = ahead.made(lambda step: _shown(settings, material, step), begun, settings.steps)
    for step, one in enumerate(shown, begun + 1):
        learner.train_on_batch(one)
        told("learning", step, settings.steps)
        last = step == settings.steps
        if step % _KEPT_EVERY == 0 or last:
            kept.write(step, time.monotonic() - started, whatever=last)
        if step % every == 0 or last:
            say(_look(parts, material, step, time.monotonic() - started))
    made = parts.network(_scales(parts, material))
    return replace(made, seconds=time.monotonic() - started)


def usual(steps: int | None) -> Settings:
    """Return settings where nothing may be said: the paper's, but on a processor few steps, and larger ones."""
    if on_gpu():
        return Settings(steps=steps or FULL_STEPS)
    return Settings(steps=steps or CPU_STEPS, window=CPU_WINDOW, rate=CPU_RATE, hard=CPU_HARD)


def suits(into: Input, cut: Tiling | None = None) -> None:
    """Refuse a picture, or the tiles of it, that cannot be encoded.

    Raises:
        ConfigError: because of its size or colours.
    """
    height, width = cut.tile if cut else (into.height, into.width)
    if not autoencoder.fits(height, width):
        raise ConfigError(
            "--tile" if cut else "--size",
            f"{width}x{height} cannot be encoded",
            "write multiples of 32, at least 64, as 256x256",
        )
    if into.colour != "rgb":
        raise ConfigError("--colour", f"{into.colour} does not suit a teacher", "write rgb")


class _Parts:
    """The three networks, and what they become."""

    def __init__(self, settings: Settings, into: Input, teacher: Teacher, good: Pictures) -> None:
        self._into, self._tiling = into, settings.tiling
        self._size = size = settings.tiling.tile if settings.tiling else (into.height, into.width)
        plain = teacher.built(*size)
        mean, variance = _statistics(plain, good)
        levelled = keras.layers.Normalization(mean=mean, variance=variance, name="levelled")
        self.teacher = keras.Model(plain.input, levelled(plain.output), name="levelled_teacher")
        self.teacher.trainable = False
        self.student = pdn.build(teacher.size, *size, 2 * pdn.NUMBERS, "student")
        self.autoencoder = autoencoder.build(settings.decoder, *size)

    def learner(self, settings: Settings, *, other: bool) -> Model:
        """Return the model that learns: from what ``_shown`` gives to its losses."""
        rows, columns = self._size
        seen = _window(settings, rows, columns)
        shapes = {
            "window": (*seen, 3),
            "varied_window": (*seen, 3),
            "varied": (rows, columns, 3),
            "rows": (pdn.described(seen[0]), pdn.described(rows)),
            "columns": (pdn.described(seen[1]), pdn.described(columns)),
        } | ({"other": (*seen, 3)} if other else {})
        shown = {name: keras.Input(batch_shape=(settings.batch, *one), name=name) for name, one in shapes.items()}
        half, ops = pdn.NUMBERS, keras.ops
        teacher, student = self._at(self.teacher, seen), self._at(self.student, seen)
        losses = [_hard(teacher(shown["window"]) - student(shown["window"])[..., :half], settings)]
        if other:
            losses.append(ops.mean(ops.square(student(shown["other"])[..., :half])))
        told = ops.einsum("bor,brcn->bocn", shown["rows"], self.autoencoder(shown["varied"]))
        told = ops.einsum("boc,brcn->bron", shown["columns"], told)
        losses.append(ops.mean(ops.square(teacher(shown["varied_window"]) - told)))
        losses.append(ops.mean(ops.square(told - student(shown["varied_window"])[..., half:])))
        model = _Losses(list(shown.values()), ops.stack(losses), name="learner")
        late = keras.optimizers.schedules.PiecewiseConstantDecay(
            [round(_LATE * settings.steps)], [settings.rate, settings.rate / 10]
        )
        jit = "auto" if on_gpu() else False
        model.compile(keras.optimizers.Adam(late, weight_decay=settings.decay), jit_compile=jit)
        model.optimizer.build(model.trainable_variables)
        return model

    @staticmethod
    def _at(model: Model, size: tuple[int, int]) -> Model:
        """Return the same layers for pictures of another size."""
        seen = keras.Input((*size, 3))
        flow = seen
        for layer in model.layers[1:]:
            flow = layer(flow)
        made = keras.Model(seen, flow)
        made.trainable = model.trainable
        return made

    @cached_property
    def maps(self) -> Model:
        """Return the model from pictures to the local and the global map, unscaled, as two channels."""
        seen = keras.Input((*self._size, 3), name="picture")
        half, ops = pdn.NUMBERS, keras.ops
        student = self.student(seen)
        near = ops.mean(ops.square(self.teacher(seen) - student[..., :half]), axis=-1, keepdims=True)
        whole = ops.mean(ops.square(self.autoencoder(seen) - student[..., half:]), axis=-1, keepdims=True)
        return keras.Model(seen, ops.concatenate([near, whole], axis=-1), name="maps")

    def network(self, scales: NDArray[np.float32]) -> AnomalyNetwork:
        """Return the network whose maps are so scaled: lower and upper quantile (rows) of both maps (columns)."""
        maps, ops = self.maps, keras.ops
        lower, upper = scales
        scaled = 0.1 * (maps.output - lower) / np.maximum(upper - lower, 1e-12)
        both = ops.mean(scaled, axis=-1, keepdims=True)
        seen = maps.input
        if self._tiling:
            seen = keras.Input((self._into.height, self._into.width, 3), name="large")
            both = tiling.over(seen, self._tiling, keras.Model(maps.input, both))
        return AnomalyNetwork(whole=network.scored(seen, both, border=pdn.BORDER), normalisation=UNIT, unit=_UNIT)

    def predicted(self, pictures: Sequence[Pictures] | Pictures) -> NDArray[np.float32]:
        """Return both maps of each picture, unscaled; those of its tiles one below the other."""
        found = []
        for one in pictures:
            shown = self._tiling.cut(one[None]) if self._tiling else one[None]
            maps = [np.asarray(self.maps.predict_on_batch(_level(tile[None])))[0] for tile in shown]
            found.append(np.concatenate(maps))
        return np.stack(found)


class _Losses(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """A model whose output is what it loses."""

    def compute_loss(self, _x: Any, _y: Any, losses: Tensor, *_rest: Any, **_named: Any) -> Tensor:
        """Return the sum of its losses."""
        return keras.ops.sum(losses)


def _hard(difference: Tensor, settings: Settings) -> Tensor:
    """Return the mean of the highest share of squared differences."""
    ops = keras.ops
    numbers = settings.batch * int(np.prod(difference.shape[1:]))
    flat = ops.reshape(ops.square(difference), (numbers,))
    return ops.mean(ops.top_k(flat, max(1, round(settings.hard * numbers)))[0])


def _statistics(teacher: Model, good: Pictures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and variance of what a teacher says of good pictures, by number."""
    total = squares = np.zeros(pdn.NUMBERS)
    for one in good:
        said = np.asarray(teacher.predict_on_batch(_level(one[None])), np.float64).reshape(-1, pdn.NUMBERS)
        total, squares = total + said.mean(axis=0), squares + np.square(said).mean(axis=0)
    mean = total / len(good)
    return mean.astype(np.float32), np.maximum(squares / len(good) - mean**2, 1e-8).astype(np.float32)


def _level(pictures: Pictures) -> NDArray[np.float32]:
    return np.asarray(preprocess.normalise(pictures, UNIT), np.float32)


def _shown(settings: Settings, material: Material, step: int) -> list[NDArray[np.float32]]:
    """Return what one step learns from: it follows from seed and step alone, whatever was interrupted."""
    rng = np.random.default_rng([settings.seed, step])
    chosen = material.good[rng.integers(len(material.good), size=settings.batch)]
    shaken = np.stack([varied(one, rng) for one in chosen])
    height, width = chosen.shape[1:3]
    side = _window(settings, height, width)
    at = [(_place(height, side[0], rng), _place(width, side[1], rng)) for _ in chosen]

    def windows(pictures: Pictures) -> NDArray[np.float32]:
        cut = [one[y : y + side[0], x : x + side[1]] for one, (y, x) in zip(pictures, at, strict=True)]
        return _level(np.stack(cut))

    shown = [windows(chosen), windows(shaken), _level(shaken)]
    shown += [
        np.stack([_picked(y, side[0], height) for y, _ in at]),
        np.stack([_picked(x, side[1], width) for _, x in at]),
    ]
    if material.other is not None:
        shown.append(windows(material.other[rng.integers(len(material.other), size=settings.batch)]))
    return shown


def _window(settings: Settings, height: int, width: int) -> tuple[int, int]:
    """Return how much of a picture student and teacher are shown."""
    most = settings.window or max(height, width)
    return min(most, height), min(most, width)


def _place(whole: int, side: int, rng: np.random.Generator) -> int:
    """Return where a window begins: at a place."""
    return pdn.STEP * int(rng.integers((whole - side) // pdn.STEP + 1))


def _picked(start: int, side: int, whole: int) -> NDArray[np.float32]:
    """Return what picks a window's places from all of a row: shape (places of the window, places of the row)."""
    return np.eye(pdn.described(whole), dtype=np.float32)[start // pdn.STEP :][: pdn.described(side)]


def varied(picture: Pictures, rng: np.random.Generator) -> Pictures:
    """Return a picture with its brightness, contrast or saturation times 0.8 to 1.2, as the paper does."""
    strength, seen = rng.uniform(0.8, 1.2), picture.astype(np.float32)
    grey = seen @ np.array([0.299, 0.587, 0.114], np.float32)
    kind = rng.integers(3)
    middle = (np.float32(0), grey.mean(), grey[..., None])[kind]
    return np.asarray(np.clip(np.rint(middle + strength * (seen - middle)), 0, 255), np.uint8)


def _look(parts: _Parts, material: Material, step: int, seconds: float) -> str:
    """Return in a line how validation does, by maps scaled on the spot."""
    said = f"step {step:,}, {seconds:.0f} s"
    if not material.bad.any() or material.bad.all():
        return said
    chosen = _some(material.bad)
    maps = parts.predicted(material.validation[chosen])
    lower, upper = np.quantile(maps[~material.bad[chosen]], (LOWER, UPPER), axis=(0, 1, 2))
    scaled = (0.1 * (maps - lower) / np.maximum(upper - lower, 1e-12)).mean(axis=-1)
    area = points.auc(-scaled.max(axis=(1, 2)).astype(np.float64), material.bad[chosen])
    return f"{said}: AUROC {area:.4f} on {len(chosen)} validation pictures"


def _some(bad: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return up to ``_LOOKED_AT`` pictures, half of them bad where there are enough, always the same."""
    good, ill = np.flatnonzero(~bad), np.flatnonzero(bad)
    return np.sort(np.concatenate([_evenly(good, _LOOKED_AT // 2), _evenly(ill, _LOOKED_AT // 2)]))


def _evenly(places: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    steps = np.linspace(0, len(places) - 1, min(most, len(places)))
    return np.asarray(places[np.unique(steps.astype(int))], np.intp)


def _scales(parts: _Parts, material: Material) -> NDArray[np.float32]:
    maps = parts.predicted(material.validation[~material.bad])
    return np.quantile(maps, (LOWER, UPPER), axis=(0, 1, 2)).astype(np.float32)
