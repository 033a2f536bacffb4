"""What turns the last features of a backbone into logits: five heads, each of which can say what it looked at.

Grad-CAM weighs the features by the spatial mean of the gradient, ``alpha_ck = mean_ij d logit_c / d A_kij``
(Selvaraju et al., 2017, equation 1). For heads of our own it needs no gradient: pooled and linear heads have the
same weights for every picture, and for dense-relu-dense they are a product of two kernels, masked by the hidden
units that are lit. As the mean over space is linear it is taken of the kernel, once, before anything is
multiplied, so that the heat map costs next to nothing and any inference engine can run it.

The paper on coated bolts compares ``fc``, ``gap`` and ``svm``. It states dropout 0.5 for the first two, L2 and the
squared hinge (scikit-learn's defaults) for the third, and calls all of them classifiers of the features that the
convolutions extract. It states neither the width of the hidden layer nor whether the SVM sees pooled features.
Ours sees all of them: only then are there many more numbers than pictures, so that it fits its training set
without an error, as the paper reports and calls overfitted. A linear SVM over pooled features is ``gap`` with
another loss.

``local`` is ours, for defects that are small beside the part. The others average over the part, so what a heat map
shows is a by-product; ``local`` judges each place by itself and lets the worst one speak for the part, softly: the
logarithm of the mean of exponentials (Pinheiro and Collobert, 2015) of how much more the place looks like a defect
than like OK. Labels of whole pictures teach it places.

Logits of ``svm`` are margins, one class against the rest. A softmax of margins, after the temperature of the
manifest, is p as for any other head. A margin has no scale of a probability, so there the temperature is no
refinement: it is what makes p mean anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.learning.backend import keras

Model: TypeAlias = Any
"""A ``keras.Model``; Keras ships no types."""
Tensor: TypeAlias = Any
"""A tensor of whatever backend, or Keras' symbol of one."""

_HIDDEN, _LOGITS, _STANDARD = "hidden", "logits", "standard"
_SMALLEST = 0.01
"""Of the mean deviation: what hardly ever differs is not blown up."""
UNITS = 256
"""Of the hidden layer of ``fc``; a small set cannot teach VGG16's 4,096."""


class Kind(StrEnum):
    """How features become logits."""

    FC = "fc"
    """All features, a hidden layer, dropout before each layer: the paper's choice."""
    GAP = "gap"
    """The mean of each channel; few weights, so the last to overfit."""
    SVM = "svm"
    """All features, linear, squared hinge."""
    AVGMAX = "avgmax"
    """Mean and maximum of each channel: what is everywhere, and what is in one place only."""
    LOCAL = "local"
    """Each place by itself; the part is as bad as its worst place."""


_EVERY_PLACE = (Kind.FC, Kind.SVM)


