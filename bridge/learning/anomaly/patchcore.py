"""PatchCore (Roth et al., CVPR 2022): how far every place of a picture is from all that good pictures showed.

A place is described by two layers of a pretrained backbone, in the paper an eighth and a sixteenth of the
picture's size, each averaged over 3 x 3, the coarser one laid over the finer. A memory of such descriptions,
thinned to a coreset, goes into the graph; the map is the distance to the nearest of them.

Otherwise than in the paper: each number of a description is measured in units of its deviation over good places,
without which the channels that vary most decide alone, or descriptions are compared by their directions; the
picture's anomaly is the map's highest value (or the mean of a share of it), without the paper's weight for how
dense the memory is around the nearest; and the map is left on the backbone's grid, for the live path to stretch,
without a Gaussian.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import preprocess
from bridge.judging.spec import Input, Normalisation
from bridge.learning.anomaly import memory, network, tiling
from bridge.learning.anomaly.network import AnomalyNetwork
from bridge.learning.anomaly.tiling import Tiling
from bridge.learning.backend import keras
from bridge.learning.networks import applications, weights
from bridge.learning.networks.trunk import Model, Tensor

LAYERS: Final = {
    "vgg16": ("block3_conv3", "block4_conv3", "block5_conv3", "block5_pool"),
    "vgg19": ("block3_conv4", "block4_conv4", "block5_conv4", "block5_pool"),
    "resnet50": ("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
    "resnet152": ("conv2_block3_out", "conv3_block8_out", "conv4_block12_out", "conv5_block3_out"),
    "xception": (
        "block3_sepconv1_act",
        "block4_sepconv1_act",
        "block13_sepconv1_act",
        "block14_sepconv2_act",
    ),
    "mobilenet_v2": ("block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    "efficientnet_v2_b0": ("block2b_add", "block3b_add", "block5e_add", "top_activation"),
}
"""By backbone: what is read at a quarter, an eighth, a sixteenth and a thirty-second of the picture's size."""


class Depth(StrEnum):
    """Which two layers describe a place: texture, or what it is a part of."""

    FINE = "fine"
    """A quarter and an eighth."""
    MIDDLE = "middle"
    """An eighth and a sixteenth, as in the paper."""
    DEEP = "deep"
    """A sixteenth and a thirty-second."""


class Metric(StrEnum):
    """How far two descriptions are from each other."""

    EUCLIDEAN = "euclidean"
    """Each number in units of its deviation over good places."""
    COSINE = "cosine"
    """What is read of each layer is brought to length 1: more or less contrast makes no difference."""


_FROM: Final = {Depth.FINE: 0, Depth.MIDDLE: 1, Depth.DEEP: 2}
CANDIDATES: Final = 50_000
"""Places that the coreset is chosen from, as many of each picture; so many, projected, fit a processor's cache."""
_BATCH = 8

