"""Where a network looked: Grad-CAM of any layer by true gradient, and in closed form for the graph of the line.

``explained`` is what is exported: logits, and of the last features a heat map of each class that costs one small
product beside the network. ``by_gradient`` differentiates, at any layer, and is what the other is held to.

What is asked of a class is why it and not the other verdict: the score differentiated is ``logit_c`` less the mean
logit of the classes of the other verdict (``contrast``). A softmax, and so the verdict, does not change when all
logits rise together; a class's own logit does, and a part of its map then shows what speaks for every class alike.

A map covers exactly what the model was shown: its corners are the corners of the region of interest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass
from bridge.learning import backend
from bridge.learning.backend import keras
from bridge.learning.heads import Head, Model, Tensor
from bridge.learning.networks import looks

Maps: TypeAlias = NDArray[np.float32]
"""Shape (batch, rows, columns)."""
Weights: TypeAlias = NDArray[np.float32]
"""What is asked of the logits, shape (batch, classes): the score is their product."""
Pictures: TypeAlias = NDArray[np.float32]
"""Normalised, shape (batch, height, width, channels)."""


class Network(Protocol):
    """What is needed of a network: models that share their layers."""

    @property
    def lower(self) -> Model | None:
        """From a normalised picture to what the last block reads; None where the block reads the picture."""

    @property
    def block(self) -> Model:
        """From there to the last features."""

    @property
    def head(self) -> Head:
        """From the last features to logits."""

    @property
    def once(self) -> Model:
        """From a normalised picture to logits, at one look."""

    @property
    def looks(self) -> int:
        """So many looks at each picture, of which the mean logits count."""


LAST: Final = "last"
"""The name of the features that the head reads, whatever the backbone calls them."""


def contrast(classes: Sequence[ModelClass]) -> NDArray[np.float32]:
    """Return, as row c, what is asked of the logits for class c: it less the mean of the other verdict's."""
    ok = np.array([one.verdict == "OK" for one in classes])
    other = ok[:, None] != ok[None, :]
    return np.asarray(np.eye(len(classes)) - other / np.maximum(other.sum(axis=1, keepdims=True), 1), np.float32)


