"""What a family of networks gives: a trunk from picture to features, and where its last block begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from bridge.judging.spec import Normalisation
from bridge.learning.backend import keras, on_gpu
from bridge.learning.levels import SYMMETRIC

Model: TypeAlias = Any
"""A ``keras.Model``; Keras ships no types."""
Tensor: TypeAlias = Any
"""Keras' symbol of a tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A backbone without its head."""

    model: Model
    """From a normalised picture to the last convolution features, shape (batch, rows, columns, channels)."""
    last_block: str
    """The name of the layer at which the last block begins: what this one reads is all that the block reads."""
    colour: Literal["rgb", "bgr"] = "rgb"
    """The order of colours in which its weights were trained."""
    normalisation: Normalisation = SYMMETRIC
    """How pixels became numbers when its weights were trained."""
    pool: int = 1
    """The maximum of so many rows and columns belongs between features and head."""

    def cut(self) -> tuple[Model, Model]:
        """Return the part below the last block, and the last block."""
        border = self.model.get_layer(self.last_block).input
        return keras.Model(self.model.input, border, name="lower"), keras.Model(
            border, self.model.output, name="block"
        )


class Convolutions:
    """Builds what our own backbones are made of: convolution, batch normalisation, ReLU; with names that last."""

    def __init__(self, momentum: float = 0.9) -> None:
        self._momentum = momentum

    def __call__(
        self, flow: Tensor, filters: int, size: int, name: str, *, stride: int = 1, groups: int = 1
    ) -> Tensor:
        """Return normalised features with ReLU."""
        return keras.layers.ReLU(name=f"{name}_relu")(
            self.linear(flow, filters, size, name, stride=stride, groups=groups)
        )

    def linear(
        self, flow: Tensor, filters: int, size: int, name: str, *, stride: int = 1, groups: int = 1
    ) -> Tensor:
        """Return normalised features without ReLU, padded alike on all sides as in PyTorch and Caffe."""
        if size > 1 and stride > 1:
            flow = keras.layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(flow)
        kind = Grouped if groups > 1 else keras.layers.Conv2D
        shape = {"strides": stride, "padding": "same" if stride == 1 else "valid", "groups": groups}
        flow = kind(filters, size, use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv", **shape)(
            flow
        )
        return keras.layers.BatchNormalization(momentum=self._momentum, epsilon=1e-5, name=f"{name}_bn")(flow)


def halved(flow: Tensor, name: str) -> Tensor:
    """Return the maximum of 3 x 3 at every second place."""
    padded = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(flow)  # zeros are no maximum after a ReLU
    return keras.layers.MaxPooling2D(3, 2, name=name)(padded)


@keras.saving.register_keras_serializable("aoi_bridge")
class Grouped(keras.layers.Conv2D):  # type: ignore[misc]  # Keras ships no types
    """A grouped convolution that a processor can also learn: TensorFlow has no fast gradient of one.

    While its kernel learns, and no GPU is there, it multiplies matrices, one for each group: the same numbers, and
    for ResNeXt's last stage forty times faster. What is exported is the plain grouped convolution.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Return features, shape (batch, rows, columns, filters)."""
        if not self.trainable or on_gpu():
            return super().call(inputs)
        ops, (height, width) = keras.ops, self.kernel_size
        if self.padding == "same":
            inputs = ops.pad(inputs, ((0, 0), (height // 2,) * 2, (width // 2,) * 2, (0, 0)))
        down, across = self.strides
        rows = (inputs.shape[1] - height) // down + 1
        columns = (inputs.shape[2] - width) // across + 1
        shifted = [
            inputs[:, y : y + down * (rows - 1) + 1 : down, x : x + across * (columns - 1) + 1 : across]
            for y in range(height)
            for x in range(width)
        ]
        each = inputs.shape[3] // self.groups
        seen = [ops.reshape(one, (-1, rows * columns, self.groups, each)) for one in shifted]
        numbers = height * width * each
        left = ops.transpose(ops.concatenate(seen, axis=-1), (2, 0, 1, 3))
        left = ops.reshape(left, (self.groups, -1, numbers))
        right = ops.reshape(self.kernel, (numbers, self.groups, self.filters // self.groups))
        made = ops.matmul(left, ops.transpose(right, (1, 0, 2)))
        made = ops.reshape(made, (self.groups, -1, rows * columns, self.filters // self.groups))
        return ops.reshape(ops.transpose(made, (1, 2, 0, 3)), (-1, rows, columns, self.filters))