Told = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a memory is made."""

    backbone: str = "mobilenet_v2"
    source: str | Path = weights.IMAGENET
    depth: Depth = Depth.MIDDLE
    metric: Metric = Metric.EUCLIDEAN
    memory: int = 4_000
    """Places that are remembered."""
    share: float = 0.0
    """The picture's anomaly is the mean of the highest share of its map; 0: the highest value."""
    seed: int = 0
    tiling: Tiling | None = None
    """How a picture is cut that is described in tiles; None: as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Describer:
    """From a normalised picture to what its places are like."""

    model: Model
    """To (batch, rows, columns, numbers)."""
    normalisation: Normalisation
    colour: str


def describer(
    backbone: str,
    into: Input,
    source: str | Path,
    depth: Depth = Depth.MIDDLE,
    metric: Metric = Metric.EUCLIDEAN,
) -> Describer:
    """Return what describes places.

    Raises:
        ConfigError: the backbone is not one of ``LAYERS``, or its weights cannot be had or need other colours.
    """
    if backbone not in LAYERS:
        raise ConfigError("--backbone", f"{backbone} cannot describe places", f"write one of {', '.join(LAYERS)}")
    one = applications.APPLICATIONS[backbone]
    if source == weights.NONE:
        raise ConfigError("--weights", "without any, places look alike", f"write {weights.IMAGENET} or a file")
    if into.colour != one.colour:
        raise ConfigError("--colour", f"{into.colour} does not suit {backbone}", f"write {one.colour}")
    model = _pretrained(backbone, into, source)
    fine, coarse = (_smoothed(model.get_layer(name).output) for name in LAYERS[backbone][_FROM[depth] :][:2])
    if metric is Metric.COSINE:
        fine, coarse = (keras.layers.UnitNormalization()(one) for one in (fine, coarse))
    joined = keras.layers.Concatenate(name="places")([fine, _over(coarse, fine)])
    return Describer(
        model=keras.Model(model.input, joined, name="describer"),
        normalisation=one.normalisation,
        colour=one.colour,
    )


def _pretrained(backbone: str, into: Input, source: str | Path) -> Model:
    smallest = max(64, applications.APPLICATIONS[backbone].smallest)
    if min(into.width, into.height) < smallest:
        said = f"{into.width}x{into.height} leaves too few places"
        raise ConfigError("--size", said, f"write {smallest}x{smallest} or more")
    if source == weights.IMAGENET:
        with weights.downloading(backbone):
            return applications.whole(backbone, into, weights.IMAGENET)
    model = applications.whole(backbone, into, None)
    weights.load(model, Path(source), backbone)
    return model


def _smoothed(features: Tensor) -> Tensor:
    return keras.layers.AveragePooling2D(3, 1, padding="same")(features)


def _over(coarse: Tensor, fine: Tensor) -> Tensor:
    return keras.layers.Resizing(fine.shape[1], fine.shape[2], interpolation="bilinear")(coarse)


def places(
    one: Describer, pictures: NDArray[np.uint8], most: int, seed: int, told: Told = silent
) -> NDArray[np.float32]:
    """Return what places of good pictures are like, drawn evenly from each picture.

    Args:
        one: describes them.
        pictures: shape (N, height, width, channels), as the model is shown them.
        most: how many places at most; at least one of each picture.
        seed: decides which.
        told: hears of every batch.

    Returns:
        Shape (M, numbers).
    """
    rng = np.random.default_rng(seed)
    found = []
    for at in range(0, len(pictures), _BATCH):
        told("describing good places", at, len(pictures))
        shown = preprocess.normalise(pictures[at : at + _BATCH], one.normalisation)
        rows = np.asarray(one.model.predict_on_batch(shown), np.float32)
        flat = rows.reshape(len(rows), -1, rows.shape[-1])
        each = min(flat.shape[1], max(1, most // len(pictures)))
        found += [here[rng.choice(flat.shape[1], each, replace=False)] for here in flat]
    told("describing good places", len(pictures), len(pictures))
    return np.concatenate(found)


def train(settings: Settings, into: Input, pictures: NDArray[np.uint8], told: Told = silent) -> AnomalyNetwork:
    """Return a network that remembers these good pictures; minutes for hundreds.

    Args:
        settings: how.
        into: what it is shown.
        pictures: of good parts alone, shape (N, height, width, channels), N above 0.
        told: hears how far it is.

    Raises:
        ConfigError: as ``describer``.
    """
    started = time.monotonic()
    if settings.tiling:
        into = replace(into, height=settings.tiling.tile_height, width=settings.tiling.tile_width)
        pictures = settings.tiling.cut(pictures)
    one = describer(settings.backbone, into, settings.source, settings.depth, settings.metric)
    found = places(one, pictures, CANDIDATES, settings.seed, told)
    spread = np.ones(found.shape[1], np.float32)
    if settings.metric is Metric.EUCLIDEAN:
        spread = np.maximum(found.std(axis=0), 1e-6 + 1e-3 * float(found.std()))
        found /= spread
    kept = memory.coreset(
        found, settings.memory, settings.seed, lambda done, total: told("choosing what to remember", done, total)
    )
    made = assembled(one, spread, found[kept], settings.share, settings.tiling)
    return replace(made, seconds=time.monotonic() - started)


def assembled(
    one: Describer,
    spread: NDArray[np.float32],
    remembered: NDArray[np.float32],
    share: float,
    cut: Tiling | None = None,
) -> AnomalyNetwork:
    """Return the network of a memory.

    Args:
        one: describes places.
        spread: what each of their numbers is divided by, shape (numbers,).
        remembered: the memory, so divided, shape (M, numbers).
        share: as in ``Settings``.
        cut: the tiles it describes; None: the whole picture.
    """
    seen = keras.Input(one.model.input.shape[1:], name="picture")
    raw = Farness(remembered, spread, name="farness")(one.model(seen))
    if cut:
        judged, seen = keras.Model(seen, raw), keras.Input((cut.height, cut.width, seen.shape[-1]), name="large")
        raw = tiling.over(seen, cut, judged)
    return AnomalyNetwork(
        whole=network.scored(seen, raw, share),
        normalisation=one.normalisation,
        colour="bgr" if one.colour == "bgr" else "rgb",
        unit="distance to the nearest remembered place",
        exact=("farness",),
    )


@keras.saving.register_keras_serializable("aoi_bridge")
class Farness(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """From descriptions of places to their distance from the nearest that is remembered."""

    def __init__(self, remembered: NDArray[np.float32], spread: NDArray[np.float32], **named: Any) -> None:
        super().__init__(**named, trainable=False)
        self._shape, self._spread = remembered.shape, np.asarray(1 / spread, np.float32)
        self._memory = np.ascontiguousarray(remembered.T)
        self._lengths = np.einsum("ij,ij->i", remembered, remembered)[None]

    def call(self, inputs: Tensor) -> Tensor:
        """Return distances, shape (batch, rows, columns, 1)."""
        ops, (_, rows, columns, numbers) = keras.ops, inputs.shape
        flat = ops.multiply(ops.reshape(inputs, (-1, numbers)), self._spread)
        own = ops.sum(flat * flat, axis=1)
        other = ops.min(ops.subtract(self._lengths, 2 * ops.matmul(flat, self._memory)), axis=1)
        return ops.reshape(ops.sqrt(ops.maximum(own + other, 0.0)), (-1, rows, columns, 1))

    @property
    def multiply_adds(self) -> int:
        """Those of one picture: each of its places with each that is remembered."""
        _, rows, columns, _ = self.output.shape
        return int(rows * columns * self._shape[0] * self._shape[1])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the map."""
        return (*input_shape[:3], 1)
