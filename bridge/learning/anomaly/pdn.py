"""Patch description networks (Batzner et al., "EfficientAD", WACV 2024, appendix): shallow convolutions.

Every output describes 33 x 33 pixels, and outputs are four pixels apart. Nothing is padded, so that of a picture
of 256 x 256 the middle 56 x 56 of 64 x 64 places are described; the four at each side are not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from bridge.learning.backend import keras
from bridge.learning.networks.trunk import Model

NUMBERS: Final = 384
"""What a place is described by."""
STEP: Final = 4
"""Pixels from one place to the next."""
BORDER: Final = 4
"""Places at each side that are not described."""


class Size(StrEnum):
    """How large the network is."""

    SMALL = "small"
    """Four convolutions, 2.7 million weights as a teacher."""
    MEDIUM = "medium"
    """Six convolutions, twice as wide, 8.0 million."""


_LAYERS: Final = {
    Size.SMALL: ((128, 4), "pool", (256, 4), "pool", (256, 3), (0, 4)),
    Size.MEDIUM: ((256, 4), "pool", (512, 4), "pool", (512, 1), (512, 3), (0, 4), (0, 1)),
}
"""Filters and kernel of each convolution; 0 filters: as many as the network says. Poolings are means of 2 x 2."""


def build(size: Size, height: int, width: int, numbers: int = NUMBERS, name: str = "pdn") -> Model:
    """Return a network that has learnt nothing: from (batch, height, width, 3) to (batch, rows, columns, numbers).

    Args:
        size: how large.
        height: pixels, a multiple of 4 above 32.
        width: pixels, same.
        numbers: of each place; a student has twice those of its teacher.
        name: of the model, which begins the names of its layers.

    Rows are ``height / 4 - 8``, columns ``width / 4 - 8``.
    """
    seen = keras.Input((height, width, 3), name=f"{name}_picture")
    flow, number = seen, 0
    layers = _LAYERS[size]
    for at, layer in enumerate(layers):
        if isinstance(layer, str):
            flow = keras.layers.AveragePooling2D(2, 2, name=f"{name}_pool{number}")(flow)
            continue
        number += 1
        filters, kernel = layer
        last = at == len(layers) - 1
        flow = keras.layers.Conv2D(
            filters or numbers, kernel, activation=None if last else "relu", name=f"{name}_conv{number}"
        )(flow)
    return keras.Model(seen, flow, name=name)


def described(pixels: int) -> int:
    """Return how many places in a row of so many pixels are described."""
    return pixels // STEP - 2 * BORDER