def standardised(kind: Kind) -> bool:
    """Return whether a head measures what it reads in units of its deviation, see ``Head.standardise``."""
    return kind not in _EVERY_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head and the closed form of what it looks at."""

    kind: Kind
    model: Model
    """From features (batch, rows, columns, channels) to logits (batch, classes), float32."""
    pool: int = 1
    """The head first takes the maximum of so many rows and columns."""
    ok: tuple[int, ...] = ()
    """The places of the classes that are OK; only ``local`` needs to know."""

    def loss(self) -> Any:
        """Return the loss of logits against labels: the place of the class, shape (batch,)."""
        return OneAgainstRest() if self.kind is Kind.SVM else _crossentropy()

    def channel_weights(self, features: Tensor) -> Tensor:
        """Return Grad-CAM's weights: the mean over space of d logit / d feature, shape (batch, classes, channels).

        Args:
            features: shape (batch, rows, columns, channels); a tensor, or Keras' symbol inside a layer's call.
        """
        fixed, ops = self.fixed_weights(), keras.ops
        if fixed is None:
            return self._through_hidden(features)
        return ops.broadcast_to(fixed[None], (ops.shape(features)[0], *fixed.shape))

    def fixed_weights(self) -> Tensor | None:
        """Return the weights, shape (classes, channels), where they are the same for every picture; else None."""
        ops, (cells, seen, channels) = keras.ops, self._sizes()
        if self.kind is Kind.FC:
            return None
        kernel = self._kernel(_LOGITS)
        if self.kind is Kind.GAP:
            total = kernel
        elif self.kind is Kind.AVGMAX:
            total = kernel[:channels] + kernel[channels:]
        elif self.kind is Kind.LOCAL:
            total = kernel - _mean_of(kernel, self.ok)
        else:
            total = ops.sum(ops.reshape(kernel, (seen, channels, -1)), axis=0)
        return ops.transpose(total) / cells

    def standardise(self, features: Callable[[], Iterable[Tensor]]) -> None:
        """Measure each number that the head reads in units of its deviation; what the head says stays the same.

        Learning then moves all numbers alike, however large they are by nature. Heads that read every place by
        itself are left as they are: of so many numbers each must move little.

        Args:
            features: gives what the head will learn from, in batches; it is called twice.
        """
        if not standardised(self.kind):
            return
        ops, layer = keras.ops, self.model.get_layer(_STANDARD)
        before = keras.Model(self.model.input, layer.input)
        axes = tuple(range(len(layer.input.shape) - 1))

        def mean(number: Callable[[Tensor], Tensor]) -> NDArray[np.float64]:
            total, count = np.zeros(layer.mean.shape), 0
            for some in features():
                seen = before(ops.convert_to_tensor(some), training=False)
                rows = np.asarray(ops.convert_to_numpy(number(ops.cast(seen, "float32"))), np.float64)
                total, count = total + rows.sum(axis=axes), count + math.prod(rows.shape[:-1])
            return np.asarray(total / count)

        centre = mean(lambda seen: seen)
        deviation = np.sqrt(mean(lambda seen: ops.square(seen - ops.convert_to_tensor(centre, "float32"))))
        scale = 1 / np.maximum(deviation, max(_SMALLEST * deviation.mean(), 1e-9))
        layer.replace(centre, scale, self.model.get_layer(_LOGITS))

    def _kernel(self, name: str) -> Tensor:
        """Return the weights of a layer, of numbers that are not standardised."""
        kernel = keras.ops.cast(self.model.get_layer(name).kernel, "float32")
        if not standardised(self.kind):
            return kernel
        return keras.ops.cast(self.model.get_layer(_STANDARD).scale, "float32")[:, None] * kernel

    def _sizes(self) -> tuple[int, int, int]:
        """Return the places of the features, the places left after shrinking, and the channels."""
        _, rows, columns, channels = self.model.input_shape
        return rows * columns, (rows // self.pool) * (columns // self.pool), channels

    def _through_hidden(self, features: Tensor) -> Tensor:
        """Multiply the kernels of both layers, each picture with the hidden units that it lights."""
        ops, (cells, seen, channels) = keras.ops, self._sizes()
        flat = ops.cast(ops.reshape(_shrunk(features, self.pool), (-1, seen * channels)), "float32")
        lit = ops.cast(self.model.get_layer(_HIDDEN)(flat) > 0, "float32")
        first = ops.sum(ops.reshape(self._kernel(_HIDDEN), (seen, channels, -1)), axis=0) / cells
        last = ops.transpose(self._kernel(_LOGITS))  # (classes, units)
        return ops.matmul(lit[:, None, :] * last[None], ops.transpose(first))


def build(
    kind: Kind,
    features: tuple[int, int, int],
    classes: int,
    *,
    ok: Sequence[int] = (),
    pool: int = 1,
    l2: float = 1e-3,
    units: int = UNITS,
) -> Head:
    """Return an untrained head.

    Args:
        kind: which.
        features: rows, columns and channels.
        classes: two or more.
        ok: the places of the classes that are OK; ``local`` must know.
        pool: take the maximum of so many rows and columns first, as VGG does between its last convolution and its
            classifier; the heat map then has the finer grid from before.
        l2: the penalty of ``svm``, times the sum of squares. scikit-learn's C = 1 is 1 / (2 x pictures).
        units: of the hidden layer of ``fc``.

    Raises:
        ValueError: ``local`` is not told which classes are OK.
    """
    if kind is Kind.LOCAL and not ok:
        raise ValueError("a local head must know which classes are OK")
    seen = keras.Input(features, name="features")
    flow = _gathered(kind, _shrunk(seen, pool), units)
    penalty = keras.regularizers.L2(l2) if kind is Kind.SVM else None
    logits = keras.layers.Dense(classes, kernel_regularizer=penalty, dtype="float32", name=_LOGITS)(flow)
    if kind is Kind.LOCAL:
        logits = WorstPlace(ok)(logits)
    return Head(kind=kind, model=keras.Model(seen, logits, name=f"head_{kind}"), pool=pool, ok=tuple(ok))


def _gathered(kind: Kind, flow: Tensor, units: int) -> Tensor:
    """Return what the last layer reads, with dropout."""
    layers, standard = keras.layers, Standard(name=_STANDARD, dtype="float32")
    if kind is Kind.LOCAL:
        return layers.SpatialDropout2D(0.5)(standard(flow))
    if kind is Kind.GAP:
        return layers.Dropout(0.5)(standard(layers.GlobalAveragePooling2D()(flow)))
    if kind is Kind.AVGMAX:
        pooled = [layers.GlobalAveragePooling2D()(flow), layers.GlobalMaxPooling2D()(flow)]
        return layers.Dropout(0.3)(standard(layers.Concatenate()(pooled)))
    flat = layers.Flatten()(flow)
    if kind is Kind.SVM:
        return flat
    hidden = layers.Dense(units, activation="relu", name=_HIDDEN)(layers.Dropout(0.5)(flat))
    return layers.Dropout(0.5)(hidden)


@keras.saving.register_keras_serializable("aoi_bridge")
class Standard(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Takes from each number along the last axis its mean, and multiplies by a scale; at first it does nothing."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make room for a mean and a scale of each number."""
        shape = (input_shape[-1],)
        self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean")
        self.scale = self.add_weight(shape=shape, initializer="ones", trainable=False, name="scale")

    def call(self, numbers: Tensor) -> Tensor:
        """Return numbers of the same shape."""
        return (numbers - self.mean) * self.scale

    def replace(self, mean: NDArray[np.float64], scale: NDArray[np.float64], reader: Any) -> None:
        """Take another mean and scale, and let the dense layer that reads the numbers say the same as before."""
        kernel, bias, was, old = (
            np.asarray(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(one)), np.float64)
            for one in (reader.kernel, reader.bias, self.mean, self.scale)
        )
        plain = old[:, None] * kernel
        reader.bias.assign(bias + (mean - was) @ plain)
        reader.kernel.assign(plain / scale[:, None])
        self.mean.assign(mean)
        self.scale.assign(scale)


