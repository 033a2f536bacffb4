"""GoogLeNet: Szegedy et al., "Going deeper with convolutions", 2015, table 1, with batch normalisation.

The two helper classifiers of the paper are left out: batch normalisation trains the depth without them.
"""

from __future__ import annotations

from typing import Final

from bridge.judging.spec import Input
from bridge.learning.backend import keras
from bridge.learning.levels import UNIT
from bridge.learning.networks.trunk import Convolutions, Tensor, Trunk, halved

_MODULES: Final = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of 1 x 1; before 3 x 3, 3 x 3; before 5 x 5, 5 x 5; after the maximum."""
_conv = Convolutions()


def trunk(into: Input) -> Trunk:
    """Return the network up to its last features, a thirty-second of the picture's size and 1,024 channels."""
    seen = keras.Input((into.height, into.width, into.channels), name="picture")
    flow = halved(_conv(seen, 64, 7, "conv1", stride=2), "pool1")
    flow = halved(_conv(_conv(flow, 64, 1, "conv2_reduce"), 192, 3, "conv2"), "pool2")
    for name, channels in _MODULES.items():
        flow = _module(flow, channels, name)
        if name in {"3b", "4e"}:
            flow = halved(flow, f"pool{name[0]}")
    # 5a has four ways that begin at the same place; the pooling before it is where all of them pass
    return Trunk(model=keras.Model(seen, flow, name="googlenet"), last_block="5a_1x1_conv", normalisation=UNIT)


def _module(flow: Tensor, channels: tuple[int, ...], name: str) -> Tensor:
    one, before3, three, before5, five, after = channels
    small = _conv(flow, one, 1, f"{name}_1x1")
    middle = _conv(_conv(flow, before3, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3")
    large = _conv(_conv(flow, before5, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5")
    most = keras.layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(flow)
    return keras.layers.Concatenate(name=f"{name}_out")(
        [small, middle, large, _conv(most, after, 1, f"{name}_proj")]
    )
