"""What a network costs to run: multiply-adds, counted layer by layer from the shapes of its graph."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from bridge.learning.backend import keras

Model = Any


def multiply_adds(model: Model) -> int:
    """Return the multiply-adds of one picture, in convolutions and dense layers; all else is small beside them.

    A layer of our own that has many says how many, as ``multiply_adds``.

    A multiply-add counts as one here, and as two floating-point operations (FLOPs) in ``flops``. Many papers
    say FLOPs for what is counted here.
    """
    return sum(_layer(layer) for layer in _layers(model))


def flops(model: Model) -> int:
    """Return the floating-point operations of one picture: two for each multiply-add."""
    return 2 * multiply_adds(model)


def _layers(model: Model) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _layer(layer: Any) -> int:
    kinds = keras.layers
    if isinstance(layer, kinds.Dense):
        return int(layer.kernel.shape[0] * layer.kernel.shape[1])
    if isinstance(layer, kinds.SeparableConv2D):
        return _places(layer) * int(_each(layer.depthwise_kernel) + _each(layer.pointwise_kernel))
    if isinstance(layer, kinds.DepthwiseConv2D):
        return _places(layer) * _each(layer.kernel)
    if isinstance(layer, kinds.Conv2D):
        return _places(layer) * _each(layer.kernel)
    return int(getattr(layer, "multiply_adds", 0))


def _places(layer: Any) -> int:
    """Return rows times columns of what a layer gives."""
    _, rows, columns, _ = layer.output.shape
    return int(rows * columns)


def _each(kernel: Any) -> int:
    """Return the numbers of a kernel, each of which is used once at every place."""
    return math.prod(kernel.shape)
