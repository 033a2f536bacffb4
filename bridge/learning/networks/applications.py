"""The backbones that Keras brings: which layer their last block begins at, and what their weights expect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from bridge.judging.spec import Input, Normalisation
from bridge.learning.backend import keras
from bridge.learning.levels import CAFFE, SYMMETRIC, UNIT, blue_first
from bridge.learning.networks.trunk import Trunk

_KERAS: Any = keras.applications


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One of them."""

    make: Callable[..., Any]
    last_block: str
    features: str
    """The layer whose output the head reads."""
    colour: Literal["rgb", "bgr"] = "rgb"
    normalisation: Normalisation = SYMMETRIC
    pool: int = 1
    smallest: int = 32
    """Pixels of width and height below which Keras refuses it."""


APPLICATIONS: Final = {
    "vgg16": Application(
        make=_KERAS.VGG16,
        last_block="block5_conv1",
        features="block5_conv3",
        colour="bgr",
        normalisation=blue_first(CAFFE),
        pool=2,
    ),
    "vgg19": Application(
        make=_KERAS.VGG19,
        last_block="block5_conv1",
        features="block5_conv4",
        colour="bgr",
        normalisation=blue_first(CAFFE),
        pool=2,
    ),
    "resnet50": Application(
        make=_KERAS.ResNet50,
        last_block="conv5_block1_1_conv",
        features="conv5_block3_out",
        colour="bgr",
        normalisation=blue_first(CAFFE),
    ),
    "resnet152": Application(
        make=_KERAS.ResNet152,
        last_block="conv5_block1_1_conv",
        features="conv5_block3_out",
        colour="bgr",
        normalisation=blue_first(CAFFE),
    ),
    "xception": Application(
        make=_KERAS.Xception, last_block="block13_sepconv1_act", features="block14_sepconv2_act", smallest=71
    ),
    "mobilenet_v2": Application(make=_KERAS.MobileNetV2, last_block="block_16_expand", features="out_relu"),
    "mobilenet_v2_fine": Application(
        make=_KERAS.MobileNetV2, last_block="block_11_expand", features="block_13_expand_relu"
    ),
    "efficientnet_v2_b0": Application(
        make=_KERAS.EfficientNetV2B0,
        last_block="block6a_expand_conv",
        features="top_activation",
        normalisation=UNIT,
    ),
}


def whole(name: str, into: Input, weights: str | None) -> Any:
    """Return Keras' model without its top, up to its very last layer: what a file of weights fits.

    Args:
        name: which.
        into: what it is shown.
        weights: ``imagenet`` for Keras' own download, or None.
    """
    extra = {"include_preprocessing": False} if name.startswith("efficientnet") else {}
    shape = (into.height, into.width, into.channels)
    return APPLICATIONS[name].make(weights=weights, include_top=False, input_shape=shape, **extra)


def trunk(name: str, model: Any) -> Trunk:
    """Return the trunk that ends where the head reads."""
    one = APPLICATIONS[name]
    return Trunk(
        model=keras.Model(model.input, model.get_layer(one.features).output, name=name),
        last_block=one.last_block,
        colour=one.colour,
        normalisation=one.normalisation,
        pool=one.pool,
    )
