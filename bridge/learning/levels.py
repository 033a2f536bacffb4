"""How pixels became numbers when the weights in circulation were trained; of three numbers, red comes first."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.judging.spec import Normalisation

SYMMETRIC: Final = Normalisation(scale=1 / 127.5, mean=(1.0,))
"""Pixels become -1 to 1: MobileNetV2, Xception, and all that is trained from nothing."""
CAFFE: Final = Normalisation(mean=(123.68, 116.779, 103.939))
"""ImageNet's mean colour is taken off: VGG and ResNet as their authors trained them, who put blue first."""
UNIT: Final = Normalisation(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""Each colour of ImageNet gets mean 0 and deviation 1: EfficientNetV2-B0, and what was trained with PyTorch."""


def blue_first(one: Normalisation) -> Normalisation:
    """Return the same for a picture whose channels are in the order of ``bgr``."""
    return replace(one, mean=one.mean[::-1], std=one.std[::-1])
