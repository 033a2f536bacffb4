"""How pixels become numbers, by the names in use among people who train models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from bridge.errors import ConfigError
from bridge.judging.spec import Input, Normalisation

NORMALISATIONS: Final[Mapping[str, tuple[float, tuple[float, ...], tuple[float, ...]]]] = {
    "imagenet": (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "-1..1": (1 / 127.5, (1.0,), (1.0,)),
    "0..1": (1 / 255, (0.0,), (1.0,)),
    "0..255": (1.0, (0.0,), (1.0,)),
    "caffe": (1.0, (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
}
"""Scale, mean and standard deviation; of three numbers, red comes first."""


def normalisation(text: str, into: Input) -> Normalisation:
    """Return what a user calls a normalisation: a name, or ``scale,mean,std`` with one number or one per channel.

    Raises:
        ConfigError: neither, or one for colours where the model sees gray.
    """
    return _named(text, into) if text in NORMALISATIONS else _numbered(text, into)


def _named(name: str, into: Input) -> Normalisation:
    scale, mean, std = NORMALISATIONS[name]
    if len(mean) > 1 and into.colour == "gray":
        raise ConfigError(f"--normalise {name}", "is for colours and --colour is gray", "write scale,mean,std")
    order = -1 if into.colour == "bgr" else 1
    return Normalisation(scale=scale, mean=mean[::order], std=std[::order])


def _numbered(text: str, into: Input) -> Normalisation:
    try:
        scale, *rest = map(float, text.split(","))
    except ValueError:
        scale, rest = 0.0, []
    each = len(rest) // 2
    mean, std = tuple(rest[:each]), tuple(rest[each:])
    fits = len(mean) == len(std) and each in {1, into.channels} and np.isfinite([scale, *rest]).all()
    if not fits or min(scale, *std) <= 0:
        ways = f"write {', '.join(NORMALISATIONS)} or scale,mean,std for (x * scale - mean) / std"
        raise ConfigError(f"--normalise {text}", "is no normalisation", ways)
    return Normalisation(scale=scale, mean=mean, std=std)
