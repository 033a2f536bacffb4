"""How a picture looks: brightness, contrast and sharpness, so that an old lamp shows before verdicts suffer.

What is measured is what the model is shown, before it is normalised and without the grey around a letterbox: a
part that lies elsewhere, or what moves behind it, is no change of the light; blur too fine for the model is none
of its troubles; and the cost does not grow with the camera. Figures compare only with those of the same view and
the same size of the model's input.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from bridge.judging.preprocess import Cut
from bridge.judging.spec import Colour
from bridge.messages import PictureFacts

MOST: Final = 256
"""Of more than this squared, every second pixel either way is looked at, or every third …"""
SMALL: Final = 64
"""A picture is shrunk by the largest whole number that leaves its shorter side so long: noise is no sharpness."""
_DIGITS: Final = 3
_TO_GREY: Final = {"rgb": cv2.COLOR_RGB2GRAY, "bgr": cv2.COLOR_BGR2GRAY}


def measured(cut: Cut, colour: Colour) -> PictureFacts:
    """Return how the region of interest looks in which the model is asked."""
    shown, place = cut.picture, cut.inside
    if place is not None:
        shown = shown[place.top : place.top + place.height, place.left : place.left + place.width]
    height, width = shown.shape[:2]
    if (every := int(sqrt(height * width) / MOST)) > 1:
        few = (max(1, width // every), max(1, height // every))
        shown = np.asarray(cv2.resize(shown, few, interpolation=cv2.INTER_NEAREST), np.uint8)
    grey = shown.reshape(shown.shape[:2]) if colour == "gray" else cv2.cvtColor(shown, _TO_GREY[colour])
    return facts_of(np.asarray(grey, np.uint8))


def facts_of(grey: npt.NDArray[np.uint8]) -> PictureFacts:
    """Return how a grey picture looks; (height, width), 8 bits.

    Sharpness is the variance of the Laplacian (J. L. Pech-Pacheco et al., Diatom autofocusing in brightfield
    microscopy, ICPR 2000).
    """
    mean, deviation = cv2.meanStdDev(grey)
    _, edges = cv2.meanStdDev(cv2.Laplacian(_shrunk(grey), cv2.CV_16S))
    figures = (float(one[0, 0]) for one in (mean, deviation, edges**2))
    brightness, contrast, sharpness = (round(one, _DIGITS) for one in figures)
    return PictureFacts(brightness=brightness, contrast=contrast, sharpness=sharpness)


def _shrunk(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = grey.shape
    by = max(1, min(height, width) // SMALL)
    if by == 1:
        return grey
    size = (width // by, height // by)
    whole = grey[: size[1] * by, : size[0] * by]  # shrinking by a whole number is ten times as fast
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
