"""From a picture to boxes: convolutions down to a sixteenth, back up to a quarter, and a head on each grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bridge.errors import ConfigError
from bridge.judging.spec import Input, Normalisation
from bridge.learning.backend import keras
from bridge.learning.detection.grids import STEP, STRIDES, places
from bridge.learning.levels import SYMMETRIC
from bridge.learning.networks.trunk import Convolutions, Model, Tensor

EDGES: Final = 4
"""Numbers that tell a box; those of the classes follow."""
_NECK, _HEAD = 48, 32
_DEPTHS: Final = ((32, 1), (64, 2), (96, 2))
"""Channels and residual blocks of each stride."""
_RARE: Final = 0.01
"""How sure of something each place is before it has learnt anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorNetwork:
    """Keras models that share their layers."""

    core: Model
    """From a normalised picture of any size to raw numbers, shape (batch, places, 4 + classes)."""
    whole: Model
    """From a picture of the bundle's size to boxes as ``yolov8`` has them, shape (batch, 4 + classes, places)."""
    normalisation: Normalisation = SYMMETRIC


def build(into: Input, classes: int) -> DetectorNetwork:
    """Return a network that has learnt nothing yet.

    Args:
        into: what it is shown.
        classes: how many it tells apart.

    Raises:
        ConfigError: the size is no multiple of 16.
    """
    suits(into)
    core = _core(into.channels, classes)
    seen = keras.Input((into.height, into.width, into.channels), name="picture")
    raw = core(seen)
    low, high = corners(raw, into.height, into.width)
    ops = keras.ops
    boxes = ops.concatenate([(low + high) / 2, high - low, ops.sigmoid(raw[..., EDGES:])], axis=-1)
    whole = keras.Model(seen, ops.transpose(boxes, (0, 2, 1)), name="detector")
    return DetectorNetwork(core=core, whole=whole)


def suits(into: Input) -> None:
    """Refuse a size that the grids do not fit.

    Raises:
        ConfigError: it is no multiple of 16.
    """
    if into.width % STEP or into.height % STEP:
        wide, high = (max(STEP, round(side / STEP) * STEP) for side in (into.width, into.height))
        found = f"{into.width}x{into.height} is no multiple of {STEP} on both sides"
        raise ConfigError("--size", found, f"write {wide}x{high}")


def corners(raw: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return left and top, and right and bottom, of the box of every place: each (batch, places, 2), in pixels."""
    middles, strides = places(height, width)
    away = keras.ops.softplus(raw[..., :EDGES]) * strides
    return keras.ops.subtract(middles, away[..., :2]), away[..., 2:] + middles


def _core(channels: int, classes: int) -> Model:
    make, layers = Convolutions(), keras.layers
    seen = keras.Input((None, None, channels), name="seen")
    flow, grids = make(seen, 16, 3, "stem", stride=2), []
    for stride, (wide, blocks) in zip(STRIDES, _DEPTHS, strict=True):
        flow = make(flow, wide, 3, f"down{stride}", stride=2)
        for number in range(blocks):
            inner = make(flow, wide, 3, f"block{stride}_{number}_a")
            inner = make.linear(inner, wide, 3, f"block{stride}_{number}_b")
            flow = layers.ReLU(name=f"block{stride}_{number}_relu")(layers.Add()([flow, inner]))
        grids.append(flow)
    necks = [make(grids[-1], _NECK, 1, f"neck{STRIDES[-1]}")]
    for stride, grid in reversed(list(zip(STRIDES[:-1], grids[:-1], strict=True))):
        up = layers.UpSampling2D(2, name=f"up{stride}")(necks[0])
        necks.insert(0, layers.Add()([up, make(grid, _NECK, 1, f"neck{stride}")]))
    told = [_head(make, neck, classes, stride) for stride, neck in zip(STRIDES, necks, strict=True)]
    return keras.Model(seen, layers.Concatenate(axis=1)(told), name="core")


def _head(make: Convolutions, neck: Tensor, classes: int, stride: int) -> Tensor:
    """Return the raw numbers of one grid, shape (batch, places, 4 + classes)."""
    layers = keras.layers
    seen = make(neck, _NECK, 3, f"smooth{stride}")
    where, what = (make(seen, _HEAD, 3, f"{name}{stride}") for name in ("where", "what"))
    rare = keras.initializers.Constant(float(np.log(_RARE / (1 - _RARE))))
    edges = layers.Conv2D(EDGES, 1, bias_initializer=keras.initializers.Constant(2.0), name=f"edges{stride}")(
        where
    )
    kinds = layers.Conv2D(classes, 1, bias_initializer=rare, name=f"kinds{stride}")(what)
    both = layers.Concatenate()([edges, kinds])
    return layers.Reshape((-1, EDGES + classes), name=f"told{stride}")(both)
