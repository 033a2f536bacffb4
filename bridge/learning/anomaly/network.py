"""What every anomaly network is: from a normalised picture to one number, higher the stranger, and a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bridge.judging.spec import Normalisation
from bridge.learning.backend import keras
from bridge.learning.networks.trunk import Model, Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyNetwork:
    """A trained network, ready for export."""

    whole: Model
    """From (batch, height, width, channels) to the anomaly, shape (batch, 1), and its map, shape (batch, rows,
    columns, 1) from 0 on."""
    normalisation: Normalisation
    """How its input is made from pixels."""
    colour: Literal["rgb", "bgr"] = "rgb"
    """The order of its channels."""
    unit: str = ""
    """What the number counts, in a few words."""
    exact: tuple[str, ...] = ()
    """Parts of names of layers that are never rounded to 8 bits."""
    seconds: float = 0.0
    """So long its training took, interruptions left out."""


@keras.saving.register_keras_serializable("aoi_bridge")
class Summed(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """From a map of any numbers to one: the mean of the highest share of it, at least the highest."""

    def __init__(self, share: float = 0.0, **named: Any) -> None:
        super().__init__(**named)
        self.share = share

    def call(self, inputs: Tensor) -> Tensor:
        """Return the anomaly, shape (batch, 1), of maps of shape (batch, rows, columns, 1)."""
        ops, cells = keras.ops, int(inputs.shape[1] * inputs.shape[2])
        flat = ops.reshape(inputs, (-1, cells))
        count = max(1, round(self.share * cells))
        if count == 1:
            return ops.max(flat, axis=1, keepdims=True)
        return ops.mean(ops.top_k(flat, count)[0], axis=1, keepdims=True)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the anomaly."""
        return (input_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """Return what it was made with."""
        return {**super().get_config(), "share": self.share}


def scored(seen: Tensor, raw: Tensor, share: float = 0.0, border: int = 0) -> Model:
    """Return the model from a picture to its anomaly and the map that is told.

    Args:
        seen: the picture.
        raw: the map, of any numbers; what is below 0 is told as 0.
        share: as ``Summed``.
        border: rows and columns of 0 around the map that is told.
    """
    told = keras.layers.ZeroPadding2D(border, name="border")(raw) if border else raw
    return keras.Model(seen, [Summed(share, name="anomaly")(raw), keras.layers.ReLU(name="heat_map")(told)])
