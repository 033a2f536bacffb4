"""A small network of our own, about 60,000 parameters, to be trained from nothing."""

from __future__ import annotations

from bridge.judging.spec import Input
from bridge.learning.backend import keras
from bridge.learning.networks.trunk import Tensor, Trunk


def trunk(into: Input) -> Trunk:
    """Return five convolutions.

    Level and contrast are taken out first: a brightness that goes with a label must be no way to guess it.
    """
    seen = keras.Input((into.height, into.width, into.channels), name="picture")
    centred = seen - keras.ops.mean(seen, axis=(1, 2, 3), keepdims=True)
    spread = keras.ops.sqrt(keras.ops.mean(keras.ops.square(centred), axis=(1, 2, 3), keepdims=True))
    flow = _pool(_stage(centred / (spread + 0.05), 16, "stage1", size=5, stride=2))
    flow = _pool(_stage(_stage(flow, 32, "stage2"), 32, "stage3"))
    flow = _stage(_pool(_stage(flow, 48, "stage4")), 64, "stage5")
    return Trunk(model=keras.Model(seen, flow, name="small"), last_block="stage4_conv")


def _stage(flow: Tensor, filters: int, name: str, *, size: int = 3, stride: int = 1) -> Tensor:
    conv = keras.layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")
    flow = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(conv(flow))
    return keras.layers.ReLU(name=f"{name}_relu")(flow)


def _pool(flow: Tensor) -> Tensor:
    return keras.layers.MaxPooling2D(2, padding="same")(flow)
