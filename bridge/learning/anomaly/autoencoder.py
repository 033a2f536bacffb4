"""EfficientAD's autoencoder: from a picture through 64 numbers back to what the teacher says of every place.

The encoder is the paper's (Batzner et al., WACV 2024, appendix). Decoders:

transposed  learned upsampling, after the impeller paper (METHODS.md, section 3): transposed convolutions that
            mirror the encoder, kernel 4 and stride 2, of which the one is a multiple of the other, so that every
            output is made of as many inputs and no checkerboard appears; no dropout. It ends on the grid of all
            places, a quarter of the picture's size, and the border that no teacher describes is cut off.
bilinear    the original: upsampling to fixed sizes, convolutions of 4 x 4, dropout 0.2.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from bridge.learning.anomaly.pdn import BORDER, NUMBERS, STEP, described
from bridge.learning.backend import keras
from bridge.learning.networks.trunk import Model, Tensor

LEVELS: Final = 5
"""So often the encoder halves the picture before it looks at all of it."""


class Decoder(StrEnum):
    """How the picture's numbers become places again."""

    TRANSPOSED = "transposed"
    BILINEAR = "bilinear"


_UPWARDS: Final = (3, 8, 15, 32, 63, 127)
"""The sizes of the original decoder for a picture of 256 x 256; in proportion for others."""


def build(decoder: Decoder, height: int, width: int) -> Model:
    """Return an autoencoder that has learnt nothing, from (batch, height, width, 3) to what a teacher says.

    Args:
        decoder: how it decodes.
        height: pixels, a multiple of 32, at least 64.
        width: pixels, same.
    """
    seen = keras.Input((height, width, 3), name="autoencoder_picture")
    flow = _encoded(seen, height, width)
    decode = _transposed if decoder is Decoder.TRANSPOSED else _bilinear
    flow = decode(flow, height, width)
    flow = _convolution(flow, 64, 3, "refine", padding="same")
    told = keras.layers.Conv2D(NUMBERS, 3, padding="same", name="decoded")(flow)
    return keras.Model(seen, told, name="autoencoder")


def _encoded(flow: Tensor, height: int, width: int) -> Tensor:
    for level, filters in enumerate((32, 32, 64, 64, 64)):
        flow = _convolution(flow, filters, 4, f"encode{level + 1}", strides=2, padding="same")
    whole = (height >> LEVELS, width >> LEVELS)
    return keras.layers.Conv2D(64, whole, name="encode_whole")(flow)


def _convolution(flow: Tensor, filters: int, kernel: int, name: str, **shape: object) -> Tensor:
    return keras.layers.Conv2D(filters, kernel, activation="relu", name=name, **shape)(flow)


def _transposed(flow: Tensor, height: int, width: int) -> Tensor:
    whole = (height >> LEVELS, width >> LEVELS)
    flow = keras.layers.Conv2DTranspose(64, whole, activation="relu", name="decode_whole")(flow)
    for level in range(LEVELS - 2):  # up to a quarter of the picture's size
        flow = keras.layers.Conv2DTranspose(
            64, 4, strides=2, padding="same", activation="relu", name=f"decode{level + 1}"
        )(flow)
    return keras.layers.Cropping2D(BORDER, name="described")(flow)


def _bilinear(flow: Tensor, height: int, width: int) -> Tensor:
    for level, size in enumerate(_UPWARDS):
        to = tuple(max(1, round(size * side / 256)) for side in (height, width))
        flow = keras.layers.Resizing(*to, interpolation="bilinear", name=f"upward{level + 1}")(flow)
        flow = keras.layers.ZeroPadding2D(2, name=f"edge{level + 1}")(flow)
        flow = _convolution(flow, 64, 4, f"decode{level + 1}")
        flow = keras.layers.Dropout(0.2, name=f"drop{level + 1}")(flow)
    to = (described(height), described(width))
    return keras.layers.Resizing(*to, interpolation="bilinear", name="upward_last")(flow)


def fits(height: int, width: int) -> bool:
    """Return whether pictures of this size can be encoded."""
    step = 1 << LEVELS
    return (
        height % step == width % step == 0
        and min(height, width) >= 2 * step
        and min(height, width) >= STEP * (2 * BORDER + 1)
    )
