"""The networks: a small one of our own, and a pretrained trunk with a new head; Keras only, for any backend.

Each takes what ``preprocess.normalise`` gives with ``NORMALISATION`` and answers with logits, one per class.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from bridge.errors import ConfigError
from bridge.judging.spec import Input, Normalisation
from bridge.learning.backend import keras

NORMALISATION = Normalisation(scale=1 / 127.5, mean=(1.0,))
"""Pixels become -1 to 1, as the pretrained trunk was taught."""

_FINE = "block_13_expand_relu"
"""The last features at a sixteenth of the picture's size: later ones are too coarse for small defects."""

Model: TypeAlias = Any
"""A ``keras.Model``; Keras ships no types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A Keras model and what it is to be shown."""

    whole: Model
    """Picture to logits."""
    normalisation: Normalisation = NORMALISATION


class Backbone(StrEnum):
    """What looks at the picture before the last layer decides."""

    SMALL = "small"
    """Five convolutions, about 60,000 parameters, trained from nothing."""
    MOBILENET_V2 = "mobilenet_v2"
    """The first two thirds of a pretrained network, held still; only the head learns."""


def build(backbone: Backbone, into: Input, outputs: int, weights: Path | None = None) -> Model:
    """Return an untrained model of input (batch, height, width, channels) and output (batch, outputs).

    Raises:
        ConfigError: the backbone needs other colours, or a weights file that fits.
    """
    seen = keras.Input((into.height, into.width, into.channels), name="picture")
    features = _small(seen) if backbone is Backbone.SMALL else _mobilenet(seen, into, weights)
    pooled = keras.layers.Concatenate()(
        [keras.layers.GlobalAveragePooling2D()(features), keras.layers.GlobalMaxPooling2D()(features)]
    )  # the average sees what is everywhere, the maximum what is in one place only
    kept = keras.layers.Dropout(0.3)(pooled)
    return keras.Model(seen, keras.layers.Dense(outputs, name="logits")(kept), name="network")


def _small(seen: Any) -> Any:
    """Take level and contrast out first: a brightness that goes with a label must be no way to guess it."""
    centred = seen - keras.ops.mean(seen, axis=(1, 2, 3), keepdims=True)
    spread = keras.ops.sqrt(keras.ops.mean(keras.ops.square(centred), axis=(1, 2, 3), keepdims=True))
    flow = _pool(_stage(centred / (spread + 0.05), 16, size=5, stride=2))
    flow = _pool(_stage(_stage(flow, 32), 32))
    return _stage(_pool(_stage(flow, 48)), 64)


def _stage(flow: Any, filters: int, size: int = 3, stride: int = 1) -> Any:
    flow = keras.layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(flow)
    return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(flow))


def _pool(flow: Any) -> Any:
    return keras.layers.MaxPooling2D(2, padding="same")(flow)


def _mobilenet(seen: Any, into: Input, weights: Path | None) -> Any:
    if into.colour != "rgb":
        raise ConfigError("--colour", f"{into.colour} does not suit mobilenet_v2", "write rgb")
    if weights is None or not weights.is_file():
        raise ConfigError(
            "--weights", f"{weights or 'nothing'} is no file", "write the backbone's .weights.h5 file"
        )
    trunk = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(into.height, into.width, into.channels)
    )
    try:
        trunk.load_weights(str(weights))
    except (ValueError, OSError) as exc:
        raise ConfigError("--weights", f"{weights} does not fit mobilenet_v2") from exc
    fine = keras.Model(trunk.input, trunk.get_layer(_FINE).output)
    fine.trainable = False
    return fine(seen, training=False)