@keras.saving.register_keras_serializable("aoi_bridge")
class WorstPlace(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """From logits of each place to logits of the picture: log mean exp over places of a defect's lead over OK.

    An OK class gets the mean of its lead over the mean of them: nothing, where there is one.
    """

    def __init__(self, ok: Sequence[int], **options: Any) -> None:
        super().__init__(**{"name": "worst_place", "dtype": "float32", **options})
        self.ok = tuple(ok)

    def call(self, places: Tensor) -> Tensor:
        """Return logits, shape (batch, classes), of logits (batch, rows, columns, classes)."""
        ops, (_, rows, columns, classes) = keras.ops, places.shape
        lead = places - _mean_of(places, self.ok)
        worst = ops.logsumexp(lead, axis=(1, 2)) - math.log(rows * columns)
        is_ok = ops.convert_to_tensor([float(label in self.ok) for label in range(classes)])
        return is_ok * ops.mean(lead, axis=(1, 2)) + (1 - is_ok) * worst

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return batch and classes."""
        return input_shape[0], input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        """Return what it takes to make it again."""
        return {**super().get_config(), "ok": self.ok}


@keras.saving.register_keras_serializable("aoi_bridge")
class OneAgainstRest(keras.losses.Loss):  # type: ignore[misc]  # Keras ships no types
    """The squared hinge of a linear SVM: each class against the rest, summed, as scikit-learn's LinearSVC."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each picture, shape (batch,).

        Args:
            y_true: the place of the class, shape (batch,) or (batch, 1).
            y_pred: margins, shape (batch, classes).
        """
        ops, classes = keras.ops, y_pred.shape[-1]
        side = 2 * ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), classes, dtype=y_pred.dtype) - 1
        return ops.sum(ops.square(ops.maximum(1 - side * y_pred, 0)), axis=-1)


def _mean_of(values: Tensor, chosen: Sequence[int]) -> Tensor:
    """Return the mean of these along the last axis, which stays."""
    return sum(values[..., one : one + 1] for one in chosen) / len(chosen)


def _crossentropy() -> Any:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _shrunk(features: Tensor, pool: int) -> Tensor:
    return features if pool == 1 else keras.ops.max_pool(features, pool, pool, "valid")