class _HeatMap(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Grad-CAM at the features of a head, in closed form."""

    def __init__(self, head: Head, asked: NDArray[np.float32]) -> None:
        super().__init__(name="heat_map", trainable=False, dtype="float32")
        self._head, self._asked, self._shared = head, asked, head.model

    def call(self, features: Tensor) -> Tensor:
        """Return ReLU(sum_k alpha_ck A_k), shape (batch, rows, columns, classes)."""
        ops = keras.ops
        _, rows, columns, channels = self._head.model.input_shape
        fixed = self._head.fixed_weights()
        weights = self._head.channel_weights(features) if fixed is None else fixed
        weights = ops.matmul(ops.convert_to_tensor(self._asked), weights)
        flat = ops.reshape(features, (-1, rows * columns, channels))
        maps = ops.relu(ops.matmul(flat, ops.swapaxes(weights, -1, -2)))
        return ops.reshape(maps, (-1, rows, columns, len(self._asked)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the features' shape with classes in place of channels."""
        return (*input_shape[:3], len(self._asked))


def explained(network: Network, classes: Sequence[ModelClass]) -> Model:
    """Return the network as it goes to the line: a picture in, ``logits`` and ``heat_map`` out.

    ``heat_map`` has the shape (batch, rows, columns, classes) and is 0 or more. The model shares its layers with
    the network, so what is learnt afterwards counts as well.
    """
    entry = network.block if network.lower is None else network.lower
    seen = keras.Input(entry.input.shape[1:], name="picture")
    looked = seen if network.looks == 1 else looks.AtAll(network.looks)(seen)
    lower = looked if network.lower is None else network.lower(looked, training=False)
    features = network.block(lower, training=False)
    logits = network.head.model(features, training=False)
    maps = _HeatMap(network.head, contrast(classes))(features)
    if network.looks > 1:
        logits, maps = (
            looks.Agreed(network.looks, name)(one) for name, one in (("agreed", logits), ("map", maps))
        )
    return keras.Model(seen, {"logits": logits, "heat_map": maps}, name="explained")


def by_gradient(network: Network, pictures: Pictures, asked: Weights, layer: str = LAST) -> Maps:
    """Return Grad-CAM, ReLU(sum_k mean_ij(d score / d A_kij) A_k), at any layer; the mean of all looks.

    Args:
        network: any.
        pictures: what it is shown.
        asked: for each picture what is asked of the logits, for instance ``contrast(classes)[labels]``.
        layer: ``last``, or one of ``layers``.

    Raises:
        ConfigError: the network has no such layer.
    """
    looked = np.asarray(keras.ops.convert_to_numpy(looks.at_all(pictures, network.looks)))
    slopes, features = _sloped(network, looked, np.tile(asked, (network.looks, 1)), layer)
    weights = slopes.mean(axis=(1, 2), keepdims=True)
    maps = np.asarray(np.maximum((weights * features).sum(axis=-1), 0), np.float32)
    return np.asarray(keras.ops.convert_to_numpy(looks.turned_back(maps, network.looks)))


def layers(network: Network) -> list[str]:
    """Return the layers that a heat map can be made of, from the picture on; the last one is ``last``."""
    grids = [one.name for one in _walk(network.once) if _grid(one) is not None]
    return [*dict.fromkeys(grids), LAST]


def _sloped(network: Network, pictures: Pictures, asked: Weights, layer: str) -> tuple[Pictures, Pictures]:
    """Return the gradient of the scores at a layer, and what the layer gave."""
    shown, wanted = keras.ops.convert_to_tensor(pictures), keras.ops.convert_to_tensor(asked)
    if layer == LAST:
        lower = shown if network.lower is None else network.lower(shown, training=False)
        features = network.block(lower, training=False)
        return backend.gradient(
            lambda seen: (keras.ops.sum(network.head.model(seen, training=False) * wanted), seen),
            np.asarray(keras.ops.convert_to_numpy(features), np.float32),
        )
    place = _found(network, layer)

    def score(shift: Tensor) -> tuple[Tensor, Tensor]:
        with _shifted(place, shift) as given:
            number = keras.ops.sum(network.once(shown, training=False) * wanted)
        return number, given[-1]

    return backend.gradient(score, np.zeros((len(pictures), *_grid(place)), np.float32))  # type: ignore[misc]


@contextmanager
def _shifted(layer: Any, shift: Tensor) -> Iterator[list[Tensor]]:
    """Add to what a layer gives; the gradient of the shift at 0 is that of the features, on every backend.

    It also works inside models within models, and where other ways lead past the layer: nothing is cut.
    """
    given: list[Tensor] = []
    plain = layer.call

    def call(*args: Any, **options: Any) -> Tensor:
        given.append(plain(*args, **options) + keras.ops.cast(shift, layer.compute_dtype))
        return given[-1]

    layer.call = call
    try:
        yield given
    finally:
        layer.call = plain


def _found(network: Network, name: str) -> Any:
    found = next((one for one in _walk(network.once) if one.name == name and _grid(one) is not None), None)
    if found is None:
        names = layers(network)
        some = ", ".join(names if len(names) < 9 else [*names[-8:-1:2], LAST])  # noqa: PLR2004 - one line
        raise ConfigError(f"--layers {name}", "the network has no such layer", f"write for instance {some}")
    return found


def _walk(model: Model) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _walk(layer)
        else:
            yield layer


def _grid(layer: Any) -> tuple[int, int, int] | None:
    """Return rows, columns and channels of what a layer gives; None where it is no grid of features."""
    if isinstance(layer, keras.layers.InputLayer):
        return None
    shape = getattr(layer.output, "shape", ())
    rows_and_columns = shape[1:3]
    return tuple(shape[1:]) if len(shape) == 4 and min(rows_and_columns) > 1 else None  # noqa: PLR2004
