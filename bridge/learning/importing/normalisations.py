"""How pixels become numbers, by the names in use among people who train models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from bridge.errors import ConfigError
from bridge.judging.spec import Input, Normalisation
from bridge.learning.levels import CAFFE, SYMMETRIC, UNIT, blue_first

NORMALISATIONS: Final[Mapping[str, Normalisation]] = {
    "imagenet": UNIT,
    "-1..1": SYMMETRIC,
    "0..1": Normalisation(scale=1 / 255),
    "0..255": Normalisation(),
    "caffe": CAFFE,
}
"""Of three numbers, red comes first."""


def normalisation(text: str, into: Input) -> Normalisation:
    """Return what a user calls a normalisation: a name, or ``scale,mean,std`` with one number or one per channel.

    Raises:
        ConfigError: neither, or one for colours where the model sees gray.
    """
    return _named(text, into) if text in NORMALISATIONS else _numbered(text, into)


def _named(name: str, into: Input) -> Normalisation:
    found = NORMALISATIONS[name]
    if len(found.mean) > 1 and into.colour == "gray":
        raise ConfigError(f"--normalise {name}", "is for colours and --colour is gray", "write scale,mean,std")
    return blue_first(found) if into.colour == "bgr" else found


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
