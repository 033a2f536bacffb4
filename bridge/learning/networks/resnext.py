"""ResNeXt-50 (32 x 4d) and the squeeze-and-excitation forms of ResNet-50 and ResNeXt-50: Keras has none of them.

Xie et al., "Aggregated residual transformations for deep neural networks", 2017; Hu et al.,
"Squeeze-and-excitation networks", 2018, reduction 16. The stride of a stage sits on its first 3 x 3 convolution,
as in PyTorch's networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.judging.spec import Input
from bridge.learning.backend import keras
from bridge.learning.levels import UNIT
from bridge.learning.networks.trunk import Convolutions, Tensor, Trunk, halved

_BLOCKS = (3, 4, 6, 3)
_conv = Convolutions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What sets the three apart."""

    groups: int = 1
    """Into so many the middle convolution of a block is divided."""
    width: int = 64
    """Channels of the middle convolution in the first stage; they double from stage to stage."""
    squeeze: int = 0
    """Channels are weighed by a bottleneck of a so-manieth of them; 0: they are not."""


FORMS: Final = {
    "resnext50": Form(groups=32, width=128),
    "se_resnet50": Form(squeeze=16),
    "se_resnext50": Form(groups=32, width=128, squeeze=16),
}


def trunk(into: Input, form: Form) -> Trunk:
    """Return the network up to its last features, a thirty-second of the picture's size and 2,048 channels."""
    seen = keras.Input((into.height, into.width, into.channels), name="picture")
    flow = halved(_conv(seen, 64, 7, "conv1", stride=2), "pool1")
    for stage, blocks in enumerate(_BLOCKS):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            flow = _block(flow, form, stage, f"conv{stage + 2}_block{block + 1}", stride)
    model = keras.Model(seen, flow, name="resnext" if form.groups > 1 else "resnet")
    return Trunk(model=model, last_block="conv5_block1_1_conv", normalisation=UNIT)


def _block(flow: Tensor, form: Form, stage: int, name: str, stride: int) -> Tensor:
    inner, outer = form.width * 2**stage, 256 * 2**stage
    made = _conv(flow, inner, 1, f"{name}_1")
    made = _conv(made, inner, 3, f"{name}_2", stride=stride, groups=form.groups)
    made = _conv.linear(made, outer, 1, f"{name}_3")
    if form.squeeze:
        made = _weighed(made, outer, outer // form.squeeze, name)
    past = _conv.linear(flow, outer, 1, f"{name}_0", stride=stride) if flow.shape[-1] != outer else flow
    return keras.layers.ReLU(name=f"{name}_out")(keras.layers.Add(name=f"{name}_add")([past, made]))


def _weighed(flow: Tensor, channels: int, narrow: int, name: str) -> Tensor:
    """Weigh each channel by what all of them show on average."""
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_squeeze")(flow)
    weight = keras.layers.Conv2D(narrow, 1, activation="relu", name=f"{name}_se_reduce")(mean)
    weight = keras.layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_se_expand")(weight)
    return keras.layers.Multiply(name=f"{name}_se")([flow, weight])
